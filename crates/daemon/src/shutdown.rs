//! Signals and drain.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{Failure, OrFailure};

/// How long work in hand may take after the first signal.
pub const GRACE: Duration = Duration::from_secs(5);

/// Listens for SIGTERM and SIGINT. The first cancels [`Shutdown::token`], upon which nothing new
/// is begun; the second ends the process at once.
#[derive(Clone, Debug)]
pub struct Shutdown {
    token: CancellationToken,
    grace: Duration,
}

/// How a drained piece of work ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending<T> {
    /// By itself, unasked.
    Finished(T),
    /// After a signal, within the grace period.
    Drained(T),
    /// The grace period was over; what it was doing is for recovery at the next start.
    CutOff,
}

impl<T> Ending<T> {
    /// The result, if there is one.
    pub fn result(self) -> Option<T> {
        match self {
            Ending::Finished(result) | Ending::Drained(result) => Some(result),
            Ending::CutOff => None,
        }
    }
}

impl Shutdown {
    /// Starts to listen; needs a running runtime.
    pub fn install() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).or_failed("cannot listen for signals");
        let shutdown = Self::without_signals(GRACE);
        let signals = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        tokio::spawn(obey(shutdown.token.clone(), signals));
        Ok(shutdown)
    }

    /// One that only its own token stops, for tests and nested work.
    pub fn without_signals(grace: Duration) -> Self {
        Self { token: CancellationToken::new(), grace }
    }

    /// Cancelled at the first signal; hand it to every wait.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Whether a signal has come.
    pub fn is_stopping(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Runs `work` to its end, or to the end of the grace period after a signal, and logs which it was.
    pub async fn drain<T>(&self, work: impl Future<Output = T>) -> Ending<T> {
        let limit = async {
            self.token.cancelled().await;
            tokio::time::sleep(self.grace).await;
        };
        tokio::select! {
            biased;
            result = work => {
                if self.token.is_cancelled() {
                    tracing::info!("stopped; nothing was cut off");
                    Ending::Drained(result)
                } else {
                    Ending::Finished(result)
                }
            }
            () = limit => {
                tracing::warn!(
                    "stopped after {} s with work still in hand; the next start takes it up",
                    self.grace.as_secs()
                );
                Ending::CutOff
            }
        }
    }
}

async fn obey(token: CancellationToken, (mut terminate, mut interrupt): (Signal, Signal)) {
    let name = next(&mut terminate, &mut interrupt).await;
    tracing::info!(
        "{name}: stopping; work in hand has {} s, a second signal ends it at once",
        GRACE.as_secs()
    );
    token.cancel();
    let name = next(&mut terminate, &mut interrupt).await;
    tracing::warn!("{name} again: leaving at once");
    std::process::exit(1);
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_ending_is_told_apart() {
        let shutdown = Shutdown::without_signals(GRACE);
        assert_eq!(shutdown.drain(async { 1 }).await, Ending::Finished(1));
        shutdown.token().cancel();
        let quick = tokio::time::sleep(Duration::from_secs(4));
        assert_eq!(shutdown.drain(quick).await, Ending::Drained(()));
        let before = tokio::time::Instant::now();
        assert_eq!(shutdown.drain(std::future::pending::<()>()).await, Ending::CutOff);
        assert_eq!(before.elapsed(), GRACE);
    }
}
