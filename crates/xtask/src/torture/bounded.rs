//! Programs under attack have so long and no longer: a hang is a finding, and never eats the run.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::processes;

/// Between two looks at a program that runs.
const LOOK: Duration = Duration::from_millis(2);

/// How a program ended.
pub(crate) struct Ended {
    /// `None`: it was still running when its time was up, and was killed with all that it started.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    pub(crate) fn hung(&self) -> bool {
        self.status.is_none()
    }

    /// The end of what it said, for a message.
    pub(crate) fn said(&self) -> String {
        let lines: Vec<&str> = self.err.lines().rev().take(3).collect();
        let ended = self.status.map_or_else(|| "it hung".to_owned(), |status| status.to_string());
        format!("{ended}: {}", lines.into_iter().rev().collect::<Vec<_>>().join(" / "))
    }
}

/// A program that runs, and its output. Dropped, it is killed.
pub(crate) struct Bounded {
    child: Child,
    out: File,
    err: File,
    end: Instant,
}

impl Bounded {
    /// Starts it, to end within `limit`. What it says goes to files without a name, so that neither
    /// it nor what it leaves behind ever waits for a reader.
    pub(crate) fn start(mut command: Command, limit: Duration) -> Result<Self, String> {
        let file = || tempfile::tempfile().map_err(|e| format!("failed to make a file: {e}"));
        let copy = |file: &File| file.try_clone().map_err(|e| format!("failed to share a file: {e}"));
        let (out, err) = (file()?, file()?);
        command.stdin(Stdio::null()).stdout(copy(&out)?).stderr(copy(&err)?);
        let child =
            command.spawn().map_err(|e| format!("failed to start {:?}: {e}", command.get_program()))?;
        Ok(Self { child, out, err, end: Instant::now() + limit })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended, or its time is up.
    pub(crate) fn is_over(&mut self) -> Result<bool, String> {
        let ended = self.child.try_wait().map_err(|e| format!("failed to wait for a program: {e}"))?;
        Ok(ended.is_some() || Instant::now() >= self.end)
    }

    /// Waits for its end, at most until its time is up.
    pub(crate) fn wait(mut self) -> Result<Ended, String> {
        while !self.is_over()? {
            std::thread::sleep(LOOK);
        }
        self.finish()
    }

    /// Ends it now, with all that it started.
    pub(crate) fn kill(mut self) -> Result<Ended, String> {
        processes::kill_all(self.child.id());
        let status = self.child.wait().map_err(|e| format!("failed to wait for a program: {e}"))?;
        self.said(Some(status))
    }

    fn finish(mut self) -> Result<Ended, String> {
        let status = self.child.try_wait().map_err(|e| format!("failed to wait for a program: {e}"))?;
        if status.is_none() {
            processes::kill_all(self.child.id());
            self.child.wait().map_err(|e| format!("failed to wait for a program: {e}"))?;
        }
        self.said(status)
    }

    fn said(&mut self, status: Option<ExitStatus>) -> Result<Ended, String> {
        Ok(Ended { status, out: text(&mut self.out)?, err: text(&mut self.err)? })
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            processes::kill_all(self.child.id());
            // It was killed; nothing is left to wait for but its end.
            let _ = self.child.wait();
        }
    }
}

/// Runs it to its end, or until `limit` is over.
pub(crate) fn run(command: Command, limit: Duration) -> Result<Ended, String> {
    Bounded::start(command, limit)?.wait()
}

fn text(file: &mut File) -> Result<String, String> {
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut bytes))
        .map_err(|e| format!("failed to read what a program said: {e}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_ended_with_what_it_started_and_is_said_to_hang() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $! >&2; wait"]);
        let ended = run(command, Duration::from_millis(300)).expect("run");
        assert!(ended.hung() && !ended.succeeded());
        let child: u32 = ended.err.trim().parse().expect("a process id");
        // A signal to another's child is delivered soon, not at once.
        let end = Instant::now() + Duration::from_secs(10);
        while processes::is_alive(child) {
            assert!(Instant::now() < end, "{child} lives on");
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_a_program_says_and_how_it_ends_is_told() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let ended = run(command, Duration::from_secs(60)).expect("run");
        assert_eq!((ended.out.as_str(), ended.err.as_str()), ("out\n", "err\n"));
        assert_eq!(ended.status.and_then(|status| status.code()), Some(3));
    }
}
