//! The daemon's loop: every wake-up is one of a closed set, and one cycle runs at a time.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use daemon::{Pulse, Shutdown};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::{Found, Worker};

/// What a machine does beside the shared cycle.
pub trait Duties: Send {
    /// After each cycle: execution and the dashboard on the owner's machine, nothing on the cloud.
    /// What it changed is added to `found`. What takes long is left running.
    fn after_cycle(&mut self, found: &mut Found) -> impl Future<Output = ()> + Send;

    /// Resolves once something that was left running has ended, with what it changed; never while
    /// nothing runs. Dropping the future loses nothing.
    fn ended(&mut self) -> impl Future<Output = Found> + Send {
        std::future::pending()
    }

    /// Before an end: waits for what runs, and begins nothing more.
    fn finish(&mut self) -> impl Future<Output = Found> + Send {
        std::future::ready(Found::default())
    }

    /// How long until there is something to do although nothing is notified; `None`: nothing.
    fn due(&self) -> Option<Duration> {
        None
    }

    /// At each heartbeat: the sign of life, and a look at the machine's health. Whether the vault
    /// changed by it.
    fn beat(&mut self) -> impl Future<Output = bool> + Send;
}

/// How often the loop wakes up by itself.
#[derive(Debug, Clone, Copy)]
pub struct LoopSettings {
    /// A look at the vault even if nothing was notified: events may be lost, folders may be on a
    /// file system that has none, and a quiet period may have passed.
    pub poll: Duration,
    /// Between two synchronisations when nothing changed.
    pub sync: Duration,
    /// The shortest time between two synchronisations because of own changes.
    pub push_gap: Duration,
    /// Between two heartbeats.
    pub beat: Duration,
}

/// Why the loop woke up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wake {
    Vault,
    Poll,
    Sync,
    Beat,
    /// What ran beside the loop has ended. That alone is no reason for a cycle: what it changed is
    /// notified like any other change.
    Ended,
    Stop,
}

/// Between two tries while the remote is out of reach.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// So often the remote is looked at in that rhythm once it is back: what the other machine has
/// kept meanwhile comes in with one of these.
const FOLLOW_UPS: u32 = 3;

/// The folders whose changes mean work.
const WATCHED: [&str; 4] = ["", "Inbox", "Needs_Action", "Pending_Approval"];

/// Runs cycles until the shutdown token is cancelled. The first cycle runs at once.
pub async fn run(
    worker: &mut Worker,
    duties: &mut impl Duties,
    settings: LoopSettings,
    shutdown: &Shutdown,
    pulse: &Pulse,
) {
    let token = shutdown.token();
    let (notice, mut vault_changes) = mpsc::channel(1);
    // Kept alive for as long as the loop runs.
    let _watcher = watch(worker.root(), notice);
    let every = |period: Duration| {
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    };
    let (mut poll, mut sync, mut beat) = (every(settings.poll), every(settings.sync), every(settings.beat));
    // The other machine's news first, then what this one had in work, then what is new.
    let mut hurried = if worker.synchronise().await.remote_failed { FOLLOW_UPS } else { 0 };
    worker.resume().await;
    let mut unpushed = duties.beat().await || hurried > 0;
    let mut push_due = Instant::now();
    let mut wake = Wake::Vault;
    loop {
        pulse.beat();
        match wake {
            Wake::Stop => break,
            Wake::Ended => {}
            Wake::Beat => {
                unpushed |= duties.beat().await;
                unpushed |= worker.reclaim().await.changed();
                worker.rest().await;
            }
            Wake::Vault | Wake::Poll => {
                let mut found = {
                    let mut cycle = pin!(worker.cycle(&token));
                    loop {
                        tokio::select! {
                            biased;
                            found = &mut cycle => break found,
                            // A draft may take half an hour; a machine that is silent for so long
                            // looks dead to the others.
                            _ = beat.tick() => unpushed |= duties.beat().await,
                        }
                    }
                };
                // After a signal nothing new is begun, no order either.
                if !token.is_cancelled() {
                    duties.after_cycle(&mut found).await;
                }
                unpushed |= found.changed();
                if found.remote_failed && hurried == 0 {
                    hurried = FOLLOW_UPS;
                    unpushed = true;
                    push_due = Instant::now() + settings.push_gap.max(TRY_AGAIN.min(settings.sync));
                }
            }
            Wake::Sync => {
                let was_away = hurried == FOLLOW_UPS;
                let report = worker.synchronise().await;
                hurried = if report.remote_failed { FOLLOW_UPS } else { hurried.saturating_sub(1) };
                unpushed = report.held || hurried > 0;
                let again = if hurried > 0 { TRY_AGAIN.min(settings.sync) } else { Duration::ZERO };
                push_due = Instant::now() + settings.push_gap.max(again);
                sync.reset();
                // What came in is looked at without waiting for a notice of it; so is what waited for the
                // remote.
                if report.pulled > 0 || was_away && !report.remote_failed {
                    wake = Wake::Vault;
                    continue;
                }
            }
        }
        let due = duties.due();
        wake = tokio::select! {
            biased;
            () = token.cancelled() => Wake::Stop,
            found = duties.ended() => {
                unpushed |= found.changed();
                Wake::Ended
            }
            _ = beat.tick() => Wake::Beat,
            // Before the vault's changes: each cycle makes some itself, and a long run of them
            // must not keep the other machine waiting.
            () = tokio::time::sleep_until(push_due), if unpushed => Wake::Sync,
            _ = sync.tick() => Wake::Sync,
            Some(()) = vault_changes.recv() => Wake::Vault,
            _ = poll.tick() => Wake::Poll,
            () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some() => Wake::Poll,
            () = std::future::ready(()), if worker.has_work_in_hand() => Wake::Poll,
        };
    }
    unpushed |= duties.finish().await.changed();
    unpushed |= worker.put_down().await;
    if unpushed {
        worker.flush().await;
    }
    worker.close().await;
}

/// Notifies of changes in the vault's working folders; without it the loop still polls.
fn watch(root: &Path, notice: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let created = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let read_only = event.as_ref().is_ok_and(|e| matches!(e.kind, EventKind::Access(_)));
        // Hidden files are heartbeats, locks and temporaries.
        let hidden = event.as_ref().is_ok_and(|e| {
            !e.paths.is_empty()
                && e.paths
                    .iter()
                    .all(|p| p.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b".")))
        });
        if !read_only && !hidden {
            // A full channel means that a wake-up is due anyway.
            let _ = notice.try_send(());
        }
    });
    let mut watcher = match created {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!("the vault's folders cannot be watched ({error}); they are polled");
            return None;
        }
    };
    for folder in WATCHED {
        if let Err(error) = watcher.watch(&root.join(folder), RecursiveMode::NonRecursive) {
            tracing::warn!("{folder} cannot be watched ({error}); it is polled");
        }
    }
    Some(watcher)
}
