//! What a channel's connector has to do.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use config::Channel;
use serde_json::Value;
use task::Task;

use crate::{ImapError, State};

/// One account of one channel. The frame owns its state, calls it from one task, and may drop any
/// of its futures: a source keeps nothing across calls that a dropped future could leave half done.
#[async_trait]
pub trait Source: Send {
    /// Unique among the sources, `[a-z0-9:-]`: channel and account, such as `gmail:work`.
    fn name(&self) -> &str;

    /// Which channel it watches.
    fn channel(&self) -> Channel;

    /// Looks for events that `state` does not cover, and returns at most `max` of them as tasks.
    ///
    /// Nothing may be acknowledged to the other side: the frame takes `cursor` over only once the
    /// tasks are durable, and asks again from the old one when it dies before.
    async fn poll(&mut self, state: &State, max: usize, now: DateTime<Utc>) -> Result<Batch, SourceError>;

    /// Returns when there may be something new, at the latest after about `timeout`; connectors
    /// that are told of news may take longer when silence is a sign of health.
    async fn wait(&mut self, timeout: Duration) -> Result<(), SourceError> {
        tokio::time::sleep(timeout).await;
        Ok(())
    }
}

/// What one look at a source found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// New events, oldest first.
    pub tasks: Vec<Task>,
    /// Where the next look starts; the source's own format.
    pub cursor: Value,
    /// Whether nothing is left that could be fetched now.
    pub complete: bool,
    /// What the owner should know: a mail that vanished, one that was too large.
    pub notes: Vec<String>,
}

/// Why a look failed. Every one is temporary: the source is asked again after a while.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The mail source.
    #[error(transparent)]
    Imap(#[from] ImapError),
    /// Any other source.
    #[error("{0}")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It did not come back.
    #[error("poll took longer than {} s and was given up", .0.as_secs())]
    Stuck(Duration),
    /// A fault of the program, caught.
    #[error("poll ended in a fault of the program ({0}); please report it")]
    Panicked(String),
}

impl SourceError {
    /// Whether only a person can mend it, so that asking often is of no use, and may lock an
    /// account.
    pub fn needs_a_person(&self) -> bool {
        match self {
            SourceError::Imap(error) => error.needs_a_person(),
            _ => false,
        }
    }
}
