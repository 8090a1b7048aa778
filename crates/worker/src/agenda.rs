//! What comes again by itself: tasks of schedules that are due, and the duties among them that an
//! agent does without a drafter.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound as _, Utc};
use config::Duty;
use drafter::Draft;
use scheduler::{Calendar, Diary, Made};
use serde_json::Value;
use task::{AuditEvent, Body, Stage, Step, TaskId, TaskKind};
use tokio_util::sync::CancellationToken;
use vault::{TaskFile, Vault};

use crate::cycle::{blocking, place};
use crate::{Parts, WorkerError, outcome};

/// What came of a duty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Performed {
    /// In a line, for the task's `reason`.
    pub summary: String,
    /// Markdown for the task's notes; whoever makes it makes strangers' words inert.
    pub notes: String,
}

/// Why a duty could not be done now; it is tried again like any task.
pub type ClerkError = Box<dyn std::error::Error + Send + Sync>;

/// Does an agent's duties.
#[async_trait]
pub trait Clerk: Send + Sync {
    /// Whether this agent does it; otherwise its tasks are left to the other one.
    fn does(&self, duty: Duty) -> bool;

    /// The steps of a duty, in words: each but the last is made by [`Clerk::gather`], the last by
    /// [`Clerk::perform`]. None: it is done in one go.
    fn steps(&self, _duty: Duty) -> Vec<&'static str> {
        Vec::new()
    }

    /// Makes one step: what came of it in a line, and for [`Clerk::perform`].
    async fn gather(
        &self,
        _duty: Duty,
        _due: DateTime<Utc>,
        step: usize,
    ) -> Result<(String, Value), ClerkError> {
        Err(format!("there is no step {step}").into())
    }

    /// Does it, as of the moment at which it was due, with what the steps before brought.
    async fn perform(&self, duty: Duty, due: DateTime<Utc>, made: &[Step]) -> Result<Performed, ClerkError>;
}

/// An agent's calendar, what it has seen of it, and who does its duties.
#[derive(Clone)]
pub struct Agenda {
    calendar: Calendar,
    diary: Arc<Mutex<Diary>>,
    clerk: Option<Arc<dyn Clerk>>,
}

/// What a task is to its agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// Drafted, like most.
    Draft,
    /// Done by the clerk.
    Perform(Duty, DateTime<Utc>),
    /// The other agent's.
    Leave,
}

impl Agenda {
    /// With nobody who does its duties yet.
    pub fn new(calendar: Calendar, diary: Diary) -> Self {
        Self { calendar, diary: Arc::new(Mutex::new(diary)), clerk: None }
    }

    /// With somebody who does.
    #[must_use]
    pub fn done_by(mut self, clerk: Arc<dyn Clerk>) -> Self {
        self.clerk = Some(clerk);
        self
    }

    /// The schedules.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    pub(crate) fn clerk(&self) -> Option<Arc<dyn Clerk>> {
        self.clerk.clone()
    }

    /// By the task's id alone. An `AUDIT_` task that is no occurrence of a schedule is drafted.
    pub(crate) fn standing(&self, id: &TaskId) -> Standing {
        if !matches!(TaskKind::of(id), TaskKind::Schedule | TaskKind::Audit) {
            return Standing::Draft;
        }
        let Some((plan, due)) = self.calendar.occurrence_of(id) else { return Standing::Draft };
        match (plan.schedule.duty, &self.clerk) {
            (Duty::Task, _) => Standing::Draft,
            (duty, Some(clerk)) if clerk.does(duty) => Standing::Perform(duty, due),
            _ => Standing::Leave,
        }
    }

    /// Makes the tasks that are due; their ids. Blocks.
    pub(crate) fn look(&self, vault: &Vault, now: DateTime<Utc>) -> Result<Vec<TaskId>, String> {
        let mut diary = self.diary.lock().unwrap_or_else(PoisonError::into_inner);
        let made = diary.look(&self.calendar, vault, now).map_err(|error| error.to_string())?;
        Ok(made
            .into_iter()
            .filter_map(|made| match made {
                Made::New(id) => Some(id),
                Made::There(_) => None,
            })
            .collect())
    }
}

/// Does a duty and files its task; the returned event is for the log.
pub(crate) async fn perform(
    parts: &Parts,
    clerk: Arc<dyn Clerk>,
    (duty, due): (Duty, DateTime<Utc>),
    file: TaskFile,
    cancel: &CancellationToken,
) -> Result<(Stage, AuditEvent), WorkerError> {
    let limit = Duration::from_secs(parts.limits.work_minutes * 60);
    let performed = tokio::select! {
        performed = clerk.perform(duty, due, &file.task.front.steps) => performed.map_err(WorkerError::Duty)?,
        () = cancel.cancelled() => return Err(WorkerError::Ending),
        () = tokio::time::sleep(limit) => return Err(WorkerError::Slow(parts.limits.work_minutes)),
    };
    let mut task = file.task.clone();
    task.front.recovered();
    let draft = Draft::NoAction { reason: performed.summary };
    let stage = outcome::apply(&mut task, draft, &parts.agent, parts.role, parts.clock.now());
    let mut body = Body::parse(&task.body);
    let before = body.notes.take().map(|notes| notes + "\n\n").unwrap_or_default();
    body.notes = Some(before + &performed.notes);
    task.body = body.to_markdown();
    if let Some(last) = task.front.steps.last_mut() {
        let said = task.front.reason.as_deref().unwrap_or_default();
        last.end(said, &Value::Null, parts.clock.now().trunc_subsecs(0));
    }
    task.show_steps();
    // A duty is no draft: it counts neither as one nor as a task that needed no answer.
    let event = AuditEvent::new("duty", Some(task.front.id.clone())).with("stage", stage.to_string());
    let (vault, to) = (parts.vault.clone(), stage.clone());
    blocking(move || place(&vault, &file, &task, to)).await.ok_or(WorkerError::Ending)??;
    Ok((stage, event))
}

#[cfg(test)]
mod tests;
