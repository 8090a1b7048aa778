//! A daemon of ours, from its readiness to its end.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Outcome;
use super::lab::OrFailed as _;

/// How long a daemon may take until it says that it is ready.
const READY: Duration = Duration::from_secs(30);

/// How long it may take to end: its own grace period and some.
const END: Duration = Duration::from_secs(10);

/// A daemon that is up; dropping it ends it in order.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
    /// What it says later would find nobody otherwise.
    _supervisor: (UnixDatagram, tempfile::TempDir),
}

impl Daemon {
    /// Starts `command` with its log in `log`, and waits until it tells its supervisor that it is
    /// ready, as it tells systemd.
    pub(crate) fn start(mut command: Command, log: &Path) -> Outcome<Self> {
        // Not in the lab: a socket's path may have 107 bytes.
        let folder =
            tempfile::Builder::new().prefix("bench-").tempdir().or_failed("make a folder for a socket")?;
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).or_failed("make a socket")?;
        socket.set_read_timeout(Some(Duration::from_millis(100))).or_failed("set up a socket")?;
        let stderr = std::fs::File::create(log).or_failed(format!("make {}", log.display()))?;
        let child = command
            .env("NOTIFY_SOCKET", &path)
            .stderr(stderr)
            .spawn()
            .or_failed(format!("start {command:?}"))?;
        let mut daemon = Self { child, log: log.to_owned(), _supervisor: (socket, folder) };
        daemon.await_ready()?;
        Ok(daemon)
    }

    fn await_ready(&mut self) -> Outcome {
        let start = Instant::now();
        let mut buffer = [0; 4096];
        while start.elapsed() < READY {
            match self._supervisor.0.recv(&mut buffer) {
                Ok(len) => {
                    if buffer[..len].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                        return Ok(());
                    }
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) => return Err(format!("failed to read a socket: {e}")),
            }
            if let Some(status) = self.child.try_wait().or_failed("look at the daemon")? {
                return Err(format!("the daemon ended with {status}: {}", self.last_words()));
            }
        }
        Err(format!("the daemon was not ready within {} s: {}", READY.as_secs(), self.last_words()))
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The last line of its log.
    pub(crate) fn last_words(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").to_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Each step fails only when the daemon has ended already.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < END {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
