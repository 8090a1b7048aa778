//! Making an ordinary clone of the vault's folder.

use std::sync::Arc;
use std::time::Duration;

use git2::{Repository, RepositoryInitOptions};
use task::Clock;

use crate::Settings;
use crate::engine::Engine;
use crate::git::Git;
use crate::report::SyncError;

/// Why synchronisation cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No address.
    #[error(
        "synchronise the vault: sync.remote is not set; name a private git repository, such as git@host:you/vault.git"
    )]
    NoRemote,
    /// The branch's name.
    #[error("synchronise the vault: sync.branch {0:?} is no branch's name")]
    Branch(String),
    /// The repository in the vault.
    #[error("{what} in {vault}: {}", cause.message())]
    Repository {
        /// What was tried.
        what: &'static str,
        /// The vault.
        vault: String,
        /// What libgit2 said.
        #[source]
        cause: git2::Error,
    },
    /// Everything else.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The thread.
    #[error("start the thread that synchronises: {0}")]
    Thread(std::io::Error),
}

/// Git must not translate line ends in files whose bytes are signed and compared.
const ATTRIBUTES: &str = "* -text\n";

pub(crate) fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<Engine, OpenError> {
    let remote =
        settings.config.remote.clone().filter(|r| !r.trim().is_empty()).ok_or(OpenError::NoRemote)?;
    let branch = &settings.config.branch;
    if !git2::Reference::is_valid_name(&format!("refs/heads/{branch}")) || branch.starts_with('-') {
        return Err(OpenError::Branch(branch.clone()));
    }
    let vault = settings.vault.root().display().to_string();
    let fail = |what| {
        let vault = vault.clone();
        move |cause| OpenError::Repository { what, vault, cause }
    };
    let root = settings.vault.root();
    let repo = if root.join(".git").exists() {
        Repository::open(root).map_err(fail("open git"))?
    } else {
        let mut options = RepositoryInitOptions::new();
        options.external_template(false).no_reinit(true).initial_head(branch);
        Repository::init_opts(root, &options).map_err(fail("set up git"))?
    };
    let mut config = repo.config().map_err(fail("configure git"))?;
    let own_ssh = config.get_string("core.sshCommand").is_ok();
    let wanted = [("core.autocrlf", "false"), ("core.fileMode", "false")];
    for (name, value) in wanted {
        if config.get_string(name).ok().as_deref() != Some(value) {
            config.set_str(name, value).map_err(fail("configure git"))?;
        }
    }
    let known = repo.find_remote("origin").ok().and_then(|r| r.url().ok().map(str::to_owned));
    match known {
        Some(known) if known == remote => {}
        Some(_) => repo.remote_set_url("origin", &remote).map_err(fail("name the remote"))?,
        None => drop(repo.remote("origin", &remote).map_err(fail("name the remote"))?),
    }
    let info = repo.path().join("info");
    let attributes = info.join("attributes");
    if std::fs::read_to_string(&attributes).ok().as_deref() != Some(ATTRIBUTES) {
        std::fs::create_dir_all(&info)
            .and_then(|()| std::fs::write(&attributes, ATTRIBUTES))
            .map_err(|e| fail("configure git")(git2::Error::from_str(&e.to_string())))?;
    }
    let git = Git {
        directory: repo.path().to_owned(),
        timeout: Duration::from_secs(settings.config.timeout_seconds.max(1)),
        own_ssh,
    };
    drop(config);
    Ok(Engine::new(settings, clock, repo, git)?)
}
