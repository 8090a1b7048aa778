//! Brings a task's file in line with what was decided: the journal first, then the log, then the
//! file. Whatever a crash leaves undone is done the same way the next time.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::Value;
use task::{AuditEvent, AuditOutcome, Effect, EffectState, Location, Stage, Task, TaskId};
use vault::{MoveError, TaskFile};

use crate::admit::Objection;
use crate::core::{Core, Problem};
use crate::journal::Ending;
use crate::report::{End, Report};
use crate::{Row, State};

impl Core {
    /// Writes an ending down and files the task.
    pub(crate) fn end(
        &self,
        file: Option<&TaskFile>,
        row: &Row,
        ending: &Ending,
        report: &mut Report,
    ) -> Result<(), Problem> {
        let approval = &row.order.approval;
        if !self.journal.end(approval, ending, self.clock.now())? {
            // Another executor wrote an ending; that one counts.
            tracing::warn!(approval, "the journal has an ending for this approval already");
        }
        fault::reach("execute.file")?;
        let Some(row) = self.journal.get(approval)? else { return Ok(()) };
        match file {
            Some(file) => self.file_as_journaled(file, &row, report),
            None => {
                let id = &row.order.id;
                self.log(&row)?;
                let message = row.message.clone().unwrap_or_default();
                report.note(id, end_of(&row), format!("{message}; its file was taken away meanwhile"));
                Ok(())
            }
        }
    }

    /// Moves a file to where its journal row says that it belongs.
    pub(crate) fn file_as_journaled(
        &self,
        file: &TaskFile,
        row: &Row,
        report: &mut Report,
    ) -> Result<(), Problem> {
        let mut task = file.task.clone();
        let message = row.message.clone().unwrap_or_default();
        let ended = row.ended.unwrap_or_else(|| self.clock.now());
        let effect = |state| Effect {
            state,
            at: ended,
            reference: row.reference.clone(),
            message: row.message.clone(),
        };
        task.front.reason = None;
        let stage = match row.state {
            State::Done => {
                let effect = effect(if row.is_dry() { EffectState::Dry } else { EffectState::Done });
                carried_out(&mut task, effect, ended)
            }
            State::Failed => {
                task.front.effect = Some(effect(EffectState::Failed));
                task.front.reason = Some(format!("not carried out: {message}"));
                Stage::Errors
            }
            State::Unknown => {
                task.front.effect = Some(effect(EffectState::Unknown));
                task.front.reason = Some(format!(
                    "nobody knows whether it was carried out: {message}. Look for yourself, then say: \
                     local-agent resolve {} --sent, or --not-sent",
                    file.location.id
                ));
                Stage::Errors
            }
            State::Withdrawn => {
                withdraw(&mut task, &message);
                Stage::PendingApproval
            }
            State::Accepted | State::Dispatching => return Ok(()),
        };
        self.log(row)?;
        if self.place(file, &task, stage, report)? {
            report.note(&file.location.id, end_of(row), message);
        }
        Ok(())
    }

    /// What becomes of a file whose order the journal does not know.
    pub(crate) fn object(
        &self,
        file: &TaskFile,
        objection: Objection,
        report: &mut Report,
    ) -> Result<(), Problem> {
        let id = &file.location.id;
        let mut task = file.task.clone();
        if let Objection::Returned(_) = &objection
            && let Some(row) = self.spend(file)?
        {
            return self.object_to_accepted(file, &row, objection, report);
        }
        let (stage, end, reason) = match objection {
            Objection::Waiting(reason) => {
                report.note(id, End::Waiting, reason);
                return Ok(());
            }
            Objection::Refused(reason) => {
                task.front.reason = Some(format!("order refused: {reason}"));
                (Stage::Errors, End::Refused, reason)
            }
            Objection::Returned(reason) => {
                withdraw(&mut task, &reason);
                (Stage::PendingApproval, End::Returned, reason)
            }
        };
        let event = AuditEvent::new("refuse_order", Some(id.clone()))
            .with("reason", reason.as_str())
            .result(AuditOutcome::Refused);
        self.vault.log(&self.agent, event, self.clock.now())?;
        if self.place(file, &task, stage, report)? {
            report.note(id, end, reason);
        }
        Ok(())
    }

    /// Takes an order that goes back to the owner into the journal, so that it counts no more when
    /// its file comes back from somewhere after the objection has passed.
    fn spend(&self, file: &TaskFile) -> Result<Option<Row>, Problem> {
        let front = &file.task.front;
        let (Some(text), Some(signature), Ok(approvers)) = (&front.order, &front.signature, self.approvers())
        else {
            return Ok(None);
        };
        let now = self.clock.now();
        let Ok(verified) = signature::verify(text, signature, &approvers, now) else { return Ok(None) };
        let order = verified.order();
        if order.id != file.location.id {
            return Ok(None);
        }
        let row = self.journal.accept(order, text, signature, now)?;
        Ok((row.text == *text && row.state == State::Accepted).then_some(row))
    }

