//! What can be said to the cloud agent by hand.

mod doctor;
mod init;
mod status;

use daemon::{CommonArgs, Failure, Setup};

use crate::cli::Command;

/// Sets this machine up: before there is a setup.
pub(crate) async fn set_up(command: &Command, common: &CommonArgs) -> Option<Result<(), Failure>> {
    match command {
        Command::Init(arguments) => Some(init::run(common, arguments).await),
        _ => None,
    }
}

/// Runs one command.
pub(crate) async fn run(command: &Command, setup: &Setup) -> Result<(), Failure> {
    match command {
        // It comes before there is a setup; see `main`.
        Command::Init(_) => Ok(()),
        Command::Doctor => doctor::run(setup).await,
        Command::Status => status::run(setup),
        Command::Handbook(command) => {
            worker::handbook_command(setup, command, &mut daemon::print, &mut daemon::ask)
        }
    }
}
