//! Following the hash chain of one agent's audit log, line by line.
//!
//! A line is checked as it stands: its hash is over its own bytes without the hash, so that
//! another spelling of the same content is a change like any other, and nothing is written anew to
//! be compared.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::{AgentId, AuditOutcome, ChainHead, Digest};

/// How a record's hash begins in its line. Keys are sorted, the texts before it cannot hold these
/// bytes (quotes in them are escaped), and `params` comes after it.
const HASH: &str = ",\"hash\":\"";

/// The first record that is wrong in a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, record {seq}: {reason}")]
pub struct BadRecord {
    /// Line within the file, from 1; one past the last where a record is missing at the end.
    pub line: u64,
    /// The number of the record that is due there.
    pub seq: u64,
    /// What is wrong, as a clause.
    pub reason: String,
}

/// A line as far as the chain needs it; everything else is only looked at for its shape.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    timestamp: DateTime<Utc>,
    seq: u64,
    #[serde(borrow)]
    agent_id: Cow<'a, str>,
    #[serde(borrow, rename = "actor")]
    _actor: Cow<'a, str>,
    #[serde(borrow, rename = "action_type")]
    _action_type: Cow<'a, str>,
    #[serde(borrow, default, rename = "task")]
    _task: Option<Cow<'a, str>>,
    #[serde(rename = "params")]
    _params: IgnoredAny,
    #[serde(borrow, rename = "approval_status")]
    _approval_status: Cow<'a, str>,
    #[serde(rename = "result")]
    _result: AuditOutcome,
    #[serde(rename = "duration_ms")]
    _duration_ms: u64,
    #[serde(borrow)]
    prev_hash: Cow<'a, str>,
    #[serde(borrow)]
    hash: Cow<'a, str>,
}

/// Whether the hash in a line, which says `said`, is the one of its other bytes.
pub(crate) fn hash_fits(line: &str, said: &str) -> bool {
    let Some(at) = line.find(HASH) else { return false };
    let (before, rest) = line.split_at(at);
    let Some((hash, after)) = rest[HASH.len()..].split_once('"') else { return false };
    hash == said && Digest::of_parts([before.as_bytes(), after.as_bytes()]).hex() == said
}

/// Follows one agent's chain over all of its files, in the order of days.
#[derive(Debug, Clone)]
pub struct Chain<'a> {
    agent: &'a AgentId,
    head: ChainHead,
    /// What the last record follows.
    before: String,
    day: NaiveDate,
    line: u64,
}

impl<'a> Chain<'a> {
    /// A chain that goes on after `head`.
    pub fn after(agent: &'a AgentId, head: ChainHead) -> Self {
        Self { agent, before: String::new(), head, day: NaiveDate::MIN, line: 0 }
    }

    /// Goes on in the file of `day`, after `line` lines of it.
    pub fn enter(&mut self, day: NaiveDate, line: u64) {
        self.day = day;
        self.line = line;
    }

    /// Where it stands.
    pub fn head(&self) -> &ChainHead {
        &self.head
    }

    /// Lines of the current file so far.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Sets the head after something that does not fit, to look at what follows.
    pub fn resume(&mut self, head: ChainHead) {
        self.head = head;
    }

    /// The next record is wrong, because of `reason`.
    pub fn bad(&self, reason: impl Into<String>) -> BadRecord {
        BadRecord { line: self.line, seq: self.head.seq + 1, reason: reason.into() }
    }

    /// Takes the next line, with its line end.
    pub fn follow(&mut self, line: &[u8]) -> Result<(), BadRecord> {
        self.line += 1;
        let Some(whole) = line.strip_suffix(b"\n") else {
            return Err(self.bad("it is torn: it has no line end"));
        };
        let text = std::str::from_utf8(whole).map_err(|_| self.bad("it was changed: it is not UTF-8"))?;
        let record: Line = serde_json::from_str(text)
            .map_err(|e| self.bad(format!("it was changed: it does not parse: {e}")))?;
        if !hash_fits(text, &record.hash) {
            return Err(self.bad("it was changed: its hash does not fit its content"));
        }
        if record.agent_id != self.agent.as_str() {
            return Err(self.bad(format!("a record of {} stands in its place", record.agent_id)));
        }
        self.place(&record)?;
        self.time(&record)?;
        self.before = record.prev_hash.into_owned();
        self.head = ChainHead { seq: record.seq, hash: record.hash.into_owned() };
        Ok(())
    }

    fn place(&self, record: &Line) -> Result<(), BadRecord> {
        let due = self.head.seq + 1;
        let follows_last = record.prev_hash == self.head.hash;
        match record.seq {
            seq if seq == due && follows_last => Ok(()),
            seq if seq == due => Err(self
                .bad("it does not follow the record before it: the log was forked, or one of them replaced")),
            seq if seq > due => Err(self.bad(format!(
                "it is missing: record {seq} stands in its place, so records were dropped or moved"
            ))),
            seq if seq == self.head.seq && record.hash == self.head.hash => {
                Err(self.bad(format!("record {seq} is repeated in its place")))
            }
            seq if seq == self.head.seq && record.prev_hash == self.before => Err(self.bad(format!(
                "the log forks: a second record {seq} that follows record {} stands in its place",
                seq.saturating_sub(1)
            ))),
            seq => Err(self.bad(format!("record {seq} stands in its place: it was repeated or moved"))),
        }
    }

