//! The owner's word: what became of an order that nobody knows about, and another try for what
//! was set aside.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use task::{
    AgentId, AuditEvent, AuditOutcome, Clock, EffectState, Location, Order, Stage, StageName, Task, TaskId,
};
use vault::{FileError, LogError, MoveError, ReadError, TaskFile, Vault, WriteError};

use crate::filing::{carried_out, withdraw};
use crate::journal::Ending;
use crate::{Journal, JournalError, Row, State};

/// Settles what is in Errors. Calls block.
pub struct Settlement {
    /// The vault.
    pub vault: Vault,
    /// The journal.
    pub journal: Journal,
    /// The agent whose log records it: the one on this machine.
    pub agent: AgentId,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What the owner found out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It was carried out.
    Sent,
    /// It was not.
    NotSent,
}

/// Why nothing was settled.
#[derive(Debug, thiserror::Error)]
pub enum SettlementError {
    /// No such task.
    #[error("task {0} is not in the vault")]
    NotFound(TaskId),
    /// Not set aside.
    #[error("task {id} is in {place}, not in Errors; there is nothing to settle", place = .at.stage)]
    Elsewhere {
        /// Which task.
        id: TaskId,
        /// Where it is.
        at: Location,
    },
    /// It waits for a decision.
    #[error("task {0} waits for your decision on what is proposed; approve, modify or reject it")]
    Proposed(TaskId),
    /// Its outcome is known.
    #[error("outcome of task {0} is known; use retry for another try")]
    Known(TaskId),
    /// Its outcome is not known.
    #[error("nobody knows whether task {0} was carried out; resolve it first, with --sent or --not-sent")]
    Unresolved(TaskId),
    /// It was carried out.
    #[error("task {0} was carried out before: {1}; another try would do it a second time")]
    CarriedOut(TaskId, String),
    /// The other word was given before.
    #[error("task {0} was resolved the other way before; the journal keeps the first word")]
    Contradiction(TaskId),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file cannot be moved.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// The vault cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The word stands, but is not in the audit log.
    #[error("it was settled but not logged")]
    Log(#[from] LogError),
}

impl Settlement {
    /// Takes the owner's word on a task whose outcome nobody knows. Sent: it ends in Done. Not
    /// sent: it waits for approval again, without its old signature.
    pub fn resolve(&self, id: &TaskId, verdict: Verdict) -> Result<TaskFile, SettlementError> {
        let file = self.set_aside(id)?;
        let Some(mut effect) = file.task.front.effect.clone().filter(|e| e.state == EffectState::Unknown)
        else {
            return Err(SettlementError::Known(id.clone()));
        };
        let now = self.clock.now();
        let (state, said) = match verdict {
            Verdict::Sent => (State::Done, "the owner says that it was carried out"),
            Verdict::NotSent => (State::Failed, "the owner says that it was not carried out"),
        };
        if let Some(row) = self.row(&file)? {
            let written = self.journal.resolve(&row.order.approval, &Ending::new(state, said), now)?;
            // A second time after a crash between journal and file says the same and goes on.
            if !written && row.state != state {
                return Err(SettlementError::Contradiction(id.clone()));
            }
        }
        let mut task = file.task.clone();
        let stage = match verdict {
            Verdict::Sent => {
                effect.state = EffectState::Done;
                effect.message = Some(said.to_owned());
                task.front.reason = None;
                carried_out(&mut task, effect, now)
            }
            Verdict::NotSent => {
                withdraw(&mut task, said);
                Stage::PendingApproval
            }
        };
        let event = AuditEvent::new("resolve", Some(id.clone())).with("said", said);
        self.log(event.result(if verdict == Verdict::Sent {
            AuditOutcome::Ok
        } else {
            AuditOutcome::Failed
        }))?;
        Ok(self.vault.finish(&file, &task, stage)?)
    }

    /// Gives a task that was set aside another try: with an action it waits for approval again,
    /// otherwise an agent takes it up from the start, or from the step where it stopped. So it does
    /// with a task that waits with a question, which the owner has answered in its file, and now
    /// instead of later with one that failed and waits for its next try.
    pub fn retry(&self, id: &TaskId) -> Result<TaskFile, SettlementError> {
        let file = match self.set_aside(id) {
            Err(SettlementError::Elsewhere { at, .. }) if at.stage == Stage::PendingApproval => {
                return self.take_up(&at);
            }
            Err(SettlementError::Elsewhere { at, .. }) if at.stage == Stage::NeedsAction => {
                return self.hurry(&at);
            }
            file => file?,
        };
        let (mut task, stage) = self.another_try(&file)?;
        task.front.returns = 0;
        self.log(AuditEvent::new("retry", Some(id.clone())))?;
        Ok(self.vault.finish(&file, &task, stage)?)
    }

