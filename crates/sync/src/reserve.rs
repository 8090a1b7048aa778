//! Of several machines one: a ref at the remote that only one of them can create.
//!
//! `refs/seat/<agent>` says which seat carries that agent's orders out, and
//! `refs/orders/<expiry>-<approval>` that an order is reserved. Both point to a commit whose bytes
//! follow from what is reserved and by whom, so that its name alone says whose the ref is, also after
//! an answer that was lost. Creating one is a compare-and-swap at the remote. A host that takes
//! branches only gets them below `refs/heads/`; a ref under either name counts.
//!
//! A reservation is of no use once its order has expired: those that did so a week ago are removed,
//! a week being far more than the clocks of two machines may differ.

use chrono::DateTime;
use git2::{ObjectType, Oid, Signature, Time};
use tokio::sync::oneshot;

use crate::engine::Engine;
use crate::report::SyncError;
use crate::transport::Pushed;

/// How long reservations are kept after their orders have expired, in seconds.
const KEPT: i64 = 7 * 24 * 3600;

/// So many old reservations are removed at once.
const SWEEP: usize = 50;

/// What is reserved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reservation {
    /// The seat of the one who asks: letters and digits.
    pub seat: String,
    /// The order's approval id.
    pub approval: String,
    /// Until when the order counts.
    pub expires: DateTime<chrono::Utc>,
    /// What tells this reservation from another one of the same order.
    pub nonce: String,
}

/// Whose it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// Whose who asked.
    Us,
    /// Somebody reserved this order before.
    Another,
    /// Another seat carries this agent's orders out.
    OtherSeat,
}

/// What the thread is asked for.
pub(crate) enum Wish {
    Sit(String),
    Reserve(Reservation),
    Take(String),
}

/// A request with the way back.
pub(crate) type Asked = (Wish, oneshot::Sender<Result<Holder, SyncError>>);

/// The names that one thing may have at the remote.
struct Names([String; 2]);

impl Names {
    fn new(rest: &str) -> Result<Self, SyncError> {
        let names = [format!("refs/{rest}"), format!("refs/heads/{rest}")];
        match names.iter().all(|name| git2::Reference::is_valid_name(name)) {
            true => Ok(Self(names)),
            false => Err(SyncError::NoReservation(rest.chars().take(200).collect())),
        }
    }

    /// Whose the thing is according to a listing; none while nobody has it.
    fn held(&self, refs: &[(Oid, String)], ours: Oid) -> Option<bool> {
        let mut found = refs.iter().filter(|(_, name)| self.0.contains(name)).peekable();
        found.peek()?;
        Some(found.all(|(id, _)| *id == ours))
    }
}

impl Engine {
    /// Does what was wished for. Blocks; up to four network rounds, two where nothing is unusual.
    pub(crate) fn grant(&self, wish: &Wish) -> Result<Holder, SyncError> {
        let (Wish::Sit(seat) | Wish::Take(seat) | Wish::Reserve(Reservation { seat, .. })) = wish;
        let names = Names::new(&format!("seat/{}", self.settings.agent))?;
        let ours = self.token(&format!("seat {seat}"))?;
        let refs = self.reserved()?;
        if let Wish::Take(_) = wish {
            return self.take(&names, &refs, ours).map(|()| Holder::Us);
        }
        let sits = match names.held(&refs, ours) {
            Some(held) => held,
            None => self.create(&names, ours)?,
        };
        match (sits, wish) {
            (false, _) => Ok(Holder::OtherSeat),
            (true, Wish::Reserve(reservation)) => self.reserve(reservation, &refs),
            (true, _) => Ok(Holder::Us),
        }
    }

    fn reserve(&self, asked: &Reservation, refs: &[(Oid, String)]) -> Result<Holder, SyncError> {
        let Reservation { seat, approval, expires, nonce } = asked;
        let names = Names::new(&format!("orders/{}-{approval}", expires.timestamp()))?;
        let ours = self.token(&format!("order {approval} {seat} {nonce}"))?;
        let held = match names.held(refs, ours) {
            Some(held) => held,
            None => self.create(&names, ours)?,
        };
        self.sweep(refs);
        Ok(if held { Holder::Us } else { Holder::Another })
    }

