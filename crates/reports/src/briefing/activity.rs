//! What happened in the week: counted from the audit logs, with the times of the tasks' files.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, TimeZone, Utc};
use task::{AuditOutcome, AuditRecord, TaskId, TaskKind};
use vault::{FileError, LogCursor, Vault};

use super::Period;

/// What was done for the tasks of one kind. A task counts once in each column, however often it was
/// tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KindLine {
    /// Drafts and questions put before the owner.
    pub drafted: usize,
    /// Closed because no answer was needed.
    pub closed: usize,
    /// Signed by the owner.
    pub approved: usize,
    /// Refused by the owner.
    pub rejected: usize,
    /// Carried out.
    pub done: usize,
    /// Rehearsed.
    pub dry: usize,
    /// Not carried out, or nobody knows.
    pub failed: usize,
}

/// How long something took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// Of how many.
    pub of: usize,
    /// Half of them took no longer (nearest rank).
    pub median: TimeDelta,
    /// Nine of ten took no longer (nearest rank).
    pub ninetieth: TimeDelta,
}

/// The week.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Activity {
    /// How many records of the logs are from the week.
    pub records: usize,
    /// By kind; the agents' own duties are none of them.
    pub kinds: BTreeMap<TaskKind, KindLine>,
    /// Tasks per day: put before the owner or closed, carried out, failed.
    pub days: BTreeMap<NaiveDate, (usize, usize, usize)>,
    /// From a task's arrival to its draft.
    pub to_draft: Option<Span>,
    /// From a task's draft to the owner's decision.
    pub to_decision: Option<Span>,
    /// Tries that failed and were made again, or given up.
    pub failed_tries: usize,
    /// Files that were set aside.
    pub set_aside: usize,
    /// Health incidents that began, by what they are about.
    pub incidents: Vec<TaskId>,
    /// Duties that were done.
    pub duties: usize,
    /// Suggestions that the owner took.
    pub suggestions: usize,
}

/// What a record means for its task.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Drafted,
    Closed,
    Approved,
    Rejected,
    Done,
    Dry,
    Failed,
}

impl Activity {
    /// Counts the week. Days are the owner's.
    pub fn count<Z: TimeZone>(vault: &Vault, period: &Period, zone: &Z) -> Result<Self, FileError> {
        // A log is named for its UTC day.
        let mut cursor = LogCursor::from_day(period.from.date_naive());
        let records = vault.follow_logs(&mut cursor)?;
        let mut activity = Self::default();
        let mut marks: BTreeMap<(TaskId, Mark), DateTime<Utc>> = BTreeMap::new();
        let mut incidents = BTreeSet::new();
        for record in records.into_iter().filter(|record| period.has(record.timestamp)) {
            activity.records += 1;
            activity.note(&record);
            let Some(id) = record.task.clone() else { continue };
            if record.action_type == "health_alarm" {
                incidents.insert(id);
            } else if let Some(mark) = mark(&record) {
                marks.entry((id, mark)).or_insert(record.timestamp);
            }
        }
        activity.incidents = incidents.into_iter().collect();
        activity.weigh(vault, marks, zone);
        Ok(activity)
    }

    fn note(&mut self, record: &AuditRecord) {
        match (record.action_type.as_str(), record.result) {
            ("draft", AuditOutcome::Failed) => self.failed_tries += 1,
            ("set_aside", _) => self.set_aside += 1,
            ("duty", AuditOutcome::Ok) => self.duties += 1,
            ("suggestion", _) => self.suggestions += 1,
            _ => {}
        }
    }

    fn weigh<Z: TimeZone>(
        &mut self,
        vault: &Vault,
        marks: BTreeMap<(TaskId, Mark), DateTime<Utc>>,
        zone: &Z,
    ) {
        let (mut drafting, mut deciding) = (Vec::new(), Vec::new());
        for ((id, mark), at) in marks {
            let line = self.kinds.entry(TaskKind::of(&id)).or_default();
            let day = self.days.entry(at.with_timezone(zone).date_naive()).or_default();
            match mark {
                Mark::Drafted => (line.drafted, day.0) = (line.drafted + 1, day.0 + 1),
                Mark::Closed => (line.closed, day.0) = (line.closed + 1, day.0 + 1),
                Mark::Approved => line.approved += 1,
                Mark::Rejected => line.rejected += 1,
                Mark::Done => (line.done, day.1) = (line.done + 1, day.1 + 1),
                Mark::Dry => (line.dry, day.1) = (line.dry + 1, day.1 + 1),
                Mark::Failed => (line.failed, day.2) = (line.failed + 1, day.2 + 1),
            }
            let spans = match mark {
                Mark::Drafted | Mark::Closed => &mut drafting,
                Mark::Approved | Mark::Rejected => &mut deciding,
                _ => continue,
            };
            // A task that is gone has its count, and no times.
            let Ok(Some(location)) = vault.find(&id) else { continue };
            let Ok(file) = vault.read(&location) else { continue };
            let front = file.task.front;
            let began = match mark {
                Mark::Drafted | Mark::Closed => Some(front.created),
                _ => front.drafted_at,
            };
            spans.extend(began.map(|began| (at - began).max(TimeDelta::zero())));
        }
        self.to_draft = Span::over(drafting);
        self.to_decision = Span::over(deciding);
    }

    /// All kinds together.
    pub fn total(&self) -> KindLine {
        self.kinds.values().fold(KindLine::default(), |sum, line| KindLine {
            drafted: sum.drafted + line.drafted,
            closed: sum.closed + line.closed,
            approved: sum.approved + line.approved,
            rejected: sum.rejected + line.rejected,
            done: sum.done + line.done,
            dry: sum.dry + line.dry,
            failed: sum.failed + line.failed,
        })
    }
}

fn mark(record: &AuditRecord) -> Option<Mark> {
    match (record.action_type.as_str(), record.result) {
        ("draft", AuditOutcome::Ok) => {
            let stage = record.params.get("stage").and_then(|stage| stage.as_str()).unwrap_or_default();
            Some(if stage.starts_with("Done") { Mark::Closed } else { Mark::Drafted })
        }
        ("approve", AuditOutcome::Ok) => Some(Mark::Approved),
        ("reject", _) => Some(Mark::Rejected),
        ("execute" | "resolve", AuditOutcome::Ok) => Some(Mark::Done),
        ("execute", AuditOutcome::Dry) => Some(Mark::Dry),
        ("execute", AuditOutcome::Failed | AuditOutcome::Unknown) => Some(Mark::Failed),
        _ => None,
    }
}

impl Span {
    /// `None` of nothing.
    pub fn over(mut spans: Vec<TimeDelta>) -> Option<Self> {
        spans.sort();
        // The nearest rank: the smallest that so many hundredths do not exceed.
        let rank = |hundredths: usize| spans.get((spans.len() * hundredths).div_ceil(100).checked_sub(1)?);
        Some(Self { of: spans.len(), median: *rank(50)?, ninetieth: *rank(90)? })
    }
}
