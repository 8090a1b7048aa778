//! The audit log's files: `Logs/YYYY-MM-DD_<agent>.jsonl`, one chain per agent over all days.
//!
//! The end of the chain is the last line of the agent's newest file; it is read and checked anew
//! for each record, because another process of the same agent may have written meanwhile. A file
//! is never older than the newest one there is, even if the clock goes back.

mod heads;
mod verify;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, NaiveDate, Utc};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde_json::Value;
use task::{AgentId, AuditEvent, AuditOutcome, AuditRecord, ChainHead};

use crate::durable::{Dir, FileError, sync_fd};
use crate::lock::lock_file;
use crate::{LockError, SetAsideError, Vault};

pub(crate) use heads::Heads;
use heads::KeptHead;
pub use verify::{CommittedLog, LogCheck, VerifyError};

/// The longest line that is looked for at the end of a log.
const LONGEST_LINE: u64 = 1 << 20;
/// The longest text in a record, in characters, and the most items of a list.
const LONGEST_TEXT: usize = 500;
/// See [`LONGEST_TEXT`].
const MOST_ITEMS: usize = 100;

/// Why an event was not logged.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It has something that a record may not have.
    #[error("log {action}: {reason}")]
    Event {
        /// The event's `action_type`.
        action: String,
        /// What it has.
        reason: task::canonical::CanonicalError,
    },
    /// The vault's lock was not had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The rest of a torn line could not be kept.
    #[error(transparent)]
    Keep(#[from] SetAsideError),
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The newest file per agent, valid as long as no name was added to the folder.
#[derive(Debug, Default)]
pub(crate) struct LogCache {
    newest: Mutex<HashMap<AgentId, Newest>>,
}

#[derive(Debug, Clone)]
struct Newest {
    date: Option<NaiveDate>,
    folder_changed: (i64, i128),
}

pub(crate) fn file_name(date: NaiveDate, agent: &AgentId) -> String {
    format!("{date}_{agent}.jsonl")
}

fn parse_name(name: &str) -> Option<(NaiveDate, AgentId)> {
    let (date, agent) = name.strip_suffix(".jsonl")?.split_once('_')?;
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok().filter(|d| d.to_string() == *date)?;
    Some((date, AgentId::new(agent).ok()?))
}

impl Vault {
    /// Appends an event to the agent's log, durably.
    ///
    /// A last line that a crash tore is cut off, kept in `Conflicts/`, and the repair is logged
    /// as a record of its own before the event.
    pub fn log(
        &self,
        agent: &AgentId,
        event: AuditEvent,
        now: DateTime<Utc>,
    ) -> Result<AuditRecord, LogError> {
        let _guard = self.lock_shared()?;
        let dir = self.dir_created("Logs")?;
        let lock_name = format!(".lock_{agent}");
        let lock = open(&dir, &lock_name, OFlags::RDWR | OFlags::CREATE)?;
        lock_file(&lock).map_err(|e| FileError::new("lock", dir.path().join(&lock_name), e))?;

        let newest = self.newest_log(&dir, agent)?;
        let end = match newest {
            Some(date) => self.end_of(&dir, &file_name(date, agent))?,
            None => End::default(),
        };
        let date = newest.map_or(now.date_naive(), |newest| newest.max(now.date_naive()));
        let name = file_name(date, agent);
        let mut text = String::new();
        let found = end.head.clone();
        let mut head = end.head;
        if let Some(note) = end.note {
            tracing::warn!(log = name, note, "the log was repaired");
            let repair =
                AuditEvent::new("log_repaired", None).with("note", note).result(AuditOutcome::Failed);
            let record = seal(repair, agent, now, &head)?;
            head = record.head();
            text.push_str(&line(&record)?);
        }
        let record = seal(event, agent, now, &head)?;
        let last = line(&record)?;
        text.push_str(&last);

        let mut file = open(&dir, &name, OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND)?;
        let fail = |what, e: std::io::Error| {
            FileError::new(what, dir.path().join(&name), Errno::from_io_error(&e).unwrap_or(Errno::IO))
        };
        let before = file.metadata().map_err(|e| fail("examine", e))?.len();
        let written = fault::reach("log.append").map_err(std::io::Error::from);
        if let Err(e) = written.and_then(|()| file.write_all(text.as_bytes())) {
            // A full disk may have taken half a line; the next append would repair it, but the
            // file can be left whole now. If that fails too, the repair does it.
            let _ = file.set_len(before);
            return Err(fail("write", e).into());
        }
        if let Err(e) = fault::reach("log.fsync").and_then(|()| sync_fd(&file)) {
            // The kernel may have dropped these bytes: the next record must not stand behind them.
            let _ = file.set_len(before);
            return Err(FileError::new("make durable", dir.path().join(&name), e).into());
        }
        if newest != Some(date) {
            dir.sync()?;
            self.remember_newest(&dir, agent, Some(date))?;
        }
        let size = |text: &str| u64::try_from(text.len()).unwrap_or_default();
        let end = before + size(&text);
        // Which line of its file it is, nobody asks of an agent's own log.
        let head = KeptHead { chain: record.head(), day: date, line: 0, start: end - size(&last), end };
        self.keep_own_head(agent, &found, &head);
        Ok(record)
    }

    /// Keeps how far the own log is, unless it had been cut or rewritten before this record: then
    /// what was seen before stays, for [`Vault::verify_logs`] to tell.
    fn keep_own_head(&self, agent: &AgentId, found: &ChainHead, head: &KeptHead) {
        let Some(heads) = self.heads() else { return };
        match heads.load(agent) {
            Ok(Some(kept)) if kept.chain.seq > found.seq => {}
            Ok(Some(kept)) if kept.chain.seq == found.seq && kept.chain.hash != found.hash => {}
            Ok(_) => return verify::keep(heads, agent, head),
            Err(_) => {}
        }
        tracing::warn!(%agent, "the audit log is not the one that was written last; see local-agent log verify");
    }

    /// The date of the agent's newest log.
    fn newest_log(&self, dir: &Dir, agent: &AgentId) -> Result<Option<NaiveDate>, FileError> {
        let folder_changed = dir.changed()?;
        let known =
            self.log_cache().newest.lock().unwrap_or_else(PoisonError::into_inner).get(agent).cloned();
        if let Some(known) = known.filter(|known| known.folder_changed == folder_changed) {
            return Ok(known.date);
        }
        let newest =
            self.logs_of(dir)?.into_iter().filter_map(|(date, of)| (of == *agent).then_some(date)).max();
        self.remember_newest(dir, agent, newest)?;
        Ok(newest)
    }

    fn remember_newest(&self, dir: &Dir, agent: &AgentId, date: Option<NaiveDate>) -> Result<(), FileError> {
        let newest = Newest { date, folder_changed: dir.changed()? };
        let mut cache = self.log_cache().newest.lock().unwrap_or_else(PoisonError::into_inner);
        cache.insert(agent.clone(), newest);
        Ok(())
    }

    pub(crate) fn logs_of(&self, dir: &Dir) -> Result<Vec<(NaiveDate, AgentId)>, FileError> {
        let mut logs: Vec<_> = dir.names()?.iter().filter_map(|name| parse_name(name.to_str()?)).collect();
        logs.sort();
        Ok(logs)
    }

    /// Finds the end of the chain in an agent's newest file and repairs a torn last line.
    fn end_of(&self, dir: &Dir, name: &str) -> Result<End, LogError> {
        let file = open(dir, name, OFlags::RDWR)?;
        let fail = |what, e: std::io::Error| {
            FileError::new(what, dir.path().join(name), Errno::from_io_error(&e).unwrap_or(Errno::IO))
        };
        let len = file.metadata().map_err(|e| fail("examine", e))?.size();
        let mut tail = Vec::new();
        for reach in [4 << 10, 64 << 10, LONGEST_LINE] {
            let from = len.saturating_sub(reach);
            tail = vec![0; usize::try_from(len - from).unwrap_or_default()];
            file.read_exact_at(&mut tail, from).map_err(|e| fail("read", e))?;
            // Two line ends: the last line is in there from its start.
            if from == 0 || tail.iter().filter(|b| **b == b'\n').count() >= 2 {
                break;
            }
        }
        let mut note = None;
        let whole = tail.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        if whole < tail.len() {
            let torn = tail.split_off(whole);
            let kept = self.keep_conflict(&format!("{name}.torn"), &torn)?;
            let cut = len - u64::try_from(torn.len()).unwrap_or_default();
            fault::reach("log.cut").map_err(|e| fail("cut off the torn line of", e.into()))?;
            file.set_len(cut).map_err(|e| fail("cut off the torn line of", e))?;
            fault::reach("log.fsync")
                .and_then(|()| sync_fd(&file))
                .map_err(|e| FileError::new("make durable", dir.path().join(name), e))?;
            note = Some(format!("a torn last line of {} bytes was moved to {kept}", torn.len()));
        }
        // The last line that is a record. Damaged ones after it stay for `log verify` to name.
        let mut damaged = 0;
        for text in tail.split(|b| *b == b'\n').rev().filter(|line| !line.is_empty()) {
            match std::str::from_utf8(text).ok().map(AuditRecord::parse) {
                Some(Ok(record)) => return Ok(End { head: record.head(), note: damage(note, damaged) }),
                _ => damaged += 1,
            }
        }
        if damaged == 0 && len > LONGEST_LINE {
            damaged = 1;
        }
        // Nothing whole in this file: the chain goes on from the file before.
        let before = parse_name(name).and_then(|(date, agent)| {
            let logs = self.logs_of(dir).ok()?;
            logs.into_iter()
                .filter(|(d, a)| *a == agent && *d < date)
                .map(|(d, _)| d)
                .max()
                .map(|d| file_name(d, &agent))
        });
        let head = match before {
            Some(before) => self.end_of(dir, &before)?.head,
            None => ChainHead::default(),
        };
        Ok(End { head, note: damage(note, damaged) })
    }
}

#[derive(Default)]
struct End {
    head: ChainHead,
    note: Option<String>,
}

fn damage(note: Option<String>, lines: usize) -> Option<String> {
    if lines == 0 {
        return note;
    }
    let damaged = format!("{lines} damaged lines at the end were passed over");
    Some(note.map_or(damaged.clone(), |note| format!("{note}; {damaged}")))
}

pub(crate) fn open(dir: &Dir, name: &str, flags: OFlags) -> Result<File, FileError> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let reached = if flags.contains(OFlags::CREATE) { fault::reach("log.open") } else { Ok(()) };
    reached
        .and_then(|()| rustix::fs::openat(dir.fd(), name, flags, Mode::from_raw_mode(0o644)))
        .map(File::from)
        .map_err(|e| FileError::new("open", dir.path().join(name), e))
}

/// Cuts long texts: a parameter may quote what a stranger wrote, and a line that is longer than
/// [`LONGEST_LINE`] would not be found again as the end of the chain.
fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some((at, _)) = text.char_indices().nth(LONGEST_TEXT) {
                text.truncate(at);
                text.push('…');
            }
        }
        Value::Array(items) => {
            items.truncate(MOST_ITEMS);
            items.iter_mut().for_each(shorten);
        }
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn seal(
    mut event: AuditEvent,
    agent: &AgentId,
    now: DateTime<Utc>,
    head: &ChainHead,
) -> Result<AuditRecord, LogError> {
    event.params.values_mut().for_each(shorten);
    let action = event.action_type.clone();
    AuditRecord::seal(event, agent.clone(), now, head).map_err(|reason| LogError::Event { action, reason })
}

fn line(record: &AuditRecord) -> Result<String, LogError> {
    record.to_line().map_err(|reason| LogError::Event { action: record.action_type.clone(), reason })
}

#[cfg(test)]
mod tests;
