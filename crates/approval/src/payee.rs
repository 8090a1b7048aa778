//! Whether a payee may be paid: one that was paid before, or one that was introduced long enough ago.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use signature::{Approvers, Introduced, Register};
use task::{Introduction, Payment};

use crate::visible::visible;

/// The names under which this owner has paid an account, oldest first; none when it was never paid.
/// The error is a fragment. Who keeps the journal says so.
pub type Paid = Arc<dyn Fn(&str) -> Result<Vec<String>, String> + Send + Sync>;

/// How this owner stands to the account of a payment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It was paid before, under these names.
    Paid(Vec<String>),
    /// It was introduced, and the hold is over.
    Introduced(Introduction),
    /// It was introduced, and can be paid from this moment on.
    Held(Introduction, DateTime<Utc>),
    /// It is new.
    New {
        /// From when it can be paid if it is introduced now.
        payable: DateTime<Utc>,
        /// Why an introduction that is there does not count.
        void: Option<String>,
    },
}

impl Standing {
    /// Finds out. The error is a fragment.
    pub(crate) fn of(
        payment: &Payment,
        paid: &Paid,
        register: &Register,
        vault: &str,
        approvers: &Approvers,
        hold: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<Self, String> {
        let names = paid(&payment.iban)?;
        if !names.is_empty() {
            return Ok(Standing::Paid(names));
        }
        let new = |void| Standing::New { payable: now.trunc_subsecs(0) + hold, void };
        let found = register.introduced(&payment.iban, vault, approvers, now);
        Ok(match found.map_err(|error| format!("failed to read the introduction of the payee: {error}"))? {
            Introduced::Never => new(None),
            Introduced::Void(reason) => new(Some(reason)),
            Introduced::Yes(introduction) => match introduction.introduced + hold {
                until if until <= now => Standing::Introduced(introduction),
                until => Standing::Held(introduction, until),
            },
        })
    }

    /// What the owner is warned of, one sentence each.
    pub(crate) fn warnings(&self, payment: &Payment) -> Vec<String> {
        let mut found = Vec::new();
        let other = |known: &str| known != payment.payee;
        match self {
            Standing::Paid(names) => {
                if names.iter().all(|name| other(name)) {
                    let names: Vec<_> = names.iter().map(|name| visible(name)).collect();
                    found.push(format!("this account was paid before, but as {}", names.join(", ")));
                }
            }
            Standing::Introduced(introduction) => {
                found.push(format!("first payment to this account, introduced {}", introduction.introduced));
                if other(&introduction.payee) {
                    found.push(format!("this account was introduced as {}", visible(&introduction.payee)));
                }
            }
            Standing::Held(introduction, until) => {
                found.push(format!("new payee: it can be signed from {until} on"));
                if other(&introduction.payee) {
                    found.push(format!("this account was introduced as {}", visible(&introduction.payee)));
                }
            }
            Standing::New { payable, void } => {
                found.push(format!(
                    "new payee: this account was never paid. Approving now introduces it; sign again from {payable} on"
                ));
                if let Some(reason) = void {
                    found
                        .push(format!("an introduction of this account does not count: {}", visible(reason)));
                }
            }
        }
        found
    }
}
