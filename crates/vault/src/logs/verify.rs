//! Holding the logs against themselves, against what this machine has seen of them, and against
//! what was committed of them.
//!
//! A chain alone shows what was done to it by somebody who could not write it anew. Against the
//! rest stand two witnesses: the kept heads, and every committed version, of which each must be
//! the beginning of what is on disk now.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use chrono::NaiveDate;
use rustix::fs::OFlags;
use rustix::io::Errno;
use task::{AgentId, AuditRecord, BadRecord, Chain, ChainHead};

use super::heads::{Heads, KeptHead};
use super::{LONGEST_LINE, file_name, open, parse_name};
use crate::Vault;
use crate::durable::{Dir, FileError};
use crate::lock::lock_file;

/// The largest file that is compared with its committed versions.
const LARGEST_DAY: u64 = 1 << 30;

/// What verification found of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogCheck {
    /// Relative to the vault; or a kept head that cannot be read.
    pub path: PathBuf,
    /// The number of the last record in it, or the first record that is wrong.
    pub result: Result<u64, BadRecord>,
    /// A committed version that was cut or rewritten and has been undone since: nothing is wrong
    /// with the file itself.
    pub undone: Option<BadRecord>,
}

impl LogCheck {
    fn new(path: PathBuf, result: Result<u64, BadRecord>) -> Self {
        Self { path, result, undone: None }
    }
}

/// A version of a log that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedLog {
    /// Relative to the vault, `Logs/<day>_<agent>.jsonl`.
    pub path: String,
    /// The commit's short name.
    pub commit: String,
    /// All of the file; `None` where the commit removed it.
    pub bytes: Option<Vec<u8>>,
}

/// Why the logs could not be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError<E: std::error::Error + 'static> {
    /// The folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// What was committed.
    #[error(transparent)]
    Committed(E),
}

type Checks = BTreeMap<(AgentId, NaiveDate), LogCheck>;

impl Vault {
    /// Verifies the logs of all agents, each on its own and against the kept heads, in the order
    /// of agent and day.
    pub fn verify_logs(&self) -> Result<Vec<LogCheck>, FileError> {
        let (mut checks, damaged) = self.check_chains()?;
        self.check_heads(&mut checks);
        Ok(checks.into_values().chain(damaged).collect())
    }

