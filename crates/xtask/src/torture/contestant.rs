//! The processes that the suites set against each other: this program, started again.
//!
//! Each writes down in a file of its own, at the moment when it is told that it owns a task, that
//! it does. The file survives the process; the suites read all of them.

mod clone;
mod lossy;
mod race;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Subcommand;
use task::TaskId;

use super::Lab;

/// What such a process is for.
#[derive(Subcommand)]
pub(crate) enum Contestant {
    /// Claims everything in one vault that many share.
    Race(race::Arguments),
    /// Claims and finishes tasks in a vault of its own, against others by a remote.
    Clone(clone::Arguments),
    /// `git receive-pack`, whose answer is lost now and then.
    ReceivePack(lossy::Arguments),
}

impl Contestant {
    pub(crate) fn run(&self) -> Result<(), String> {
        match self {
            Self::Race(arguments) => race::run(arguments),
            Self::Clone(arguments) => clone::run(arguments),
            Self::ReceivePack(arguments) => lossy::run(arguments),
        }
    }
}

/// This program, to be started again as a contestant.
pub(crate) fn command(lab: &Lab, role: &str) -> Command {
    let mut command = Command::new(lab.program("xtask"));
    command.args(["contestant", role]).stdin(Stdio::piped()).stdout(Stdio::null());
    command
}

/// Starts one that waits for [`go`].
pub(crate) fn start(mut command: Command) -> Result<Child, String> {
    command.spawn().map_err(|e| format!("failed to start a contestant: {e}"))
}

/// Lets one begin.
pub(crate) fn go(child: &mut Child) {
    drop(child.stdin.take());
}

/// Waits for the word to begin: the end of stdin.
fn wait_for_go() -> Result<(), String> {
    let mut nothing = Vec::new();
    std::io::stdin().read_to_end(&mut nothing).map_err(|e| format!("failed to wait for the start: {e}"))?;
    Ok(())
}

/// Where a contestant writes down what it owns: a line each, written in one call, so that neither a
/// kill nor another process tears it.
pub(crate) struct Witness(File);

/// One line of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Owned {
    pub(crate) id: TaskId,
    /// Microseconds of the machine's clock.
    pub(crate) at: u64,
}

impl Witness {
    fn open(path: &Path) -> Result<Self, String> {
        let file = File::options().create(true).append(true).open(path);
        file.map(Self).map_err(|e| format!("failed to open {}: {e}", path.display()))
    }

    fn owns<'a>(&mut self, ids: impl Iterator<Item = &'a TaskId>) -> Result<(), String> {
        let at = micros();
        let lines: String = ids.map(|id| format!("{id} {at}\n")).collect();
        self.0.write_all(lines.as_bytes()).map_err(|e| format!("failed to write down a claim: {e}"))
    }

    /// What was written down; nothing, where nobody wrote.
    pub(crate) fn read(path: &Path) -> Result<Vec<Owned>, String> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(format!("failed to read {}: {e}", path.display())),
        };
        let line = |line: &str| {
            let (id, at) = line.split_once(' ')?;
            Some(Owned { id: TaskId::new(id).ok()?, at: at.parse().ok()? })
        };
        text.lines()
            .map(|text| line(text).ok_or_else(|| format!("{text:?} is no line of a witness")))
            .collect()
    }
}

/// The machine's clock, for durations between processes of one machine.
pub(crate) fn micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

/// What is the same in every vault of a contest.
#[derive(clap::Args, Clone)]
struct Place {
    /// The vault.
    #[arg(long)]
    vault: PathBuf,
    /// Who claims.
    #[arg(long)]
    agent: task::AgentId,
    /// Where chance starts.
    #[arg(long)]
    seed: u64,
    /// Where it is written down what is owned.
    #[arg(long)]
    witness: PathBuf,
    /// How many tasks are claimed at a time.
    #[arg(long, default_value_t = 20)]
    per_cycle: usize,
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("failed to start the runtime: {e}"))
}
