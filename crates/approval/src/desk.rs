//! The owner's decisions, carried into the vault.

use std::sync::Arc;

use chrono::SubsecRound as _;
use signature::{Approvers, Refusal};
use task::{
    Action, ActionError, AgentId, AuditEvent, AuditOutcome, Body, Clock, Digest, Location, Mode, Order,
    OrderError, Stage, StageName, Task, TaskId, action_digest,
};
use vault::{FileError, LogError, MoveError, ReadError, TaskFile, Vault, WriteError};

use crate::keys::{InitError, random_hex};
use crate::review::{Review, ReviewError, Setting, body_edit, review};
use crate::signer::{SignError, Signer};

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
}

/// Why a decision was not made. Nothing was moved.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// No such task.
    #[error("task {0} is not in the vault")]
    NotFound(TaskId),
    /// It waits for nobody's decision.
    #[error("task {id} is in {place}, not in Pending_Approval; it needs no decision", place = .at.stage)]
    Elsewhere {
        /// Which task.
        id: TaskId,
        /// Where it is.
        at: Location,
    },
    /// There is nothing to approve.
    #[error("task {id} proposes nothing, it asks: {question}; modify it to say what to do, or reject it")]
    NoAction {
        /// Which task.
        id: TaskId,
        /// What it asks.
        question: String,
    },
    /// Another proposal than the one that was seen.
    #[error("task {id} changed since you saw it: its digest is {now}, not {seen}; review it again")]
    Changed {
        /// Which task.
        id: TaskId,
        /// What was seen.
        seen: Digest,
        /// What is there.
        now: Digest,
    },
    /// The Markdown says other words than the action.
    #[error("task {0} has an edited Draft in its Markdown; take the edit over or drop it first")]
    Edited(TaskId),
    /// There is no edit to take over or drop.
    #[error("task {0} has no edited Draft")]
    NotEdited(TaskId),
    /// The new words do not fit the tool.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// A rejection says why.
    #[error("reason is empty; say in a few words why the task is rejected")]
    NoReason,
    /// The order has no text.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// No randomness for the approval's id.
    #[error(transparent)]
    Random(#[from] InitError),
    /// Nothing was signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Signed, but by a key that the approvers list does not allow.
    #[error("signature is not accepted by the approvers list: {0}")]
    NotApprover(Refusal),
    /// It cannot be shown.
    #[error(transparent)]
    Review(#[from] ReviewError),
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It cannot be moved.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// The vault cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The decision stands, but is not in the audit log.
    #[error("decision was made but not logged")]
    Log(#[from] LogError),
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
        Ok(review(task, &self.setting())?)
    }

    /// Signs an order for exactly the proposal that `seen` names, and sends it on its way.
    pub fn approve(&self, id: &TaskId, seen: &Digest, signer: &Signer) -> Result<Kept, DeskError> {
        let file = self.open(id)?;
        let action = self.seen_action(&file.task, seen)?;
        if body_edit(&file.task).is_some() {
            return Err(DeskError::Edited(id.clone()));
        }
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
        let mut task = file.task.clone();
        task.require_approval();
        task.front.order = Some(text);
        task.front.signature = Some(signature);
        task.front.decided_at = Some(order.issued);
        task.front.reason = None;
        task.front.effect = None;
        fault::reach("approve.finish").map_err(|e| FileError::new("approve", file.location.path(), e))?;
        let file = self.vault.finish(&file, &task, Stage::Approved)?;
        let event = AuditEvent::new("approve", Some(id.clone()))
            .with("digest", seen.to_string())
            .with("approval", order.approval.as_str())
            .with("mode", order.mode.to_string())
            .with("expires", order.expires.to_rfc3339())
            .with("tool", order.action.call.tool());
        self.log(event, "approved", &file)?;
        Ok(Kept { file, order: Some(order) })
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
        Ok(Kept { file, order: None })
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
        Ok(Kept { file, order: None })
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
