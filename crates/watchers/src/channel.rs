//! How each source is doing, for whoever wants to know.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use config::Channel;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// One source, as health and the dashboard see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelState {
    /// The source's name, such as `gmail:work`.
    pub source: String,
    /// Its channel.
    pub channel: Channel,
    /// Up to when every event has become a task; absent until the first full look.
    pub complete_until: Option<DateTime<Utc>>,
    /// What went wrong, while it does.
    pub last_error: Option<String>,
    /// Since when it goes wrong.
    pub failing_since: Option<DateTime<Utc>>,
    /// How many tasks it made since the program started.
    pub new_tasks: u64,
    /// The last thing to know that is no error: a mail that vanished, one that was too large.
    pub last_note: Option<String>,
}

impl ChannelState {
    /// A source that has not been asked yet.
    pub fn new(source: &str, channel: Channel, complete_until: Option<DateTime<Utc>>) -> Self {
        Self {
            source: source.to_owned(),
            channel,
            complete_until,
            last_error: None,
            failing_since: None,
            new_tasks: 0,
            last_note: None,
        }
    }
}

/// A board with every source's state. Cheap to clone; readers never wait.
#[derive(Clone, Debug)]
pub struct Channels(Arc<watch::Sender<BTreeMap<String, ChannelState>>>);

impl Default for Channels {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(BTreeMap::new())))
    }
}

impl Channels {
    /// All sources, by name.
    pub fn snapshot(&self) -> Vec<ChannelState> {
        self.0.borrow().values().cloned().collect()
    }

    /// A receiver that wakes at every change.
    pub fn subscribe(&self) -> watch::Receiver<BTreeMap<String, ChannelState>> {
        self.0.subscribe()
    }

    pub(crate) fn update(&self, state: &ChannelState) {
        self.0.send_if_modified(|board| {
            let changed = board.get(&state.source) != Some(state);
            if changed {
                board.insert(state.source.clone(), state.clone());
            }
            changed
        });
    }
}
