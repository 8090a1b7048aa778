//! The vault's repository as its own guard: the hook that git runs before it takes a push.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use daemon::{Failure, OrFailure as _};
use sync::Gate;
use task::AgentId;

/// The variable that says whose key pushes; the forced command of the owner's key sets it. Whoever
/// is not `owner` has another machine's rights.
const PUSHER: &str = "VAULT_PUSHER";

/// So many refusals are said.
const SAID: usize = 20;

#[derive(clap::Args, Debug)]
pub(crate) struct Rule {
    /// The agent on the owner's machine (agent.executor of the configuration).
    #[arg(long, value_name = "AGENT")]
    owner: AgentId,
    /// The vault's branch (sync.branch).
    #[arg(long, default_value = "main")]
    branch: String,
    /// The largest file that is taken (sync.max_file_bytes).
    #[arg(long, value_name = "N", default_value_t = 4 << 20)]
    max_file_bytes: u64,
}

/// Reads what git says of the push from stdin; an error is a push that is not taken.
pub(crate) fn pre_receive(rule: &Rule) -> Result<(), Failure> {
    let mut updates = String::new();
    std::io::stdin().take(16 << 20).read_to_string(&mut updates).or_failed("cannot read what is pushed")?;
    if std::env::var_os(PUSHER).is_some_and(|who| who == "owner") {
        return Ok(());
    }
    let gate = Gate {
        repository: std::env::var_os("GIT_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from),
        incoming: std::env::var_os("GIT_OBJECT_DIRECTORY").map(PathBuf::from),
        owner: rule.owner.clone(),
        branch: rule.branch.clone(),
        max_file_bytes: rule.max_file_bytes,
    };
    let mut said = gate.judge(&updates).or_failed("cannot judge the push, so it is not taken")?;
    if said.is_empty() {
        return Ok(());
    }
    let count = said.len();
    if count > SAID {
        said.truncate(SAID);
        said.push(format!("and {} more", count - SAID));
    }
    Err(Failure::failed(format!("this push is not another machine's to make: {}", said.join("; ")))
        .hint(format!("only the key whose forced command sets {PUSHER}=owner may")))
}

/// Writes the hook; another one that stands there is left alone.
pub(crate) fn install(repository: &Path, rule: &Rule) -> Result<(), Failure> {
    let cannot = format!("cannot install the hook in {}", repository.display());
    if !repository.join("objects").is_dir() || !repository.join("HEAD").is_file() {
        return Err(Failure::usage(cannot).hint("name a bare repository: git init --bare makes one"));
    }
    let program = std::env::current_exe().or_failed(&*cannot)?;
    let text = sync::hook(&program, &rule.owner, &rule.branch, rule.max_file_bytes);
    let path = repository.join("hooks/pre-receive");
    match std::fs::read_to_string(&path) {
        Ok(old) if old != text && !old.contains("sync-watcher pre-receive") => {
            return Err(Failure::failed(format!("{cannot}: {} is another hook", path.display()))
                .hint("call sync-watcher pre-receive from it, with the same standard input"));
        }
        _ => {}
    }
    std::fs::create_dir_all(repository.join("hooks")).or_failed(&*cannot)?;
    // Whole or not at all: a push may come at any moment.
    let new = path.with_extension("new");
    std::fs::write(&new, &text)
        .and_then(|()| std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)))
        .and_then(|()| std::fs::rename(&new, &path))
        .or_failed(&*cannot)?;
    daemon::print(&format!(
        "{} holds every push to another machine's rights, unless {PUSHER}=owner.\n\
         In authorized_keys of the account that both machines push to:\n\n\
         command=\"{PUSHER}=owner git-shell -c \\\"$SSH_ORIGINAL_COMMAND\\\"\",restrict KEY-OF-THE-OWNERS-MACHINE\n\
         command=\"{PUSHER}=cloud git-shell -c \\\"$SSH_ORIGINAL_COMMAND\\\"\",restrict KEY-OF-THE-CLOUD-MACHINE\n\n\
         The owner's machine pushes first: it makes the vault.\n",
        path.display()
    ))
}
