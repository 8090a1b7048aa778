//! One daemon per data directory and agent.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, test_kill_process};
use task::AgentId;

use crate::{DataDir, Failure};

/// Held by a daemon for as long as it lives; the kernel lets go of it however the process ends.
/// A supervisor that loses sight of its children would otherwise start a second one beside them.
#[derive(Debug)]
pub struct InstanceLock {
    _file: File,
}

/// Who has the lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Its process id, if it has written it down.
    pub pid: Option<u32>,
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

/// A child that a killed agent was about to start holds the agent's lock until it has become
/// another program; on a busy machine that takes some milliseconds.
const LETTING_GO: Duration = Duration::from_millis(20);
const TRIES: u32 = 50;

impl InstanceLock {
    /// Takes the lock or says who has it. Waits only where the one that had it is dead already,
    /// and for a second at most.
    pub fn take(data: &DataDir, agent: &AgentId) -> Result<Self, InstanceLockError> {
        Self::take_after(data, agent, || std::thread::sleep(LETTING_GO))
    }

    fn take_after(
        data: &DataDir,
        agent: &AgentId,
        mut pause: impl FnMut(),
    ) -> Result<Self, InstanceLockError> {
        let path = data.lock(agent);
        let io = |source| InstanceLockError::Io { path: path.clone(), source };
        // The file stays for ever: deleting it would let two processes lock two files of one name.
        fault::reach("data.lock").map_err(|e| io(e.into()))?;
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        let mut tries = 0;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let pid = holder(&mut file);
                    if tries < TRIES && pid.is_some_and(|pid| !is_alive(pid)) {
                        tries += 1;
                        pause();
                        continue;
                    }
                    let holder = pid.map_or_else(|| "pid unknown".to_owned(), |pid| format!("pid {pid}"));
                    let data = data.root().to_owned();
                    return Err(InstanceLockError::Held { agent: agent.clone(), data, holder });
                }
                Err(error) => return Err(io(error.into())),
            }
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }

    /// Who has the lock now; `None` when nobody has. A heartbeat's file cannot tell: it stays
    /// behind when its daemon dies.
    pub fn holder(data: &DataDir, agent: &AgentId) -> Option<Holder> {
        let mut file = File::open(data.lock(agent)).ok()?;
        // Held for a moment, and let go when the file is closed. A daemon that starts at that
        // moment finds a dead one's number in it, and asks again.
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(rustix::io::Errno::WOULDBLOCK) => Some(Holder { pid: holder(&mut file) }),
            _ => None,
        }
    }
}

/// The process that the lock file names.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).ok()?;
    text.trim().parse().ok()
}

/// Whether there is such a process; one that may not be signalled is alive too.
fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torture --only kills`: an agent that was killed while it started a tool server was followed
    /// by one that gave up, because the server-to-be still had the lock.
    #[test]
    fn a_lock_that_only_a_dead_agents_child_has_is_waited_for() {
        let dir = tempfile::tempdir().expect("tempdir");
        let data = DataDir::open(dir.path().join("data")).expect("data");
        let agent: AgentId = "local-001".parse().expect("agent");
        let first = InstanceLock::take(&data, &agent).expect("first");
        let mut dead = std::process::Command::new("true").spawn().expect("a process");
        let pid = dead.id();
        dead.wait().expect("its end");
        std::fs::write(data.lock(&agent), format!("{pid}\n")).expect("the lock file");
        let mut child = Some(first);
        let mut pauses = 0;
        let second = InstanceLock::take_after(&data, &agent, || {
            pauses += 1;
            if pauses == 3 {
                child.take();
            }
        });
        assert!(second.is_ok(), "{second:?}");
        assert_eq!(pauses, 3);
        std::fs::write(data.lock(&agent), format!("{pid}\n")).expect("the lock file");
        let mut pauses = 0;
        let third = InstanceLock::take_after(&data, &agent, || pauses += 1);
        let said = third.expect_err("it is held").to_string();
        assert!(said.contains(&format!("pid {pid}")) && pauses == TRIES, "{said}");
    }

    #[test]
    fn a_second_instance_is_refused_and_told_who_has_the_lock() {
        let dir = tempfile::tempdir().expect("tempdir");
        let data = DataDir::open(dir.path().join("data")).expect("data");
        let agent: AgentId = "local-001".parse().expect("agent");
        let first = InstanceLock::take(&data, &agent).expect("first");
        let error = InstanceLock::take(&data, &agent).expect_err("second").to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        assert_eq!(InstanceLock::holder(&data, &agent), Some(Holder { pid: Some(std::process::id()) }));
        assert!(InstanceLock::take(&data, &"cloud-001".parse().expect("agent")).is_ok(), "another agent");
        drop(first);
        assert_eq!(InstanceLock::holder(&data, &agent), None, "the file is there, and nobody has it");
        assert!(InstanceLock::take(&data, &agent).is_ok(), "after the first has ended");
    }
}