    /// What becomes of an accepted order that was never called.
    pub(crate) fn object_to_accepted(
        &self,
        file: &TaskFile,
        row: &Row,
        objection: Objection,
        report: &mut Report,
    ) -> Result<(), Problem> {
        match objection {
            Objection::Returned(reason) => {
                // The journal says why it could not be carried out in time, if it knows.
                let reason = match &row.message {
                    Some(last) => format!("{reason}; the last try: {last}"),
                    None => reason,
                };
                self.end(Some(file), row, &Ending::new(State::Withdrawn, reason), report)
            }
            // The approval is spent before the file moves: it can never be accepted again.
            Objection::Refused(reason) => self.end(
                Some(file),
                row,
                &Ending::new(State::Failed, format!("order refused: {reason}")),
                report,
            ),
            waiting @ Objection::Waiting(_) => self.object(file, waiting, report),
        }
    }

    /// Replaces a file's content and moves it on; false when it was set aside or is gone.
    fn place(
        &self,
        file: &TaskFile,
        task: &Task,
        stage: Stage,
        report: &mut Report,
    ) -> Result<bool, Problem> {
        let id = &file.location.id;
        match self.vault.finish(file, task, stage.clone()) {
            Ok(placed) => {
                if let Some(kept) = placed.displaced {
                    report
                        .problems
                        .push(format!("{id} was edited meanwhile; that version is kept in {kept}"));
                }
                Ok(true)
            }
            // Another executor has filed it already.
            Err(MoveError::Gone(_)) if self.is_at(&file.location.id, &stage) => Ok(false),
            Err(MoveError::Gone(_)) => {
                report.problems.push(format!("{id} was taken away meanwhile; the journal has its outcome"));
                Ok(false)
            }
            Err(MoveError::Exists(there)) => {
                let reason = format!("task {id} is at {there} already; this file is a second one");
                self.vault.quarantine(Path::new(&file.location.path()), &reason)?;
                report.note(id, End::Refused, reason);
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn log(&self, row: &Row) -> Result<(), Problem> {
        let action = &row.order.action;
        let mut event = AuditEvent::new("execute", Some(row.order.id.clone()))
            .with("approval", row.order.approval.as_str())
            .with("server", action.call.server().name())
            .with("tool", action.call.tool())
            .with("mode", row.order.mode.to_string())
            .result(match (row.state, row.is_dry()) {
                (State::Done, true) => AuditOutcome::Dry,
                (State::Done, false) => AuditOutcome::Ok,
                (State::Failed, _) => AuditOutcome::Failed,
                (State::Withdrawn, _) => AuditOutcome::Refused,
                (State::Unknown | State::Accepted | State::Dispatching, _) => AuditOutcome::Unknown,
            });
        if let Ok(digest) = row.order.digest() {
            event = event.with("digest", digest.to_string());
        }
        for (key, value) in [("reference", &row.reference), ("message", &row.message)] {
            if let Some(value) = value {
                event = event.with(key, Value::String(value.chars().take(300).collect()));
            }
        }
        event.approval_status = "approved".into();
        self.vault.log(&self.agent, event, self.clock.now())?;
        Ok(())
    }

    fn is_at(&self, id: &TaskId, stage: &Stage) -> bool {
        self.vault.find(id).is_ok_and(|at| at.is_some_and(|at| at.stage.name() == stage.name()))
    }

    /// Whether the file is still what was planned with; its owner may have taken it away.
    pub(crate) fn is_unchanged(&self, file: &TaskFile) -> bool {
        let at: &Location = &file.location;
        self.vault.read(at).is_ok_and(|now| now.digest == file.digest)
    }
}

fn end_of(row: &Row) -> End {
    match (row.state, row.is_dry()) {
        (State::Done, true) => End::Dry,
        (State::Done, false) => End::Done,
        (State::Failed, _) => End::Failed,
        (State::Unknown, _) => End::Unknown,
        (State::Withdrawn, _) => End::Returned,
        (State::Accepted | State::Dispatching, _) => End::Waiting,
    }
}

/// Writes down that the order was carried out, and says where the task goes: a long task goes on.
pub(crate) fn carried_out(task: &mut Task, effect: Effect, at: DateTime<Utc>) -> Stage {
    let done = effect.state == EffectState::Done;
    task.settle_step(&effect);
    task.front.effect = Some(effect);
    if done && task.goes_on() { Stage::NeedsAction } else { Stage::done(at) }
}

/// Takes order and signature out: whatever happens next needs a new approval.
pub(crate) fn withdraw(task: &mut Task, reason: &str) {
    task.front.order = None;
    task.front.signature = None;
    task.front.decided_at = None;
    task.front.effect = None;
    task.front.reason = Some(reason.to_owned());
    task.require_approval();
}
