//! An owned task, drafted in one go or step by step.
//!
//! Each step is written down before it is made and after: whoever is cut off in between, or comes
//! to the task days later, goes on from what stands there. A step with an effect on the world is
//! never made here: it is put before the owner, and its order is the executor's.

use std::time::Duration;

use chrono::SubsecRound as _;
use claim::Owned;
use drafter::{Act, Draft, Next, Request};
use mcp_client::{Call, CallError, Reply};
use policy::{Class, House, HouseRules};
use serde_json::Value;
use task::{Action, AuditEvent, AuditOutcome, MAX_STEPS, Priority, Stage, Step, StepState, Task, counted};
use tokio_util::sync::CancellationToken;
use vault::{MoveError, TaskFile, Vault, WriteError};

use crate::agenda::Standing;
use crate::cycle::{Worker, blocking, place};
use crate::tries::InWork;
use crate::{Agenda, WorkerError, outcome};

impl Worker {
    /// Works on a task until it moves on; the returned event is for the log.
    pub(crate) async fn draft(
        &self,
        claim: &Owned,
        cancel: &CancellationToken,
    ) -> Result<(Stage, AuditEvent), WorkerError> {
        let (vault, location) = (self.parts.vault.clone(), claim.location().clone());
        let handbook = self.parts.handbook.clone();
        let in_work = InWork::new(self.parts.in_work.clone());
        let read = move || {
            in_work.begin(&location.id);
            Ok::<_, WorkerError>((vault.read(&location)?, handbook.accepted()?))
        };
        let (mut file, handbook) = blocking(read).await.ok_or(WorkerError::Ending)??;
        if let Standing::Perform(duty, due) = self.standing(claim.id()) {
            let clerk = self.agenda.as_ref().and_then(Agenda::clerk).ok_or(WorkerError::Ending)?;
            return self.perform(clerk, (duty, due), file, cancel).await;
        }
        let house = HouseRules::read(&handbook)?.house(&self.parts.allowance);
        if drafter::writers(&file.task).iter().any(|who| house.is_vip(who)) {
            file.task.front.priority = Priority::High;
        }
        take_up(&mut file.task);
        loop {
            if file.task.stop_is_ticked() {
                let draft = stopped(&file.task);
                return self.conclude(file, draft).await;
            }
            match self.ask(&file.task, &handbook, &house, cancel).await? {
                Draft::Next(Next { what, then, act: Act::Call { server, tool, arguments }, .. }) => {
                    let step = Step::calling(what, server, &tool, &arguments);
                    may_follow(&file.task, &step, &then)?;
                    file = self.make(file, step, &then, arguments, cancel).await?;
                    if cancel.is_cancelled() || self.is_stopped().await {
                        return Err(WorkerError::Ending);
                    }
                }
                Draft::Next(Next { what, then, act: Act::Note { said, result }, .. }) => {
                    let mut step = Step::open(what);
                    step.end(&said, &result, self.parts.clock.now().trunc_subsecs(0));
                    step.input = step.digest;
                    may_follow(&file.task, &step, &then)?;
                    self.log(logged(&file, &step)).await;
                    file.task.take_step(step, &then);
                    file = self.rewrite(file, "step.note").await?;
                }
                Draft::Next(Next { what, then, act: Act::Propose(action), drafter }) => {
                    let step = waiting(what, &action);
                    may_follow(&file.task, &step, &then)?;
                    file.task.take_step(step, &then);
                    let plan = Vec::new();
                    return self.conclude(file, Draft::Proposal { plan, action, drafter }).await;
                }
                Draft::Proposal { plan, action, drafter } if file.task.is_long() => {
                    let what = plan.last().cloned().unwrap_or_else(|| action.call.tool().to_owned());
                    let step = waiting(what, &action);
                    may_follow(&file.task, &step, &[])?;
                    file.task.take_step(step, &[]);
                    return self.conclude(file, Draft::Proposal { plan, action, drafter }).await;
                }
                draft => return self.conclude(file, draft).await,
            }
        }
    }

