//! Making an ordinary clone of the vault's folder.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use git2::{Repository, RepositoryInitOptions};
use task::Clock;

use crate::Settings;
use crate::engine::Engine;
use crate::git::Git;
use crate::report::SyncError;
use crate::transport::Transport;

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

/// Makes an empty bare repository in a folder, for trying things out on this machine.
pub fn make_remote(folder: &Path, branch: &str) -> Result<(), OpenError> {
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false).initial_head(branch);
    let vault = folder.display().to_string();
    let made = Repository::init_opts(folder, &options);
    made.map(drop).map_err(|cause| OpenError::Repository { what: "set up git", vault, cause })
}

/// Git must not translate line ends in files whose bytes are signed and compared.
const ATTRIBUTES: &str = "* -text\n";

/// Opens the vault's git; configured remotes are reached by the `git` program.
pub(crate) fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<Engine, OpenError> {
    open_with(settings, clock, &|repo, timeout, own_ssh| {
        Ok(Box::new(Git { directory: repo.path().to_owned(), timeout, own_ssh }))
    })
}

/// Makes the way to the remote: for which repository, how long a call may take, and whether the
/// user has an ssh command of their own.
type Way<'a> = &'a dyn Fn(&Repository, Duration, bool) -> Result<Box<dyn Transport>, git2::Error>;

pub(crate) fn open_with(
    settings: Settings,
    clock: Arc<dyn Clock>,
    way: Way<'_>,
) -> Result<Engine, OpenError> {
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
    drop(config);
    durable_objects(&repo).map_err(fail("configure git"))?;
    let timeout = Duration::from_secs(settings.config.timeout_seconds.max(1));
    let transport = way(&repo, timeout, own_ssh).map_err(fail("reach the remote"))?;
    Ok(Engine::new(settings, clock, repo, transport)?)
}

/// Makes libgit2 sync every object before it gets its name. A power cut may otherwise leave an
/// empty file with an object's name, which nobody writes anew because it is there. The setting
/// stands in a file of its own, because `git` calls it outdated in every command that meets it.
fn durable_objects(repo: &Repository) -> Result<(), git2::Error> {
    let file = repo.path().join("ai-employee.config");
    if std::fs::read_to_string(&file).ok().as_deref() != Some(DURABLE_OBJECTS) {
        std::fs::write(&file, DURABLE_OBJECTS).map_err(|e| git2::Error::from_str(&e.to_string()))?;
    }
    repo.config()?.add_file(&file, git2::ConfigLevel::App, false)
}

const DURABLE_OBJECTS: &str = "[core]\n\tfsyncObjectFiles = true\n";
