//! What is done to a log.

use std::fmt;

use fastrand::Rng;
use task::{AuditEvent, AuditRecord, ChainHead};

/// A file's name and its lines, each with its line end; in the order of agent and day.
pub(super) type Logs = Vec<(String, Vec<String>)>;

/// The kinds of harm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Harm {
    BitFlipped,
    Dropped,
    Repeated,
    Swapped,
    MovedAway,
    Truncated,
    CutToTheByte,
    FileRemoved,
    SecondRecord,
    TimeChanged,
    DayMovedOn,
    DayMovedBack,
    FromOtherAgent,
    Rewritten,
    RewrittenTime,
    RewrittenWithout,
    RewrittenWithMore,
    TailForked,
    TailForkedShorter,
}

impl Harm {
    pub(super) const ALL: [Self; 19] = [
        Self::BitFlipped,
        Self::Dropped,
        Self::Repeated,
        Self::Swapped,
        Self::MovedAway,
        Self::Truncated,
        Self::CutToTheByte,
        Self::FileRemoved,
        Self::SecondRecord,
        Self::TimeChanged,
        Self::DayMovedOn,
        Self::DayMovedBack,
        Self::FromOtherAgent,
        Self::Rewritten,
        Self::RewrittenTime,
        Self::RewrittenWithout,
        Self::RewrittenWithMore,
        Self::TailForked,
        Self::TailForkedShorter,
    ];
}

/// A log after harm was done to it, and where that shows first.
pub(super) struct Tampering {
    pub(super) harm: Harm,
    /// The files that are different, with their bytes; `None`: removed.
    pub(super) files: Vec<(String, Option<Vec<u8>>)>,
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) seq: u64,
}

impl fmt::Display for Tampering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {}, line {}, record {}", self.harm, self.file, self.line, self.seq)
    }
}

fn record(line: &str) -> AuditRecord {
    #[expect(clippy::expect_used, reason = "a line that this program has just written")]
    AuditRecord::parse(line.trim_end()).expect("a record")
}

fn seal(event: AuditEvent, like: &AuditRecord, head: &ChainHead) -> AuditRecord {
    #[expect(clippy::expect_used, reason = "texts and small numbers have canonical JSON")]
    AuditRecord::seal(event, like.agent_id.clone(), like.timestamp, head).expect("a record")
}

fn line(record: &AuditRecord) -> String {
    #[expect(clippy::expect_used, reason = "it was sealed, so it has canonical JSON")]
    record.to_line().expect("a line")
}

fn event(of: &AuditRecord) -> AuditEvent {
    AuditEvent {
        actor: of.actor.clone(),
        action_type: of.action_type.clone(),
        task: of.task.clone(),
        params: of.params.clone(),
        approval_status: of.approval_status.clone(),
        result: of.result,
        duration_ms: of.duration_ms,
    }
}

fn agent(file: &str) -> &str {
    file.split_once('_').map_or("", |(_, agent)| agent)
}

/// Writes the chain of one agent anew from `start` of `file` on, with every hash fitting.
fn rechain(logs: &mut Logs, file: usize, start: usize) {
    let mut head = ChainHead::default();
    let name = agent(&logs[file].0).to_owned();
    for (n, (_, lines)) in logs.iter_mut().enumerate().filter(|(_, (of, _))| agent(of) == name) {
        for (at, text) in lines.iter_mut().enumerate() {
            let old = record(text);
            if n < file || (n == file && at < start) {
                head = old.head();
                continue;
            }
            let new = seal(event(&old), &old, &head);
            head = new.head();
            *text = line(&new);
        }
    }
}

