//! One source at work: look, create the tasks, remember, report.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt as _;
use task::{Clock, Location, Stage, Task, TaskId};
use vault::{FileError, Vault, WriteError};

use crate::state::StateError;
use crate::{Batch, ChannelState, Channels, Source, SourceError, State};

/// How long one look may take before it is given up.
const POLL_LIMIT: Duration = Duration::from_secs(10 * 60);
/// How old the watermark on disk may get while nothing else changes.
const SAVE_EVERY: TimeDelta = TimeDelta::minutes(5);

/// What happened in one look.
#[derive(Debug, Default)]
pub struct Look {
    /// The tasks that were created.
    pub created: Vec<TaskId>,
    /// What the owner should know.
    pub notes: Vec<String>,
    /// Whether more is waiting than one look may take.
    pub more: bool,
}

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The vault.
    #[error("create a task: {0}")]
    Vault(#[from] WriteError),
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The runtime is going down.
    #[error("the program is ending")]
    Ending,
}

/// A source with its state.
pub(crate) struct Watcher {
    source: Box<dyn Source>,
    vault: Vault,
    clock: Arc<dyn Clock>,
    channels: Channels,
    path: PathBuf,
    max_per_poll: usize,
    /// Absent until it could be read.
    state: Option<State>,
    saved_until: Option<DateTime<Utc>>,
    shown: ChannelState,
}

impl Watcher {
    pub(crate) fn new(
        source: Box<dyn Source>,
        vault: Vault,
        clock: Arc<dyn Clock>,
        channels: Channels,
        state_dir: PathBuf,
        max_per_poll: usize,
    ) -> Self {
        let path = State::path(&state_dir, source.name());
        let shown = ChannelState::new(source.name(), source.channel(), None);
        channels.update(&shown);
        Self { source, vault, clock, channels, path, max_per_poll, state: None, saved_until: None, shown }
    }

    pub(crate) fn shown(&self) -> &ChannelState {
        &self.shown
    }

    /// One look, with its result on the board and in the log.
    pub(crate) async fn look(&mut self) -> Result<Look, WatchError> {
        let result = self.try_look().await;
        match &result {
            Ok(look) => {
                if self.shown.failing_since.take().is_some() {
                    tracing::info!(source = self.shown.source, "works again");
                }
                self.shown.last_error = None;
                self.shown.new_tasks += look.created.len() as u64;
                self.shown.complete_until = self.state.as_ref().and_then(|s| s.complete_until);
                for note in &look.notes {
                    tracing::warn!(source = self.shown.source, "{note}");
                }
                if let Some(note) = look.notes.last() {
                    self.shown.last_note = Some(note.clone());
                }
            }
            Err(error) => {
                let message = error.to_string();
                // Said once for as long as it stays the same; the board has it all the time.
                if self.shown.last_error.as_ref() != Some(&message) {
                    tracing::warn!(source = self.shown.source, "{message}");
                }
                self.shown.last_error = Some(message);
                self.shown.failing_since.get_or_insert(self.clock.now());
            }
        }
        self.channels.update(&self.shown);
        result
    }

    async fn try_look(&mut self) -> Result<Look, WatchError> {
        let mut notes = Vec::new();
        let state = match self.state.take() {
            Some(state) => state,
            None => {
                let path = self.path.clone();
                let (state, note) = blocking(move || State::load(&path)).await??;
                notes.extend(note);
                self.saved_until = state.complete_until;
                state
            }
        };
        self.shown.complete_until = state.complete_until;
        // Kept here, so that a failed or dropped look leaves it as it was.
        let state = &*self.state.insert(state);

        let now = self.clock.now();
        let poll = AssertUnwindSafe(self.source.poll(state, self.max_per_poll, now)).catch_unwind();
        let batch = match tokio::time::timeout(POLL_LIMIT, poll).await {
            Err(_) => return Err(SourceError::Stuck(POLL_LIMIT).into()),
            Ok(Err(panic)) => return Err(SourceError::Panicked(said(&*panic)).into()),
            Ok(Ok(batch)) => batch?,
        };
        notes.extend(batch.notes.iter().cloned());
        let more = !batch.complete;
        let created = self.deliver(batch, now).await?;
        Ok(Look { created, notes, more })
    }

    /// Creates the tasks, then writes the state: the other way round a crash would lose an event.
    async fn deliver(&mut self, batch: Batch, now: DateTime<Utc>) -> Result<Vec<TaskId>, WatchError> {
        let old = self.state.as_ref().unwrap_or(&State::default()).clone();
        let (vault, path, saved_until) = (self.vault.clone(), self.path.clone(), self.saved_until);
        let (state, saved_until, created, failed) = blocking(move || {
            let mut state = old.clone();
            let mut created = Vec::new();
            for task in batch.tasks {
                match create(&vault, &state, &task) {
                    Ok(true) => created.push(task.front.id.clone()),
                    Ok(false) => {}
                    // Nothing of the batch counts as covered; what was created is recognised
                    // by its id when it is offered again.
                    Err(error) => return (old, saved_until, created, Some(error)),
                }
                state.remember(task.front.id);
            }
            state.cursor = batch.cursor;
            if batch.complete {
                state.complete_until = Some(now);
            }
            let stale = match (saved_until, state.complete_until) {
                (Some(saved), Some(until)) => until - saved >= SAVE_EVERY,
                (saved, until) => saved != until,
            };
            if stale || state.cursor != old.cursor || state.seen_differs(&old) {
                match state.save(&path) {
                    Ok(()) => {
                        let saved = state.complete_until;
                        return (state, saved, created, None);
                    }
                    Err(error) => return (old, saved_until, created, Some(error.into())),
                }
            }
            (state, saved_until, created, None)
        })
        .await?;
        self.state = Some(state);
        self.saved_until = saved_until;
        for id in &created {
            tracing::info!(source = self.shown.source, task = %id, "new task");
        }
        match failed {
            None => Ok(created),
            Some(error) => {
                self.shown.new_tasks += created.len() as u64;
                Err(error)
            }
        }
    }

    /// Waits for news.
    pub(crate) async fn wait(&mut self, timeout: Duration) -> Result<(), SourceError> {
        match AssertUnwindSafe(self.source.wait(timeout)).catch_unwind().await {
            Ok(result) => result,
            Err(panic) => Err(SourceError::Panicked(said(&*panic))),
        }
    }
}

/// Creates a task unless the event has been one before, wherever that is now.
fn create(vault: &Vault, state: &State, task: &Task) -> Result<bool, WatchError> {
    let id = &task.front.id;
    if state.has_seen(id) {
        return Ok(false);
    }
    fault::reach("watch.create").map_err(|e| WriteError::from(FileError::new("create", id.as_str(), e)))?;
    match vault.create(&Location::new(Stage::NeedsAction, id.clone()), task) {
        Ok(_) => Ok(true),
        Err(WriteError::Exists(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, WatchError> {
    match tokio::task::spawn_blocking(fault::inherit(work)).await {
        Ok(value) => Ok(value),
        Err(error) if error.is_panic() => Err(SourceError::Panicked(said(&*error.into_panic())).into()),
        Err(_) => Err(WatchError::Ending),
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
