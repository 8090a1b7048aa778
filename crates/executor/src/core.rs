//! What every step needs, and what can go wrong on this machine.

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use policy::HouseRules;
use signature::{Approvers, Register};
use task::{AgentId, Clock, Mode, Role, Server};
use vault::{FileError, Handbook, KillSwitch, LogError, MoveError, ReadError, SetAsideError, Vault};

use crate::reserve::Court;
use crate::{Journal, JournalError, Seat};

/// One executor: its vault, its journal, and what it is allowed to be. All calls block.
pub(crate) struct Core {
    pub(crate) vault: Vault,
    pub(crate) vault_id: String,
    pub(crate) journal: Journal,
    pub(crate) agent: AgentId,
    pub(crate) role: Role,
    pub(crate) mode: Mode,
    pub(crate) approvers: PathBuf,
    pub(crate) limits: config::Limits,
    pub(crate) handbook: Handbook,
    pub(crate) register: Register,
    pub(crate) rules: config::Approval,
    pub(crate) locks: PathBuf,
    pub(crate) kill_switch: KillSwitch,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seat: Seat,
    pub(crate) court: Option<Court>,
    /// Set once the arbiter has let this process sit down.
    pub(crate) sat: OnceLock<()>,
}

/// Something on this machine that kept a step from being made. The task is taken up again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Move(#[from] MoveError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    SetAside(#[from] SetAsideError),
    #[error("failed to write the audit log: {0}")]
    Log(#[from] LogError),
    #[error("failed to lock {path}: {source}", path = path.display())]
    Lock {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("failed to keep what the remote said of the seat: {0}")]
    Seat(String),
    #[error("work on it ended early: {0}")]
    Ended(#[from] tokio::task::JoinError),
    /// Only where a fault was asked for: nothing else stops between two steps.
    #[error("failed to go on: {0}")]
    Stopped(#[from] fault::Errno),
}

impl Problem {
    /// Whether it ends the whole cycle.
    pub(crate) fn is_fatal(&self) -> bool {
        // Without a journal nothing may be called.
        matches!(self, Problem::Journal(JournalError::Use { .. } | JournalError::Create { .. }))
    }
}

/// Held while a server is called, by whichever process: DANGEROUS calls of one server go one at a
/// time, and a call whose caller died is told from one that is still being made.
#[derive(Debug)]
pub(crate) struct ServerLock {
    // The lock goes with the file handle, also when the process is killed.
    _file: File,
}

impl Core {
    /// Takes a server's lock; `None` while another executor calls it.
    pub(crate) fn lock(&self, server: Server) -> Result<Option<ServerLock>, Problem> {
        let path = self.locks.join(format!("calls-{server}.lock"));
        let failed = |source| Problem::Lock { path: path.clone(), source };
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(ServerLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Who may sign, read anew each time: a key that is taken off the list counts no longer.
    pub(crate) fn approvers(&self) -> Result<Approvers, String> {
        Approvers::load(&self.approvers).map_err(|error| explain(&error))
    }
}

impl Core {
    /// The limits that count, under the accepted handbook, read anew each time. Rules that cannot be
    /// read are not left out: nothing leaves until they can.
    pub(crate) fn limits(&self) -> Result<config::Limits, String> {
        let remedy = "mend it and accept it anew: local-agent handbook accept";
        let handbook = self.handbook.accepted().map_err(|error| format!("{}; {remedy}", explain(&error)))?;
        let rules = HouseRules::read(&handbook).map_err(|error| format!("{error}; {remedy}"))?;
        Ok(rules.tighten(&self.limits).limits)
    }
}

/// An error with its causes, in one line.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        enum Outer {
            #[error("failed to lock it")]
            Silent(#[source] std::io::Error),
            #[error("failed to lock it: {0}")]
            Saying(#[source] std::io::Error),
        }
        let cause = || std::io::Error::other("no such folder");
        assert_eq!(explain(&Outer::Silent(cause())), "failed to lock it: no such folder");
        assert_eq!(explain(&Outer::Saying(cause())), "failed to lock it: no such folder");
    }
}