    /// Like [`Vault::verify_logs`], and every committed version must be the beginning of the file
    /// on disk. Of one path `committed` gives the older first, and one path after the other.
    ///
    /// Anybody who can push can commit a false version. Where an earlier commit had the record
    /// before it was changed, or the log is `own` and ends as this machine wrote it, it was the
    /// commit that was false and not the file: that is [`LogCheck::undone`].
    pub fn verify_logs_against<E: std::error::Error + 'static>(
        &self,
        own: Option<&AgentId>,
        committed: impl IntoIterator<Item = Result<CommittedLog, E>>,
    ) -> Result<Vec<LogCheck>, VerifyError<E>> {
        let (mut checks, damaged) = self.check_chains()?;
        let dir = self.dir("Logs")?;
        let mut current: Option<Compared> = None;
        for version in committed {
            let version = version.map_err(VerifyError::Committed)?;
            let key = version.path.strip_prefix("Logs/").and_then(parse_name);
            let Some((day, agent)) = key else { continue };
            let of_this = current.as_ref().is_some_and(|current| current.path == version.path);
            if !of_this {
                current = Some(Compared::open(&dir, &version.path, &file_name(day, &agent)));
            }
            let Some((bad, undone)) = current.as_mut().and_then(|current| current.compare(&version)) else {
                continue;
            };
            let undone = undone || (own == Some(&agent) && self.is_as_written(&agent, &checks));
            let path = PathBuf::from(&version.path);
            let check = checks.entry((agent, day)).or_insert(LogCheck::new(path, Ok(0)));
            if undone {
                check.undone = Some(match check.undone.take() {
                    Some(known) if known.line <= bad.line => known,
                    _ => bad,
                });
                continue;
            }
            // What the chain itself says of a record is nearer to what was done to it.
            if check.result.as_ref().err().is_none_or(|known| bad.line < known.line) {
                check.result = Err(bad);
            }
        }
        self.check_heads(&mut checks);
        Ok(checks.into_values().chain(damaged).collect())
    }

    /// Notes how far the logs of the other agents are, so that what is cut or rewritten from now
    /// on is found; costs what was added since the last look. A log that does not go on from what
    /// was seen last is told, and its head stays as it was.
    pub fn note_heads(&self, own: &AgentId) -> Result<Vec<LogCheck>, FileError> {
        let Some(heads) = self.heads() else { return Ok(Vec::new()) };
        let dir = self.dir_created("Logs")?;
        let mut found = Vec::new();
        let mut logs: BTreeMap<AgentId, Vec<NaiveDate>> = BTreeMap::new();
        for (day, agent) in self.logs_of(&dir)?.into_iter().filter(|(_, agent)| agent != own) {
            logs.entry(agent).or_default().push(day);
        }
        for (agent, days) in logs {
            let Ok(kept) = heads.load(&agent) else { continue };
            let from = kept.as_ref().map(|kept| kept.day);
            let mut chain = Chain::after(&agent, kept.as_ref().map(|k| k.chain.clone()).unwrap_or_default());
            let mut newest = kept.clone();
            for day in days.into_iter().filter(|day| from.is_none_or(|from| *day >= from)) {
                let name = file_name(day, &agent);
                let here = kept.as_ref().filter(|kept| kept.day == day);
                if here
                    .is_some_and(|kept| dir.meta(&name).is_ok_and(|m| m.is_some_and(|m| m.len == kept.end)))
                {
                    // As long as it was: `verify_logs` looks into it.
                    continue;
                }
                match go_on(&dir, &name, &agent, &mut chain, day, here) {
                    Ok(Some(head)) => newest = Some(head),
                    Ok(None) => {}
                    Err(bad) => {
                        found.push(LogCheck::new(PathBuf::from("Logs").join(name), Err(bad)));
                        newest = None;
                        break;
                    }
                }
            }
            if let Some(head) = newest.filter(|newest| kept.as_ref() != Some(newest)) {
                keep(heads, &agent, &head);
            }
        }
        Ok(found)
    }

    fn check_chains(&self) -> Result<(Checks, Vec<LogCheck>), FileError> {
        let dir = self.dir("Logs")?;
        let mut logs: BTreeMap<AgentId, Vec<NaiveDate>> = BTreeMap::new();
        for (day, agent) in self.logs_of(&dir)? {
            logs.entry(agent).or_default().push(day);
        }
        let (mut checks, mut damaged) = (Checks::new(), Vec::new());
        for (agent, days) in logs {
            let kept = match self.heads().map(|heads| (heads.load(&agent), heads.path(&agent))) {
                Some((Ok(kept), _)) => kept,
                Some((Err(error), path)) => {
                    let reason = format!("what was seen last of this log cannot be read: {error}");
                    damaged.push(LogCheck::new(path, Err(BadRecord { line: 1, seq: 0, reason })));
                    None
                }
                None => None,
            };
            // No record is read half written.
            let lock = open(&dir, &format!(".lock_{agent}"), OFlags::RDWR).ok();
            let _held = lock.filter(|lock| lock_file(lock).is_ok());
            let mut chain = Chain::after(&agent, ChainHead::default());
            for day in days {
                let name = file_name(day, &agent);
                let result = whole(&dir, &name, &mut chain, day, kept.as_ref());
                let path = PathBuf::from("Logs").join(&name);
                checks.insert((agent.clone(), day), LogCheck::new(path, result));
            }
        }
        Ok((checks, damaged))
    }

    /// Whether each log still reaches as far as it was seen to.
    fn check_heads(&self, checks: &mut Checks) {
        let Some(heads) = self.heads() else { return };
        for agent in heads.agents() {
            // One that cannot be read was told of already, if there is a log at all.
            let Ok(Some(kept)) = heads.load(&agent) else { continue };
            let mut own = checks.iter_mut().filter(|((of, _), _)| *of == agent).map(|(_, check)| check);
            if own.any(|check| check.result.is_err()) {
                continue;
            }
            let last = checks.iter().rfind(|((of, _), _)| *of == agent);
            let (key, seq) = match last {
                Some((key, LogCheck { result: Ok(seq), .. })) if *seq < kept.chain.seq => (key.clone(), *seq),
                Some(_) => continue,
                None => ((agent.clone(), kept.day), 0),
            };
            let path = PathBuf::from("Logs").join(file_name(key.1, &agent));
            let line = line_count(&self.path_of(&path.to_string_lossy())) + 1;
            let reason = format!("it is missing: this machine has seen records up to {}", kept.chain.seq);
            let result = Err(BadRecord { line, seq: seq + 1, reason });
            checks.insert(key, LogCheck::new(path, result));
        }
    }

    /// Whether an agent's whole log is sound and holds the record that was written last.
    fn is_as_written(&self, agent: &AgentId, checks: &Checks) -> bool {
        let kept = self.heads().and_then(|heads| heads.load(agent).ok().flatten());
        let of_agent = || checks.iter().filter(|((of, _), _)| of == agent).map(|(_, check)| &check.result);
        let last = of_agent().filter_map(|result| result.as_ref().ok()).max();
        // That the record is the same one was checked with the chain.
        of_agent().all(Result::is_ok)
            && kept.is_some_and(|kept| last.is_some_and(|last| *last >= kept.chain.seq))
    }
}

