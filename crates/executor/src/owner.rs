//! What must be on record of the owner's decisions, beside the signature: that the approval was
//! given on this machine, and that a payee is no stranger. What cannot be read counts for nothing.

use signature::{Approvers, Introduced};
use task::{Call, Mode, Order};

use crate::admit::Objection;
use crate::core::{Core, explain};

impl Core {
    /// Whether the order was signed in a review on this machine. The key alone may have been used,
    /// or stolen, elsewhere: then the owner decides here, with the screen in view.
    pub(crate) fn was_given_here(&self, order: &Order, text: &str) -> Result<(), Objection> {
        if !self.rules.signed_here_only {
            return Ok(());
        }
        match self.register.has_given(&order.approval, text) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Objection::Returned(
                "order has your signature, but no review on this machine gave this approval; approve it here"
                    .into(),
            )),
            Err(error) => Err(Objection::Waiting(format!("failed to look up the approval: {error}"))),
        }
    }

    /// Whether a live payment goes to an account that was paid before, or that the owner introduced
    /// long enough before signing the order.
    pub(crate) fn may_pay(&self, order: &Order, approvers: &Approvers) -> Result<(), Objection> {
        let (Call::InitiatePayment(payment), Mode::Live) = (&order.action.call, order.mode) else {
            return Ok(());
        };
        let paid = self.journal.paid_to(&payment.iban);
        if !paid.map_err(|error| Objection::Waiting(explain(&error)))?.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let found = self.register.introduced(&payment.iban, &self.vault_id, approvers, now);
        let found = found.map_err(|error| {
            Objection::Waiting(format!("failed to look up the introduction of the payee: {error}"))
        })?;
        match found {
            Introduced::Never => Err(Objection::Returned(
                "payee is new and was not introduced; approve it once to introduce it, and again after the hold".into(),
            )),
            Introduced::Void(reason) => Err(Objection::Returned(format!(
                "payee is new and its introduction does not count: {reason}; approve it once to introduce it anew"
            ))),
            Introduced::Yes(introduction) => {
                let until = introduction.introduced + self.rules.payee_hold();
                if order.issued < until {
                    return Err(Objection::Returned(format!(
                        "payee is new: introduced at {}, it can be signed from {until} on",
                        introduction.introduced
                    )));
                }
                Ok(())
            }
        }
    }
}
