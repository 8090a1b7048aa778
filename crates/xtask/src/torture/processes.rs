//! Processes, as `/proc` shows them: what a program under attack has started, and ending it.

use rustix::process::{Pid, Signal, kill_process};

/// What runs below `pid`, nearest first.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() {
        let children = children(found[at]);
        found.extend(children);
        at += 1;
    }
    found.remove(0);
    found
}

/// The children of all of a process's threads. One that ended meanwhile has none.
fn children(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        found.extend(text.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    found
}

/// A process's command line, words separated by blanks; empty when it has ended.
pub(crate) fn command_line(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// The letter of its state: `T` for one that was stopped, `Z` for one whose end nobody has read.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may have blanks.
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

#[cfg(test)]
pub(crate) fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

/// Whether it stands still because of a signal.
pub(crate) fn is_stopped(pid: u32) -> bool {
    state(pid) == Some('T')
}

/// Ends a process as by `kill -9`.
pub(crate) fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended this very moment.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Ends a process and all that it started, as a supervisor does with a whole service.
pub(crate) fn kill_all(pid: u32) {
    let below = descendants(pid);
    kill(pid);
    below.into_iter().for_each(kill);
}
