//! `cloud-agent status`, on one screen.

use std::fmt::Write as _;

use chrono::Utc;
use daemon::{Failure, InstanceLock, OrFailure as _, Setup};
use health::{Heartbeat, ago, complete};
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
            let last = ago(beat.at, now);
            // A daemon that was killed leaves its heartbeat behind, and not its lock.
            let state = match InstanceLock::holder(&setup.data, &setup.agent) {
                Some(_) => format!("runs, process {}, last sign of life {last}", beat.pid),
                None => format!("DOES NOT RUN, last sign of life {last}; cloud-agent starts it"),
            };
            let _ = writeln!(text, "daemon    {state}");
            for channel in &beat.channels {
                let until = complete(channel.complete_until, now);
                let failing = channel
                    .last_error
                    .as_deref()
                    .map(|error| format!("; FAILING: {error}"))
                    .unwrap_or_default();
                let _ = writeln!(text, "channel   {:<17} {until}{failing}", channel.name());
            }
            for warning in &beat.warnings {
                let _ = writeln!(text, "warning   {warning}");
            }
        }
    }
    for peer in Peers::load(setup.data.root()).iter() {
        for (at, line) in peer.lines(now).into_iter().enumerate() {
            let _ = writeln!(text, "{:<9} {line}", if at == 0 { "other" } else { "" });
        }
    }
    daemon::print(&text)
}
