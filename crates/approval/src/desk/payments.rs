//! What a payment needs beside the decision: amount and payee typed again, and a payee that is no
//! stranger.

use chrono::{DateTime, SubsecRound as _, Utc};
use signature::SignedIntroduction;
use task::{Action, AuditEvent, Call, Introduction, Mode, Payment, TaskId};
use vault::TaskFile;

use super::{Desk, DeskError, Kept};
use crate::payee::Standing;
use crate::register;
use crate::retyped::Retyped;
use crate::signer::Signer;

impl Desk {
    /// The payee of a live payment that may be approved now, as far as it was typed again and no
    /// hold is in the way. A rehearsal pays nobody, and introduces nobody.
    pub(super) fn payee<'a>(
        &self,
        file: &TaskFile,
        action: &'a Action,
        retyped: Option<&Retyped>,
    ) -> Result<Option<(&'a Payment, Standing)>, DeskError> {
        let id = &file.location.id;
        let (payment, retyped) = match (pays(Some(action)), retyped) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return Err(DeskError::PaysNothing(id.clone())),
            (Some(_), None) => return Err(DeskError::PaysMoney(id.clone())),
            (Some(payment), Some(retyped)) => (payment, retyped),
        };
        retyped.check(payment).map_err(|what| DeskError::Mistyped { id: id.clone(), what })?;
        if self.mode == Mode::Dry {
            return Ok(None);
        }
        match self.standing(id, payment)? {
            Standing::Held(introduction, until) => Err(self.held(file, introduction, until)?),
            standing => Ok(Some((payment, standing))),
        }
    }

    /// The first of the two signatures that a new payee needs; the task goes on waiting.
    pub(super) fn introduce(
        &self,
        file: &TaskFile,
        payment: &Payment,
        payable: DateTime<Utc>,
        replaces: bool,
        signer: &Signer,
    ) -> Result<Kept, DeskError> {
        let id = &file.location.id;
        let introduction = Introduction {
            iban: payment.iban.clone(),
            introduced: self.clock.now().trunc_subsecs(0),
            payee: payment.payee.clone(),
            task: id.clone(),
            vault: self.vault_id.clone(),
        };
        let text = introduction.to_text()?;
        let signed = SignedIntroduction { signature: signer.sign_introduction(&text)?, introduction: text };
        signed
            .verify(&payment.iban, &self.vault_id, &self.approvers, self.clock.now())
            .map_err(|reason| DeskError::Payee { id: id.clone(), reason })?;
        let noted = register::note_payee(&self.register, &payment.iban, &signed, replaces);
        if !noted.map_err(DeskError::Register)? {
            // Another review introduced it between the look and now: that one's hold counts.
            if let Standing::Held(introduction, until) = self.standing(id, payment)? {
                return Err(self.held(file, introduction, until)?);
            }
        }
        let mut task = file.task.clone();
        task.front.reason = Some(held_reason(&payment.payee, payable));
        let file = self.vault.replace(file, &task)?;
        let event = AuditEvent::new("introduce_payee", Some(id.clone()))
            .with("payee", payment.payee.as_str())
            .with("payable", payable.to_rfc3339());
        self.log(event, "pending", &file)?;
        Ok(Kept { file, order: None, payable: Some(payable) })
    }

    /// What is said of a payment that comes before its time; the task says it as well.
    fn held(
        &self,
        file: &TaskFile,
        introduction: Introduction,
        until: DateTime<Utc>,
    ) -> Result<DeskError, DeskError> {
        let reason = held_reason(&introduction.payee, until);
        if file.task.front.reason.as_ref() != Some(&reason) {
            let mut task = file.task.clone();
            task.front.reason = Some(reason);
            self.vault.replace(file, &task)?;
        }
        let (id, payee) = (file.location.id.clone(), crate::visible(&introduction.payee));
        Ok(DeskError::Held { id, payee, introduced: introduction.introduced, until })
    }

    pub(super) fn standing(&self, id: &TaskId, payment: &Payment) -> Result<Standing, DeskError> {
        Standing::of(
            payment,
            &self.paid,
            &self.register,
            &self.vault_id,
            &self.approvers,
            self.limits.payee_hold(),
            self.clock.now(),
        )
        .map_err(|reason| DeskError::Payee { id: id.clone(), reason })
    }
}

/// The payment that an action makes, if it makes one.
pub(super) fn pays(action: Option<&Action>) -> Option<&Payment> {
    match action.map(|action| &action.call) {
        Some(Call::InitiatePayment(payment)) => Some(payment),
        _ => None,
    }
}

fn held_reason(payee: &str, until: DateTime<Utc>) -> String {
    format!("new payee {}: introduced, and to be signed again from {until} on", crate::visible(payee))
}
