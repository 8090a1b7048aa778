//! What is remembered of a source across restarts: `<data>/watch/<source>.json`.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use task::TaskId;
use vault::durable;

/// How many ids are remembered: beyond what a source ever offers twice.
const SEEN: usize = 4_000;

/// A source's memory. It is written after the tasks that it covers are durable; what a crash
/// leaves out is offered again, and recognised by its id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Up to when every event has become a task.
    pub complete_until: Option<DateTime<Utc>>,
    /// Where the next look starts; the source's own format.
    pub cursor: Value,
    /// Ids of the last tasks, oldest first.
    seen: VecDeque<TaskId>,
}

/// Why a state cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It is there and cannot be read.
    #[error("read the state {path}: {source}; check that this user may read it")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("write the state: {0}")]
    Write(#[from] durable::DurableError),
    /// It is no JSON; cannot happen.
    #[error("encode the state: {0}")]
    Encode(#[from] serde_json::Error),
}

impl State {
    /// Whether an event has already become a task.
    pub fn has_seen(&self, id: &TaskId) -> bool {
        self.seen.contains(id)
    }

    /// Remembers an event.
    pub(crate) fn remember(&mut self, id: TaskId) {
        if self.has_seen(&id) {
            return;
        }
        if self.seen.len() >= SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(id);
    }

    /// Whether the two remember different events.
    pub(crate) fn seen_differs(&self, other: &Self) -> bool {
        self.seen != other.seen
    }

    /// Where the state of the source of that name is kept.
    pub fn path(dir: &Path, source: &str) -> PathBuf {
        dir.join(format!("{}.json", source.replace(|c: char| !c.is_ascii_alphanumeric(), "-")))
    }

    /// Reads a state; a missing one is empty. One that does not parse is put aside as
    /// `<name>.bad`: the source starts afresh, which makes nothing twice, and the second value
    /// says so.
    pub(crate) fn load(path: &Path) -> Result<(Self, Option<String>), StateError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Self::default(), None)),
            Err(source) => return Err(StateError::Read { path: path.to_owned(), source }),
        };
        match serde_json::from_slice(&bytes) {
            Ok(state) => Ok((state, None)),
            Err(error) => {
                let aside = path.with_extension("json.bad");
                durable::replace(&aside, &bytes)?;
                Ok((
                    Self::default(),
                    Some(format!(
                        "the state {} does not parse ({error}); it is kept as {}, and the source starts afresh",
                        path.display(),
                        aside.display()
                    )),
                ))
            }
        }
    }

    pub(crate) fn save(&self, path: &Path) -> Result<(), StateError> {
        fault::reach("watch.state")
            .map_err(|e| durable::DurableError::from(durable::FileError::new("replace", path, e)))?;
        Ok(durable::replace(path, &serde_json::to_vec(self)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_forgets_the_oldest() {
        let id = |n: usize| format!("EMAIL_{n}").parse::<TaskId>().expect("id");
        let mut state = State::default();
        for n in 0..SEEN + 10 {
            state.remember(id(n));
            state.remember(id(n));
        }
        assert!(!state.has_seen(&id(9)) && state.has_seen(&id(10)) && state.has_seen(&id(SEEN + 9)));
    }

    #[test]
    fn a_state_that_does_not_parse_is_kept_aside() {
        let dir = tempfile::tempdir().expect("dir");
        let path = State::path(dir.path(), "gmail:work");
        assert_eq!(path.file_name().and_then(|n| n.to_str()), Some("gmail-work.json"));
        assert_eq!(State::load(&path).expect("missing"), (State::default(), None));
        std::fs::write(&path, "{\"cursor\":").expect("write");
        let (state, note) = State::load(&path).expect("bad");
        assert_eq!(state, State::default());
        assert!(note.expect("note").contains("gmail-work.json.bad"));
        assert_eq!(std::fs::read(dir.path().join("gmail-work.json.bad")).expect("kept"), b"{\"cursor\":");
    }
}