    /// Has the drafter look at the task as it stands.
    async fn ask(
        &self,
        task: &Task,
        handbook: &str,
        house: &House,
        cancel: &CancellationToken,
    ) -> Result<Draft, WorkerError> {
        let parts = &self.parts;
        let request = Request {
            task,
            handbook: HouseRules::words(handbook),
            house,
            owner_name: &parts.owner_name,
            accounts: &parts.accounts,
            role: parts.role,
            reach: parts.tools.as_ref().map_or(drafter::Reach::NONE, |tools| &tools.reach),
            now: parts.clock.now(),
        };
        let limit = Duration::from_secs(parts.limits.work_minutes * 60);
        tokio::select! {
            draft = parts.drafter.draft(&request) => Ok(draft?),
            () = cancel.cancelled() => Err(WorkerError::Ending),
            () = tokio::time::sleep(limit) => Err(WorkerError::Slow(parts.limits.work_minutes)),
        }
    }

    /// Makes one step: written down, called, written down again.
    async fn make(
        &self,
        mut file: TaskFile,
        step: Step,
        then: &[String],
        arguments: Value,
        cancel: &CancellationToken,
    ) -> Result<TaskFile, WorkerError> {
        let parts = &self.parts;
        let (Some(tools), Some(server), Some(tool)) = (&parts.tools, step.server, step.tool.clone()) else {
            return Err(WorkerError::Plan("no tool can be called here".into()));
        };
        if !tools.reach.allows(parts.role, server, &tool) {
            return Err(WorkerError::Plan(format!("{tool} of the {server} server is not called by agents")));
        }
        let what = step.what.clone();
        let began = parts.clock.now();
        let running = Step { state: StepState::Running, began: Some(began.trunc_subsecs(0)), ..step };
        file.task.take_step(running, then);
        file = self.rewrite(file, "step.begin").await?;
        let answer = tokio::select! {
            answer = tools.caller.call(Call::new(server, &tool, arguments)) => answer,
            () = cancel.cancelled() => return Err(WorkerError::Ending),
        };
        let ended = parts.clock.now();
        let Some(step) = file.task.step_in_hand() else {
            return Err(WorkerError::Plan("the step in hand is gone from the task".into()));
        };
        end(step, &answer, policy::class(server, &tool), ended);
        let step = step.clone();
        let mut event = logged(&file, &step);
        file.task.show_steps();
        if answer.is_ok() {
            file.task.front.recovered();
        }
        event.duration_ms = u64::try_from((ended - began).num_milliseconds()).unwrap_or_default();
        if let Err(error) = &answer {
            event = event.with("reason", error.to_string()).result(AuditOutcome::Failed);
        }
        self.log(event).await;
        file = self.rewrite(file, "step.end").await?;
        match answer {
            Ok(_) => Ok(file),
            Err(source) => Err(WorkerError::Step { number: number_of(&file.task, &step), what, source }),
        }
    }

    /// Writes the task as it stands in memory, with what a person wrote into its file meanwhile.
    pub(crate) async fn rewrite(&self, file: TaskFile, point: &'static str) -> Result<TaskFile, WorkerError> {
        let vault = self.parts.vault.clone();
        Ok(blocking(move || rewrite(&vault, file, point)).await.ok_or(WorkerError::Ending)??)
    }

    /// Writes down what became of the task, and moves it on.
    pub(crate) async fn conclude(
        &self,
        file: TaskFile,
        draft: Draft,
    ) -> Result<(Stage, AuditEvent), WorkerError> {
        let parts = &self.parts;
        let mut task = file.task.clone();
        task.front.recovered();
        let stage = outcome::apply(&mut task, draft, &parts.agent, parts.role, parts.clock.now());
        task.show_steps();
        let mut event =
            AuditEvent::new("draft", Some(task.front.id.clone())).with("stage", stage.to_string());
        if let Some(action) = &task.front.action {
            event = event.with("tool", action.call.tool());
            event.approval_status = "pending".into();
        }
        let (vault, to) = (parts.vault.clone(), stage.clone());
        let moved: TaskFile =
            blocking(move || place(&vault, &file, &task, to)).await.ok_or(WorkerError::Ending)??;
        if let Some(path) = moved.displaced {
            tracing::warn!(task = %moved.location.id, "edited while in work; that version is in {path}");
        }
        Ok((stage, event))
    }
}

