//! The command line.

mod setup_args;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use daemon::{CommonArgs, HandbookCommand, ModeArgs};
pub(crate) use setup_args::{Init, Restore, Said, address};
use task::{Digest, Role, TaskId};

/// The owner's agent: shows each draft, signs what you approve, and carries it out at most once.
///
/// Without a command it is the daemon.
#[derive(Parser, Debug)]
#[command(version, about, args_conflicts_with_subcommands = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) modes: ModeArgs,
    /// One round of everything, then exit.
    #[arg(long)]
    pub(crate) once: bool,
    /// What this machine is: local (with a cloud agent) or gold (one machine, no sync).
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<Role>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What the owner can ask for.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Set this machine up: asks what it needs, or takes it from flags; can be run again.
    Init(Box<Init>),
    /// Bring a lost machine back from the remote; says what cannot come back.
    Restore(Box<Restore>),
    /// Print the line that cloud-agent init --join takes; there is no secret in it.
    JoinCode,
    /// Say what is missing or wrong, and how to mend it.
    Doctor,
    /// How this machine, the other one and the channels are.
    Status(Json),
    /// What waits for you.
    List(Json),
    /// One task, as the review shows it.
    Show(Show),
    /// One draft after the other: approve, reject, modify or skip.
    Review(Review),
    /// Approve one draft from a script; the digest names what was seen.
    Approve(Approve),
    /// Reject one draft.
    Reject(Reject),
    /// Change what a draft proposes.
    Modify(Modify),
    /// Take an order back that is not carried out yet.
    Undo(One),
    /// Put a task from Errors back to work, or try one now that waits for its next try.
    Retry(One),
    /// Close a task in Errors: nothing is to be done about it.
    Drop(One),
    /// Note on a task in Errors that you see to it another day.
    Later(Later),
    /// Settle a task whose outcome nobody knows.
    Resolve(Resolve),
    /// Stop all claims and sends, on both machines.
    Stop(Stop),
    /// Lift the stop.
    Resume,
    /// Accept a remote history that does not follow the one last seen.
    TrustTip(TrustTip),
    /// Have this machine carry the orders out, and no other one, after its data were copied or put back.
    TakeSeat,
    /// The company handbook: which one counts, and accepting a changed one.
    #[command(subcommand)]
    Handbook(HandbookCommand),
    /// What comes again by itself, and when.
    #[command(subcommand)]
    Schedule(Schedule),
    /// Write the week's briefing now; or, with --gate, try to get something done without your signature, on
    /// every path there is.
    Audit(Audit),
    /// The audit log.
    #[command(subcommand)]
    Log(Log),
}

/// Output for scripts.
#[derive(Args, Debug)]
pub(crate) struct Json {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the key's passphrase comes from; asked for in the terminal when absent.
#[derive(Args, Debug)]
pub(crate) struct Passphrase {
    /// Read the key's passphrase from this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// `show`
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// The task.
    pub(crate) id: TaskId,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// `review`
#[derive(Args, Debug)]
pub(crate) struct Review {
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
}

/// `approve`
#[derive(Args, Debug)]
pub(crate) struct Approve {
    /// The task.
    pub(crate) id: TaskId,
    /// What was seen, as `show` prints it.
    #[arg(long)]
    pub(crate) digest: Digest,
    /// For a payment: the amount, typed again.
    #[arg(long, value_name = "AMOUNT", requires = "payee_end")]
    pub(crate) amount: Option<String>,
    /// For a payment: the last four characters of the payee's IBAN, typed again.
    #[arg(long, value_name = "FOUR", requires = "amount")]
    pub(crate) payee_end: Option<String>,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
}

/// `reject`
#[derive(Args, Debug)]
pub(crate) struct Reject {
    /// The task.
    pub(crate) id: TaskId,
    /// Why.
    #[arg(long)]
    pub(crate) reason: String,
}

/// `modify`
#[derive(Args, Debug)]
pub(crate) struct Modify {
    /// The task.
    pub(crate) id: TaskId,
    /// Take the action from this YAML file; $EDITOR opens when absent.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["take_edit", "drop_edit"])]
    pub(crate) action_file: Option<PathBuf>,
    /// Take over the draft's text as it was edited in the file's body.
    #[arg(long, conflicts_with = "drop_edit")]
    pub(crate) take_edit: bool,
    /// Drop the edit in the file's body.
    #[arg(long)]
    pub(crate) drop_edit: bool,
}

/// A task.
#[derive(Args, Debug)]
pub(crate) struct One {
    /// The task.
    pub(crate) id: TaskId,
}

/// `later`
#[derive(Args, Debug)]
pub(crate) struct Later {
    /// The task.
    pub(crate) id: TaskId,
    /// After so many days.
    #[arg(long, value_name = "DAYS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=365))]
    pub(crate) days: u16,
}

/// `resolve`
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Settled {
    /// It was sent: file it under Done.
    #[arg(long)]
    pub(crate) sent: bool,
    /// It was not sent: put it before me again.
    #[arg(long)]
    pub(crate) not_sent: bool,
}

/// `resolve`
#[derive(Args, Debug)]
pub(crate) struct Resolve {
    /// The task.
    pub(crate) id: TaskId,
    #[command(flatten)]
    pub(crate) settled: Settled,
}

/// `stop`
#[derive(Args, Debug)]
pub(crate) struct Stop {
    /// Why, for the record.
    #[arg(long, default_value = "stopped by the owner")]
    pub(crate) reason: String,
}

/// `trust-tip`
#[derive(Args, Debug)]
pub(crate) struct TrustTip {
    /// The remote's commit, 40 hexadecimal digits.
    pub(crate) sha: String,
}

/// `schedule`
#[derive(Subcommand, Debug)]
pub(crate) enum Schedule {
    /// Every schedule, with its next and its last time.
    List(Json),
    /// Make the task of one schedule now.
    Run {
        /// The schedule's name.
        name: String,
    },
}

/// `log`
#[derive(Subcommand, Debug)]
pub(crate) enum Log {
    /// Follow every agent's hash chain, hold it against git's history and against what this machine
    /// has seen of it, and name the first bad record.
    Verify,
}

/// `audit`
#[derive(Args, Debug)]
pub(crate) struct Audit {
    /// Send an unsigned order through every path and say who refused it.
    #[arg(long)]
    pub(crate) gate: bool,
    /// The week of this day, such as 2026-11-25, instead of today's.
    #[arg(long, value_name = "DAY", conflicts_with = "gate")]
    pub(crate) week: Option<chrono::NaiveDate>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
