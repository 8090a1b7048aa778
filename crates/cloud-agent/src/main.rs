//! The agent on the machine that is always on: watches, claims, drafts. It links no code that can
//! sign or execute, and refuses to start beside a credential that acts.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use daemon::{
    CommonArgs, Failure, Flags, HandbookCommand, InstanceLock, ModeArgs, Program, Pulse, Setup, Shutdown,
    Supervisor, Threads,
};
use task::{Clock, SystemClock};
use worker::{Composed, Duties, Found, Vitals, compose, loop_settings, sources};

/// Watches mail and channels, turns each event into a task, claims it and drafts the answer.
/// It can never send, post or pay.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    modes: ModeArgs,
    /// One round of everything, then exit.
    #[arg(long)]
    once: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What can be said to it by hand. Nothing here decides on a task.
#[derive(Subcommand, Debug)]
enum Command {
    /// The company handbook: which one counts on this machine, and accepting a changed one.
    #[command(subcommand)]
    Handbook(HandbookCommand),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let brief = cli.once || cli.command.is_some();
    daemon::init_logging(&cli.common, if brief { "warn" } else { "info" });
    daemon::run("cloud-agent", if brief { Threads::One } else { Threads::Few }, work(cli))
}

async fn work(cli: Cli) -> Result<(), Failure> {
    let setup = daemon::load(Program::CloudAgent, &cli.common, &Flags::from(&cli.modes))?;
    if let Some(Command::Handbook(command)) = &cli.command {
        return worker::handbook_command(&setup, command, &mut daemon::print, &mut daemon::ask);
    }
    let _lock = InstanceLock::take(&setup.data, &setup.agent)?;
    let shutdown = Shutdown::install()?;
    for warning in &setup.warnings {
        tracing::warn!("{}: {}", warning.place, warning.message);
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let composed = compose(&setup, clock).await?;
    if cli.once { once(&setup, composed, &shutdown).await } else { daemon(&setup, composed, &shutdown).await }
}

/// A cycle with a slow model takes this long; a loop that hangs longer is restarted by systemd.
const STALL: Duration = Duration::from_secs(45 * 60);

async fn daemon(setup: &Setup, composed: Composed, shutdown: &Shutdown) -> Result<(), Failure> {
    let Composed { mut worker, watchers, vitals, .. } = composed;
    let mut duties = CloudDuties(vitals);
    let supervisor = Supervisor::new();
    let pulse = Pulse::default();
    supervisor.watch(pulse.clone(), STALL, shutdown.token());
    let watching = watchers.start(sources(setup), &shutdown.token());
    tracing::info!(agent = %setup.agent, dry_run = setup.modes.dry_run, "ready");
    supervisor.ready();
    shutdown
        .drain(async {
            worker::run(&mut worker, &mut duties, loop_settings(setup), shutdown, &pulse).await;
            supervisor.stopping();
            watching.join().await;
        })
        .await;
    Ok(())
}

async fn once(setup: &Setup, composed: Composed, shutdown: &Shutdown) -> Result<(), Failure> {
    let Composed { mut worker, watchers, vitals, .. } = composed;
    let mut duties = CloudDuties(vitals);
    let found = worker::once(&mut worker, &mut duties, &watchers, sources(setup), &shutdown.token()).await;
    let sample = if setup.modes.mock_data { ", sample data" } else { "" };
    let text =
        format!("{} (cloud{sample}), vault {}\n{}", setup.agent, setup.vault_path.display(), found.summary());
    // A reader that went away is no failure.
    let _ = std::io::stdout().lock().write_all(daemon::shown(&text).as_bytes());
    if found.remote_failed {
        return Err(Failure::failed(
            "the vault and the remote could not be brought together; what was not exchanged waits for the next time",
        ));
    }
    Ok(())
}

/// The cloud machine has nothing to do beside the shared cycle.
struct CloudDuties(Vitals);

impl Duties for CloudDuties {
    async fn after_cycle(&mut self, found: &mut Found) {
        self.0.count(found);
    }

    async fn beat(&mut self) -> bool {
        self.0.beat().await
    }
}
