//! A look at the working folders: what people dropped is taken in, what is no task is set aside,
//! the rest is what may be claimed.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use policy::House;
use task::{Location, Priority, Stage};
use vault::{Folder, ReadError, Vault};

use crate::Found;

/// What a look at the working folders brought.
pub(crate) struct Looked {
    pub(crate) found: Found,
    /// High priority first, then the oldest.
    pub(crate) candidates: Vec<Location>,
}

/// Takes in what people dropped, sets aside what is no task, and lists the rest.
pub(crate) fn look(vault: &Vault, now: DateTime<Utc>, quiet: TimeDelta, house: &House) -> Looked {
    let mut found = Found::default();
    match vault.intake(now, quiet) {
        Ok(intake) => {
            found.taken_in = intake.taken.into_iter().map(|taken| taken.location.id).collect();
            for stranger in intake.strangers {
                quarantine(vault, &stranger.path, &stranger.reason, &mut found);
            }
        }
        Err(error) => found.trouble(format!("cannot look into Inbox: {error}")),
    }
    for folder in [Folder::PendingApproval, Folder::Rejected] {
        match vault.list(&folder) {
            Ok(listing) => strangers(vault, listing.strangers, now, quiet, &mut found),
            Err(error) => found.trouble(format!("cannot list a folder: {error}")),
        }
    }
    let mut candidates = Vec::new();
    match vault.list(&Folder::NeedsAction) {
        Ok(listing) => {
            strangers(vault, listing.strangers, now, quiet, &mut found);
            for entry in listing.tasks {
                if entry.location.stage != Stage::NeedsAction {
                    continue;
                }
                match vault.read(&entry.location) {
                    // It failed before, and has its time.
                    Ok(file) if !file.task.front.may_be_tried(now) => {}
                    Ok(file) => {
                        let vip = drafter::writers(&file.task).iter().any(|who| house.is_vip(who));
                        let priority = if vip { Priority::High } else { file.task.front.priority };
                        candidates.push((priority, file.task.front.created, entry.location));
                    }
                    Err(ReadError::Gone(_)) => {}
                    // It may be half-written by a person, and is read again when it has been quiet.
                    Err(_) if (now - entry.modified).abs() < quiet => {}
                    // This machine's trouble, not the file's.
                    Err(ReadError::File(error)) => found.trouble(error.to_string()),
                    Err(error) => {
                        let path = entry.location.path();
                        quarantine(vault, Path::new(&path), &error.to_string(), &mut found);
                    }
                }
            }
        }
        Err(error) => found.trouble(format!("cannot list Needs_Action: {error}")),
    }
    candidates.sort_by_key(|(priority, created, _): &(Priority, _, _)| (*priority, *created));
    Looked { found, candidates: candidates.into_iter().map(|(_, _, location)| location).collect() }
}

fn strangers(
    vault: &Vault,
    strangers: Vec<vault::Stranger>,
    now: DateTime<Utc>,
    quiet: TimeDelta,
    found: &mut Found,
) {
    for stranger in strangers {
        if (now - stranger.modified).abs() >= quiet {
            quarantine(vault, &stranger.path, &stranger.reason, found);
        }
    }
}

fn quarantine(vault: &Vault, path: &Path, reason: &str, found: &mut Found) {
    // Whoever can put a file here chooses its name, line ends and control characters included.
    let shown = path.to_string_lossy().escape_debug().to_string();
    match vault.quarantine(path, reason) {
        Ok(aside) => {
            tracing::warn!("set {shown} aside as {aside}: {reason}");
            found.set_aside.push((shown, reason.to_owned()));
        }
        Err(vault::SetAsideError::Gone(_)) => {}
        Err(error) => found.trouble(format!("cannot set {shown} aside: {error}")),
    }
}
