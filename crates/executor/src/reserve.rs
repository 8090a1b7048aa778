//! Of several machines that take themselves for the executor, one: before an order becomes
//! DISPATCHING it is reserved at what all of them share, by a compare-and-swap that one of them wins.
//!
//! The executor knows nothing of what that is. It gives its seat, the approval, and a nonce that the
//! journal kept before anything was asked: after a crash, and after an answer that was lost, the same
//! nonce says that the reservation is its own. A journal that does not have it, because it is a copy or
//! was put back from a backup, loses.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use crate::carry::blocking;
use crate::core::{Core, Problem, explain};
use crate::report::{End, Report};
use crate::{Row, State};

/// How long an order is left alone whose reservation was refused: somebody else was writing there.
const PAUSE: TimeDelta = TimeDelta::seconds(10);

/// The same where another machine is ahead: only a person changes that.
const LONG_PAUSE: TimeDelta = TimeDelta::minutes(5);

/// What is asked before an order is carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pledge {
    /// The seat of the one who asks.
    pub seat: String,
    /// The order's approval id.
    pub approval: String,
    /// Until when the order counts; a reservation need not be kept for long after that.
    pub expires: DateTime<Utc>,
    /// What tells this reservation from another one of the same order.
    pub nonce: String,
}

/// What came of asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It is whose who asked.
    Ours,
    /// Somebody reserved this order before.
    Taken,
    /// Another seat carries orders out.
    OtherSeat,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Silence {
    /// It is out of reach.
    #[error("the remote is out of reach: {0}")]
    Unreachable(String),
    /// It was reached, and did not do it.
    #[error("the remote cannot be asked: {0}")]
    Refused(String),
}

/// Decides between machines.
#[async_trait]
pub trait Arbiter: Send + Sync {
    /// Sits down in a seat that is free or its own.
    async fn sit(&self, seat: &str) -> Result<Standing, Silence>;

    /// Reserves an order, for a seat that is free or its own.
    async fn reserve(&self, pledge: &Pledge) -> Result<Standing, Silence>;
}

/// Who decides, and what holds while that one is out of reach.
pub(crate) struct Court {
    pub(crate) arbiter: Arc<dyn Arbiter>,
    /// Whether a seat that was confirmed before may act without being asked.
    pub(crate) offline: bool,
    /// Why it was out of reach, the first time in this cycle: a remote that hangs is waited for once,
    /// and the next cycle asks anew.
    pub(crate) away: Mutex<Option<Silence>>,
}

impl Court {
    /// A new cycle.
    fn forget(&self) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Keeps that it is out of reach, if it is.
    fn heed<T>(&self, said: Result<T, Silence>) -> Result<T, Silence> {
        if let Err(silence @ Silence::Unreachable(_)) = &said {
            let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
            away.get_or_insert_with(|| silence.clone());
        }
        said
    }

    async fn sit(&self, seat: &str) -> Result<Standing, Silence> {
        self.forget();
        self.heed(self.arbiter.sit(seat).await)
    }

    async fn reserve(&self, pledge: &Pledge) -> Result<Standing, Silence> {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match away {
            Some(silence) => Err(silence),
            None => self.heed(self.arbiter.reserve(pledge).await),
        }
    }
}

impl Core {
    /// Whether this machine may look at orders at all. Asked once, then with every reservation.
    pub(crate) async fn may_sit(self: &Arc<Self>, report: &mut Report) -> Result<bool, Problem> {
        // A rehearsal takes nobody's seat.
        let Some(court) = self.court.as_ref().filter(|_| self.is_live()) else { return Ok(true) };
        if self.sat.get().is_some() {
            court.forget();
            return Ok(true);
        }
        match court.sit(&self.seat.name()).await {
            Ok(Standing::Ours | Standing::Taken) => {
                self.keep(true).await?;
                // Whoever was first has set the same.
                let _ = self.sat.set(());
                Ok(true)
            }
            Ok(Standing::OtherSeat) => {
                self.keep(false).await?;
                report.problems.push(self.other_seat());
                Ok(false)
            }
            // Each order says for itself that it waits, or is carried out all the same.
            Err(_) => Ok(true),
        }
    }

    /// Whether an accepted order may be called here. Says why not.
    pub(crate) async fn is_reserved(
        self: &Arc<Self>,
        row: &Row,
        report: &mut Report,
    ) -> Result<bool, Problem> {
        let Some(court) = self.court.as_ref().filter(|_| self.is_live()) else { return Ok(true) };
        if row.state != State::Accepted {
            return Ok(true);
        }
        let (core, approval) = (self.clone(), row.order.approval.clone());
        let nonce = blocking(move || Ok(core.journal.pledge(&approval)?)).await?;
        fault::reach("execute.reserve")?;
        let pledge = Pledge {
            seat: self.seat.name(),
            approval: row.order.approval.clone(),
            expires: row.order.expires,
            nonce,
        };
        let (said, pause) = match court.reserve(&pledge).await {
            Ok(Standing::Ours) => {
                self.keep(true).await?;
                return Ok(true);
            }
            Ok(Standing::Taken) => ("another machine has reserved this order, or this one did before it was put back \
                                    from a backup, and may have carried it out: look before you approve it again"
                .to_owned(), LONG_PAUSE),
            Ok(Standing::OtherSeat) => {
                self.keep(false).await?;
                (self.other_seat(), LONG_PAUSE)
            }
            Err(Silence::Unreachable(_)) if court.offline && self.seat.is_confirmed() => return Ok(true),
            Err(silence @ Silence::Unreachable(_)) => {
                let said = format!("{silence}; the order is carried out once it is reserved there");
                report.note(&row.order.id, End::Waiting, said);
                return Ok(false);
            }
            Err(silence @ Silence::Refused(_)) => (silence.to_string(), PAUSE),
        };
        let (core, row) = (self.clone(), row.clone());
        report.merge(blocking(move || core.hold(&row, core.clock.now() + pause, said)).await?);
        Ok(false)
    }

    /// Leaves an accepted order alone until then.
    pub(crate) fn hold(&self, row: &Row, until: DateTime<Utc>, said: String) -> Result<Report, Problem> {
        let mut report = Report::default();
        self.journal.hold(&row.order.approval, until, &said)?;
        report.wait(&row.order.id, until, said);
        Ok(report)
    }

    fn other_seat(&self) -> String {
        format!(
            "another machine carries orders out as {}; here none is, until you say local-agent take-seat",
            self.agent
        )
    }

    async fn keep(self: &Arc<Self>, confirmed: bool) -> Result<(), Problem> {
        if self.seat.is_confirmed() == confirmed {
            return Ok(());
        }
        let core = self.clone();
        blocking(move || core.seat.confirm(confirmed).map_err(|error| Problem::Seat(explain(&error)))).await
    }
}
