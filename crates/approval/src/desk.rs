//! The owner's decisions, carried into the vault.

mod error;
mod payments;

use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, Utc};
use signature::{Approvers, Register};
use task::{
    Action, AgentId, AuditEvent, AuditOutcome, Body, Clock, Digest, Mode, Order, Stage, StageName, Task,
    TaskId, action_digest,
};
use vault::{FileError, TaskFile, Vault};

pub use self::error::DeskError;
use self::payments::pays;
use crate::keys::random_hex;
use crate::payee::{Paid, Standing};
use crate::provenance::Own;
use crate::register;
use crate::retyped::Retyped;
use crate::review::{Review, Setting, body_edit, review};
use crate::signer::Signer;

/// Where the owner decides: one vault, one executor, one mode.
pub struct Desk {
    /// The vault.
    pub vault: Vault,
    /// Its id.
    pub vault_id: String,
    /// The agent whose log records decisions: the one on this machine.
    pub agent: AgentId,
    /// Who carries orders out.
    pub executor: AgentId,
    /// What orders are signed for.
    pub mode: Mode,
    /// How long they are good for.
    pub limits: config::Approval,
    /// Who may sign; an order that they would refuse is not written.
    pub approvers: Approvers,
    /// Where approvals and introductions are written down: the data directory.
    pub register: Register,
    /// Whom this owner has paid.
    pub paid: Paid,
    /// What the values of a proposal are held against.
    pub own: Own,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// A decision that was made.
#[derive(Debug)]
pub struct Kept {
    /// The task as it is now.
    pub file: TaskFile,
    /// The order, if one was signed.
    pub order: Option<Order>,
    /// When the payee can be paid, if this introduced it instead.
    pub payable: Option<DateTime<Utc>>,
}

impl Desk {
    /// The task, if it waits for the owner.
    pub fn open(&self, id: &TaskId) -> Result<TaskFile, DeskError> {
        let at = self.vault.find(id)?.ok_or_else(|| DeskError::NotFound(id.clone()))?;
        if at.stage.name() != StageName::PendingApproval {
            return Err(DeskError::Elsewhere { id: id.clone(), at });
        }
        Ok(self.vault.read(&at)?)
    }

    /// The screen for a task.
    pub fn review(&self, task: &Task) -> Result<Review, DeskError> {
        let standing = match pays(task.front.action.as_ref()) {
            Some(payment) if self.mode == Mode::Live => Some(self.standing(&task.front.id, payment)?),
            _ => None,
        };
        Ok(review(task, &Setting { payee: standing.as_ref(), ..self.setting() })?)
    }

    /// What an approval of what was seen would meet, without a key: whatever can be refused is
    /// refused before anybody is asked for a passphrase.
    pub fn check(&self, id: &TaskId, seen: &Digest, retyped: Option<&Retyped>) -> Result<(), DeskError> {
        let (file, action) = self.to_approve(id, seen)?;
        self.payee(&file, &action, retyped).map(drop)
    }

    /// Signs an order for exactly the proposal that `seen` names, and sends it on its way. A payment
    /// needs [`Desk::approve_payment`].
    pub fn approve(&self, id: &TaskId, seen: &Digest, signer: &Signer) -> Result<Kept, DeskError> {
        self.approve_retyped(id, seen, None, signer)
    }

    /// The same for a payment, of which amount and payee were typed again. A payee that was never
    /// paid is introduced by it; the same call signs the order once the hold is over.
    pub fn approve_payment(
        &self,
        id: &TaskId,
        seen: &Digest,
        retyped: &Retyped,
        signer: &Signer,
    ) -> Result<Kept, DeskError> {
        self.approve_retyped(id, seen, Some(retyped), signer)
    }

    fn approve_retyped(
        &self,
        id: &TaskId,
        seen: &Digest,
        retyped: Option<&Retyped>,
        signer: &Signer,
    ) -> Result<Kept, DeskError> {
        let (file, action) = self.to_approve(id, seen)?;
        match self.payee(&file, &action, retyped)? {
            Some((payment, Standing::New { payable, void })) => {
                self.introduce(&file, payment, payable, void.is_some(), signer)
            }
            _ => self.sign(&file, action, seen, signer),
        }
    }

    /// What waits for approval and is what was seen.
    fn to_approve(&self, id: &TaskId, seen: &Digest) -> Result<(TaskFile, Action), DeskError> {
        let file = self.open(id)?;
        let action = self.seen_action(&file.task, seen)?;
        if body_edit(&file.task).is_some() {
            return Err(DeskError::Edited(id.clone()));
        }
        Ok((file, action))
    }

    fn sign(
        &self,
        file: &TaskFile,
        action: Action,
        seen: &Digest,
        signer: &Signer,
    ) -> Result<Kept, DeskError> {
        let id = &file.location.id;
        let setting = self.setting();
        let order = Order {
            approval: random_hex(16)?,
            executor: self.executor.clone(),
            expires: setting.expires(action.call.server()),
            id: id.clone(),
            issued: setting.now.trunc_subsecs(0),
            mode: self.mode,
            vault: self.vault_id.clone(),
            action,
        };
        let text = order.to_text()?;
        let signature = signer.sign(&text)?;
        // What the executor would refuse is not written: the owner learns it now.
        signature::verify(&text, &signature, &self.approvers, self.clock.now())
            .map_err(DeskError::NotApprover)?;
        register::note_approval(&self.register, &order.approval, &text).map_err(DeskError::Register)?;
        let mut task = file.task.clone();
        task.require_approval();
        task.front.order = Some(text);
        task.front.signature = Some(signature);
        task.front.decided_at = Some(order.issued);
        task.front.reason = None;
        task.front.effect = None;
        fault::reach("approve.finish").map_err(|e| FileError::new("approve", file.location.path(), e))?;
        let file = self.vault.finish(file, &task, Stage::Approved)?;
        let event = AuditEvent::new("approve", Some(id.clone()))
            .with("digest", seen.to_string())
            .with("approval", order.approval.as_str())
            .with("mode", order.mode.to_string())
            .with("expires", order.expires.to_rfc3339())
            .with("tool", order.action.call.tool());
        self.log(event, "approved", &file)?;
        Ok(Kept { file, order: Some(order), payable: None })
    }

