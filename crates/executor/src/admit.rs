//! From a file to an accepted order: what is checked before anything is called.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};
use policy::Decision;
use signature::{Expect, Refusal, Verified, verify};
use task::{Location, Mode, Order, Server, Stage};
use vault::{Folder, MoveError, ReadError, TaskFile};

use crate::core::{Core, Problem, explain};
use crate::journal::Ending;
use crate::report::{End, Report};
use crate::{Row, State};

/// An accepted order on its way to its server.
pub(crate) struct Work {
    /// The task's file; absent when somebody took it away in the middle of a call.
    pub(crate) file: Option<TaskFile>,
    /// What the journal has of it.
    pub(crate) row: Row,
}

/// What is to be done, by server.
pub(crate) type Plan = BTreeMap<Server, Vec<Work>>;

/// What speaks against an order, told by what becomes of its file.
pub(crate) enum Objection {
    /// It never counts: Errors.
    Refused(String),
    /// It counts no longer: back to the owner.
    Returned(String),
    /// Not here, not now.
    Waiting(String),
}

impl From<Refusal> for Objection {
    fn from(refusal: Refusal) -> Self {
        let said = refusal.to_string();
        match refusal {
            Refusal::Expired(_) => Objection::Returned(said),
            Refusal::OtherMode { .. } | Refusal::OtherExecutor { .. } | Refusal::NotYetValid(_) => {
                Objection::Waiting(said)
            }
            _ => Objection::Refused(said),
        }
    }
}

impl Core {
    /// Goes through what is approved and what was begun, and accepts what may be carried out.
    pub(crate) fn plan(&self) -> Result<(Report, Plan), Problem> {
        let mut report = Report::default();
        let mut plan = Plan::new();
        if let Some(reason) = self.kill_switch.engaged() {
            report.stopped = Some(reason);
            return Ok((report, plan));
        }
        for location in self.candidates()? {
            match self.admit(&location, &mut report) {
                Ok(Some(work)) => plan.entry(work.row.order.action.call.server()).or_default().push(work),
                Ok(None) => {}
                Err(problem) if problem.is_fatal() => return Err(problem),
                Err(problem) => report.problems.push(format!("{}: {}", location.id, explain(&problem))),
            }
        }
        // What was being called when somebody took its file away is settled all the same.
        for row in self.journal.in_state(State::Dispatching)? {
            let at = Location::new(Stage::Executing(self.agent.clone()), row.order.id.clone());
            let in_hand =
                self.vault.read(&at).is_ok_and(|file| file.task.front.order.as_ref() == Some(&row.text));
            if !in_hand && self.too_early(&row).is_none() {
                plan.entry(row.order.action.call.server()).or_default().push(Work { file: None, row });
            }
        }
        Ok((report, plan))
    }

    /// First what was begun, then what is new.
    fn candidates(&self) -> Result<Vec<Location>, Problem> {
        let begun = self.vault.list(&Folder::InProgress(self.agent.clone()))?;
        let new = self.vault.list(&Folder::NeedsAction)?;
        let entries = begun.tasks.into_iter().chain(new.tasks).map(|entry| entry.location);
        Ok(entries.filter(|at| matches!(at.stage, Stage::Approved | Stage::Executing(_))).collect())
    }

