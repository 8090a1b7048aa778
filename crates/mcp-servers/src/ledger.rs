//! Which approvals were used, kept by the server itself: whoever calls twice with one approval, by
//! mistake or on purpose, gets one effect.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use serde_json::{Map, Value};
use task::{Digest, Server};

use crate::outcome::Answer;

/// The ledger of one server, in `<data>/mcp-<server>.sqlite`. Opened when it is first needed: most
/// servers never act.
pub(crate) struct Ledger {
    path: PathBuf,
    connection: Mutex<Option<Connection>>,
}

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    #[error("failed to create the ledger {path}: {source}", path = path.display())]
    Create {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("failed to use the ledger {path}: {source}", path = path.display())]
    Use {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the ledger {path} holds a record that does not decode: {reason}", path = path.display())]
    Decode { path: PathBuf, reason: String },
}

/// How far an approval got.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum State {
    /// Carried out now, or cut off by a crash.
    Started,
    /// It had its effect.
    Done(Answer),
    /// It failed without effect; it may be tried again.
    None,
    /// It failed, and nobody knows.
    Unknown(String),
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            State::Started => "started",
            State::Done(_) => "done",
            State::None => "none",
            State::Unknown(_) => "unknown",
        }
    }

    fn outcome(&self) -> Option<Value> {
        match self {
            State::Started | State::None => None,
            State::Done(answer) => Some(serde_json::json!({"text": answer.text, "content": answer.content})),
            State::Unknown(message) => Some(Value::String(message.clone())),
        }
    }

    fn read(name: &str, outcome: Option<String>) -> Result<Self, String> {
        let value = match outcome {
            Some(text) => serde_json::from_str(&text).map_err(|e| e.to_string())?,
            None => Value::Null,
        };
        match (name, value) {
            ("started", _) => Ok(State::Started),
            ("none", _) => Ok(State::None),
            ("unknown", Value::String(message)) => Ok(State::Unknown(message)),
            ("done", Value::Object(mut outcome)) => {
                let text = outcome.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
                let content = match outcome.remove("content") {
                    Some(Value::Object(content)) => content,
                    _ => Map::new(),
                };
                Ok(State::Done(Answer { text, content }))
            }
            (other, _) => Err(format!("state {other:?}")),
        }
    }
}

/// What the ledger knows of an approval.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Record {
    pub(crate) tool: String,
    /// Of the order's text: another order under the same approval is another order.
    pub(crate) digest: Digest,
    pub(crate) state: State,
    /// When it was first used, or used again after a failure without effect.
    pub(crate) started: DateTime<Utc>,
}

impl Ledger {
    pub(crate) fn new(data: &Path, server: Server) -> Self {
        Self { path: data.join(format!("mcp-{server}.sqlite")), connection: Mutex::new(None) }
    }

    /// What is known of `approval`.
    pub(crate) fn find(&self, approval: &str) -> Result<Option<Record>, LedgerError> {
        let row = self.with(|connection| {
            connection
                .query_row(
                    "SELECT tool, digest, state, outcome, started FROM approvals WHERE approval = ?1",
                    [approval],
                    |row| {
                        let tool: String = row.get(0)?;
                        let digest: String = row.get(1)?;
                        let state: String = row.get(2)?;
                        let outcome: Option<String> = row.get(3)?;
                        let started: String = row.get(4)?;
                        Ok((tool, digest, state, outcome, started))
                    },
                )
                .optional()
        })?;
        row.map(|(tool, digest, state, outcome, started)| {
            let decode = |reason: String| LedgerError::Decode { path: self.path.clone(), reason };
            Ok(Record {
                tool,
                digest: digest.parse().map_err(|e: task::DigestError| decode(e.to_string()))?,
                state: State::read(&state, outcome).map_err(decode)?,
                started: started.parse().map_err(|e: chrono::ParseError| decode(e.to_string()))?,
            })
        })
        .transpose()
    }

