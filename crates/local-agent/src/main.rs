//! The owner's agent: the daemon that drafts and carries out, and the commands to decide with.

mod cli;
mod commands;
mod run;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use daemon::{Failure, Flags, Program, Threads};

use crate::cli::Cli;

fn main() -> ExitCode {
    if let Some(status) = daemon::generated(Cli::command()) {
        return status;
    }
    let cli = Cli::parse();
    daemon::init_logging(&cli.common, if cli.command.is_some() || cli.once { "warn" } else { "info" });
    let threads = if cli.command.is_some() || cli.once { Threads::One } else { Threads::Few };
    daemon::run("local-agent", threads, work(cli))
}

async fn work(cli: Cli) -> Result<(), Failure> {
    if let (true, Some(_)) = (cli.once, &cli.command) {
        return Err(Failure::usage("--once is one round of the daemon, and does not go with a command"));
    }
    if let Some(command) = &cli.command
        && let Some(done) = commands::set_up(command, &cli.common, cli.role).await
    {
        return done;
    }
    let flags = Flags { role: cli.role, ..Flags::from(&cli.modes) };
    let setup = daemon::load(Program::LocalAgent, &cli.common, &flags)?;
    match cli.command {
        Some(command) => commands::run(command, &setup).await,
        None if cli.once => run::once(&setup).await,
        None => run::daemon(&setup).await,
    }
}
