//! The journal: what was accepted, what is being called, what came of it. It is written before
//! and after each step and survives a crash at any moment (SQLite in WAL mode, synchronous=FULL).

mod history;

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use task::{Call, Mode, Order, TaskId};

pub(crate) use history::Dispatch;

/// How long another process's write is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS approvals (
    approval   TEXT PRIMARY KEY,
    task       TEXT NOT NULL,
    order_text TEXT NOT NULL,
    signature  TEXT NOT NULL,
    state      TEXT NOT NULL
        CHECK (state IN ('accepted', 'dispatching', 'done', 'failed', 'unknown', 'withdrawn')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    not_before TEXT,
    accepted   TEXT NOT NULL,
    dispatched TEXT,
    ended      TEXT,
    reference  TEXT,
    message    TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS approvals_by_state ON approvals (state);
CREATE INDEX IF NOT EXISTS approvals_by_task ON approvals (task);
CREATE INDEX IF NOT EXISTS approvals_by_dispatch ON approvals (dispatched);
CREATE TABLE IF NOT EXISTS recipients (
    recipient TEXT NOT NULL,
    approval  TEXT NOT NULL REFERENCES approvals (approval),
    PRIMARY KEY (recipient, approval)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pledges (
    approval TEXT PRIMARY KEY REFERENCES approvals (approval),
    nonce    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// The version of [`SCHEMA`]; a journal of a later one is left alone.
const VERSION: i64 = 3;

/// The journal of one data directory. Cheap to clone; calls block.
#[derive(Clone)]
pub struct Journal {
    path: Arc<PathBuf>,
    connection: Arc<Mutex<Connection>>,
}

/// How far an approval got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Verified and claimed; nothing was called.
    Accepted,
    /// The call was about to be made, or is being made, or was cut off.
    Dispatching,
    /// The other side confirmed it; or it was rehearsed.
    Done,
    /// Certainly nothing happened.
    Failed,
    /// Nobody knows.
    Unknown,
    /// It went back to the owner before anything was called.
    Withdrawn,
}

impl State {
    const ALL: [State; 6] =
        [State::Accepted, State::Dispatching, State::Done, State::Failed, State::Unknown, State::Withdrawn];

    fn name(self) -> &'static str {
        match self {
            State::Accepted => "accepted",
            State::Dispatching => "dispatching",
            State::Done => "done",
            State::Failed => "failed",
            State::Unknown => "unknown",
            State::Withdrawn => "withdrawn",
        }
    }
}

/// What the journal knows of one approval.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// The signed order.
    pub order: Order,
    /// Its text.
    pub text: String,
    /// The owner's signature.
    pub signature: String,
    /// How far it got.
    pub state: State,
    /// How often a call could not be started or an outcome could not be asked for.
    pub attempts: u32,
    /// When to try again.
    pub not_before: Option<DateTime<Utc>>,
    /// When the call was about to be made, if it was.
    pub dispatched: Option<DateTime<Utc>>,
    /// When it ended, if it ended.
    pub ended: Option<DateTime<Utc>>,
    /// The other side's handle.
    pub reference: Option<String>,
    /// What is known, in a line.
    pub message: Option<String>,
}

