//! The sign of life that an agent leaves in the vault for other processes on its machine:
//! `.heartbeat_<agent-id>.json`, ignored by git.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use task::{AgentId, Role};
use vault::{FileError, PageError, Vault};

use crate::Coverage;

/// What an agent says of itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Who.
    pub agent: AgentId,
    /// As what.
    pub role: Role,
    /// Its process.
    pub pid: u32,
    /// When it was written, by the machine's own clock.
    pub at: DateTime<Utc>,
    /// Since when it runs.
    pub started: DateTime<Utc>,
    /// Whether it only rehearses.
    pub dry_run: bool,
    /// Memory in use, in bytes.
    #[serde(default)]
    pub memory: u64,
    /// How far its channels are.
    #[serde(default)]
    pub channels: Vec<Coverage>,
    /// What the owner should know as long as it is so.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Why a heartbeat was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum HeartbeatError {
    /// The file.
    #[error("heartbeat: {0}")]
    Page(#[from] PageError),
    /// The file.
    #[error("heartbeat: {0}")]
    File(#[from] FileError),
    /// What the file holds.
    #[error("heartbeat of {agent}: {reason}")]
    Content {
        /// Whose.
        agent: AgentId,
        /// What is wrong with it.
        reason: serde_json::Error,
    },
}

const PREFIX: &str = ".heartbeat_";

/// The name of an agent's heartbeat file.
pub fn heartbeat_file_name(agent: &AgentId) -> String {
    format!("{PREFIX}{agent}.json")
}

impl Heartbeat {
    /// Writes it, atomically.
    pub fn write(&self, vault: &Vault) -> Result<(), HeartbeatError> {
        let bytes = serde_json::to_vec(self)
            .map_err(|reason| HeartbeatError::Content { agent: self.agent.clone(), reason })?;
        Ok(vault.write_hidden(&heartbeat_file_name(&self.agent), &bytes)?)
    }

    /// Reads an agent's; `None` where there is none.
    pub fn read(vault: &Vault, agent: &AgentId) -> Result<Option<Self>, HeartbeatError> {
        let Some(bytes) = vault.read_hidden(&heartbeat_file_name(agent))? else { return Ok(None) };
        let beat = serde_json::from_slice(&bytes);
        beat.map(Some).map_err(|reason| HeartbeatError::Content { agent: agent.clone(), reason })
    }

    /// Reads those of all agents that have one which can be read.
    pub fn read_all(vault: &Vault) -> Result<Vec<Self>, HeartbeatError> {
        let mut beats = Vec::new();
        for name in vault.hidden_names(PREFIX)? {
            let agent = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(".json"));
            let Some(agent) = agent.and_then(|agent| AgentId::new(agent).ok()) else { continue };
            match Self::read(vault, &agent) {
                Ok(Some(beat)) if beat.agent == agent => beats.push(beat),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "a heartbeat file was passed over"),
            }
        }
        Ok(beats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vault::Limits;

    #[test]
    fn heartbeats_round_trip_and_bad_ones_are_passed_over() {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path(), Limits::default()).expect("open");
        let now = "2026-02-23T03:15:00Z".parse().expect("time");
        let beat = Heartbeat {
            agent: "cloud-001".parse().expect("agent"),
            role: Role::Cloud,
            pid: 7,
            at: now,
            started: now,
            dry_run: true,
            memory: 1,
            channels: vec![],
            warnings: vec!["an IMAP password opens SMTP too".into()],
        };
        assert_eq!(Heartbeat::read(&vault, &beat.agent).expect("read"), None);
        beat.write(&vault).expect("write");
        beat.write(&vault).expect("write again");
        assert_eq!(Heartbeat::read(&vault, &beat.agent).expect("read"), Some(beat.clone()));
        std::fs::write(temp.path().join(".heartbeat_local-001.json"), "{").expect("write");
        std::fs::write(temp.path().join(".heartbeat_UP.json"), "{}").expect("write");
        assert_eq!(Heartbeat::read_all(&vault).expect("read"), [beat]);
    }
}
