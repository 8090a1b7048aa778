//! What happened in the last seven days, counted from the audit logs as they grow.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Days, NaiveDate, Utc};
use task::{AuditOutcome, AuditRecord, TaskId};
use vault::{FileError, LogCursor, Vault};

use crate::ResultKind;

/// One day's counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Day {
    /// Tasks for which something was drafted or found to need no answer.
    pub drafted: u32,
    /// Orders carried out, rehearsals included.
    pub executed: u32,
    /// What failed or is unknown.
    pub failed: u32,
}

/// Seven days, oldest first.
pub type Week = Vec<(NaiveDate, Day)>;

/// A task's end, as the log tells it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct End {
    pub(crate) id: TaskId,
    pub(crate) kind: ResultKind,
    pub(crate) at: DateTime<Utc>,
}

/// How many ends are remembered.
const ENDS: usize = 10;

/// Reads the logs once from seven days ago, and then what is added to them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    cursor: Option<LogCursor>,
    days: BTreeMap<NaiveDate, Day>,
    ends: VecDeque<End>,
}

impl Tally {
    pub(crate) fn catch_up(&mut self, vault: &Vault, now: DateTime<Utc>) -> Result<(), FileError> {
        let first = first_day(now);
        let cursor = self.cursor.get_or_insert_with(|| LogCursor::from_day(first));
        for record in vault.follow_logs(cursor)? {
            self.count(&record);
        }
        self.days.retain(|day, _| *day >= first);
        Ok(())
    }

    fn count(&mut self, record: &AuditRecord) {
        let day = self.days.entry(record.timestamp.date_naive()).or_default();
        let bad = matches!(record.result, AuditOutcome::Failed | AuditOutcome::Unknown);
        match record.action_type.as_str() {
            "draft" | "execute" if bad => day.failed += 1,
            "draft" => day.drafted += 1,
            "execute" if matches!(record.result, AuditOutcome::Ok | AuditOutcome::Dry) => day.executed += 1,
            _ => {}
        }
        let Some((id, kind)) = record.task.clone().zip(end_of(record)) else { return };
        // The newest end of a task counts: it may have been retried.
        self.ends.retain(|end| end.id != id);
        let at = self.ends.partition_point(|end| end.at <= record.timestamp);
        self.ends.insert(at, End { id, kind, at: record.timestamp });
        if self.ends.len() > ENDS {
            self.ends.pop_front();
        }
    }

    pub(crate) fn week(&self, now: DateTime<Utc>) -> Week {
        let first = first_day(now);
        first.iter_days().take(7).map(|day| (day, self.days.get(&day).copied().unwrap_or_default())).collect()
    }

    /// Newest first.
    pub(crate) fn ends(&self) -> impl Iterator<Item = &End> {
        self.ends.iter().rev()
    }
}

fn first_day(now: DateTime<Utc>) -> NaiveDate {
    let today = now.date_naive();
    today.checked_sub_days(Days::new(6)).unwrap_or(today)
}

/// Whether a record tells of a task's end.
fn end_of(record: &AuditRecord) -> Option<ResultKind> {
    match (record.action_type.as_str(), record.result) {
        ("execute" | "resolve", AuditOutcome::Ok) => Some(ResultKind::Sent),
        ("execute", AuditOutcome::Dry) => Some(ResultKind::Dry),
        ("execute" | "resolve", AuditOutcome::Unknown) => Some(ResultKind::Unknown),
        ("execute" | "draft", AuditOutcome::Failed) => Some(ResultKind::Failed),
        ("reject", _) => Some(ResultKind::Rejected),
        ("draft", AuditOutcome::Ok) => {
            let stage = record.params.get("stage").and_then(|stage| stage.as_str())?;
            stage.starts_with("Done").then_some(ResultKind::NothingToDo)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use task::AuditEvent;
    use vault::Limits;

    #[test]
    fn the_week_and_the_last_results_follow_the_logs() {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path(), Limits::default()).expect("open");
        let mut tally = Tally::default();
        let log = |day: u32, action: &str, id: &str, stage: &str, result: AuditOutcome| {
            let now = format!("2026-02-{day}T10:00:00Z").parse().expect("time");
            let event =
                AuditEvent::new(action, Some(id.parse().expect("id"))).with("stage", stage).result(result);
            vault.log(&"a".parse().expect("agent"), event, now).expect("log");
        };
        let now = "2026-02-23T12:00:00Z".parse().expect("time");
        log(16, "draft", "EMAIL_0", "Done/2026/02", AuditOutcome::Ok);
        log(17, "draft", "EMAIL_1", "Pending_Approval", AuditOutcome::Ok);
        log(18, "draft", "EMAIL_2", "Done/2026/02", AuditOutcome::Ok);
        log(18, "execute", "EMAIL_1", "", AuditOutcome::Unknown);
        tally.catch_up(&vault, now).expect("look");
        log(23, "resolve", "EMAIL_1", "", AuditOutcome::Ok);
        log(23, "reject", "EMAIL_3", "", AuditOutcome::Refused);
        log(23, "execute", "EMAIL_4", "", AuditOutcome::Dry);
        tally.catch_up(&vault, now).expect("look");
        let week = tally.week(now);
        assert_eq!(week.len(), 7);
        assert_eq!(week[0].1, Day { drafted: 1, executed: 0, failed: 0 });
        assert_eq!(week[1].1, Day { drafted: 1, executed: 0, failed: 1 });
        assert_eq!(week[6].1, Day { drafted: 0, executed: 1, failed: 0 });
        let ends: Vec<_> = tally.ends().map(|end| (end.id.to_string(), end.kind)).collect();
        let expected = [
            ("EMAIL_4", ResultKind::Dry),
            ("EMAIL_3", ResultKind::Rejected),
            ("EMAIL_1", ResultKind::Sent),
            ("EMAIL_2", ResultKind::NothingToDo),
        ];
        assert_eq!(ends, expected.map(|(id, kind)| (id.to_owned(), kind)));
    }
}