pub(super) fn keep(heads: &Heads, agent: &AgentId, head: &KeptHead) {
    if let Err(error) = heads.store(agent, head) {
        tracing::warn!(path = %heads.path(agent).display(), %error, "how far the log is was not kept");
    }
}

fn line_count(path: &std::path::Path) -> u64 {
    let Ok(mut file) = File::open(path) else { return 0 };
    let (mut count, mut buffer) = (0, vec![0; 64 << 10]);
    while let Ok(read @ 1..) = file.read(&mut buffer) {
        count += newlines(&buffer[..read]);
    }
    count
}

fn newlines(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap_or_default()
}

/// Reads lines, each with its line end, of at most [`LONGEST_LINE`].
struct Lines {
    reader: BufReader<File>,
    line: Vec<u8>,
}

impl Lines {
    fn open(dir: &Dir, name: &str, from: u64) -> Result<Self, FileError> {
        let mut file = open(dir, name, OFlags::RDONLY)?;
        let fail = |e: std::io::Error| FileError::from_io("read", dir.path().join(name), &e);
        if !file.metadata().map_err(fail)?.is_file() {
            return Err(FileError::new("read", dir.path().join(name), Errno::INVAL));
        }
        file.seek(SeekFrom::Start(from)).map_err(fail)?;
        Ok(Self { reader: BufReader::with_capacity(256 << 10, file), line: Vec::new() })
    }

    fn next(&mut self) -> std::io::Result<Option<&[u8]>> {
        self.line.clear();
        self.reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.line)?;
        Ok(Some(self.line.as_slice()).filter(|line| !line.is_empty()))
    }
}

/// Follows the chain through one file; after a bad record it goes on from the last whole one, so
/// that the next day is judged on its own.
fn whole(
    dir: &Dir,
    name: &str,
    chain: &mut Chain<'_>,
    day: NaiveDate,
    kept: Option<&KeptHead>,
) -> Result<u64, BadRecord> {
    chain.enter(day, 0);
    let mut lines = Lines::open(dir, name, 0).map_err(|e| chain.bad(format!("it cannot be read: {e}")))?;
    let mut first: Option<BadRecord> = None;
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(e) => {
                first = first.or(Some(chain.bad(format!("it cannot be read: {e}"))));
                break;
            }
        };
        if first.is_some() {
            let record = std::str::from_utf8(line).ok().and_then(|l| AuditRecord::parse(l.trim_end()).ok());
            record.into_iter().for_each(|record| chain.resume(record.head()));
            continue;
        }
        first = chain.follow(line).err();
        let (head, line) = (chain.head(), chain.line());
        if let Some(kept) = kept.filter(|kept| kept.chain.seq == head.seq && kept.chain.hash != head.hash) {
            let reason = "it is another than this machine has seen: the log was rewritten or forked".into();
            first = first.or(Some(BadRecord { line, seq: kept.chain.seq, reason }));
        }
    }
    first.map_or(Ok(chain.head().seq), Err)
}

