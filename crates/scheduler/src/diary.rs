//! What an agent has seen of the calendar, and the tasks it makes of it.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use task::{Location, Stage, TaskId};
use vault::{DurableError, FileError, Vault, WriteError, durable};

use crate::{Calendar, Occurrence};

/// Why the diary could not be kept. What is due stays due.
#[derive(Debug, thiserror::Error)]
pub enum DiaryError {
    /// The file in the data directory.
    #[error("cannot keep what has been due in {}: {source}", path.display())]
    Save {
        /// Which.
        path: PathBuf,
        /// Why.
        source: DurableError,
    },
    /// A task could not be made.
    #[error("cannot make the task {id}: {source}")]
    Create {
        /// Which.
        id: TaskId,
        /// Why.
        source: WriteError,
    },
    /// The crash that a test asked for.
    #[error("cannot keep what has been due: {0}")]
    Fault(#[from] FileError),
}

/// What came of an occurrence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Made {
    /// A new task.
    New(TaskId),
    /// The task was there already: another agent made it, or this one before a restart.
    There(TaskId),
}

/// Kept in the data directory.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Page {
    /// Up to when everything that was due has its task.
    seen: Option<DateTime<Utc>>,
}

/// Makes the tasks that are due, and remembers up to when it did.
#[derive(Debug)]
pub struct Diary {
    path: PathBuf,
    page: Page,
    /// What `page` is on the disk.
    saved: Page,
}

impl Diary {
    /// Opens the diary at `path`. One that is missing or cannot be read begins now: what was due
    /// before is not made up for, and the vault knows what had its task.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let page: Page = read(&path).unwrap_or_default();
        Self { path, saved: page.clone(), page }
    }

    /// Up to when everything that was due has its task.
    pub fn seen(&self) -> Option<DateTime<Utc>> {
        self.page.seen
    }

    /// Makes a task of whatever has become due since the last look. Blocks.
    pub fn look(
        &mut self,
        calendar: &Calendar,
        vault: &Vault,
        now: DateTime<Utc>,
    ) -> Result<Vec<Made>, DiaryError> {
        // A clock that was put back makes nothing due a second time, and waits for nothing.
        let since = self.page.seen.unwrap_or(now).min(now);
        let mut made = Vec::new();
        for occurrence in calendar.due(since, now) {
            made.push(make(vault, &occurrence)?);
        }
        self.page.seen = Some(now);
        // Nothing is lost with what is not written while nothing was due: it is due no later.
        if !made.is_empty() || self.saved.seen.is_none_or(|saved| (now - saved).abs() > STALE) {
            self.save()?;
        }
        Ok(made)
    }

    fn save(&mut self) -> Result<(), DiaryError> {
        fault::reach("diary.save").map_err(|e| FileError::new("save the diary", &self.path, e))?;
        let bytes = serde_json::to_vec(&self.page).unwrap_or_default();
        durable::replace(&self.path, &bytes)
            .map_err(|source| DiaryError::Save { path: self.path.clone(), source })?;
        self.saved = self.page.clone();
        Ok(())
    }
}

/// How far the page on the disk may lag behind while nothing is due. After a crash the occurrences
/// since then are met once more, and their tasks are there.
const STALE: chrono::TimeDelta = chrono::TimeDelta::hours(1);

fn read(path: &Path) -> Option<Page> {
    let bytes = std::fs::read(path).ok()?;
    match serde_json::from_slice(&bytes) {
        Ok(page) => Some(page),
        Err(error) => {
            tracing::warn!("{} cannot be read ({error}); schedules count from now", path.display());
            None
        }
    }
}

/// Makes an occurrence's task, unless the vault has it or has had it.
pub(crate) fn make(vault: &Vault, occurrence: &Occurrence) -> Result<Made, DiaryError> {
    let id = occurrence.task.front.id.clone();
    fault::reach("diary.make").map_err(|e| FileError::new("make the task", Path::new(id.as_str()), e))?;
    let location = Location::new(Stage::NeedsAction, id.clone());
    match vault.create(&location, &occurrence.task) {
        Ok(_) => Ok(Made::New(id)),
        Err(WriteError::Exists(_)) => Ok(Made::There(id)),
        Err(source) => Err(DiaryError::Create { id, source }),
    }
}

impl Occurrence {
    /// Makes its task now, whether or not it is due: what `schedule run` does. Blocks.
    pub fn make(&self, vault: &Vault) -> Result<Made, DiaryError> {
        make(vault, self)
    }
}
