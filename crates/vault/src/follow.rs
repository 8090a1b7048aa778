//! Reading the logs of all agents as they grow, for reports: each look costs what was added.

use std::collections::HashMap;
use std::os::unix::fs::FileExt as _;

use chrono::NaiveDate;
use rustix::fs::OFlags;
use task::{AgentId, AuditRecord};

use crate::Vault;
use crate::durable::FileError;
use crate::logs::{file_name, open};

/// At most this much is read of one log at one look.
const LARGEST_LOOK: u64 = 64 << 20;

/// How far each log has been read.
#[derive(Debug, Clone)]
pub struct LogCursor {
    from: NaiveDate,
    read: HashMap<(NaiveDate, AgentId), u64>,
}

impl LogCursor {
    /// Starts before the first record of a day.
    pub fn from_day(from: NaiveDate) -> Self {
        Self { from, read: HashMap::new() }
    }
}

impl Vault {
    /// The records that were added since the last look, of all agents, in the order of time.
    /// They are not verified; lines that are no records, and a last line that is not whole yet,
    /// are left out.
    pub fn follow_logs(&self, cursor: &mut LogCursor) -> Result<Vec<AuditRecord>, FileError> {
        let dir = self.dir_created("Logs")?;
        let mut records: Vec<AuditRecord> = Vec::new();
        for key in self.logs_of(&dir)?.into_iter().filter(|(date, _)| *date >= cursor.from) {
            let name = file_name(key.0, &key.1);
            let Some(len) = dir.meta(&name)?.map(|meta| meta.len) else { continue };
            let from = cursor.read.get(&key).copied().unwrap_or(0);
            if len <= from {
                continue;
            }
            let Ok(file) = open(&dir, &name, OFlags::RDONLY) else { continue };
            let mut bytes = vec![0; usize::try_from((len - from).min(LARGEST_LOOK)).unwrap_or_default()];
            // Cut off meanwhile, by a repair: the next look sees what is there then.
            if file.read_exact_at(&mut bytes, from).is_err() {
                continue;
            }
            let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            let lines = bytes[..whole].split(|b| *b == b'\n');
            records.extend(lines.filter_map(|line| serde_json::from_slice(line).ok()));
            cursor.read.insert(key, from + u64::try_from(whole).unwrap_or_default());
        }
        records.sort_by(|a, b| (a.timestamp, &a.agent_id, a.seq).cmp(&(b.timestamp, &b.agent_id, b.seq)));
        Ok(records)
    }

    /// The last `count` records of all agents, oldest first, from each agent's newest two days.
    pub fn recent_records(&self, count: usize) -> Result<Vec<AuditRecord>, FileError> {
        let mut newest: HashMap<AgentId, Vec<NaiveDate>> = HashMap::new();
        for (date, agent) in self.logs_of(&*self.dir_created("Logs")?)? {
            newest.entry(agent).or_default().push(date);
        }
        let oldest = newest.values().filter_map(|dates| dates.iter().rev().take(2).next_back()).min();
        let mut records = self.follow_logs(&mut LogCursor::from_day(oldest.copied().unwrap_or_default()))?;
        records.drain(..records.len().saturating_sub(count));
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use task::AuditEvent;

    #[test]
    fn each_record_is_seen_once_and_only_when_it_is_whole() {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path(), Limits::default()).expect("open");
        let log = |agent: &str, now: &str| {
            let (agent, now) = (agent.parse().expect("agent"), now.parse().expect("time"));
            vault.log(&agent, AuditEvent::new("claim", None), now).expect("log");
        };
        log("cloud-001", "2026-02-20T00:00:00Z");
        log("cloud-001", "2026-02-23T00:00:02Z");
        log("local-001", "2026-02-23T00:00:01Z");
        let mut cursor = LogCursor::from_day("2026-02-21".parse().expect("day"));
        let mut seen = || {
            let records = vault.follow_logs(&mut cursor).expect("follow");
            records.into_iter().map(|r| format!("{} {}", r.agent_id, r.seq)).collect::<Vec<_>>()
        };
        assert_eq!(seen(), ["local-001 1", "cloud-001 2"]);
        assert!(seen().is_empty());
        let path = temp.path().join("Logs/2026-02-23_local-001.jsonl");
        let whole = std::fs::read_to_string(&path).expect("read");
        std::fs::write(&path, format!("{whole}not a record\n{}", &whole[..20])).expect("write");
        assert!(seen().is_empty());
        std::fs::write(&path, format!("{whole}not a record\n{whole}")).expect("write");
        assert_eq!(seen(), ["local-001 1"]);
    }
}
