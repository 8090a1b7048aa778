//! What a program is at when it is killed, told from outside: by what it has started, and by where
//! tasks are.

use std::path::Path;
use std::time::{Duration, Instant};

use super::super::machines::{World, names};
use super::super::processes;
use super::daemon::Daemon;

/// Between two looks.
const LOOK: Duration = Duration::from_micros(500);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Moment {
    Fetch,
    Claim,
    Draft,
    Approve,
    Execute,
    Push,
    /// Whatever it was at.
    Any,
}

impl Moment {
    pub(super) const ALL: [Moment; 7] = [
        Moment::Fetch,
        Moment::Claim,
        Moment::Draft,
        Moment::Approve,
        Moment::Execute,
        Moment::Push,
        Moment::Any,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Moment::Fetch => "fetch",
            Moment::Claim => "claim",
            Moment::Draft => "draft",
            Moment::Approve => "approve",
            Moment::Execute => "execute",
            Moment::Push => "push",
            Moment::Any => "any",
        }
    }

    /// Waits until `daemon` is at it; `false` when it did not come to that in time.
    pub(super) fn wait(self, world: &World, daemon: &Daemon, patience: Duration) -> bool {
        let in_work = world.vault(daemon.side).join("In_Progress").join(daemon.side.agent());
        let end = Instant::now() + patience;
        while Instant::now() < end {
            let seen = match self {
                Moment::Fetch => is_running(daemon, " fetch "),
                Moment::Push => is_running(daemon, " push "),
                Moment::Claim => holds(&in_work, "EMAIL_"),
                // Its claim is known to the remote when no push runs any more.
                Moment::Draft => {
                    holds(&in_work, "EMAIL_") && !is_running(daemon, " push ") && holds(&in_work, "EMAIL_")
                }
                Moment::Execute => holds(&in_work, "EXECUTE_"),
                Moment::Approve | Moment::Any => true,
            };
            if seen {
                return true;
            }
            std::thread::sleep(LOOK);
        }
        false
    }
}

fn is_running(daemon: &Daemon, words: &str) -> bool {
    let git = |pid: &u32| {
        let line = processes::command_line(*pid);
        line.starts_with("git ") && line.contains(words)
    };
    processes::descendants(daemon.pid()).iter().any(git)
}

fn holds(folder: &Path, prefix: &str) -> bool {
    names(folder).iter().any(|name| name.starts_with(prefix))
}
