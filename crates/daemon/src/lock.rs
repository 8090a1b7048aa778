//! One daemon per data directory and agent.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use task::AgentId;

use crate::{DataDir, Failure};

/// Held by a daemon for as long as it lives; the kernel lets go of it however the process ends.
/// A supervisor that loses sight of its children would otherwise start a second one beside them.
#[derive(Debug)]
pub struct InstanceLock {
    _file: File,
}

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum InstanceLockError {
    /// Somebody has it.
    #[error("agent {agent} is already running with the data directory {} ({holder})", data.display())]
    Held {
        /// Which agent.
        agent: AgentId,
        /// Where.
        data: PathBuf,
        /// `pid 123`, or that it is unknown.
        holder: String,
    },
    /// The lock file could not be used.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl From<InstanceLockError> for Failure {
    fn from(error: InstanceLockError) -> Self {
        let failure = Failure::failed(error.to_string());
        match error {
            InstanceLockError::Held { .. } => {
                failure.hint("stop that one first, or give this one another agent id or --data directory")
            }
            InstanceLockError::Io { source, .. } => failure.because(source),
        }
    }
}

impl InstanceLock {
    /// Takes the lock or says who has it; never waits.
    pub fn take(data: &DataDir, agent: &AgentId) -> Result<Self, InstanceLockError> {
        let path = data.lock(agent);
        let io = |source| InstanceLockError::Io { path: path.clone(), source };
        // The file stays for ever: deleting it would let two processes lock two files of one name.
        fault::reach("data.lock").map_err(|e| io(e.into()))?;
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // Whether or not the pid can be read, the lock is held.
                let _ = file.read_to_string(&mut text);
                let pid = text.trim();
                let known = !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit());
                let holder = if known { format!("pid {pid}") } else { "pid unknown".to_owned() };
                let data = data.root().to_owned();
                return Err(InstanceLockError::Held { agent: agent.clone(), data, holder });
            }
            Err(error) => return Err(io(error.into())),
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_instance_is_refused_and_told_who_has_the_lock() {
        let dir = tempfile::tempdir().expect("tempdir");
        let data = DataDir::open(dir.path().join("data")).expect("data");
        let agent: AgentId = "local-001".parse().expect("agent");
        let first = InstanceLock::take(&data, &agent).expect("first");
        let error = InstanceLock::take(&data, &agent).expect_err("second").to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        assert!(InstanceLock::take(&data, &"cloud-001".parse().expect("agent")).is_ok(), "another agent");
        drop(first);
        assert!(InstanceLock::take(&data, &agent).is_ok(), "after the first has ended");
    }
}
