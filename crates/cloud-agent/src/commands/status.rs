//! `cloud-agent status`, on one screen.

use std::fmt::Write as _;

use chrono::Utc;
use daemon::{Failure, InstanceLock, OrFailure as _, Setup};
use health::Heartbeat;
use vault::Folder;
use worker::Peers;

pub(crate) fn run(setup: &Setup) -> Result<(), Failure> {
    let vault = worker::open_vault(setup)?;
    let now = Utc::now();
    let count = |folder: Folder| {
        vault.list(&folder).map(|listing| listing.tasks.len()).or_failed("cannot list the vault")
    };
    let mut text = String::new();
    let mode = if setup.modes.dry_run { "dry run" } else { "drafts only; it can never send" };
    let sample = if setup.modes.mock_data { ", sample data" } else { "" };
    let _ = writeln!(text, "{} (cloud), {mode}{sample}", setup.agent);
    let _ = writeln!(text, "vault     {}", setup.vault_path.display());
    if let Some(reason) = vault.stop_reason() {
        let _ = writeln!(text, "STOPPED   {}; only the owner lifts it: local-agent resume", reason.trim());
    }
    let _ = writeln!(
        text,
        "tasks     {} new or signed, {} in work, {} wait for the owner, {} in Errors",
        count(Folder::NeedsAction)?,
        count(Folder::AllInProgress)?,
        count(Folder::PendingApproval)?,
        count(Folder::Errors)?
    );
    if let Some(said) = worker::about_handbook(&worker::handbook(setup, &vault)) {
        let _ = writeln!(text, "handbook  {said}");
    }
    match Heartbeat::read(&vault, &setup.agent).ok().flatten() {
        None => {
            let _ = writeln!(text, "daemon    has not run here yet: cloud-agent");
        }
        Some(beat) => {
            let age = (now - beat.at).num_seconds();
            // A daemon that was killed leaves its heartbeat behind, and not its lock.
            let state = match InstanceLock::holder(&setup.data, &setup.agent) {
                Some(_) => format!("runs, pid {}", beat.pid),
                None => "DOES NOT RUN; cloud-agent starts it".to_owned(),
            };
            let _ = writeln!(text, "daemon    {state}, last sign of life {age} s ago");
            for channel in &beat.channels {
                let until = channel.complete_until.map_or_else(
                    || "never complete".into(),
                    |at| format!("complete until {}", at.format("%m-%d %H:%M")),
                );
                let failing = channel
                    .last_error
                    .as_deref()
                    .map(|error| format!("; FAILING: {error}"))
                    .unwrap_or_default();
                let _ = writeln!(text, "channel   {} {until}{failing}", channel.source);
            }
            for warning in &beat.warnings {
                let _ = writeln!(text, "warning   {warning}");
            }
        }
    }
    for peer in Peers::load(setup.data.root()).iter() {
        let _ = writeln!(text, "other     {}", peer.line(now));
    }
    daemon::print(&text)
}