impl Row {
    /// Whether it was a rehearsal.
    pub fn is_dry(&self) -> bool {
        self.order.mode == Mode::Dry
    }
}

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be made.
    #[error("failed to create the journal {path}", path = path.display())]
    Create {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// SQLite.
    #[error("failed to use the journal {path}: {source}", path = path.display())]
    Use {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A row that this program did not write.
    #[error("journal {path} has a row for {approval} that does not decode: {reason}", path = path.display())]
    Decode {
        /// Where.
        path: PathBuf,
        /// Which.
        approval: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No randomness for a nonce.
    #[error("failed to make a nonce: {0}")]
    Randomness(#[from] getrandom::Error),
    /// Written by a later version of this program.
    #[error("journal {path} is of version {version}; this program knows up to {VERSION}", path = path.display())]
    Newer {
        /// Where.
        path: PathBuf,
        /// Its version.
        version: i64,
    },
}

/// What came of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ending {
    pub(crate) state: State,
    pub(crate) reference: Option<String>,
    pub(crate) message: String,
}

impl Ending {
    pub(crate) fn new(state: State, message: impl Into<String>) -> Self {
        Self { state, reference: None, message: message.into() }
    }
}

struct RawRow {
    approval: String,
    text: String,
    signature: String,
    state: String,
    attempts: u32,
    not_before: Option<String>,
    dispatched: Option<String>,
    ended: Option<String>,
    reference: Option<String>,
    message: Option<String>,
}

const COLUMNS: &str =
    "approval, order_text, signature, state, attempts, not_before, dispatched, ended, reference, message";

fn raw(row: &rusqlite::Row<'_>) -> rusqlite::Result<RawRow> {
    Ok(RawRow {
        approval: row.get(0)?,
        text: row.get(1)?,
        signature: row.get(2)?,
        state: row.get(3)?,
        attempts: row.get(4)?,
        not_before: row.get(5)?,
        dispatched: row.get(6)?,
        ended: row.get(7)?,
        reference: row.get(8)?,
        message: row.get(9)?,
    })
}

impl Journal {
    /// Opens the journal, and makes it when there is none. Only its owner can read it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        // Made here for its mode; SQLite's own files beside it take that over.
        std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| JournalError::Create { path: path.clone(), source })?;
        let connection = connect(&path).map_err(|source| JournalError::Use { path: path.clone(), source })?;
        let journal = Self { path: Arc::new(path), connection: Arc::new(Mutex::new(connection)) };
        let version: i64 = journal.with(|c| c.pragma_query_value(None, "user_version", |row| row.get(0)))?;
        if version > VERSION {
            return Err(JournalError::Newer { path: journal.path.to_path_buf(), version });
        }
        journal.with(|connection| {
            reach("journal.create")?;
            connection.execute_batch(SCHEMA)?;
            history::upgrade(connection, VERSION)
        })?;
        Ok(journal)
    }

    /// What is known of an approval.
    pub fn get(&self, approval: &str) -> Result<Option<Row>, JournalError> {
        let found = self.with(|connection| {
            connection
                .query_row(&format!("SELECT {COLUMNS} FROM approvals WHERE approval = ?1"), [approval], raw)
                .optional()
        })?;
        found.map(|raw| self.decode(raw)).transpose()
    }

    /// All approvals in a state, oldest first.
    pub fn in_state(&self, state: State) -> Result<Vec<Row>, JournalError> {
        self.select("state = ?1", state.name())
    }

    /// All approvals of a task, oldest first.
    pub fn of_task(&self, id: &TaskId) -> Result<Vec<Row>, JournalError> {
        self.select("task = ?1", id.as_str())
    }

    /// The names under which live payments went to an account, oldest first.
    pub fn paid_to(&self, iban: &str) -> Result<Vec<String>, JournalError> {
        let done = self.with(|connection| {
            let found = "SELECT order_text FROM approvals WHERE state = 'done' AND instr(order_text, ?1) > 0
                         ORDER BY accepted, approval";
            connection
                .prepare(found)?
                .query_map([iban], |row| row.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()
        })?;
        let mut names = Vec::new();
        for text in done {
            // The text may name the account elsewhere, in a mail say.
            let order = Order::parse(&text).map_err(|error| self.broken(iban, &error.to_string()))?;
            if let (Call::InitiatePayment(payment), Mode::Live) = (order.action.call, order.mode)
                && payment.iban == iban
                && !names.contains(&payment.payee)
            {
                names.push(payment.payee);
            }
        }
        Ok(names)
    }

    /// Accepts an order whose signature was verified, unless its approval id is known; gives what
    /// the journal has then.
    pub(crate) fn accept(
        &self,
        order: &Order,
        text: &str,
        signature: &str,
        now: DateTime<Utc>,
    ) -> Result<Row, JournalError> {
        self.with(|connection| {
            reach("journal.accept")?;
            let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
            let new = transaction.execute(
                "INSERT INTO approvals (approval, task, order_text, signature, state, accepted)
                 VALUES (?1, ?2, ?3, ?4, 'accepted', ?5) ON CONFLICT (approval) DO NOTHING",
                params![order.approval, order.id.as_str(), text, signature, stamp(now)],
            )?;
            if new == 1 {
                history::keep_recipients(&transaction, order)?;
            }
            transaction.commit()
        })?;
        self.get(&order.approval)?.ok_or_else(|| self.broken(&order.approval, "it was not kept"))
    }

    /// Writes down an order that ended before this journal was begun; false when it is known.
    pub(crate) fn remember(
        &self,
        order: &Order,
        text: &str,
        signature: &str,
        ending: &Ending,
        now: DateTime<Utc>,
    ) -> Result<bool, JournalError> {
        self.change(
            "journal.remember",
            "INSERT INTO approvals (approval, task, order_text, signature, state, accepted, ended, message)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7) ON CONFLICT (approval) DO NOTHING",
            params![
                order.approval,
                order.id.as_str(),
                text,
                signature,
                ending.state.name(),
                stamp(now),
                ending.message
            ],
        )
    }

    /// The nonce with which this journal reserves an order; the same one every time.
    pub(crate) fn pledge(&self, approval: &str) -> Result<String, JournalError> {
        let nonce = crate::seat::random()?;
        self.with(|connection| {
            reach("journal.pledge")?;
            connection.execute(
                "INSERT INTO pledges (approval, nonce) VALUES (?1, ?2) ON CONFLICT (approval) DO NOTHING",
                params![approval, nonce],
            )?;
            connection
                .query_row("SELECT nonce FROM pledges WHERE approval = ?1", [approval], |row| row.get(0))
        })
    }

    /// Writes down that the call was not made after all.
    pub(crate) fn take_back(&self, approval: &str) -> Result<bool, JournalError> {
        self.change(
            "journal.take_back",
            "UPDATE approvals SET state = 'accepted' WHERE approval = ?1 AND state = 'dispatching'",
            params![approval],
        )
    }

    /// Counts an attempt that came to nothing, and says when to try again.
    pub(crate) fn postpone(
        &self,
        approval: &str,
        until: DateTime<Utc>,
        message: &str,
    ) -> Result<bool, JournalError> {
        self.change(
            "journal.postpone",
            "UPDATE approvals SET attempts = attempts + 1, not_before = ?2, message = ?3
             WHERE approval = ?1 AND state IN ('accepted', 'dispatching')",
            params![approval, stamp(until), message],
        )
    }

    /// Writes down how it ended; false when that is written already.
    pub(crate) fn end(
        &self,
        approval: &str,
        ending: &Ending,
        now: DateTime<Utc>,
    ) -> Result<bool, JournalError> {
        // Only what was never called can be withdrawn or rehearsed.
        self.change(
            "journal.end",
            "UPDATE approvals SET state = ?2, reference = ?3, message = ?4, ended = ?5
             WHERE approval = ?1
               AND (state = 'dispatching' OR (state = 'accepted' AND ?2 IN ('withdrawn', 'failed', 'done')))
               AND NOT (state = 'dispatching' AND ?2 = 'withdrawn')",
            params![approval, ending.state.name(), ending.reference, ending.message, stamp(now)],
        )
    }

    /// Writes down the owner's word on what nobody knows; false when nobody asked.
    pub(crate) fn resolve(
        &self,
        approval: &str,
        ending: &Ending,
        now: DateTime<Utc>,
    ) -> Result<bool, JournalError> {
        self.change(
            "journal.resolve",
            "UPDATE approvals SET state = ?2, message = ?3, ended = ?4
             WHERE approval = ?1 AND state = 'unknown' AND ?2 IN ('done', 'failed')",
            params![approval, ending.state.name(), ending.message, stamp(now)],
        )
    }

    #[cfg(test)]
    pub(crate) fn pragmas(&self) -> Result<(String, i64), JournalError> {
        self.with(|connection| {
            let mode = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
            Ok((mode, connection.pragma_query_value(None, "synchronous", |row| row.get(0))?))
        })
    }

    fn select(&self, condition: &str, value: &str) -> Result<Vec<Row>, JournalError> {
        let query = format!("SELECT {COLUMNS} FROM approvals WHERE {condition} ORDER BY accepted, approval");
        let rows: Vec<RawRow> =
            self.with(|connection| connection.prepare(&query)?.query_map([value], raw)?.collect())?;
        rows.into_iter().map(|raw| self.decode(raw)).collect()
    }

    fn change(
        &self,
        point: &str,
        statement: &str,
        values: impl rusqlite::Params,
    ) -> Result<bool, JournalError> {
        let changed = self.with(|connection| {
            reach(point)?;
            connection.execute(statement, values)
        })?;
        Ok(changed == 1)
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, JournalError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        work(&connection).map_err(|source| JournalError::Use { path: self.path.to_path_buf(), source })
    }

    fn decode(&self, raw: RawRow) -> Result<Row, JournalError> {
        let broken = |reason: &str| self.broken(&raw.approval, reason);
        let time = |text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| broken("a time")),
        };
        Ok(Row {
            order: Order::parse(&raw.text).map_err(|error| broken(&error.to_string()))?,
            state: State::ALL
                .into_iter()
                .find(|state| state.name() == raw.state)
                .ok_or_else(|| broken("its state"))?,
            attempts: raw.attempts,
            not_before: time(&raw.not_before)?,
            dispatched: time(&raw.dispatched)?,
            ended: time(&raw.ended)?,
            text: raw.text,
            signature: raw.signature,
            reference: raw.reference,
            message: raw.message,
        })
    }

    fn broken(&self, approval: &str, reason: &str) -> JournalError {
        JournalError::Decode {
            path: self.path.to_path_buf(),
            approval: approval.chars().take(100).collect(),
            reason: reason.to_owned(),
        }
    }
}

/// A fault point before a write.
fn reach(point: &str) -> rusqlite::Result<()> {
    fault::reach(point).map_err(|errno| {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
        rusqlite::Error::SqliteFailure(code, Some(errno.to_string()))
    })
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}
