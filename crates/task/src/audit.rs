//! The audit log's records and their hash chain: each record carries the hash of the one before,
//! so that a changed, dropped or reordered line shows.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::log_chain::hash_fits;
use crate::{AgentId, Digest, TaskId, canonical};

/// How an event ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As intended.
    Ok,
    /// Not carried out, on purpose.
    Refused,
    /// Went wrong.
    Failed,
    /// Nobody knows.
    Unknown,
    /// A rehearsal.
    Dry,
}

/// Something that happened, before it has a place in the log.
#[derive(Clone, PartialEq, Debug)]
pub struct AuditEvent {
    /// Who did it: `agent`, `owner` or a server's name.
    pub actor: String,
    /// What was done, a short verb phrase in `snake_case`: `claim`, `draft`, `approve`, `execute`.
    pub action_type: String,
    /// On which task.
    pub task: Option<TaskId>,
    /// Particulars: no secrets, digests instead of bodies, no floats, no nulls.
    pub params: Map<String, Value>,
    /// `none`, `pending`, `approved`, `rejected`.
    pub approval_status: String,
    /// How it ended.
    pub result: Outcome,
    /// How long it took.
    pub duration_ms: u64,
}

impl AuditEvent {
    /// An event of the agent itself that went well; the rest is set with the struct update syntax
    /// or [`AuditEvent::with`].
    pub fn new(action_type: impl Into<String>, task: Option<TaskId>) -> Self {
        Self {
            actor: "agent".into(),
            action_type: action_type.into(),
            task,
            params: Map::new(),
            approval_status: "none".into(),
            result: Outcome::Ok,
            duration_ms: 0,
        }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.params.insert(key.to_owned(), value.into());
        self
    }

    /// Sets the result.
    #[must_use]
    pub fn result(mut self, result: Outcome) -> Self {
        self.result = result;
        self
    }
}

/// One line of `Logs/<date>_<agent>.jsonl`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditRecord {
    /// When it was written.
    pub timestamp: DateTime<Utc>,
    /// Position in the agent's log, over all days, from 1.
    pub seq: u64,
    /// Whose log.
    pub agent_id: AgentId,
    /// See [`AuditEvent::actor`].
    pub actor: String,
    /// See [`AuditEvent::action_type`].
    pub action_type: String,
    /// See [`AuditEvent::task`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// See [`AuditEvent::params`].
    pub params: Map<String, Value>,
    /// See [`AuditEvent::approval_status`].
    pub approval_status: String,
    /// See [`AuditEvent::result`].
    pub result: Outcome,
    /// See [`AuditEvent::duration_ms`].
    pub duration_ms: u64,
    /// Hash of the record before; 64 zeros for the first.
    pub prev_hash: String,
    /// SHA-256 over the canonical JSON of this record without this key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
}

/// The end of a chain, to which the next record is tied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainHead {
    /// `seq` of the last record, 0 before the first.
    pub seq: u64,
    /// `hash` of the last record.
    pub hash: String,
}

impl Default for ChainHead {
    fn default() -> Self {
        Self { seq: 0, hash: "0".repeat(64) }
    }
}

impl AuditRecord {
    /// Ties `event` to the chain.
    pub fn seal(
        event: AuditEvent,
        agent_id: AgentId,
        timestamp: DateTime<Utc>,
        head: &ChainHead,
    ) -> Result<Self, canonical::CanonicalError> {
        let mut record = Self {
            timestamp,
            seq: head.seq + 1,
            agent_id,
            actor: event.actor,
            action_type: event.action_type,
            task: event.task,
            params: event.params,
            approval_status: event.approval_status,
            result: event.result,
            duration_ms: event.duration_ms,
            prev_hash: head.hash.clone(),
            hash: String::new(),
        };
        record.hash = Digest::of(canonical::to_string(&record)?).hex();
        Ok(record)
    }

    /// The line, with its line end.
    pub fn to_line(&self) -> Result<String, canonical::CanonicalError> {
        Ok(canonical::to_string(self)? + "\n")
    }

    /// Where the chain ends with this record.
    pub fn head(&self) -> ChainHead {
        ChainHead { seq: self.seq, hash: self.hash.clone() }
    }

    /// Reads a line and checks its own hash.
    pub fn parse(line: &str) -> Result<Self, String> {
        let record: Self = serde_json::from_str(line).map_err(|e| format!("does not parse: {e}"))?;
        if !hash_fits(line, &record.hash) {
            return Err("was changed: its hash does not fit its content".into());
        }
        Ok(record)
    }
}
