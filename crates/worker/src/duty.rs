//! A duty in steps: what each source brought stands in the task before the next one is asked, so
//! that neither a source that is away nor a restart loses the others' work.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, Utc};
use config::Duty;
use task::{AuditEvent, AuditOutcome, Stage, Step, StepState, Task};
use tokio_util::sync::CancellationToken;
use vault::TaskFile;

use crate::steps::{logged, stopped};
use crate::{Clerk, ClerkError, Worker, WorkerError, agenda};

impl Worker {
    /// Makes the steps that are not made yet, and concludes. A source that fails keeps no other
    /// from being asked; it is asked again with the task's next try, and after the last one the duty
    /// is done without it.
    pub(crate) async fn perform(
        &self,
        clerk: Arc<dyn Clerk>,
        (duty, due): (Duty, DateTime<Utc>),
        mut file: TaskFile,
        cancel: &CancellationToken,
    ) -> Result<(Stage, AuditEvent), WorkerError> {
        let plan = clerk.steps(duty);
        lay_out(&mut file.task, &plan);
        let last_try = file.task.front.attempts.saturating_add(1) >= self.parts.limits.max_attempts;
        let mut missing = None;
        for (at, what) in plan.iter().enumerate().take(plan.len().saturating_sub(1)) {
            if file.task.stop_is_ticked() {
                let draft = stopped(&file.task);
                return self.conclude(file, draft).await;
            }
            if file.task.front.steps[at].state == StepState::Done {
                continue;
            }
            let limit = Duration::from_secs(self.parts.limits.work_minutes * 60);
            let answer = tokio::select! {
                answer = clerk.gather(duty, due, at) => answer,
                () = cancel.cancelled() => return Err(WorkerError::Ending),
                () = tokio::time::sleep(limit) => Err("it took too long".into()),
            };
            let now = self.parts.clock.now().trunc_subsecs(0);
            let failure = end(&mut file.task.front.steps[at], answer, last_try, now);
            let mut event = logged(&file, &file.task.front.steps[at]);
            if let Some(reason) = &failure {
                event = event.with("reason", reason.clone()).result(AuditOutcome::Failed);
            }
            self.log(event).await;
            file.task.show_steps();
            file = self.rewrite(file, "step.end").await?;
            missing = missing.or(failure.map(|reason| format!("{what}: {reason}")));
        }
        match missing {
            Some(reason) if !last_try => Err(WorkerError::Duty(reason.into())),
            _ => agenda::perform(&self.parts, clerk, (duty, due), file, cancel).await,
        }
    }
}

/// Writes the steps into the task; those that were made before stay as they are.
fn lay_out(task: &mut Task, plan: &[&str]) {
    let mut before = std::mem::take(&mut task.front.steps);
    let known = |what: &&str| match before.iter().position(|step| step.what == **what) {
        Some(at) => before.swap_remove(at),
        None => Step::open(*what),
    };
    task.front.steps = plan.iter().map(known).collect();
    task.show_steps();
}

/// Ends a step with what its source said; the failure, if it is one.
fn end(
    step: &mut Step,
    answer: Result<(String, serde_json::Value), ClerkError>,
    last_try: bool,
    now: DateTime<Utc>,
) -> Option<String> {
    match answer {
        Ok((said, value)) => {
            step.failures = None;
            step.end(&said, &value, now);
            None
        }
        Err(error) => {
            step.failures = Some(step.failures.unwrap_or_default().saturating_add(1));
            step.ended = Some(now);
            step.said = Some(task::excerpt(&error.to_string()));
            // Done without it: what was missing stays with its step.
            step.state = if last_try { StepState::Done } else { StepState::Failed };
            Some(error.to_string())
        }
    }
}