    /// Says no.
    pub fn reject(&self, id: &TaskId, reason: &str) -> Result<Kept, DeskError> {
        if reason.trim().is_empty() {
            return Err(DeskError::NoReason);
        }
        let file = self.open(id)?;
        let mut task = file.task.clone();
        withdraw(&mut task);
        task.front.decided_at = Some(self.clock.now().trunc_subsecs(0));
        task.front.reason = Some(reason.trim().to_owned());
        fault::reach("reject.finish").map_err(|e| FileError::new("reject", file.location.path(), e))?;
        let file = self.vault.finish(&file, &task, Stage::Rejected)?;
        let event = AuditEvent::new("reject", Some(id.clone())).result(AuditOutcome::Refused);
        self.log(event, "rejected", &file)?;
        Ok(Kept { file, order: None, payable: None })
    }

    /// Proposes `action` instead of what `seen` names (`None`: whatever is there); it still waits
    /// for approval. An edit of the Draft in the Markdown gives way to the new words and is kept under
    /// Notes.
    pub fn modify(&self, id: &TaskId, seen: Option<&Digest>, action: Action) -> Result<Kept, DeskError> {
        let file = self.open(id)?;
        if let Some(seen) = seen {
            self.seen_action(&file.task, seen)?;
        }
        let edit = body_edit(&file.task).map(|edit| edit.in_body);
        self.propose(&file, action, edit, "modify")
    }

    /// Takes the words in the Markdown over into the action; it still waits for approval.
    pub fn take_edit(&self, id: &TaskId) -> Result<Kept, DeskError> {
        let file = self.open(id)?;
        let (Some(edit), Some(action)) = (body_edit(&file.task), &file.task.front.action) else {
            return Err(DeskError::NotEdited(id.clone()));
        };
        let call = action.call.with_text(&edit.in_body).ok_or_else(|| DeskError::NotEdited(id.clone()))??;
        let action = Action { account: action.account.clone(), call };
        self.propose(&file, action, None, "take_edit")
    }

    /// Puts the action's words back into the Markdown; the edited ones are kept under Notes.
    pub fn drop_edit(&self, id: &TaskId) -> Result<Kept, DeskError> {
        let file = self.open(id)?;
        let (Some(edit), Some(action)) = (body_edit(&file.task), &file.task.front.action) else {
            return Err(DeskError::NotEdited(id.clone()));
        };
        self.propose(&file, action.clone(), Some(edit.in_body), "drop_edit")
    }

    fn propose(
        &self,
        file: &TaskFile,
        action: Action,
        dropped: Option<String>,
        what: &str,
    ) -> Result<Kept, DeskError> {
        let id = &file.location.id;
        let mut task = file.task.clone();
        withdraw(&mut task);
        task.require_approval();
        let mut body = Body::parse(&task.body);
        let before = std::mem::replace(&mut body.draft, action.call.text().map(str::to_owned));
        // An action without words has no Draft of its own: whatever stood there, a person wrote.
        let loose =
            before.filter(|_| file.task.front.action.as_ref().is_none_or(|old| old.call.text().is_none()));
        if let Some(words) = dropped.or(loose) {
            let mut notes = body.notes.take().map(|notes| notes + "\n\n").unwrap_or_default();
            notes.push_str("Draft that was edited here and not used:\n");
            words.lines().for_each(|line| notes.push_str(&format!("\n> {}", task::inert(line))));
            body.notes = Some(notes);
        }
        task.body = body.to_markdown();
        let digest = action_digest(&self.vault_id, id, &action)?;
        task.front.action = Some(action);
        task.front.question = None;
        let file = self.vault.replace(file, &task)?;
        self.log(
            AuditEvent::new(what, Some(id.clone())).with("digest", digest.to_string()),
            "pending",
            &file,
        )?;
        Ok(Kept { file, order: None, payable: None })
    }

    fn seen_action(&self, task: &Task, seen: &Digest) -> Result<Action, DeskError> {
        let id = &task.front.id;
        let Some(action) = &task.front.action else {
            let question = task.front.question.clone().unwrap_or_else(|| "(no question)".into());
            return Err(DeskError::NoAction { id: id.clone(), question: crate::visible(&question) });
        };
        let now = action_digest(&self.vault_id, id, action)?;
        if now != *seen {
            return Err(DeskError::Changed { id: id.clone(), seen: *seen, now });
        }
        Ok(action.clone())
    }

    fn setting(&self) -> Setting<'_> {
        Setting {
            vault: &self.vault_id,
            executor: &self.executor,
            mode: self.mode,
            limits: &self.limits,
            own: &self.own,
            payee: None,
            now: self.clock.now(),
        }
    }

    fn log(&self, mut event: AuditEvent, status: &str, file: &TaskFile) -> Result<(), DeskError> {
        event.actor = "owner".into();
        event.approval_status = status.into();
        if let Some(kept) = &file.displaced {
            event = event.with("kept", kept.as_str());
        }
        self.vault.log(&self.agent, event, self.clock.now())?;
        Ok(())
    }
}

/// Takes order and signature out: what was signed before says nothing about what is there now.
fn withdraw(task: &mut Task) {
    task.front.order = None;
    task.front.signature = None;
    task.front.effect = None;
}
