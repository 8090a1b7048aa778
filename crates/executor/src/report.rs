//! What a cycle did.

use chrono::{DateTime, Utc};
use task::TaskId;

/// How far a cycle brought a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Carried out; in Done.
    Done,
    /// Rehearsed; in Done.
    Dry,
    /// Certainly not carried out; in Errors.
    Failed,
    /// Nobody knows; in Errors, for the owner to resolve.
    Unknown,
    /// Its order does not count; in Errors.
    Refused,
    /// Its order counts no longer; back in Pending_Approval.
    Returned,
    /// Left where it is, to be looked at again.
    Waiting,
}

/// One task of a cycle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Which.
    pub id: TaskId,
    /// How far it came.
    pub end: End,
    /// Why, or what the other side said.
    pub message: String,
}

/// What a cycle did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Task by task.
    pub entries: Vec<Entry>,
    /// Why nothing was done: the kill switch.
    pub stopped: Option<String>,
    /// When the first order that waits only for its time to be taken back can be carried out.
    pub due: Option<DateTime<Utc>>,
    /// When the first order that something kept from being carried out is tried again.
    pub again: Option<DateTime<Utc>>,
    /// What went wrong on this machine; the tasks concerned are taken up again.
    pub problems: Vec<String>,
}

impl Report {
    /// Whether any file was moved.
    pub fn changed(&self) -> bool {
        self.entries.iter().any(|entry| entry.end != End::Waiting)
    }

    /// The tasks that ended so.
    pub fn ended(&self, end: End) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.end == end)
    }

    pub(crate) fn note(&mut self, id: &TaskId, end: End, message: impl Into<String>) {
        self.entries.push(Entry { id: id.clone(), end, message: message.into() });
    }

    /// It is not carried out before then.
    pub(crate) fn wait(&mut self, id: &TaskId, until: DateTime<Utc>, message: impl Into<String>) {
        self.again = self.again.into_iter().chain([until]).min();
        self.note(id, End::Waiting, message);
    }

    pub(crate) fn merge(&mut self, other: Report) {
        self.entries.extend(other.entries);
        self.problems.extend(other.problems);
        self.due = self.due.into_iter().chain(other.due).min();
        self.again = self.again.into_iter().chain(other.again).min();
        if self.stopped.is_none() {
            self.stopped = other.stopped;
        }
    }
}