/// Follows the chain through what was added to a file after `kept`; what the new head is, if
/// there is one.
fn go_on(
    dir: &Dir,
    name: &str,
    agent: &AgentId,
    chain: &mut Chain<'_>,
    day: NaiveDate,
    kept: Option<&KeptHead>,
) -> Result<Option<KeptHead>, BadRecord> {
    chain.enter(day, kept.map_or(0, |kept| kept.line));
    let fail = |chain: &Chain<'_>, e: &dyn std::fmt::Display| chain.bad(format!("it cannot be read: {e}"));
    if let Some(kept) = kept {
        let gone = |reason: &str| BadRecord { line: kept.line, seq: kept.chain.seq, reason: reason.into() };
        let file = open(dir, name, OFlags::RDONLY).map_err(|e| fail(chain, &e))?;
        let mut line = vec![0; usize::try_from(kept.end.saturating_sub(kept.start)).unwrap_or_default()];
        file.read_exact_at(&mut line, kept.start)
            .map_err(|_| gone("it is missing, and this machine has seen it"))?;
        let same = std::str::from_utf8(&line).ok().and_then(|l| AuditRecord::parse(l.trim_end()).ok());
        if !same.is_some_and(|record| record.head() == kept.chain && record.agent_id == *agent) {
            return Err(gone("it is another than this machine has seen: the log was rewritten or forked"));
        }
    }
    let mut at = kept.map_or(0, |kept| kept.end);
    let mut lines = Lines::open(dir, name, at).map_err(|e| fail(chain, &e))?;
    let mut newest = None;
    while let Some(line) = lines.next().map_err(|e| fail(chain, &e))? {
        // The other program may be writing it just now, or was killed while it did.
        if !line.ends_with(b"\n") {
            break;
        }
        chain.follow(line)?;
        let start = at;
        at += u64::try_from(line.len()).unwrap_or_default();
        newest = Some(KeptHead { chain: chain.head().clone(), day, line: chain.line(), start, end: at });
    }
    Ok(newest)
}

/// One file on disk beside its committed versions.
struct Compared {
    path: String,
    disk: Result<Vec<u8>, FileError>,
    /// The most bytes that a version so far has had, and which.
    longest: (usize, String),
}

impl Compared {
    fn open(dir: &Dir, path: &str, name: &str) -> Self {
        let disk = dir.read(name, LARGEST_DAY).map(|contents| contents.bytes);
        Self { path: path.to_owned(), disk, longest: (0, String::new()) }
    }

    /// The first record in which a version is not the beginning of what is on disk, and whether
    /// an earlier version had that record as the disk has it. A last line without a line end was
    /// torn by a crash and repaired since.
    fn compare(&mut self, version: &CommittedLog) -> Option<(BadRecord, bool)> {
        let commit = &version.commit;
        let bytes = version.bytes.as_deref().unwrap_or_default();
        let lines = &bytes[..bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)];
        let disk = match &self.disk {
            Ok(disk) => disk.as_slice(),
            Err(error) if error.is_missing() => {
                let reason = format!("the file is gone; commit {commit} has it");
                return (!lines.is_empty()).then(|| (bad_at(lines, 0, reason), false));
            }
            Err(error) => return Some((bad_at(lines, 0, format!("it cannot be read: {error}")), false)),
        };
        if !disk.starts_with(lines) {
            let at = lines.iter().zip(disk).take_while(|(a, b)| a == b).count();
            if at < self.longest.0 {
                let reason =
                    format!("commit {commit} has another, and the earlier {} this one", self.longest.1);
                return Some((bad_at(disk, at, reason), true));
            }
            let reason = if at == disk.len() {
                format!("it is missing; commit {commit} has it")
            } else {
                format!("it is another than commit {commit} has: the log was rewritten or forked")
            };
            return Some((bad_at(lines, at, reason), false));
        }
        if lines.len() < self.longest.0 {
            let reason = format!("commit {commit} lacks it, though the earlier {} has it", self.longest.1);
            return Some((bad_at(disk, lines.len(), reason), true));
        }
        self.longest = (lines.len(), commit.clone());
        None
    }
}

/// The record of `lines` that holds the byte `at`. Its number is counted from the first record
/// that can be read: it may be the one that cannot.
fn bad_at(lines: &[u8], at: usize, reason: String) -> BadRecord {
    let line = newlines(&lines[..at]) + 1;
    let known = (1..).zip(lines.split(|byte| *byte == b'\n')).find_map(|(n, text): (u64, _)| {
        let record = AuditRecord::parse(std::str::from_utf8(text).ok()?).ok()?;
        Some((n, record.seq))
    });
    let seq = known.map_or(0, |(n, seq)| (seq + line).saturating_sub(n));
    BadRecord { line, seq, reason }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
