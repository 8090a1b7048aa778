//! Taking back what a dead or stuck agent has left in work.
//!
//! Clocks of two machines are never compared: an observer notes, on its own clock, since when a
//! claim has looked the same, and keeps that across its own restarts.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use task::{AgentId, Digest, Location, Stage, TaskId};
use vault::{DurableError, FileError, Folder, LockError, MoveError, Vault, durable};

use crate::Claims;
use crate::claims::{ClaimError, is_shared, put_back};

/// What is known of the other agents, and as of when.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// When the remote was last seen, by this machine's clock; now, where there is none. While it
    /// is out of sight, nobody's time runs.
    pub at: DateTime<Utc>,
    /// Whatever changes while an agent makes progress, such as the counter of its heartbeat.
    pub progress: BTreeMap<AgentId, String>,
}

/// Why stale claims were not looked for.
#[derive(Debug, thiserror::Error)]
pub enum StaleError {
    /// The vault.
    #[error("look for stale claims: {0}")]
    File(#[from] FileError),
    /// The lock.
    #[error("look for stale claims: {0}")]
    Lock(#[from] LockError),
    /// The state file.
    #[error("write down how long claims have stood: {0}")]
    State(#[from] DurableError),
    /// The runtime is going down.
    #[error("cut off by shutdown")]
    Shutdown,
}

/// Since when a claim has looked like this.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Sighting {
    looks: Digest,
    since: DateTime<Utc>,
}

/// By path of the task's file.
type Sightings = BTreeMap<String, Sighting>;

impl Claims {
    /// Puts the shared tasks back that another agent has had for too long without any change;
    /// returns them. The next synchronisation publishes that by compare-and-swap: where the owner
    /// has moved on meanwhile, the owner wins.
    pub async fn reclaim_stale(&self, observation: Observation) -> Result<Vec<TaskId>, StaleError> {
        let (vault, settings, now) = (self.vault.clone(), self.settings.clone(), self.clock.now());
        let limit = TimeDelta::from_std(settings.stale_after).unwrap_or(TimeDelta::MAX);
        tokio::task::spawn_blocking(fault::inherit(move || {
            let old = load(&settings.state_file);
            let mut new = Sightings::new();
            let mut returned = Vec::new();
            for location in foreign(&vault, &settings.agent)? {
                let Some((owner, looks)) = look(&vault, &location, &observation)? else { continue };
                let path = location.path();
                // A clock that was set back starts the count again.
                let since = match old.get(&path) {
                    Some(known) if known.looks == looks && known.since <= now => known.since,
                    _ => observation.at.min(now),
                };
                if observation.at.min(now) - since < limit && !fault::flaw("claim.no_lease") {
                    new.insert(path, Sighting { looks, since });
                    continue;
                }
                match put_back(&vault, &owner, &location) {
                    Ok(_) => returned.push(location.id),
                    // Its owner was faster after all.
                    Err(ClaimError::Move(MoveError::Gone(_) | MoveError::Exists(_))) => {}
                    Err(error) => {
                        tracing::warn!(task = %location.id, %error, "a stale claim could not be taken back");
                        new.insert(path, Sighting { looks, since });
                    }
                }
            }
            if new != old {
                let text = serde_json::to_vec_pretty(&new).unwrap_or_default();
                durable::replace(&settings.state_file, &text)?;
            }
            Ok(returned)
        }))
        .await
        .map_err(|_| StaleError::Shutdown)?
    }
}

/// A state file that cannot be read starts every count again: the safe side.
fn load(path: &std::path::Path) -> Sightings {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            if error.kind() != std::io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), %error, "cannot read how long claims have stood");
            }
            return Sightings::new();
        }
    };
    serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        tracing::warn!(path = %path.display(), %error, "starting anew to count how long claims have stood");
        Sightings::new()
    })
}

fn foreign(vault: &Vault, me: &AgentId) -> Result<Vec<Location>, FileError> {
    let mut found = Vec::new();
    for agent in vault.agents_in_progress()?.into_iter().filter(|agent| agent != me) {
        let tasks = vault.list(&Folder::InProgress(agent))?.tasks;
        found.extend(tasks.into_iter().map(|entry| entry.location).filter(is_shared));
    }
    Ok(found)
}

/// What the claim looks like; `None` when it has gone meanwhile.
fn look(
    vault: &Vault,
    location: &Location,
    observation: &Observation,
) -> Result<Option<(AgentId, Digest)>, FileError> {
    let Stage::InProgress(owner) = &location.stage else { return Ok(None) };
    let limit = vault.limits().max_task_bytes;
    let bytes = match vault.dir(&location.stage.folder()).and_then(|d| d.read(location.file_name(), limit)) {
        Ok(contents) => contents.bytes,
        Err(e) if e.is_missing() => return Ok(None),
        Err(e) => return Err(e),
    };
    let claim = vault.read_claim(owner, &location.id)?.unwrap_or_default();
    let progress = observation.progress.get(owner).map(String::as_str).unwrap_or_default();
    let parts = [Digest::of(bytes).hex(), Digest::of(claim).hex(), Digest::of(progress).hex()];
    Ok(Some((owner.clone(), Digest::of(parts.concat()))))
}
