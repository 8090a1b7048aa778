//! The vault's lock: shared for a move, exclusive for a snapshot or an apply of the whole.
//!
//! It is advisory (`flock` on `.vault.lock`) and between processes as well as threads. Every
//! changing call of [`Vault`] takes it shared by itself. A thread that holds a [`Guard`] may
//! call them all the same: the lock is re-entrant within a thread, which is why a guard cannot
//! be sent to another thread nor be held across an `await`.

use std::cell::RefCell;
use std::fs::File;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::Vault;
use crate::durable::FileError;

const NAME: &str = ".vault.lock";

/// How long a lock is waited for: whoever holds it does so for the length of a snapshot.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The lock file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process has held it all the time.
    #[error("the vault has been locked for {} s by another process; see who it is with `lslocks`", PATIENCE.as_secs())]
    Busy,
    /// This thread holds the lock shared and wants it exclusive: it would wait for itself.
    #[error("the vault's lock is held shared by this thread and cannot become exclusive")]
    Upgrade,
}

struct Held {
    file: Stat,
    exclusive: bool,
    guards: usize,
    _lock: OwnedFd,
}

thread_local! {
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

/// Holds the lock until it is dropped. Never hold one across the network, a tool call or a prompt.
#[must_use]
#[derive(Debug)]
pub struct Guard {
    file: (u64, u64),
    // Not Send: the thread's own list knows it.
    _thread: PhantomData<*const ()>,
}

#[expect(clippy::unnecessary_cast, reason = "the types differ between platforms")]
fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

impl Drop for Guard {
    fn drop(&mut self) {
        HELD.with_borrow_mut(|held| {
            if let Some(at) = held.iter().position(|h| identity(&h.file) == self.file) {
                held[at].guards -= 1;
                if held[at].guards == 0 {
                    held.swap_remove(at);
                }
            }
        });
    }
}

impl Vault {
    /// Takes the lock shared: others may move tasks too, nobody takes a snapshot.
    pub fn lock_shared(&self) -> Result<Guard, LockError> {
        self.lock(false)
    }

    /// Takes the lock exclusive: nobody else changes anything.
    pub fn lock_exclusive(&self) -> Result<Guard, LockError> {
        self.lock(true)
    }

    fn lock(&self, exclusive: bool) -> Result<Guard, LockError> {
        let path = || self.root().join(NAME);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = fault::reach("vault.lock")
            .and_then(|()| rustix::fs::openat(self.root_dir().fd(), NAME, flags, Mode::from_raw_mode(0o644)))
            .map_err(|e| FileError::new("open", path(), e))?;
        let stat = rustix::fs::fstat(&fd).map_err(|e| FileError::new("examine", path(), e))?;
        let file = identity(&stat);
        let nested = HELD.with_borrow_mut(|held| {
            let Some(own) = held.iter_mut().find(|h| identity(&h.file) == file) else { return Ok(false) };
            if exclusive && !own.exclusive {
                return Err(LockError::Upgrade);
            }
            own.guards += 1;
            Ok(true)
        })?;
        if !nested {
            acquire(&fd, exclusive, PATIENCE)?.map_err(|e| FileError::new("lock", path(), e))?;
            HELD.with_borrow_mut(|held| {
                held.push(Held { file: stat, exclusive, guards: 1, _lock: fd });
            });
        }
        Ok(Guard { file, _thread: PhantomData })
    }
}

/// Waits for a `flock`, at most for `patience`.
fn acquire(fd: &OwnedFd, exclusive: bool, patience: Duration) -> Result<Result<(), Errno>, LockError> {
    let operation = if exclusive {
        FlockOperation::NonBlockingLockExclusive
    } else {
        FlockOperation::NonBlockingLockShared
    };
    let start = Instant::now();
    loop {
        match rustix::fs::flock(fd, operation) {
            Err(Errno::WOULDBLOCK) if start.elapsed() >= patience => return Err(LockError::Busy),
            // `flock` cannot wait with a limit; holders are done within milliseconds.
            Err(Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_micros(500)),
            Err(Errno::INTR) => {}
            other => return Ok(other),
        }
    }
}

/// Takes a file's own lock exclusively; it goes when the file is closed.
pub(crate) fn lock_file(file: &File) -> Result<(), Errno> {
    loop {
        match rustix::fs::flock(file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    #[test]
    fn a_snapshot_waits_for_moves_and_moves_wait_for_a_snapshot() {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path(), Limits::default()).expect("open");
        let held = |exclusive| {
            let file = File::open(temp.path().join(NAME)).expect("lock file");
            matches!(acquire(&file.into(), exclusive, Duration::ZERO), Err(LockError::Busy))
        };
        let guard = vault.lock_shared().expect("shared");
        assert!(held(true) && !held(false));
        drop(guard);
        let guard = vault.lock_exclusive().expect("exclusive");
        assert!(held(true) && held(false));
        drop(guard);
        assert!(!held(true));
    }

    #[test]
    fn a_thread_never_waits_for_itself() {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path(), Limits::default()).expect("open");
        let other = Vault::open(temp.path(), Limits::default()).expect("open twice");
        let outer = vault.lock_exclusive().expect("exclusive");
        let inner = other.lock_shared().expect("within");
        drop(outer);
        // The inner guard still holds all of it.
        assert!(other.lock_exclusive().is_ok());
        drop(inner);
        let _shared = vault.lock_shared().expect("shared");
        assert!(matches!(other.lock_exclusive(), Err(LockError::Upgrade)));
    }
}
