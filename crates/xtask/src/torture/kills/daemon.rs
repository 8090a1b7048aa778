//! A daemon that is killed and started again.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::super::Outcome;
use super::super::machines::{Side, World};
use super::super::processes;

/// What a daemon logs when it is ready.
const READY: &str = " INFO ready ";
/// Whoever is not ready after so long hangs.
const PATIENCE: Duration = Duration::from_secs(30);
/// A drain takes five seconds at most; a busy machine may need longer for the rest.
const DRAIN: Duration = Duration::from_secs(30);

pub(super) struct Daemon {
    pub(super) side: Side,
    pub(super) program: &'static str,
    log: PathBuf,
    child: Option<Child>,
}

impl Daemon {
    pub(super) fn new(world: &World, side: Side, program: &'static str) -> Self {
        let log = world.folder(side).join(format!("{program}.log"));
        Self { side, program, log, child: None }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.as_ref().map(Child::id).unwrap_or_default()
    }

    /// Starts it and waits until it says that it is ready. Gives how long that took, or what went
    /// wrong.
    pub(super) fn start(&mut self, world: &World) -> Outcome<Result<Duration, String>> {
        let failed = |e: std::io::Error| format!("failed to start {}: {e}", self.program);
        let log = File::create(&self.log).map_err(failed)?;
        let begun = Instant::now();
        let mut command = world.command(self.side, self.program);
        command.env("RUST_LOG", "info").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().map_err(failed)?;
        while !self.said().contains(READY) {
            if let Ok(Some(status)) = child.try_wait() {
                return Ok(Err(format!("{} did not start, {status}: {}", self.program, self.last())));
            }
            if begun.elapsed() > PATIENCE {
                processes::kill_all(child.id());
                child.wait().map_err(failed)?;
                return Ok(Err(format!("{} hung at its start: {}", self.program, self.last())));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let took = begun.elapsed();
        self.child = Some(child);
        Ok(Ok(took))
    }

    /// Kills it, with all that it started or alone. What it said if it had ended by itself.
    pub(super) fn kill(&mut self, whole: bool) -> Outcome<Option<String>> {
        let Some(mut child) = self.child.take() else { return Ok(None) };
        let failed = |e: std::io::Error| format!("failed to wait for {}: {e}", self.program);
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(Some(format!("{} ended by itself, {status}: {}", self.program, self.last())));
        }
        if whole {
            processes::kill_all(child.id());
        } else {
            processes::kill(child.id());
        }
        child.wait().map_err(failed)?;
        Ok(None)
    }

    /// Stops it as a supervisor does; what it said when it did not end well.
    pub(super) fn stop(&mut self) -> Outcome<Option<String>> {
        let Some(mut child) = self.child.take() else { return Ok(None) };
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended this very moment.
            let _ = kill_process(pid, Signal::TERM);
        }
        let asked = Instant::now();
        loop {
            match child.try_wait().map_err(|e| format!("failed to wait for {}: {e}", self.program))? {
                Some(status) if status.success() => return Ok(None),
                Some(status) => {
                    return Ok(Some(format!("{} ended with {status}: {}", self.program, self.last())));
                }
                None if asked.elapsed() > DRAIN => {
                    processes::kill_all(child.id());
                    // It was killed; nothing is left to wait for but its end.
                    let _ = child.wait();
                    return Ok(Some(format!("{} hung at its end: {}", self.program, self.last())));
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn said(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn last(&self) -> String {
        let said = self.said();
        let lines: Vec<&str> = said.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            processes::kill_all(child.id());
            // It was killed; nothing is left to wait for but its end.
            let _ = child.wait();
        }
    }
}