    /// Checks, claims and accepts one file.
    fn admit(&self, location: &Location, report: &mut Report) -> Result<Option<Work>, Problem> {
        let Some(mut file) = self.read(location, report)? else { return Ok(None) };
        if location.stage == Stage::Approved {
            if !self.is_claimable(&file, report)? {
                return Ok(None);
            }
            let claimed = match self.vault.advance(location, Stage::Executing(self.agent.clone())) {
                Ok(claimed) => claimed,
                // Another executor was faster.
                Err(MoveError::Gone(_) | MoveError::Exists(_)) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            // A rename takes whatever bytes are there by then: they are read and checked again.
            let Some(again) = self.read(&claimed, report)? else { return Ok(None) };
            file = again;
        }
        if let Some(row) = self.journaled(&file)? {
            return self.resume(file, row, report);
        }
        let verified = match self.examine(&file) {
            Ok(verified) => verified,
            Err(objection) => {
                self.object(&file, objection, report)?;
                return Ok(None);
            }
        };
        let front = &file.task.front;
        let (Some(text), Some(signature)) = (&front.order, &front.signature) else { return Ok(None) };
        let row = self.journal.accept(verified.order(), text, signature, self.clock.now())?;
        self.resume(file, row, report)
    }

    /// Whether a file in Needs_Action may be taken up; if not, it is sent where it belongs.
    fn is_claimable(&self, file: &TaskFile, report: &mut Report) -> Result<bool, Problem> {
        let Some(row) = self.journaled(file)? else {
            return match self.examine(file) {
                Ok(_) => Ok(true),
                Err(objection) => self.object(file, objection, report).map(|()| false),
            };
        };
        match row.state {
            State::Accepted => match self.examine(file) {
                Ok(_) => Ok(true),
                Err(objection) => self.object_to_accepted(file, &row, objection, report).map(|()| false),
            },
            // It was being called; whether it still counts does not matter for what came of it.
            State::Dispatching => Ok(true),
            State::Withdrawn => self.file_as_journaled(file, &row, report).map(|()| false),
            State::Done | State::Failed | State::Unknown => {
                let said = row.message.as_deref().unwrap_or("nothing");
                let reason = format!("approval was used before; what came of it: {said}");
                self.object(file, Objection::Refused(reason), report).map(|()| false)
            }
        }
    }

    /// What the journal has of the order that a file carries. Nothing of the file is believed for
    /// it: the row is taken only when it is of this task and this very text.
    fn journaled(&self, file: &TaskFile) -> Result<Option<Row>, Problem> {
        let Some(text) = &file.task.front.order else { return Ok(None) };
        let Ok(order) = Order::parse(text) else { return Ok(None) };
        let row = self.journal.get(&order.approval)?;
        Ok(row.filter(|row| row.text == *text && row.order.id == file.location.id))
    }

    /// Goes on with an order that the journal knows.
    fn resume(&self, file: TaskFile, row: Row, report: &mut Report) -> Result<Option<Work>, Problem> {
        match row.state {
            State::Accepted => {
                if let Err(objection) = self.examine(&file) {
                    self.object_to_accepted(&file, &row, objection, report)?;
                    return Ok(None);
                }
                if row.is_dry() {
                    let ending = Ending::new(State::Done, "rehearsed; nothing was called");
                    self.end(Some(&file), &row, &ending, report)?;
                    return Ok(None);
                }
                if let Some(until) = self.undo_until(&row.order) {
                    self.note_undo(&row.order, until, report);
                    return Ok(None);
                }
            }
            State::Dispatching => {}
            State::Done | State::Failed | State::Unknown | State::Withdrawn => {
                self.file_as_journaled(&file, &row, report)?;
                return Ok(None);
            }
        }
        if let Some(until) = self.too_early(&row) {
            let last = row.message.unwrap_or_default();
            report.wait(&file.location.id, until, format!("tried again later: {last}"));
            return Ok(None);
        }
        Ok(Some(Work { file: Some(file), row }))
    }

    /// Until when it is left alone, if it is now.
    fn too_early(&self, row: &Row) -> Option<DateTime<Utc>> {
        row.not_before.filter(|until| self.clock.now() < *until)
    }

    /// Everything that is checked of an order: its signature, that it is this file's, that its
    /// approval was not used for anything else, what policy says, and place, mode and time.
    pub(crate) fn examine(&self, file: &TaskFile) -> Result<Verified, Objection> {
        let front = &file.task.front;
        let (Some(text), Some(signature)) = (&front.order, &front.signature) else {
            return Err(Refusal::Unsigned.into());
        };
        let approvers = self.approvers().map_err(Objection::Waiting)?;
        let now = self.clock.now();
        let verified = verify(text, signature, &approvers, now)?;
        let order = verified.order();
        if order.id != file.location.id {
            return Err(Objection::Refused(format!("order was signed for another task ({})", order.id)));
        }
        if front.action.as_ref() != Some(&order.action) {
            return Err(Objection::Refused("action in the file is not the one that was signed".into()));
        }
        match self.journal.get(&order.approval) {
            Ok(Some(row)) if row.text != *text || row.order.id != order.id => {
                return Err(Objection::Refused("approval was used before, for another order".into()));
            }
            Ok(_) => {}
            Err(error) => return Err(Objection::Waiting(explain(&error))),
        }
        let call = &order.action.call;
        match policy::decide(self.role, call.server(), call.tool()) {
            Decision::Allow | Decision::WithOrder => {}
            Decision::DraftOnly | Decision::Refuse => {
                let (role, tool) = (self.role, call.tool());
                return Err(Objection::Refused(format!("role {role} may not call {tool}")));
            }
        }
        verified.check(&self.expect())?;
        if self.seat.since().is_some_and(|since| order.issued <= since) {
            return Err(Objection::Returned(
                "it was approved before this data directory took the seat over, and may have been carried out by \
                 the one that had it: look before you approve it again"
                    .into(),
            ));
        }
        self.was_given_here(order, text)?;
        self.may_pay(order, &approvers)?;
        Ok(verified)
    }

    /// This place and moment.
    pub(crate) fn expect(&self) -> Expect<'_> {
        Expect { vault: &self.vault_id, executor: &self.agent, mode: self.mode, now: self.clock.now() }
    }

    /// Whether live effects are wanted at all.
    pub(crate) fn is_live(&self) -> bool {
        self.mode == Mode::Live
    }

    fn read(&self, location: &Location, report: &mut Report) -> Result<Option<TaskFile>, Problem> {
        match self.vault.read(location) {
            Ok(file) => Ok(Some(file)),
            Err(ReadError::Gone(_)) => Ok(None),
            Err(error @ ReadError::File(_)) => Err(error.into()),
            Err(error) => {
                let reason = explain(&error);
                self.vault.quarantine(Path::new(&location.path()), &reason)?;
                report.note(&location.id, End::Refused, reason);
                Ok(None)
            }
        }
    }
}
