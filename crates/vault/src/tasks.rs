//! One task's file: read, create, replace in place, move on.
//!
//! The content is replaced first, durably, under the name that the task has; then one rename
//! moves it. At every moment there is exactly one live file, and what it says is whole.

use std::sync::Arc;

use task::{Digest, Location, Stage, StageName, Task, TaskError, TaskId};

use crate::durable::{Dir, DurableError, FileError, Kind};
use crate::{LockError, SetAsideError, Vault};

/// A task as it was read, with what is needed to replace exactly that version.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskFile {
    /// Where it is.
    pub location: Location,
    /// What it says.
    pub task: Task,
    /// Digest of the file's bytes.
    pub digest: Digest,
    /// Set by [`Vault::replace`]: the bytes that were there had changed since they were read, and
    /// are kept under this path in `Conflicts/`.
    pub displaced: Option<String>,
}

/// Why a task cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not there (any more): usually another process has moved it.
    #[error("{0} is not there")]
    Gone(String),
    /// Not a regular file with one name.
    #[error("{path} is {what}; a task is a regular file")]
    NotPlain {
        /// Relative to the vault.
        path: String,
        /// What it is instead.
        what: &'static str,
    },
    /// Larger than the limit.
    #[error("{path} has {len} bytes; at most {limit} are read (vault.max_task_bytes)")]
    TooLarge {
        /// Relative to the vault.
        path: String,
        /// Its size.
        len: u64,
        /// The limit.
        limit: u64,
    },
    /// It does not parse.
    #[error("{path}: {reason}")]
    Malformed {
        /// Relative to the vault.
        path: String,
        /// What is wrong with it.
        reason: TaskError,
    },
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why a task was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is a task of this id already.
    #[error("the task exists already, at {0}")]
    Exists(Location),
    /// What should be replaced is not there (any more).
    #[error("{0} is not there")]
    Gone(String),
    /// The task and the file's name disagree.
    #[error("task {said} cannot be written as {named}")]
    Id {
        /// In the front matter.
        said: TaskId,
        /// In the name.
        named: TaskId,
    },
    /// It cannot be written as YAML.
    #[error(transparent)]
    Encode(#[from] TaskError),
    /// The lock was not had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A person's version could not be kept; it stays where it is.
    #[error("keep the version that was replaced: {0}")]
    Keep(Box<SetAsideError>),
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
}

impl From<DurableError> for WriteError {
    fn from(error: DurableError) -> Self {
        match error {
            DurableError::Gone(path) | DurableError::Exists(path) => {
                WriteError::Gone(path.display().to_string())
            }
            DurableError::File(e) => WriteError::File(e),
        }
    }
}

/// Why a task was not moved. `Gone` and `Exists` are normal outcomes: another process was faster.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// It is not there (any more).
    #[error("{0} is not there")]
    Gone(Location),
    /// There is one at the target already.
    #[error("{0} exists already")]
    Exists(Location),
    /// The table of moves has no such move.
    #[error("{from} may not go to {to:?}")]
    Forbidden {
        /// From.
        from: Location,
        /// To.
        to: StageName,
    },
    /// Not a regular file with one name.
    #[error("{at} is {what}; only a regular file is moved")]
    NotPlain {
        /// Where.
        at: Location,
        /// What it is instead.
        what: &'static str,
    },
    /// Its content could not be replaced first ([`Vault::finish`]).
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The lock was not had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What a name is when it is no task's file.
pub(crate) fn oddity(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::File => None,
        Kind::Linked => Some("a file with several names (hard links)"),
        Kind::Symlink => Some("a symbolic link"),
        Kind::Folder => Some("a folder"),
        Kind::Special => Some("no regular file"),
    }
}

impl Vault {
    /// Reads and decodes a task.
    pub fn read(&self, location: &Location) -> Result<TaskFile, ReadError> {
        let bytes = self.read_bytes(location)?;
        let task = Task::parse(&bytes, &location.id)
            .map_err(|reason| ReadError::Malformed { path: location.path(), reason })?;
        let digest = Digest::of(&bytes);
        Ok(TaskFile { location: location.clone(), task, digest, displaced: None })
    }

