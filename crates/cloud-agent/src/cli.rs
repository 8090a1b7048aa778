//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use daemon::{CommonArgs, HandbookCommand, ModeArgs};

/// Watches mail and channels, turns each event into a task, claims it and drafts the answer.
/// It can never send, post or pay.
#[derive(Parser, Debug)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) modes: ModeArgs,
    /// One round of everything, then exit.
    #[arg(long)]
    pub(crate) once: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What can be said to it by hand. Nothing here decides on a task.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Set this machine up, or bring it back, with the join code of the owner's machine.
    Init(Init),
    /// Say what is missing or wrong, and how to mend it.
    Doctor,
    /// How this machine, the other one and the channels are.
    Status,
    /// The company handbook: which one counts on this machine, and accepting a changed one.
    #[command(subcommand)]
    Handbook(HandbookCommand),
}

/// `init`
#[derive(Args, Debug)]
pub(crate) struct Init {
    /// The code that local-agent init printed.
    #[arg(long, value_name = "CODE", conflicts_with = "join_file")]
    pub(crate) join: Option<String>,
    /// Read the code from this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) join_file: Option<PathBuf>,
    /// Read a mail account's password from this file; with several accounts, once for each.
    #[arg(long, value_name = "[ACCOUNT=]FILE")]
    pub(crate) mail_password_file: Vec<String>,
    /// A certificate authority of your own for the mail server, PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) mail_ca_file: Option<PathBuf>,
    /// Do not try remote and mailbox out.
    #[arg(long)]
    pub(crate) no_trial: bool,
    /// The machine that had this name before is gone or off: do not listen for it.
    #[arg(long)]
    pub(crate) old_machine_is_off: bool,
    /// How long to listen at the remote whether another machine of this name runs.
    #[arg(long, value_name = "SECONDS", default_value_t = 130)]
    pub(crate) listen_seconds: u64,
}