    /// Marks `approval` as started, durably; false when it was used before, unless that attempt
    /// ended without effect.
    pub(crate) fn begin(
        &self,
        approval: &str,
        tool: &str,
        digest: Digest,
        now: DateTime<Utc>,
    ) -> Result<bool, LedgerError> {
        let changed = self.with(|connection| {
            reach("ledger.begin")?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let changed = transaction.execute(
                "INSERT INTO approvals (approval, tool, digest, state, started) VALUES (?1, ?2, ?3, 'started', ?4)
                 ON CONFLICT (approval) DO UPDATE SET state = 'started', started = excluded.started
                 WHERE state = 'none' AND digest = excluded.digest",
                params![approval, tool, digest.to_string(), now.to_rfc3339()],
            )?;
            transaction.commit()?;
            Ok(changed)
        })?;
        Ok(changed == 1)
    }

    /// Records how `approval` ended, durably.
    pub(crate) fn end(&self, approval: &str, state: &State, now: DateTime<Utc>) -> Result<(), LedgerError> {
        self.with(|connection| {
            reach("ledger.end")?;
            connection.execute(
                "UPDATE approvals SET state = ?2, outcome = ?3, ended = ?4 WHERE approval = ?1",
                params![approval, state.name(), state.outcome().map(|v| v.to_string()), now.to_rfc3339()],
            )
        })?;
        Ok(())
    }

    fn with<R>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<R, rusqlite::Error>,
    ) -> Result<R, LedgerError> {
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match slot.take() {
            Some(connection) => connection,
            None => self.open()?,
        };
        work(slot.insert(connection)).map_err(|source| LedgerError::Use { path: self.path.clone(), source })
    }

    fn open(&self) -> Result<Connection, LedgerError> {
        // Created here for its mode; SQLite's own files take it over.
        std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&self.path)
            .map_err(|source| LedgerError::Create { path: self.path.clone(), source })?;
        let open = || {
            let connection = Connection::open(&self.path)?;
            connection.busy_timeout(std::time::Duration::from_secs(10))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS approvals (
                    approval TEXT PRIMARY KEY,
                    tool TEXT NOT NULL,
                    digest TEXT NOT NULL,
                    state TEXT NOT NULL,
                    outcome TEXT,
                    started TEXT NOT NULL,
                    ended TEXT
                ) STRICT",
            )?;
            Ok(connection)
        };
        open().map_err(|source| LedgerError::Use { path: self.path.clone(), source })
    }
}

/// A fault point before a write.
fn reach(point: &str) -> rusqlite::Result<()> {
    fault::reach(point).map_err(|errno| {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
        rusqlite::Error::SqliteFailure(code, Some(errno.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-02-23T03:20:00Z".parse().expect("time")
    }

    fn done() -> State {
        State::Done(Answer::new("sent", serde_json::json!({"message_id": "<a@b>"})))
    }

    #[test]
    fn invariant_5_an_approval_begins_once_whoever_asks() {
        let data = tempfile::tempdir().expect("folder");
        let one = Ledger::new(data.path(), Server::Email);
        let other = Ledger::new(data.path(), Server::Email);
        let digest = Digest::of("order");
        assert_eq!(one.find("a1").expect("find"), None);
        assert!(one.begin("a1", "send_email", digest, now()).expect("begin"));
        assert!(!one.begin("a1", "send_email", digest, now()).expect("begin"));
        assert!(!other.begin("a1", "send_email", digest, now()).expect("begin"));
        for state in [done(), State::Unknown("connection lost".into())] {
            one.end("a1", &state, now()).expect("end");
            assert!(!other.begin("a1", "send_email", digest, now()).expect("begin"));
            assert_eq!(other.find("a1").expect("find").map(|r| r.state), Some(state));
        }
    }

    #[test]
    fn what_failed_without_effect_may_begin_again_with_the_same_order_only() {
        let data = tempfile::tempdir().expect("folder");
        let ledger = Ledger::new(data.path(), Server::Email);
        assert!(ledger.begin("a1", "send_email", Digest::of("order"), now()).expect("begin"));
        ledger.end("a1", &State::None, now()).expect("end");
        assert!(!ledger.begin("a1", "send_email", Digest::of("another"), now()).expect("begin"));
        assert!(ledger.begin("a1", "send_email", Digest::of("order"), now()).expect("begin"));
    }
}