    /// Reads a task's bytes as they are.
    pub fn read_bytes(&self, location: &Location) -> Result<Vec<u8>, ReadError> {
        let (path, name) = (location.path(), location.file_name());
        let gone = |e: FileError| if e.is_missing() { ReadError::Gone(path.clone()) } else { e.into() };
        let dir = self.dir(&location.stage.folder()).map_err(gone)?;
        let meta = dir.meta(&name)?.ok_or_else(|| ReadError::Gone(path.clone()))?;
        if let Some(what) = oddity(meta.kind) {
            return Err(ReadError::NotPlain { path, what });
        }
        let limit = self.limits().max_task_bytes;
        if meta.len > limit {
            return Err(ReadError::TooLarge { path, len: meta.len, limit });
        }
        Ok(dir.read(&name, limit).map_err(gone)?.bytes)
    }

    /// Where the task is: the live folders first, then `Done`, newest first.
    ///
    /// The stages are asked in the order in which tasks pass through them, so that one that moves
    /// on meanwhile is still met.
    pub fn find(&self, id: &TaskId) -> Result<Option<Location>, FileError> {
        let at = |stage: Stage| -> Result<Option<Location>, FileError> {
            let location = Location::new(stage, id.clone());
            let dir = match self.dir(&location.stage.folder()) {
                Err(e) if e.is_missing() => return Ok(None),
                other => other?,
            };
            Ok(dir.meta(location.file_name())?.map(|_| location))
        };
        let agents = self.agents_in_progress()?;
        let mut stages = vec![Stage::NeedsAction];
        stages.extend(agents.iter().cloned().map(Stage::InProgress));
        stages.extend([Stage::PendingApproval, Stage::Approved]);
        stages.extend(agents.iter().cloned().map(Stage::Executing));
        stages.extend([Stage::Errors, Stage::Rejected]);
        for stage in stages {
            if let Some(found) = at(stage)? {
                return Ok(Some(found));
            }
        }
        for (year, month) in self.months_done()? {
            if let Some(found) = at(Stage::Done { year, month })? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Creates a task durably, unless its id exists anywhere in the vault.
    pub fn create(&self, location: &Location, task: &Task) -> Result<TaskFile, WriteError> {
        if task.front.id != location.id {
            return Err(WriteError::Id { said: task.front.id.clone(), named: location.id.clone() });
        }
        let bytes = task.to_bytes()?;
        let _guard = self.lock_shared()?;
        if let Some(found) = self.find(&location.id)? {
            return Err(WriteError::Exists(found));
        }
        let dir = self.dir_created(&location.stage.folder())?;
        match self.staging().stage(&bytes)?.publish_new(&dir, &location.file_name()) {
            Ok(()) => {}
            Err(DurableError::Exists(_)) => return Err(WriteError::Exists(location.clone())),
            Err(e) => return Err(e.into()),
        }
        let digest = Digest::of(&bytes);
        Ok(TaskFile { location: location.clone(), task: task.clone(), digest, displaced: None })
    }

    /// Replaces a task in place, durably. If the file has changed since `file` was read, the new
    /// task stands all the same, and the version that nobody had read is kept in `Conflicts/`:
    /// see [`TaskFile::displaced`].
    pub fn replace(&self, file: &TaskFile, task: &Task) -> Result<TaskFile, WriteError> {
        if task.front.id != file.location.id {
            return Err(WriteError::Id { said: task.front.id.clone(), named: file.location.id.clone() });
        }
        let bytes = task.to_bytes()?;
        let digest = Digest::of(&bytes);
        let mut new =
            TaskFile { location: file.location.clone(), task: task.clone(), digest, displaced: None };
        if digest == file.digest {
            return Ok(new);
        }
        let _guard = self.lock_shared()?;
        let dir = self
            .dir(&file.location.stage.folder())
            .map_err(|e| if e.is_missing() { WriteError::Gone(file.location.path()) } else { e.into() })?;
        new.displaced = self.swap_in(&dir, &file.location.file_name(), &bytes, file.digest)?;
        Ok(new)
    }

    /// Swaps `bytes` in for what `name` holds; what comes out and is not `expected` is kept.
    pub(crate) fn swap_in(
        &self,
        dir: &Dir,
        name: &str,
        bytes: &[u8],
        expected: Digest,
    ) -> Result<Option<String>, WriteError> {
        match dir.meta(name)? {
            None => return Err(WriteError::Gone(dir.path().join(name).display().to_string())),
            // A link or folder that was put in its place is not swapped in under a task's name.
            Some(meta) if !matches!(meta.kind, Kind::File | Kind::Linked) => {
                return Err(FileError::new("replace", dir.path().join(name), rustix::io::Errno::INVAL).into());
            }
            Some(_) => {}
        }
        self.staging().stage_swap(bytes, expected, name)?.exchange(dir, name, u64::MAX, |old| {
            if Digest::of(&old) == expected {
                return Ok(None);
            }
            let kept = self.keep_conflict(name, &old).map_err(|e| WriteError::Keep(Box::new(e)))?;
            tracing::warn!(file = name, kept, "the file had been changed meanwhile; that version is kept");
            Ok(Some(kept))
        })
    }

    /// Moves a task on, bytes untouched: one rename that overwrites nothing, then both folders
    /// are fsynced. The table of moves ([`Stage::may_become`]) is obeyed.
    pub fn advance(&self, from: &Location, to: Stage) -> Result<Location, MoveError> {
        let _guard = self.lock_shared()?;
        let (source, target, moved) = self.rename(from, to)?;
        target.sync()?;
        if !source.same_as(&target) {
            source.sync()?;
        }
        Ok(moved)
    }

    /// Moves many tasks to one stage, each as [`Vault::advance`] does, but with one fsync of each
    /// folder for all of them: no move is reported as done before that.
    pub fn advance_all(
        &self,
        from: &[Location],
        to: &Stage,
    ) -> Result<Vec<Result<Location, MoveError>>, MoveError> {
        let _guard = self.lock_shared()?;
        let mut touched: Vec<Arc<Dir>> = Vec::new();
        let mut results = Vec::with_capacity(from.len());
        for location in from {
            results.push(self.rename(location, to.clone()).map(|(source, target, moved)| {
                for dir in [target, source] {
                    if !touched.iter().any(|known| known.same_as(&dir)) {
                        touched.push(dir);
                    }
                }
                moved
            }));
        }
        touched.iter().try_for_each(|dir| dir.sync())?;
        Ok(results)
    }

    /// The rename alone, not durable yet; with the two folders that must be fsynced.
    fn rename(&self, from: &Location, to: Stage) -> Result<(Arc<Dir>, Arc<Dir>, Location), MoveError> {
        if !from.stage.may_become(&to) {
            return Err(MoveError::Forbidden { from: from.clone(), to: to.name() });
        }
        let source = match self.dir(&from.stage.folder()) {
            Err(e) if e.is_missing() => return Err(MoveError::Gone(from.clone())),
            other => other?,
        };
        let name = from.file_name();
        let meta = source.meta(&name)?.ok_or_else(|| MoveError::Gone(from.clone()))?;
        if let Some(what) = oddity(meta.kind) {
            return Err(MoveError::NotPlain { at: from.clone(), what });
        }
        let moved = Location::new(to, from.id.clone());
        let target = self.dir_created(&moved.stage.folder())?;
        match source.rename_undurably(&name, &target, &moved.file_name()) {
            Ok(()) => Ok((source, target, moved)),
            Err(DurableError::Gone(_)) => Err(MoveError::Gone(from.clone())),
            Err(DurableError::Exists(_)) => Err(MoveError::Exists(moved)),
            Err(DurableError::File(e)) => Err(e.into()),
        }
    }

    /// Replaces a task's content and then moves it on; `status` is set to the new stage.
    pub fn finish(&self, file: &TaskFile, task: &Task, to: Stage) -> Result<TaskFile, MoveError> {
        if !file.location.stage.may_become(&to) {
            return Err(MoveError::Forbidden { from: file.location.clone(), to: to.name() });
        }
        let mut task = task.clone();
        task.enter(&to);
        let _guard = self.lock_shared()?;
        let mut written = match self.replace(file, &task) {
            Err(WriteError::Gone(_)) => return Err(MoveError::Gone(file.location.clone())),
            other => other?,
        };
        written.location = self.advance(&file.location, to)?;
        Ok(written)
    }
}

#[cfg(test)]
mod tests;
