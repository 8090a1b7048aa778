//! The daemon, and one round of it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use daemon::{Failure, InstanceLock, Pulse, Setup, Shutdown, Supervisor};
use local_agent::{OwnersDuties, Staff, sentence, staff};
use mcp_client::{Sessions, ToolCaller};
use policy::Class;
use task::{Clock, Stage, SystemClock};
use worker::{Found, compose, loop_settings, session_settings, sources};

/// A cycle with a slow model takes this long; a loop that hangs longer is restarted by systemd.
const STALL: Duration = Duration::from_secs(45 * 60);

/// Runs until a signal.
pub(crate) async fn daemon(setup: &Setup) -> Result<(), Failure> {
    let _lock = InstanceLock::take(&setup.data, &setup.agent)?;
    let shutdown = Shutdown::install()?;
    let supervisor = Supervisor::new();
    let pulse = Pulse::default();
    supervisor.watch(pulse.clone(), STALL, shutdown.token());

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let composed = compose(setup, Arc::clone(&clock)).await?;
    let Staff { mut worker, watchers, mut duties, .. } =
        staff(setup, composed, tools(setup)?, clock, shutdown.token())?;
    let watching = watchers.start(sources(setup), &shutdown.token());
    tracing::info!(agent = %setup.agent, role = %setup.role, dry_run = setup.modes.dry_run, "ready");
    supervisor.ready();
    shutdown
        .drain(async {
            worker::run(&mut worker, &mut duties, loop_settings(setup), &shutdown, &pulse).await;
            supervisor.stopping();
            watching.join().await;
            duties.close().await;
        })
        .await;
    Ok(())
}

/// One round, with an account of it on stdout.
pub(crate) async fn once(setup: &Setup) -> Result<(), Failure> {
    let _lock = InstanceLock::take(&setup.data, &setup.agent)?;
    let shutdown = Shutdown::install()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let composed = compose(setup, Arc::clone(&clock)).await?;
    let Staff { mut worker, watchers, duties, .. } =
        staff(setup, composed, tools(setup)?, clock, shutdown.token())?;
    let mut duties = duties.patient();
    duties.see_to_errors().await;
    let found = worker::once(&mut worker, &mut duties, &watchers, sources(setup), &shutdown.token()).await;
    duties.close().await;
    daemon::print(&account(setup, &found, &duties))?;
    if found.remote_failed {
        return Err(Failure::failed(
            "the vault and the remote could not be brought together; what was not exchanged waits for the next time",
        ));
    }
    Ok(())
}

/// Every tool, whatever its class: what acts asks for the owner's order itself.
fn tools(setup: &Setup) -> Result<Arc<dyn ToolCaller>, Failure> {
    Ok(Arc::new(Sessions::new(session_settings(setup, Class::Dangerous)?)))
}

/// What was found, done, and would have been done, in a few lines.
fn account(setup: &Setup, found: &Found, duties: &OwnersDuties) -> String {
    let mut text = String::new();
    let mode = if setup.modes.dry_run { "dry run" } else { "live" };
    let sample = if setup.modes.mock_data { ", sample data" } else { "" };
    let _ = writeln!(
        text,
        "{} ({}), {mode}{sample}, vault {}",
        setup.agent,
        setup.role,
        setup.vault_path.display()
    );
    text.push_str(&found.summary());
    for entry in duties.entries() {
        let _ = writeln!(text, "  {}: {}", entry.id, sentence(entry));
    }
    let waiting = found.worked.iter().filter(|(_, stage)| *stage == Stage::PendingApproval).count();
    match duties.waiting() {
        0 => text.push_str("nothing waits for you\n"),
        n => {
            let new = if waiting > 0 { format!(", {waiting} drafted just now") } else { String::new() };
            let dry = if setup.modes.dry_run { "; in a dry run nothing is sent" } else { "" };
            let _ = writeln!(text, "{n} waiting for you{new}: local-agent review{dry}");
        }
    }
    text
}
