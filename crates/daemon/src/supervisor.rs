//! What systemd (`Type=notify`, `WatchdogSec=`) is told. Without systemd, nothing happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

/// The line to the supervisor that started this process.
#[derive(Clone, Debug)]
pub struct Supervisor {
    watchdog: Option<Duration>,
}

/// Beaten by the main loop each time it comes round, so that a loop that hangs is noticed even
/// while the runtime is well.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// I am alive.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for Supervisor {
    fn default() -> Self {
        Self::new()
    }
}

impl Supervisor {
    /// Looks for `NOTIFY_SOCKET` and `WATCHDOG_USEC` of this process.
    pub fn new() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled() }
    }

    /// The daemon is up.
    pub fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// The daemon is on its way out.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// One line for `systemctl status`.
    pub fn status(&self, text: &str) {
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        tell(&[NotifyState::Status(&line)]);
    }

    /// Tells the watchdog at half its interval that all is well, as long as `pulse` is beaten at
    /// least every `stall`; after that it falls silent, and systemd restarts the daemon. Stops
    /// with `token`. Does nothing without a watchdog.
    pub fn watch(&self, pulse: Pulse, stall: Duration, token: CancellationToken) {
        let Some(interval) = self.watchdog.map(|full| full / 2).filter(|half| !half.is_zero()) else {
            return;
        };
        tokio::spawn(async move {
            let mut seen = (pulse.count(), tokio::time::Instant::now());
            let mut stalled = false;
            let mut ticks = tokio::time::interval(interval);
            // Draining goes on after the token; systemd has its own limit for that.
            while token.run_until_cancelled(ticks.tick()).await.is_some() {
                if pulse.count() != seen.0 {
                    seen = (pulse.count(), tokio::time::Instant::now());
                }
                if seen.1.elapsed() < stall {
                    stalled = false;
                    tell(&[NotifyState::Watchdog]);
                } else if !stalled {
                    stalled = true;
                    tracing::error!("the main loop has not come round for {} s", stall.as_secs());
                }
            }
        });
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("cannot notify systemd: {error}");
    }
}
