//! Two machines in the middle of their work, made once and put back before every case: mails that
//! nobody has taken up, drafts that wait, orders that are signed and not carried out yet.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Outcome;
use super::bounded;
use super::judge::{Brought, Decision, Ledger};
use super::machines::{Side, World};

const COPY: Duration = Duration::from_secs(120);

/// A program's whole run, to be disturbed at any of its steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Act {
    /// Fetch, claim, draft, push.
    Cloud,
    /// The same, and two orders are carried out: a mail and a payment.
    Owner,
    /// A mail is signed.
    Approve,
    /// A payment is rejected.
    Reject,
    /// What changed is exchanged, and nothing else.
    Watch,
}

impl Act {
    pub(crate) const ALL: [Act; 5] = [Act::Cloud, Act::Owner, Act::Approve, Act::Reject, Act::Watch];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Act::Cloud => "cloud-agent --once",
            Act::Owner => "local-agent --once",
            Act::Approve => "local-agent approve",
            Act::Reject => "local-agent reject",
            Act::Watch => "sync-watcher --once",
        }
    }

    /// The task that the owner decides on, and how.
    fn decides(self) -> Option<(&'static str, Decision)> {
        match self {
            Act::Approve => Some((DRAFTED, Decision::Approved)),
            Act::Reject => Some((PROPOSED, Decision::Rejected)),
            _ => None,
        }
    }
}

/// Drafted by the cloud, waits for the owner.
const DRAFTED: &str = "EMAIL_DRAFTED";
/// Proposed, waits for the owner.
const PROPOSED: &str = "PAYMENT_PROPOSED";
/// Signed, waits to be sent.
const SIGNED: &str = "EMAIL_SIGNED";
/// Signed, waits to be paid.
const SIGNED_PAYMENT: &str = "PAYMENT_SIGNED";
/// Nobody has seen them yet.
const NEW: [(Side, &str); 3] =
    [(Side::Cloud, "EMAIL_NEW_1"), (Side::Cloud, "EMAIL_NEW_2"), (Side::Owner, "EMAIL_NEW_3")];

/// The scene, and where it is kept.
pub(crate) struct Scene {
    pub(crate) world: World,
    root: PathBuf,
    remote: PathBuf,
    template: PathBuf,
    approve: Vec<String>,
}

impl Scene {
    /// Sets the scene in the empty folders `root` and `elsewhere`, where the remote is and what
    /// must survive; `root` may be a disk that loses its power.
    pub(crate) fn set(root: &Path, elsewhere: &Path, bin: &Path) -> Outcome<Self> {
        let remote = elsewhere.join("remote.git");
        let machines = root.join("machines");
        let world = World::new(&machines, &remote, bin)?;
        for id in [DRAFTED, SIGNED] {
            world.bring(Side::Cloud, id)?;
        }
        world.propose(PROPOSED, "20.01")?;
        world.propose(SIGNED_PAYMENT, "20.02")?;
        for side in [Side::Cloud, Side::Owner, Side::Cloud] {
            let ended = world.once(side, NEW.len())?;
            if !ended.succeeded() {
                return Err(format!("{} --once: {}", side.program(), ended.said()));
            }
        }
        // A payee that is new is signed for twice.
        for id in [SIGNED, SIGNED_PAYMENT, SIGNED_PAYMENT] {
            let arguments = world.approval(id)?.ok_or_else(|| format!("{id} proposes nothing"))?;
            let ended = world.owner(&arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
            if !ended.succeeded() {
                return Err(format!("approve {id}: {}", ended.said()));
            }
        }
        for (side, id) in NEW {
            world.bring(side, id)?;
        }
        let approve = world.approval(DRAFTED)?.ok_or_else(|| format!("{DRAFTED} proposes nothing"))?;
        let template = elsewhere.join("template");
        let scene = Self { world, root: machines, remote, template, approve };
        std::fs::create_dir_all(&scene.template)
            .map_err(|e| format!("failed to make {}: {e}", scene.template.display()))?;
        copy(&scene.root, &scene.template.join("machines"))?;
        copy(&scene.remote, &scene.template.join("remote.git"))?;
        scene.nobody_sits()?;
        Ok(scene)
    }

    /// A data directory that was put back carries nothing out: in the template nobody has sat down to
    /// do so yet.
    fn nobody_sits(&self) -> Outcome<()> {
        let seat = self.template.join("machines/owner-machine/data/seat.json");
        let gone = |result: std::io::Result<()>, path: &Path| match result {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("failed to remove {}: {error}", path.display()))
            }
            _ => Ok(()),
        };
        gone(std::fs::remove_file(&seat), &seat)?;
        let held = self.template.join("remote.git/refs/seat");
        gone(std::fs::remove_dir_all(&held), &held)
    }

    /// Puts everything back as it was, and forgets what was paid.
    pub(crate) fn reset(&self) -> Outcome<()> {
        for (from, to) in [("machines", &self.root), ("remote.git", &self.remote)] {
            if to.exists() {
                std::fs::remove_dir_all(to).map_err(|e| format!("failed to remove {}: {e}", to.display()))?;
            }
            copy(&self.template.join(from), to)?;
        }
        self.world.forget_payments();
        Ok(())
    }

    /// The command of an act, started by `starter` if that is not empty.
    pub(crate) fn command(&self, act: Act, starter: &[String]) -> Command {
        let (side, program) = match act {
            Act::Cloud => (Side::Cloud, "cloud-agent"),
            Act::Watch => (Side::Owner, "sync-watcher"),
            Act::Owner | Act::Approve | Act::Reject => (Side::Owner, "local-agent"),
        };
        let mut command = self.world.command_below(side, starter, program);
        match act {
            Act::Cloud | Act::Owner | Act::Watch => command.arg("--once"),
            Act::Approve => command.args(&self.approve),
            Act::Reject => command.args(["reject", PROPOSED, "--reason", "no"]),
        };
        command
    }

    /// What is known of all tasks, `act` having ended well or not.
    pub(crate) fn ledger(&self, act: Act, ended_well: bool) -> Ledger {
        let mut ledger = Ledger::new();
        for id in [DRAFTED, SIGNED].into_iter().chain(NEW.map(|(_, id)| id)) {
            ledger.insert(id.to_owned(), Brought::default());
        }
        for (id, amount) in [(PROPOSED, "20.01"), (SIGNED_PAYMENT, "20.02")] {
            ledger.insert(id.to_owned(), Brought { amount: Some(amount.to_owned()), ..Brought::default() });
        }
        let decided = [(SIGNED, Decision::Approved), (SIGNED_PAYMENT, Decision::Approved)].into_iter();
        for (id, decision) in decided.chain(act.decides().filter(|_| ended_well)) {
            ledger.entry(id.to_owned()).or_default().decision = Some(decision);
        }
        ledger
    }
}

fn copy(from: &Path, to: &Path) -> Outcome<()> {
    let mut command = Command::new("cp");
    command.arg("-a").arg(from).arg(to);
    let ended = bounded::run(command, COPY)?;
    if ended.succeeded() { Ok(()) } else { Err(format!("cp {}: {}", from.display(), ended.said())) }
}
