//! All sources together: each in its own task, so that one that fails, hangs or panics stops no
//! other.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures::future::join_all;
use task::Clock;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vault::Vault;

use crate::watcher::{WatchError, Watcher};
use crate::{ChannelState, Channels, Source};

/// How often and how much.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Time between two looks at a source that cannot notify.
    pub poll: Duration,
    /// How many events one look may turn into tasks.
    pub max_per_poll: usize,
}

impl From<&config::Watchers> for Settings {
    fn from(config: &config::Watchers) -> Self {
        Self { poll: Duration::from_secs(config.poll_seconds), max_per_poll: config.max_per_poll.max(1) }
    }
}

/// The frame around the sources.
#[derive(Clone)]
pub struct Watchers {
    vault: Vault,
    state_dir: PathBuf,
    settings: Settings,
    clock: Arc<dyn Clock>,
    channels: Channels,
}

impl Watchers {
    /// New tasks go to `vault`; each source's state to a file in `state_dir`, which must exist.
    pub fn new(vault: Vault, state_dir: PathBuf, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self { vault, state_dir, settings, clock, channels: Channels::default() }
    }

    /// The board with every source's state.
    pub fn channels(&self) -> Channels {
        self.channels.clone()
    }

    /// One look at every source, all at the same time; for one-shot runs. A source that fails says
    /// so in its state and stops no other. Returns early, with what is done, when cancelled.
    pub async fn poll_once(
        &self,
        sources: Vec<Box<dyn Source>>,
        cancel: &CancellationToken,
    ) -> Vec<ChannelState> {
        join_all(sources.into_iter().map(|source| async {
            let mut watcher = self.watcher(source);
            // The outcome, good or bad, is on the board.
            let _ = cancel.run_until_cancelled(watcher.look()).await;
            watcher.shown().clone()
        }))
        .await
    }

    /// Watches until `cancel`.
    pub fn start(&self, sources: Vec<Box<dyn Source>>, cancel: &CancellationToken) -> Running {
        let mut tasks = JoinSet::new();
        for source in sources {
            let watcher = self.watcher(source);
            let (poll, cancel) = (self.settings.poll, cancel.clone());
            tasks.spawn(async move {
                cancel.run_until_cancelled(watch(watcher, poll)).await;
            });
        }
        Running(tasks)
    }

    fn watcher(&self, source: Box<dyn Source>) -> Watcher {
        Watcher::new(
            source,
            self.vault.clone(),
            Arc::clone(&self.clock),
            self.channels(),
            self.state_dir.clone(),
            self.settings.max_per_poll,
        )
    }
}

/// Sources at work.
#[derive(Debug)]
pub struct Running(JoinSet<()>);

impl Running {
    /// Returns when every source has ended, after the token was cancelled.
    pub async fn join(mut self) {
        while let Some(ended) = self.0.join_next().await {
            if let Err(error) = ended {
                tracing::error!("a source ended by itself: {error}");
            }
        }
    }
}

async fn watch(mut watcher: Watcher, poll: Duration) {
    let mut delays: Option<(bool, backon::ExponentialBackoff)> = None;
    loop {
        let (patient, failed) = match watcher.look().await {
            Ok(look) if look.more => {
                delays = None;
                tokio::time::sleep(poll).await;
                continue;
            }
            Ok(_) => match watcher.wait(poll).await {
                Ok(()) => {
                    delays = None;
                    continue;
                }
                // Servers end idle connections as they like. It is no failure until the next
                // look fails; but if that keeps happening, looks become rarer.
                Err(error) => {
                    tracing::info!(source = watcher.shown().source, "{error}");
                    (false, false)
                }
            },
            Err(WatchError::Source(error)) => (error.needs_a_person(), true),
            Err(_) => (false, true),
        };
        if delays.as_ref().is_none_or(|(kind, _)| *kind != patient) {
            delays = Some((patient, backoff(patient).build()));
        }
        let delay = delays.as_mut().and_then(|(_, delays)| delays.next()).unwrap_or(poll);
        if failed {
            tracing::debug!(source = watcher.shown().source, "asks again in {} s", delay.as_secs());
        }
        tokio::time::sleep(delay).await;
    }
}

/// Jittered, growing, without an end: 1 s to 5 min, or 1 min to 30 min where only a person can
/// mend it and asking often may lock the account.
fn backoff(patient: bool) -> ExponentialBuilder {
    let (least, most) = if patient { (60, 30 * 60) } else { (1, 5 * 60) };
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(least))
        .with_max_delay(Duration::from_secs(most))
        .with_jitter()
        .without_max_times()
}