/// What a task comes with from before: an order that was carried out, or a step that was cut off.
fn take_up(task: &mut Task) {
    task.file_order();
    if let Some(step) = task.step_in_hand()
        && step.state == StepState::Running
    {
        let class = step.server.zip(step.tool.as_deref()).map(|(server, tool)| policy::class(server, tool));
        // What only reads is read again; a draft may be there.
        step.state = if class == Some(Class::Safe) { StepState::Failed } else { StepState::Unsure };
        step.said = Some("cut off".into());
    }
}

/// How many steps are behind a task, made or tried.
fn past(task: &Task) -> usize {
    task.front.steps.iter().filter(|step| step.state != StepState::Open).count()
}

/// The place that a step has among the task's, or will have; from 1.
fn number_of(task: &Task, step: &Step) -> usize {
    1 + task.front.steps.iter().position(|known| known == step).unwrap_or_else(|| past(task))
}

/// A step for the audit log.
pub(crate) fn logged(file: &TaskFile, step: &Step) -> AuditEvent {
    let mut event = AuditEvent::new("step", Some(file.location.id.clone()))
        .with("step", number_of(&file.task, step))
        .with("what", step.what.as_str());
    if let (Some(server), Some(tool)) = (step.server, &step.tool) {
        event = event.with("server", server.name()).with("tool", tool.as_str());
    }
    match step.digest {
        Some(digest) => event.with("result", digest.to_string()),
        None => event,
    }
}

fn waiting(what: String, action: &Action) -> Step {
    let arguments = action.call.arguments().unwrap_or_default();
    let step = Step::calling(what, action.call.server(), action.call.tool(), &arguments);
    Step { state: StepState::Waiting, ..step }
}

fn end(step: &mut Step, answer: &Result<Reply, CallError>, class: Class, now: chrono::DateTime<chrono::Utc>) {
    match answer {
        Ok(reply) => step.end(&reply.text, &reply.content, now.trunc_subsecs(0)),
        Err(error) => {
            let called = !matches!(error, CallError::NotStarted { .. });
            step.state = if class > Class::Safe && called { StepState::Unsure } else { StepState::Failed };
            step.failures = Some(step.failures.unwrap_or_default() + 1);
            step.said = Some(task::excerpt(&error.to_string()));
        }
    }
}

/// Whether a task may go on with `step`: it is neither too long nor going round in a circle.
fn may_follow(task: &Task, step: &Step, then: &[String]) -> Result<(), WorkerError> {
    let steps = &task.front.steps;
    let again = steps.iter().rev().find(|step| step.state != StepState::Open);
    let repeated = again.is_some_and(|last| last.state != StepState::Done && last.input == step.input);
    let all = past(task) + 1 - usize::from(repeated) + then.len();
    if all > MAX_STEPS {
        return Err(WorkerError::Plan(format!(
            "its plan has {all} steps, and one task may have {MAX_STEPS}; divide it into several tasks"
        )));
    }
    let class = |step: &Step| {
        step.server
            .zip(step.tool.as_deref())
            .map_or(Class::Safe, |(server, tool)| policy::class(server, tool))
    };
    let made = || steps.iter().rev().filter(|made| made.state == StepState::Done);
    // Reading again is progress once something was changed; writing the same again never is.
    let circle = match class(step) {
        Class::Safe => {
            made().take_while(|made| class(made) == Class::Safe).any(|made| made.input == step.input)
        }
        Class::Draft | Class::Dangerous => made().any(|made| made.input == step.input),
    };
    if circle {
        return Err(WorkerError::Plan(format!(
            "its plan goes round in a circle: \"{}\" was made before with the same input",
            step.what
        )));
    }
    Ok(())
}

