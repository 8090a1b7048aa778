//! Where the measurements take place: a folder on a real file system, the release programs, and
//! nothing of this shell's own settings.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Outcome;

/// Puts what failed before why it did.
pub(crate) trait OrFailed<T> {
    fn or_failed(self, what: impl Display) -> Outcome<T>;
}

impl<T, E: Display> OrFailed<T> for Result<T, E> {
    fn or_failed(self, what: impl Display) -> Outcome<T> {
        self.map_err(|error| format!("failed to {what}: {error}"))
    }
}

/// The folder and the programs of one run.
pub(crate) struct Lab {
    root: tempfile::TempDir,
    bin: PathBuf,
    pub(crate) quick: bool,
    /// Like the daemons' own.
    pub(crate) runtime: tokio::runtime::Runtime,
}

/// Settings of this shell that would change what is measured.
pub(crate) const SETTINGS: [&str; 17] = [
    "AI_EMPLOYEE_CONFIG",
    "AI_EMPLOYEE_DATA",
    "AGENT_ID",
    "AGENT_ROLE",
    "DRY_RUN",
    "MOCK_DATA",
    "ODOO_MOCK",
    "WHATSAPP_MOCK",
    "PAYMENT_MOCK",
    "GIT_SYNC_ENABLED",
    "GIT_SYNC_INTERVAL",
    "HEARTBEAT_INTERVAL",
    "RUST_LOG",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "GIT_DIR",
    "GIT_WORK_TREE",
];

/// What every git command here is told: the user's own settings (signing, hooks, a file system
/// monitor) are neither ours nor the baseline's.
pub(crate) const GIT_ENVIRONMENT: [(&str, &str); 7] = [
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_AUTHOR_NAME", "bench"),
    ("GIT_AUTHOR_EMAIL", "bench@example.com"),
    ("GIT_COMMITTER_NAME", "bench"),
    ("GIT_COMMITTER_EMAIL", "bench@example.com"),
];

impl Lab {
    /// A lab below `folder`, with the programs in `bin`.
    pub(crate) fn new(folder: &Path, bin: PathBuf, quick: bool) -> Outcome<Self> {
        let root = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(folder)
            .or_failed(format!("make a folder in {}", folder.display()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .or_failed("start the runtime")?;
        Ok(Self { root, bin, quick, runtime })
    }

    /// The folder with the programs.
    pub(crate) fn bin(&self) -> &Path {
        &self.bin
    }

    /// The lab's folder.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// A new folder for one measurement; removed with the lab at the latest.
    pub(crate) fn folder(&self, name: &str) -> Outcome<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempdir_in(self.root())
            .or_failed(format!("make a folder in {}", self.root().display()))
    }

    /// So many in a full run, so many in a quick one.
    pub(crate) fn count(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// One of the programs, with a configuration file, a vault and a data directory in `home`.
    pub(crate) fn program(&self, name: &str, home: &Path) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command
            .current_dir(home)
            .arg("--config")
            .arg(home.join("config.yaml"))
            .arg("--vault")
            .arg(home.join("vault"))
            .arg("--data")
            .arg(home.join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        for setting in SETTINGS {
            command.env_remove(setting);
        }
        command.envs(GIT_ENVIRONMENT);
        command
    }

    /// Has everything written so far reach the disk, so that nobody pays for what was done before.
    pub(crate) fn settle(&self) -> Outcome {
        let folder = std::fs::File::open(self.root()).or_failed("open the lab's folder")?;
        rustix::fs::syncfs(&folder).or_failed("sync the file system")
    }
}

/// Runs git in `folder` and returns what it printed.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> Outcome<String> {
    let (worked, said) = git_unless(folder, arguments)?;
    if worked { Ok(said) } else { Err(format!("git {} failed: {}", arguments.join(" "), said.trim())) }
}

/// Runs git in `folder`; whether it exited with 0, and what it printed.
pub(crate) fn git_unless(folder: &Path, arguments: &[&str]) -> Outcome<(bool, String)> {
    let output = git_command(folder).args(arguments).output().or_failed("start git (is it installed?)")?;
    let said = if output.status.success() { output.stdout } else { [output.stdout, output.stderr].concat() };
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// git in `folder`, without this user's settings.
pub(crate) fn git_command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).envs(GIT_ENVIRONMENT).env_remove("GIT_DIR").env_remove("GIT_WORK_TREE");
    command.stdin(Stdio::null());
    command
}