    /// A file is begun on its day, and a later day begins a new one; only a clock that was put
    /// back writes an earlier time.
    fn time(&self, record: &Line) -> Result<(), BadRecord> {
        let date = record.timestamp.date_naive();
        if date > self.day || (self.line == 1 && date < self.day) {
            return Err(self.bad(format!("it is of {date} and stands in the file of {}", self.day)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AuditEvent, AuditRecord};

    const DAY: &str = "2026-02-23";

    fn sealed(agent: &AgentId, n: u64, at: &str, head: &ChainHead) -> AuditRecord {
        // A text that looks like a hash must not be taken for it.
        let event = AuditEvent::new("claim", None).with("n", n).with("hash", "0,\"hash\":\"1\"");
        AuditRecord::seal(event, agent.clone(), at.parse().expect("time"), head).expect("record")
    }

    fn log(n: u64) -> (AgentId, Vec<String>) {
        let agent: AgentId = "cloud-001".parse().expect("agent");
        let mut head = ChainHead::default();
        let lines = (0..n)
            .map(|i| {
                let record = sealed(&agent, i, "2026-02-23T03:15:00.123456789Z", &head);
                head = record.head();
                record.to_line().expect("line")
            })
            .collect();
        (agent, lines)
    }

    fn follow(agent: &AgentId, lines: &[String]) -> Result<u64, BadRecord> {
        let mut chain = Chain::after(agent, ChainHead::default());
        chain.enter(DAY.parse().expect("day"), 0);
        lines.iter().try_for_each(|line| chain.follow(line.as_bytes()))?;
        Ok(chain.head().seq)
    }

    #[test]
    fn the_first_bad_record_is_named_with_what_was_done_to_it() {
        let (agent, lines) = log(5);
        assert_eq!(follow(&agent, &lines), Ok(5));
        let check = |line: u64, part: &str, change: &dyn Fn(&mut Vec<String>)| {
            let mut changed = lines.clone();
            change(&mut changed);
            let bad = follow(&agent, &changed).expect_err(part);
            assert_eq!((bad.line, bad.seq), (line, line), "{bad}");
            assert!(bad.reason.contains(part), "{bad}");
        };
        check(3, "hash does not fit", &|l| l[2] = l[2].replace("\"n\":2", "\"n\":9"));
        check(3, "hash does not fit", &|l| l[2] = l[2].replace("\"n\":2", "\"n\": 2"));
        check(3, "hash does not fit", &|l| l[2] = l[2].replace("claim", "cl\\u0061im"));
        check(3, "hash does not fit", &|l| l[2] = l[2].replacen(",\"hash\":\"", ",\"hash\":\"0", 1));
        check(3, "does not parse", &|l| l[2] = l[2].replacen('{', "[", 1));
        check(2, "record 3 stands in its place", &|l| drop(l.remove(1)));
        check(4, "record 5 stands in its place", &|l| l.swap(3, 4));
        check(4, "record 3 is repeated", &|l| l.insert(3, l[2].clone()));
        check(4, "record 1 stands in its place", &|l| l.insert(3, l[0].clone()));
        check(5, "torn", &|l| l[4].truncate(30));
    }

    #[test]
    fn a_fork_is_told_from_a_repetition() {
        let (agent, lines) = log(3);
        let second = AuditRecord::parse(lines[1].trim_end()).expect("record");
        let other = sealed(&agent, 99, "2026-02-23T04:00:00Z", &second.head()).to_line().expect("line");
        let both = [lines.clone(), vec![other.clone()]].concat();
        assert!(follow(&agent, &both).expect_err("forked").reason.contains("forks"));
        let (mut spliced, next) = (lines[..2].to_vec(), &lines[2]);
        spliced.push(other);
        let other_head = AuditRecord::parse(spliced[2].trim_end()).expect("record").head();
        let third = AuditRecord::parse(next.trim_end()).expect("record");
        let fourth = sealed(&agent, 4, "2026-02-23T04:00:00Z", &third.head());
        assert_ne!(other_head.hash, fourth.prev_hash);
        spliced.push(fourth.to_line().expect("line"));
        let bad = follow(&agent, &spliced).expect_err("spliced");
        assert_eq!(bad.line, 4);
        assert!(bad.reason.contains("forked"), "{bad}");
    }

    #[test]
    fn a_record_stands_in_the_file_of_its_day() {
        let agent: AgentId = "cloud-001".parse().expect("agent");
        let check = |times: &[&str], expected: Result<u64, u64>| {
            let mut head = ChainHead::default();
            let mut lines = Vec::new();
            for (n, time) in (0..).zip(times) {
                let record = sealed(&agent, n, time, &head);
                head = record.head();
                lines.push(record.to_line().expect("line"));
            }
            assert_eq!(follow(&agent, &lines).map_err(|bad| bad.line), expected, "{times:?}");
        };
        check(&["2026-02-23T23:59:59Z"], Ok(1));
        // The clock was put back.
        check(&["2026-02-23T03:00:00Z", "2026-02-22T03:00:00Z"], Ok(2));
        check(&["2026-02-22T23:59:59Z"], Err(1));
        check(&["2026-02-23T03:00:00Z", "2026-02-24T00:00:00Z"], Err(2));
    }
}
