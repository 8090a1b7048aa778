//! What all binaries share: where configuration, environment and data are found and which of them
//! wins, logging, signals, drain, exit codes, systemd notification, the lock against a second
//! instance, and where secrets are.
//!
//! This is the only library crate that reads the environment and the home directory. It knows
//! nothing of what an agent does. A `main` reads like this:
//!
//! ```no_run
//! # use clap::Parser;
//! #[derive(clap::Parser)]
//! struct Cli {
//!     #[command(flatten)]
//!     common: daemon::CommonArgs,
//!     #[command(flatten)]
//!     modes: daemon::ModeArgs,
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     let cli = Cli::parse();
//!     daemon::init_logging(&cli.common, "info");
//!     daemon::run("cloud-agent", daemon::Threads::Few, async move {
//!         let setup = daemon::load(daemon::Program::CloudAgent, &cli.common, &(&cli.modes).into())?;
//!         let _instance = daemon::InstanceLock::take(&setup.data, &setup.agent)?;
//!         let shutdown = daemon::Shutdown::install()?;
//!         let supervisor = daemon::Supervisor::new();
//!         supervisor.ready();
//!         shutdown.token().cancelled().await; // the work
//!         supervisor.stopping();
//!         Ok(())
//!     })
//! }
//! ```

mod args;
mod credentials;
mod data;
mod env;
mod failure;
mod fault_plan;
mod guarded;
mod lock;
mod logging;
mod machine;
mod manual;
mod places;
mod run;
mod secret;
mod setup;
mod shutdown;
mod supervisor;
mod terminal;
mod wrap;

pub use args::{CommonArgs, Flags, HandbookCommand, ModeArgs, parse_bool};
pub use credentials::credentials;
pub use data::{DataDir, DataDirError};
pub use env::{Env, EnvFileError, Surroundings};
pub use failure::{Failure, FailureKind, OrFailure};
pub use guarded::secret_scanner;
pub use lock::{Holder, InstanceLock, InstanceLockError};
pub use logging::init_logging;
pub use machine::machine_name;
pub use manual::generated;
pub use places::Places;
pub use run::{Threads, run, status};
pub use secret::SecretError;
pub use setup::{Program, Setup, load, load_in};
pub use shutdown::{Ending, GRACE, Shutdown};
pub use supervisor::{Pulse, Supervisor};
pub use terminal::{ask, print, print_json, shown, shown_json};