impl Tampering {
    /// Does harm to `logs`, somewhere.
    pub(super) fn make(harm: Harm, logs: &Logs, chance: &mut Rng) -> Self {
        let mut changed = logs.clone();
        let file = chance.usize(..logs.len());
        let lines = logs[file].1.len();
        let at = chance.usize(..lines);
        // A neighbour within the file, and the same agent's next day, where a kind needs one.
        let before_last = chance.usize(..lines - 1);
        let with_next = (0..logs.len() - 1)
            .filter(|n| agent(&logs[*n].0) == agent(&logs[*n + 1].0))
            .nth(chance.usize(..logs.len() - 2));
        let day = with_next.unwrap_or_default();
        // Where it shows: file and line, from 0.
        let mut raw = None;
        let (shows, line_at) = match harm {
            Harm::BitFlipped => {
                let mut bytes = logs[file].1.concat().into_bytes();
                let start: usize = logs[file].1[..at].iter().map(String::len).sum();
                let byte = start + chance.usize(..logs[file].1[at].len());
                bytes[byte] ^= 1 << chance.u8(..8);
                raw = Some(bytes);
                (file, at)
            }
            Harm::Dropped => {
                changed[file].1.remove(at);
                (file, at)
            }
            Harm::Repeated => {
                let copy = changed[file].1[at].clone();
                changed[file].1.insert(at + 1, copy);
                (file, at + 1)
            }
            Harm::Swapped => {
                changed[file].1.swap(before_last, before_last + 1);
                (file, before_last)
            }
            Harm::MovedAway => {
                let moved = changed[file].1.remove(before_last);
                changed[file].1.push(moved);
                (file, before_last)
            }
            Harm::Truncated => {
                changed[file].1.truncate(at);
                (file, at)
            }
            Harm::CutToTheByte => {
                let bytes = logs[file].1.concat().into_bytes();
                let start: usize = logs[file].1[..at].iter().map(String::len).sum();
                raw = Some(bytes[..start + chance.usize(..logs[file].1[at].len())].to_vec());
                (file, at)
            }
            Harm::FileRemoved => {
                changed[file].1.clear();
                (file, 0)
            }
            Harm::SecondRecord => {
                let old = record(&logs[file].1[at]);
                let head = ChainHead { seq: old.seq - 1, hash: old.prev_hash.clone() };
                let second = seal(event(&old).with("second", chance.u32(..)), &old, &head);
                changed[file].1.insert(at + 1, line(&second));
                (file, at + 1)
            }
            Harm::TimeChanged => {
                let text = &mut changed[file].1[at];
                *text = text.replacen("T0", "T1", 1);
                (file, at)
            }
            Harm::DayMovedOn => {
                let keep = chance.usize(1..logs[day].1.len());
                let moved = changed[day].1.split_off(keep);
                changed[day + 1].1.splice(0..0, moved);
                (day, keep)
            }
            Harm::DayMovedBack => {
                let take = chance.usize(1..logs[day + 1].1.len());
                let moved: Vec<String> = changed[day + 1].1.drain(..take).collect();
                changed[day].1.extend(moved);
                (day, logs[day].1.len())
            }
            Harm::FromOtherAgent => {
                let foreign: Vec<&String> = logs
                    .iter()
                    .filter(|(of, _)| agent(of) != agent(&logs[file].0))
                    .flat_map(|(_, lines)| lines)
                    .collect();
                changed[file].1.insert(at, foreign[chance.usize(..foreign.len())].clone());
                (file, at)
            }
            Harm::Rewritten | Harm::RewrittenTime | Harm::RewrittenWithout | Harm::RewrittenWithMore => {
                let mut old = record(&logs[file].1[at]);
                let head = ChainHead { seq: old.seq - 1, hash: old.prev_hash.clone() };
                let shown = event(&old).with("rewritten", chance.u32(..));
                match harm {
                    Harm::Rewritten => changed[file].1[at] = line(&seal(shown, &old, &head)),
                    Harm::RewrittenTime => {
                        old.timestamp += chrono::TimeDelta::milliseconds(chance.i64(1..1000));
                        changed[file].1[at] = line(&seal(event(&old), &old, &head));
                    }
                    Harm::RewrittenWithout => drop(changed[file].1.remove(at)),
                    _ => changed[file].1.insert(at, line(&seal(shown, &old, &head))),
                }
                rechain(&mut changed, file, at);
                (file, at)
            }
            Harm::TailForked | Harm::TailForkedShorter => {
                // Another machine went on from an old state, and its log took this one's place.
                let old = record(&logs[file].1[at]);
                let head = ChainHead { seq: old.seq - 1, hash: old.prev_hash.clone() };
                changed[file].1.truncate(at);
                let mut head = head;
                let most = if harm == Harm::TailForked { logs[file].1.len() - at + 3 } else { 1 };
                for n in 0..most {
                    let new =
                        seal(event(&old).with("fork", u64::try_from(n).unwrap_or_default()), &old, &head);
                    head = new.head();
                    changed[file].1.push(line(&new));
                }
                for (of, lines) in changed.iter_mut().skip(file + 1) {
                    if agent(of) == agent(&logs[file].0) {
                        lines.clear();
                    }
                }
                (file, at)
            }
        };
        let seq = match logs[shows].1.get(line_at) {
            Some(line) => record(line).seq,
            None => record(&logs[shows].1[line_at - 1]).seq + 1,
        };
        let gone = |n: usize| changed[n].1.is_empty() && harm != Harm::Truncated && harm != Harm::Dropped;
        let files = (0..logs.len())
            .filter(|n| changed[*n] != logs[*n] || (*n == file && raw.is_some()))
            .map(|n| {
                let bytes = raw.clone().unwrap_or_else(|| changed[n].1.concat().into_bytes());
                (logs[n].0.clone(), Some(bytes).filter(|_| raw.is_some() || !gone(n)))
            })
            .collect();
        Self {
            harm,
            files,
            file: logs[shows].0.clone(),
            line: u64::try_from(line_at).unwrap_or_default() + 1,
            seq,
        }
    }
}