    /// A task of Errors as it is for another try, and where it goes for it. Refused where that might
    /// have an effect a second time.
    pub(crate) fn another_try(&self, file: &TaskFile) -> Result<(Task, Stage), SettlementError> {
        let id = &file.location.id;
        let unknown = |row: &Row| matches!(row.state, State::Unknown | State::Dispatching);
        let rows = self.journal.of_task(id)?;
        let mut task = file.task.clone();
        // What a long task had carried out stays with its step, and is not asked for again.
        task.file_order();
        let of_a_step =
            |row: &&Row| task.front.steps.iter().any(|step| step.order.as_ref() == Some(&row.text));
        // A second file of a task that is done, say: its old order came back from somewhere.
        let mut done = rows.iter().filter(|row| row.state == State::Done && !row.is_dry());
        if let Some(done) = done.find(|row| !of_a_step(row)) {
            return Err(SettlementError::CarriedOut(id.clone(), done.message.clone().unwrap_or_default()));
        }
        let unresolved = file.task.front.effect.as_ref().is_some_and(|e| e.state == EffectState::Unknown)
            || rows.iter().any(unknown);
        if unresolved {
            return Err(SettlementError::Unresolved(id.clone()));
        }
        // What was said of the retry, which this is.
        task.front.extra.remove("next");
        if task.front.action.is_some() {
            let before = task.front.reason.take().unwrap_or_else(|| "set aside".into());
            withdraw(&mut task, &format!("to be tried again; before: {before}"));
            return Ok((task, Stage::PendingApproval));
        }
        task.front.try_again();
        Ok((task, Stage::NeedsAction))
    }

    /// Ends a task of Errors about which nothing is to be done. Not where nobody knows whether it
    /// had its effect: that is for [`Settlement::resolve`] to say.
    pub fn drop(&self, id: &TaskId) -> Result<TaskFile, SettlementError> {
        let file = self.set_aside(id)?;
        let open = |row: &Row| matches!(row.state, State::Unknown | State::Dispatching);
        let unknown = file.task.front.effect.as_ref().is_some_and(|e| e.state == EffectState::Unknown);
        if unknown || self.journal.of_task(id)?.iter().any(open) {
            return Err(SettlementError::Unresolved(id.clone()));
        }
        let mut task = file.task.clone();
        task.front.extra.remove("next");
        let before = task.front.reason.take().unwrap_or_else(|| "set aside".into());
        task.front.reason = Some(format!("dropped by the owner; before: {before}"));
        (task.front.retry_after, task.front.ask_after) = (None, None);
        self.log(AuditEvent::new("drop", Some(id.clone())))?;
        Ok(self.vault.finish(&file, &task, Stage::done(self.clock.now()))?)
    }

    /// Leaves a task in Errors, and the owner alone with it for a while; until when.
    pub fn ask_later(&self, id: &TaskId, wait: TimeDelta) -> Result<DateTime<Utc>, SettlementError> {
        let file = self.set_aside(id)?;
        let until = (self.clock.now() + wait).trunc_subsecs(0);
        let mut task = file.task.clone();
        task.front.ask_after = Some(until);
        self.log(AuditEvent::new("ask_later", Some(id.clone())).with("until", until.to_rfc3339()))?;
        self.rewrite(&file, &task)?;
        Ok(until)
    }

    /// Lets a task that failed, and waits for its next try, be tried now.
    fn hurry(&self, at: &Location) -> Result<TaskFile, SettlementError> {
        let file = self.vault.read(at)?;
        if file.task.front.retry_after.is_none() {
            return Err(SettlementError::Elsewhere { id: at.id.clone(), at: at.clone() });
        }
        let mut task = file.task.clone();
        task.front.try_again();
        task.front.returns = 0;
        self.log(AuditEvent::new("retry", Some(at.id.clone())))?;
        self.rewrite(&file, &task)
    }

    fn rewrite(&self, file: &TaskFile, task: &Task) -> Result<TaskFile, SettlementError> {
        self.vault.replace(file, task).map_err(|error| match error {
            WriteError::Gone(_) => SettlementError::NotFound(file.location.id.clone()),
            error => MoveError::from(error).into(),
        })
    }

    /// Gives a task that waits with a question back to the agents.
    fn take_up(&self, at: &Location) -> Result<TaskFile, SettlementError> {
        let file = self.vault.read(at)?;
        if file.task.front.action.is_some() {
            return Err(SettlementError::Proposed(at.id.clone()));
        }
        let mut task = file.task.clone();
        task.go_on();
        task.front.question = None;
        self.log(AuditEvent::new("retry", Some(at.id.clone())))?;
        Ok(self.vault.finish(&file, &task, Stage::NeedsAction)?)
    }

    fn set_aside(&self, id: &TaskId) -> Result<TaskFile, SettlementError> {
        let at = self.vault.find(id)?.ok_or_else(|| SettlementError::NotFound(id.clone()))?;
        if at.stage.name() != StageName::Errors {
            return Err(SettlementError::Elsewhere { id: id.clone(), at });
        }
        Ok(self.vault.read(&at)?)
    }

    /// The journal's row of the order that the file carries.
    fn row(&self, file: &TaskFile) -> Result<Option<Row>, SettlementError> {
        let order = file.task.front.order.as_deref().and_then(|text| Order::parse(text).ok());
        match order {
            Some(order) => {
                Ok(self.journal.get(&order.approval)?.filter(|row| row.order.id == file.location.id))
            }
            None => Ok(None),
        }
    }

    fn log(&self, mut event: AuditEvent) -> Result<(), SettlementError> {
        event.actor = "owner".into();
        self.vault.log(&self.agent, event, self.clock.now())?;
        Ok(())
    }
}
