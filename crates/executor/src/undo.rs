//! The time in which the owner can take an order back, and taking it back.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use signature::Approvers;
use task::{AgentId, AuditEvent, AuditOutcome, Clock, Location, Mode, Order, Stage, StageName, TaskId};
use vault::{FileError, LogError, MoveError, ReadError, TaskFile, Vault};

use crate::core::Core;
use crate::filing::withdraw;
use crate::journal::Ending;
use crate::{End, Journal, JournalError, Report, Row, State};

/// How often a file that an executor moves at the same time is looked for again.
const TRIES: u32 = 5;

/// What an order that was taken back says of itself.
const SAID: &str = "you took it back before it was carried out";

impl Core {
    /// Until when the owner can take an order back; `None` once that is over. A rehearsal has
    /// nothing to take back.
    pub(crate) fn undo_until(&self, order: &Order) -> Option<DateTime<Utc>> {
        let until = order.issued + self.rules.undo_seconds.of(&order.action.call);
        (order.mode == Mode::Live && self.clock.now() < until).then_some(until)
    }

    /// Says that an order waits for that time to pass.
    pub(crate) fn note_undo(&self, order: &Order, until: DateTime<Utc>, report: &mut Report) {
        let said = format!("carried out after {until}; until then: local-agent undo {}", order.id);
        report.note(&order.id, End::Waiting, said);
        report.due = report.due.into_iter().chain([until]).min();
    }
}

/// Takes orders back for the owner. Calls block.
pub struct Undo {
    /// The vault.
    pub vault: Vault,
    /// The journal.
    pub journal: Journal,
    /// The agent whose log records it: the one on this machine.
    pub agent: AgentId,
    /// The approvers list.
    pub approvers: PathBuf,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Why an order was not taken back.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// No such task.
    #[error("task {0} is not in the vault")]
    NotFound(TaskId),
    /// It is not on its way.
    #[error("task {id} is in {place}; there is no order on its way that could be taken back", place = .at.stage)]
    Elsewhere {
        /// Which task.
        id: TaskId,
        /// Where it is.
        at: Location,
    },
    /// The call was made, or is being made.
    #[error("it is too late to take task {id} back: {what}")]
    TooLate {
        /// Which task.
        id: TaskId,
        /// How far it came.
        what: String,
    },
    /// An executor moved it on again and again.
    #[error("task {0} is on the move; its order counts no more, and the next cycle puts it before you")]
    Moving(TaskId),
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
    /// It was taken back, but that is not in the audit log.
    #[error("it was taken back but not logged")]
    Log(#[from] LogError),
}

impl Undo {
    /// Puts a task whose order was not called yet before the owner again. The order counts no more,
    /// also when its file comes back from somewhere: the journal says so first.
    pub fn undo(&self, id: &TaskId) -> Result<TaskFile, UndoError> {
        for _ in 0..TRIES {
            let at = self.vault.find(id)?.ok_or_else(|| UndoError::NotFound(id.clone()))?;
            let file = match self.vault.read(&at) {
                Ok(file) => file,
                Err(ReadError::Gone(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            let revoked = self.revoke(&file)?;
            // An executor that saw the journal first has filed it already.
            if revoked && at.stage.name() == StageName::PendingApproval {
                return Ok(file);
            }
            if !matches!(at.stage.name(), StageName::Approved | StageName::Executing) {
                return Err(self.elsewhere(id, at));
            }
            let mut task = file.task.clone();
            withdraw(&mut task, SAID);
            fault::reach("undo.finish").map_err(|e| FileError::new("undo", file.location.path(), e))?;
            match self.vault.finish(&file, &task, Stage::PendingApproval) {
                Ok(placed) => {
                    let mut event = AuditEvent::new("undo", Some(id.clone())).result(AuditOutcome::Refused);
                    event.actor = "owner".into();
                    event.approval_status = "withdrawn".into();
                    self.vault.log(&self.agent, event, self.clock.now())?;
                    return Ok(placed);
                }
                Err(MoveError::Gone(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(UndoError::Moving(id.clone()))
    }

    /// Sees to it that the order in a file counts no more; whether there was one to see to.
    fn revoke(&self, file: &TaskFile) -> Result<bool, UndoError> {
        let id = &file.location.id;
        let front = &file.task.front;
        let (Some(text), Some(signature)) = (&front.order, &front.signature) else { return Ok(false) };
        let Ok(order) = Order::parse(text) else { return Ok(false) };
        let now = self.clock.now();
        let known = match self.journal.get(&order.approval)? {
            Some(row) => Some(row),
            // Only a signed order is written down: a forged one may carry another order's approval.
            None => match Approvers::load(&self.approvers) {
                Ok(approvers) if signature::verify(text, signature, &approvers, now).is_ok() => {
                    Some(self.journal.accept(&order, text, signature, now)?)
                }
                _ => None,
            },
        };
        let Some(row) = known.filter(|row| row.text == *text && row.order.id == *id) else {
            return Ok(false);
        };
        if row.state == State::Accepted {
            self.journal.end(&order.approval, &Ending::new(State::Withdrawn, SAID), now)?;
        }
        // An executor may have been faster.
        match self.journal.get(&order.approval)? {
            Some(row) if row.state != State::Withdrawn => {
                Err(UndoError::TooLate { id: id.clone(), what: how_far(&row) })
            }
            _ => Ok(true),
        }
    }

    /// Why a task that is not on its way is not taken back: perhaps because it arrived.
    fn elsewhere(&self, id: &TaskId, at: Location) -> UndoError {
        let rows = self.journal.of_task(id).unwrap_or_default();
        match rows.last() {
            Some(row) if matches!(at.stage.name(), StageName::Done | StageName::Errors) => {
                UndoError::TooLate { id: id.clone(), what: how_far(row) }
            }
            _ => UndoError::Elsewhere { id: id.clone(), at },
        }
    }
}

fn how_far(row: &Row) -> String {
    let said = row.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
    match row.state {
        State::Accepted => "it is about to be called".into(),
        State::Dispatching => "it is being called".into(),
        State::Done => format!("it was carried out{said}"),
        State::Failed => format!("it was tried and failed{said}"),
        State::Unknown => format!("it was called, and nobody knows what came of it{said}"),
        State::Withdrawn => "it went back to you".into(),
    }
}
