//! The agent on the machine that is always on: watches, claims, drafts. It links no code that can
//! sign or execute, and refuses to start beside a credential that acts.

mod cli;
mod commands;
mod granted;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use clap::{CommandFactory as _, Parser as _};
use config::Duty;
use daemon::{Failure, Flags, InstanceLock, Program, Pulse, Setup, Shutdown, Supervisor, Threads};
use reports::Standing;
use task::{Clock, Step, SystemClock};
use vault::Vault;
use worker::{
    Clerk, ClerkError, Composed, Duties, Found, Performed, Vitals, compose, loop_settings, sources,
};

use crate::cli::Cli;

fn main() -> ExitCode {
    if let Some(status) = daemon::generated(Cli::command()) {
        return status;
    }
    let cli = Cli::parse();
    let brief = cli.once || cli.command.is_some();
    daemon::init_logging(&cli.common, if brief { "warn" } else { "info" });
    daemon::run("cloud-agent", if brief { Threads::One } else { Threads::Few }, work(cli))
}

async fn work(cli: Cli) -> Result<(), Failure> {
    if let (true, Some(_)) = (cli.once, &cli.command) {
        return Err(Failure::usage("--once is one round of the daemon, and does not go with a command"));
    }
    if let Some(command) = &cli.command
        && let Some(done) = commands::set_up(command, &cli.common).await
    {
        return done;
    }
    let mut setup = daemon::load(Program::CloudAgent, &cli.common, &Flags::from(&cli.modes))?;
    if let Some(command) = &cli.command {
        return commands::run(command, &setup).await;
    }
    let _lock = InstanceLock::take(&setup.data, &setup.agent)?;
    let shutdown = Shutdown::install()?;
    granted::ask(&mut setup).await?;
    for warning in &setup.warnings {
        tracing::warn!("{}: {}", warning.place, warning.message);
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut composed = compose(&setup, Arc::clone(&clock)).await?;
    let scanner = Scanner(composed.vault.clone(), clock);
    composed.worker.keep(composed.agenda.clone().done_by(Arc::new(scanner)));
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
    let text = format!(
        "{} (cloud), drafts only{sample}, vault {}\n{}",
        setup.agent,
        setup.vault_path.display(),
        found.summary()
    );
    daemon::print(&text)?;
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

/// Of the duties, the cloud machine does the daily scan; briefings are the owner's machine's.
struct Scanner(Vault, Arc<dyn Clock>);

#[async_trait]
impl Clerk for Scanner {
    fn does(&self, duty: Duty) -> bool {
        duty == Duty::Scan
    }

    async fn perform(
        &self,
        _duty: Duty,
        _due: DateTime<Utc>,
        _made: &[Step],
    ) -> Result<Performed, ClerkError> {
        let (vault, now) = (self.0.clone(), self.1.now());
        let standing = tokio::task::spawn_blocking(move || Standing::look(&vault, now)).await??;
        Ok(Performed { summary: standing.summary(), notes: standing.markdown() })
    }
}