    /// Creates a ref; whether it is ours now.
    fn create(&self, names: &Names, ours: Oid) -> Result<bool, SyncError> {
        let mut declined = String::new();
        for name in &names.0 {
            self.reach("sync.reserve", "reserve")?;
            let said = match self.transport.push(ours, name, None).map_err(|t| self.trouble(t))? {
                Pushed::Accepted => return Ok(true),
                Pushed::Declined(said) => {
                    declined = said;
                    continue;
                }
                Pushed::Moved => "somebody creates the same ref".to_owned(),
                Pushed::Locked(said) => said,
            };
            // Somebody was faster, or we were, and did not hear of it.
            let held = names.held(&self.reserved()?, ours);
            return held.ok_or_else(|| SyncError::Locked { remote: self.remote(), said });
        }
        Err(SyncError::Declined { remote: self.remote(), said: declined })
    }

    /// Makes the seat ours, whosever it was when it was listed.
    fn take(&self, names: &Names, refs: &[(Oid, String)], ours: Oid) -> Result<(), SyncError> {
        let was = |name: &String| refs.iter().find(|(_, found)| found == name).map(|(id, _)| *id);
        let used: Vec<&String> = names.0.iter().filter(|name| was(name).is_some()).collect();
        if used.is_empty() {
            let taken = self.create(names, ours)?;
            let overtaken = || SyncError::Contended { remote: self.remote(), attempts: 1 };
            return taken.then_some(()).ok_or_else(overtaken);
        }
        for name in used {
            match self.transport.push(ours, name, was(name)).map_err(|t| self.trouble(t))? {
                Pushed::Accepted => {}
                Pushed::Moved => return Err(SyncError::Contended { remote: self.remote(), attempts: 1 }),
                Pushed::Locked(said) => return Err(SyncError::Locked { remote: self.remote(), said }),
                Pushed::Declined(said) => return Err(SyncError::Declined { remote: self.remote(), said }),
            }
        }
        Ok(())
    }

    /// Every seat and every reservation.
    fn reserved(&self) -> Result<Vec<(Oid, String)>, SyncError> {
        let patterns = ["refs/seat/*", "refs/heads/seat/*", "refs/orders/*", "refs/heads/orders/*"];
        self.transport.ls_remote(&patterns.map(str::to_owned)).map_err(|t| self.trouble(t))
    }

    /// A commit outside of every history, whose name follows from its words alone.
    fn token(&self, words: &str) -> Result<Oid, SyncError> {
        let made = || {
            let tree = self.repo.odb()?.write(ObjectType::Tree, b"")?;
            let who = Signature::new("ai-employee", "ai-employee@localhost", &Time::new(0, 0))?;
            self.repo.commit(None, &who, &who, words, &self.repo.find_tree(tree)?, &[])
        };
        made().map_err(SyncError::repository("write a reservation"))
    }

    /// Removes reservations that are of no use any more. What cannot be removed stays.
    fn sweep(&self, refs: &[(Oid, String)]) {
        let old = self.clock.now().timestamp() - KEPT;
        let stale: Vec<String> = refs
            .iter()
            .filter(|(_, name)| expiry(name).is_some_and(|expires| expires < old))
            .map(|(_, name)| format!(":{name}"))
            .take(SWEEP)
            .collect();
        if stale.is_empty() {
            return;
        }
        match self.transport.push_refs(&stale, false) {
            Ok(Pushed::Accepted) => {}
            other => tracing::debug!(?other, "old reservations stay at the remote"),
        }
    }
}

/// When the order of a reservation expires, in seconds since 1970.
fn expiry(name: &str) -> Option<i64> {
    let rest = name.strip_prefix("refs/heads/").or(name.strip_prefix("refs/"))?;
    rest.strip_prefix("orders/")?.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_tells_when_its_order_expires() {
        assert_eq!(expiry("refs/orders/1771816500-a1"), Some(1_771_816_500));
        assert_eq!(expiry("refs/heads/orders/1771816500-a1-b"), Some(1_771_816_500));
        for other in ["refs/seat/local-001", "refs/heads/main", "refs/orders/x-1", "orders/1-2"] {
            assert_eq!(expiry(other), None, "{other}");
        }
    }
}
