//! Keeps a vault current while no agent runs: takes in what the remote has and sends what is
//! here, every 60 seconds. It claims, drafts, signs and executes nothing.

mod alarms;
mod gate;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use alarms::Alarms;
use clap::{CommandFactory as _, Parser, Subcommand};
use daemon::{
    CommonArgs, Failure, Flags, InstanceLock, OrFailure, Program, Pulse, Setup, Shutdown, Supervisor, Threads,
};
use sync::{OpenError, Report, Side, Sync, SyncError};
use task::{AgentId, Role, SystemClock};
use vault::{Limits, Vault};

/// Keeps the vault and its private Git repository in agreement.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    /// Once, then exit; status 1 when the remote cannot be reached.
    #[arg(long)]
    once: bool,
    /// Seconds between two pulls [else sync.interval_seconds of the configuration] [env: GIT_SYNC_INTERVAL]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    interval: Option<u64>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Judges a push to the vault's repository, as git's pre-receive hook: what comes from another
    /// machine than the owner's may bring and draft work, and touch nothing that the owner decides.
    PreReceive(gate::Rule),
    /// Makes that the hook of a bare repository on this machine, and says how to tell the two
    /// machines' keys apart.
    InstallHook {
        /// The bare repository.
        repository: std::path::PathBuf,
        #[command(flatten)]
        rule: gate::Rule,
    },
}

fn main() -> ExitCode {
    if let Some(status) = daemon::generated(Cli::command()) {
        return status;
    }
    let cli = Cli::parse();
    daemon::init_logging(&cli.common, if cli.once { "warn" } else { "info" });
    daemon::run("sync-watcher", Threads::One, work(cli))
}

async fn work(cli: Cli) -> Result<(), Failure> {
    match &cli.command {
        Some(Command::PreReceive(rule)) => return gate::pre_receive(rule),
        Some(Command::InstallHook { repository, rule }) => return gate::install(repository, rule),
        None => {}
    }
    let flags = Flags { sync_interval_seconds: cli.interval, ..Flags::default() };
    let setup = daemon::load(Program::SyncWatcher, &cli.common, &flags)?;
    let _instance = InstanceLock::take(&setup.data, &name(&setup.agent))?;
    let shutdown = Shutdown::install()?;
    let vault = open_vault(&setup)?;
    let sync = open(&setup, vault.clone())?;
    let alarms = Alarms::open(&setup, vault, sync.clone())?;
    let ended = match cli.once {
        true => once(&setup, &sync, alarms).await,
        false => watch(&setup, &sync, alarms, &shutdown).await,
    };
    sync.close().await;
    ended
}

/// An agent of the same name may run beside it: that one's lock is not touched.
fn name(agent: &AgentId) -> AgentId {
    let name: String = format!("watcher-{agent}").chars().take(40).collect();
    AgentId::new(name).unwrap_or_else(|_| agent.clone())
}

fn open_vault(setup: &Setup) -> Result<Vault, Failure> {
    let limits = Limits { max_task_bytes: setup.config.vault.max_task_bytes };
    match Vault::open(&setup.vault_path, limits) {
        // Starting again does not help.
        Err(error @ vault::OpenError::Newer { .. }) => Err(Failure::usage(error.to_string())),
        opened => opened.or_failed(format!("cannot open the vault {}", setup.vault_path.display())),
    }
}

fn open(setup: &Setup, vault: Vault) -> Result<Sync, Failure> {
    if !setup.config.sync.enabled {
        return Err(Failure::usage("sync is off, so there is nothing to watch")
            .hint("set sync.enabled: true and sync.remote in config.yaml, or GIT_SYNC_ENABLED=true"));
    }
    let settings = sync::Settings {
        vault,
        config: setup.config.sync.clone(),
        agent: setup.agent.clone(),
        state_dir: setup.data.sync(),
        side: if setup.role == Role::Cloud { Side::Other } else { Side::Owner },
    };
    let secrets = Arc::new(daemon::secret_scanner(setup)?);
    Sync::open_guarded(settings, Arc::new(SystemClock), secrets).map_err(|error| match error {
        OpenError::NoRemote | OpenError::Branch(_) => Failure::usage("cannot synchronise").because(error),
        error => Failure::failed("cannot synchronise").because(error),
    })
}

async fn once(setup: &Setup, sync: &Sync, alarms: Alarms) -> Result<(), Failure> {
    let report = sync.flush().await.or_failed("cannot synchronise")?;
    say(&report);
    if alarms.raise().await.1 {
        sync.flush().await.or_failed("cannot synchronise")?;
    }
    let text = format!("{}: {}\n", setup.vault_path.display(), summary(&report));
    // A reader that went away is no failure.
    let _ = std::io::stdout().lock().write_all(daemon::shown(&text).as_bytes());
    Ok(())
}

async fn watch(setup: &Setup, sync: &Sync, mut alarms: Alarms, shutdown: &Shutdown) -> Result<(), Failure> {
    let interval = Duration::from_secs(setup.config.sync.interval_seconds);
    let (supervisor, pulse) = (Supervisor::new(), Pulse::default());
    // A cycle is at most some git commands long, each of which has its limit.
    let stall = interval + Duration::from_secs(setup.config.sync.timeout_seconds) * 20;
    supervisor.watch(pulse.clone(), stall, shutdown.token());
    tracing::info!(vault = %setup.vault_path.display(), seconds = interval.as_secs(), "ready");
    supervisor.ready();
    let token = shutdown.token();
    let mut trouble = Trouble::default();
    shutdown
        .drain(async {
            while !token.is_cancelled() {
                pulse.beat();
                trouble.note(sync.cycle().await);
                alarms = alarms.raise().await.0;
                // Whatever ends the pause, the loop's condition tells which it was.
                let _ = token.run_until_cancelled(tokio::time::sleep(interval)).await;
            }
            supervisor.stopping();
        })
        .await;
    Ok(())
}

/// What keeps going wrong is said once.
#[derive(Default)]
struct Trouble(Option<String>);

impl Trouble {
    fn note(&mut self, outcome: Result<Report, SyncError>) {
        match outcome {
            Ok(report) => {
                if self.0.take().is_some() {
                    tracing::info!("the remote can be reached again");
                }
                say(&report);
                if report.changed() {
                    tracing::info!("{}", summary(&report));
                }
            }
            Err(error) => {
                let message = error.to_string();
                if self.0.as_ref() != Some(&message) {
                    tracing::warn!("cannot synchronise: {message}");
                }
                self.0 = Some(message);
            }
        }
    }
}

fn say(report: &Report) {
    for conflict in &report.conflicts {
        tracing::warn!("two edits met; the other version is in {conflict}");
    }
}

fn summary(report: &Report) -> String {
    let mut text = match (report.pulled, report.pushed) {
        (0, 0) => "in agreement with the remote".to_owned(),
        (pulled, pushed) => format!("files in: {pulled}, out: {pushed}"),
    };
    for (count, what) in
        [(report.refused.len(), "not taken or not sent"), (report.conflicts.len(), "kept in Conflicts")]
    {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text
}