/// What the owner is told of a task that was stopped in its Plan.
pub(crate) fn stopped(task: &Task) -> Draft {
    let done = task.front.steps.iter().filter(|step| step.state == StepState::Done).count();
    let done = counted(done, "step");
    let question = format!(
        "stopped in its Plan after {done}; local-agent retry {id} goes on, local-agent reject {id} closes it",
        id = task.front.id
    );
    Draft::NeedsPerson { question, plan: Vec::new() }
}

/// Replaces the file by the task in memory. What a person wrote into it meanwhile is taken along,
/// a tick included; only steps and order are this agent's.
fn rewrite(vault: &Vault, mut file: TaskFile, point: &'static str) -> Result<TaskFile, MoveError> {
    fault::reach(point).map_err(|e| vault::FileError::new("write a step into", file.location.path(), e))?;
    let mut task = file.task.clone();
    if let Ok(now) = vault.read(&file.location)
        && now.digest != file.digest
    {
        let ours = std::mem::replace(&mut task, now.task.clone()).front;
        let front = &mut task.front;
        (front.steps, front.action, front.order) = (ours.steps, ours.action, ours.order);
        (front.signature, front.effect, front.decided_at) = (ours.signature, ours.effect, ours.decided_at);
        task.show_steps();
        file.digest = now.digest;
    }
    match vault.replace(&file, &task) {
        Err(WriteError::Gone(_)) => Err(MoveError::Gone(file.location)),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use task::{FrontMatter, Server};

    fn task(steps: &[(&str, &str, StepState)]) -> Task {
        let front = FrontMatter::new("ODOO_1".parse().expect("id"), chrono::Utc::now());
        let mut task = Task::new(front, "");
        task.front.steps =
            steps.iter().map(|(tool, query, state)| Step { state: *state, ..step(tool, query) }).collect();
        task
    }

    fn step(tool: &str, query: &str) -> Step {
        Step::calling("look", Server::Odoo, tool, &json!({ "query": query }))
    }

    fn refusal(task: &Task, next: &Step, then: usize) -> String {
        let then = vec!["more".to_owned(); then];
        may_follow(task, next, &then).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_plan_of_forty_steps_is_refused_and_one_of_fifteen_is_not() {
        let one = task(&[("list_partners", "a", StepState::Done)]);
        assert_eq!(refusal(&one, &step("list_invoices", "a"), 13), "");
        assert!(
            refusal(&one, &step("list_invoices", "a"), 38).contains("40 steps, and one task may have 15")
        );
        let tried = task(&[("list_partners", "a", StepState::Failed)]);
        assert_eq!(refusal(&tried, &step("list_partners", "a"), 14), "", "another try is no step more");
    }

    #[test]
    fn the_same_step_again_without_progress_is_a_circle() {
        use StepState::{Done, Failed, Unsure};
        let check = |made: &[(&str, &str, StepState)], next: (&str, &str), circle: bool| {
            let said = refusal(&task(made), &step(next.0, next.1), 0);
            assert_eq!(said.contains("circle"), circle, "{made:?} {next:?}: {said}");
        };
        check(&[("list_partners", "a", Done)], ("list_partners", "a"), true);
        check(&[("list_partners", "a", Done), ("list_invoices", "a", Done)], ("list_partners", "a"), true);
        check(&[("list_partners", "a", Done)], ("list_partners", "b"), false);
        check(&[("list_partners", "a", Failed)], ("list_partners", "a"), false);
        let drafted = [("list_partners", "a", Done), ("create_invoice_draft", "a", Done)];
        check(&drafted, ("list_partners", "a"), false);
        check(&drafted, ("create_invoice_draft", "a"), true);
        check(&[("create_invoice_draft", "a", Unsure)], ("create_invoice_draft", "a"), false);
        let posted = [("post_invoice", "a", Done), ("list_partners", "a", Done)];
        check(&posted, ("post_invoice", "a"), true);
    }
}
