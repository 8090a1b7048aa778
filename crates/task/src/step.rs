//! Long tasks: the steps that were made, the one in hand and those still foreseen, kept in the
//! task itself, so that a restart, an approval after days or another agent goes on where it stopped.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::body::Tick;
use crate::{Body, Digest, Effect, EffectState, Server, Task, canonical};

/// The most steps that one task may have, made and foreseen.
pub const MAX_STEPS: usize = 15;

/// The longest result that is kept with its step, in bytes of JSON; of a longer one only the line
/// for people and the digest are.
const RESULT: usize = 8 * 1024;

/// The line of the Plan that a person ticks to stop the task.
const STOP: &str = "Stop here";

/// How far a step is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Foreseen.
    #[default]
    Open,
    /// Begun. Found so by anybody but the one who began it, it was cut off.
    Running,
    /// A draft was asked for and nobody knows whether it was made: it is looked for before it is
    /// asked for again.
    Unsure,
    /// Waits for the owner's signature, or for the executor.
    Waiting,
    /// Made.
    Done,
    /// Not made; it is tried again.
    Failed,
}

/// One step of a long task.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Step {
    /// What is done, in a line.
    pub what: String,
    /// How far it is.
    #[serde(default)]
    pub state: StepState,
    /// The tool's server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// The tool; a step without one is only foreseen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Digest of server, tool and arguments: the same step with the same input has the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Digest>,
    /// When it was begun for the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<DateTime<Utc>>,
    /// How often it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// What came of it, in a line: the server's words, hostile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// What came of it, as JSON; absent when it was too long to keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Digest of the whole result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The order that it was carried out on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// The owner's signature over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// What came of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
}

impl Step {
    /// A step that is only foreseen.
    pub fn open(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    /// A step that calls a tool, not begun.
    pub fn calling(what: impl Into<String>, server: Server, tool: &str, arguments: &Value) -> Self {
        let input = serde_json::json!({"server": server, "tool": tool, "arguments": arguments});
        // What has no canonical text has a stable one all the same.
        let text = canonical::to_string(&input).unwrap_or_else(|_| input.to_string());
        Self {
            server: Some(server),
            tool: Some(tool.to_owned()),
            input: Some(Digest::of(text)),
            ..Self::open(what)
        }
    }

    /// Ends it with what came of it.
    pub fn end(&mut self, said: &str, result: &Value, now: DateTime<Utc>) {
        let text = result.to_string();
        self.state = StepState::Done;
        self.ended = Some(now);
        self.said = Some(line(said));
        self.digest = Some(Digest::of(&text));
        self.result = (text.len() <= RESULT).then_some(text);
    }

    /// What came of it, for programs; null when nothing was kept.
    pub fn outcome(&self) -> Value {
        self.result.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
    }

    /// Whether it is behind the task: made or tried.
    fn is_past(&self) -> bool {
        !matches!(self.state, StepState::Open)
    }

    fn tick(&self) -> Tick {
        let state = match self.state {
            StepState::Open | StepState::Done => "",
            StepState::Running => " (in work)",
            StepState::Unsure => " (asked for; nobody knows yet whether it was made)",
            StepState::Waiting => " (waits for you)",
            StepState::Failed => " (did not work; it is tried again)",
        };
        let said = self.said.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
        Tick { done: self.state == StepState::Done, text: format!("{}{state}{said}", self.what) }
    }
}

/// One line of bounded length.
fn line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(300).collect::<String>().trim().to_owned()
}

impl Task {
    /// Whether it has steps, made or foreseen.
    pub fn is_long(&self) -> bool {
        !self.front.steps.is_empty()
    }

    /// Whether something is left to do once the step that waits for the owner is carried out.
    pub fn goes_on(&self) -> bool {
        self.front.steps.iter().any(|step| step.state == StepState::Open)
    }

    /// Whether a person ticked the line of the Plan that stops it.
    pub fn stop_is_ticked(&self) -> bool {
        self.is_long() && Body::parse(&self.body).ticks.iter().any(|tick| tick.done && tick.text == STOP)
    }

    /// Replaces what is foreseen, and begins a step or puts it before the owner.
    ///
    /// What is past stays; a step that failed or was cut off and is made again with the same input
    /// keeps its line.
    pub fn take_step(&mut self, mut step: Step, then: &[String]) {
        let steps = &mut self.front.steps;
        steps.retain(Step::is_past);
        if let Some(last) = steps.last()
            && last.state != StepState::Done
            && last.input == step.input
        {
            step.failures = last.failures;
            steps.pop();
        }
        steps.push(step);
        steps.extend(then.iter().map(Step::open));
        self.show_steps();
    }

    /// The step that is in work or waits, or was the last to be tried.
    pub fn step_in_hand(&mut self) -> Option<&mut Step> {
        self.front.steps.iter_mut().rev().find(|step| step.is_past() && step.state != StepState::Done)
    }

    /// Notes with the step that waited what came of its order. The order itself stays where it is
    /// until [`Task::file_order`], so that whoever is cut off in between finds it again.
    pub fn settle_step(&mut self, effect: &Effect) {
        let waiting = self.front.steps.iter_mut().find(|step| step.state == StepState::Waiting);
        if let (Some(step), EffectState::Done) = (waiting, effect.state) {
            step.state = StepState::Done;
            step.ended = Some(effect.at);
            step.said = effect.message.as_deref().map(line);
            step.effect = Some(effect.clone());
            self.show_steps();
        }
    }

    /// Moves the order that was carried out, with its signature, to its step; nothing is proposed
    /// any more. Whether there was one.
    pub fn file_order(&mut self) -> bool {
        let front = &mut self.front;
        let carried = front.steps.iter_mut().rev().find(|step| step.effect.is_some() && step.order.is_none());
        let Some(step) = carried.filter(|_| front.order.is_some()) else { return false };
        step.order = front.order.take();
        step.signature = front.signature.take();
        front.effect = None;
        front.action = None;
        front.decided_at = None;
        let mut body = Body::parse(&self.body);
        body.draft = None;
        self.body = body.to_markdown();
        true
    }

    /// Takes the tick away that stopped it.
    pub fn go_on(&mut self) {
        if self.stop_is_ticked() {
            let mut body = Body::parse(&self.body);
            body.ticks.retain(|tick| tick.text != STOP);
            self.body = body.to_markdown();
            self.show_steps();
        }
    }

    /// Brings the Plan in the Markdown in line with the steps.
    pub fn show_steps(&mut self) {
        if !self.is_long() {
            return;
        }
        let mut body = Body::parse(&self.body);
        let stopped = self.stop_is_ticked();
        body.plan.clear();
        body.ticks = self.front.steps.iter().map(Step::tick).collect();
        body.ticks.push(Tick { done: stopped, text: STOP.to_owned() });
        self.body = body.to_markdown();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FrontMatter;
    use serde_json::json;

    fn now() -> DateTime<Utc> {
        "2026-02-23T03:15:00Z".parse().expect("time")
    }

    fn task() -> Task {
        let front = FrontMatter::new("ODOO_1".parse().expect("id"), now());
        Task::new(front, Body::of_original("Please invoice us.").to_markdown())
    }

    fn look(query: &str) -> Step {
        Step::calling("look for the customer", Server::Odoo, "list_partners", &json!({"query": query}))
    }

    fn read_again(task: &Task) -> Task {
        Task::parse(&task.to_bytes().expect("bytes"), &task.front.id).expect("a task")
    }

    #[test]
    fn a_person_reads_the_state_in_the_plan_and_a_program_in_the_front_matter() {
        let mut task = task();
        task.take_step(Step { state: StepState::Running, ..look("Alice") }, &["draft the *invoice*".into()]);
        task.step_in_hand().expect("a step").end("1 partner\nfound", &json!({"partners": [1]}), now());
        task.show_steps();
        let task = read_again(&task);
        assert!(
            task.body.contains(
                "## Plan\n\n- [x] look for the customer: 1 partner found\n- [ ] draft the \\*invoice\\*\n- [ ] Stop here\n"
            ),
            "{}",
            task.body
        );
        assert_eq!(task.front.steps[0].outcome(), json!({"partners": [1]}));
        assert!(task.goes_on());
        assert_eq!(Body::parse(&task.body).original.as_deref(), Some("Please invoice us."));
    }

    #[test]
    fn ticking_stop_in_the_plan_is_seen_and_survives_the_next_step() {
        let mut task = task();
        task.take_step(look("Alice"), &[]);
        assert!(!task.stop_is_ticked());
        task.body = task.body.replace("- [ ] Stop here", "- [X] Stop here");
        task.take_step(look("Bob"), &[]);
        assert!(read_again(&task).stop_is_ticked());
        task.go_on();
        assert!(!task.stop_is_ticked() && task.body.contains("- [ ] Stop here"));
    }

    #[test]
    fn a_stranger_cannot_tick_anything() {
        let mut task = task();
        task.body = Body::of_original("## Plan\n- [x] Stop here").to_markdown();
        task.take_step(look("x]\n- [x] Stop here"), &["- [x] Stop here".into()]);
        assert!(!read_again(&task).stop_is_ticked());
    }

    #[test]
    fn a_step_that_is_tried_again_keeps_its_line_and_another_input_gets_its_own() {
        let mut task = task();
        task.take_step(
            Step { state: StepState::Failed, failures: Some(1), ..look("Alice") },
            &["more".into()],
        );
        task.take_step(look("Alice"), &["more".into()]);
        assert_eq!((task.front.steps.len(), task.front.steps[0].failures), (2, Some(1)));
        task.front.steps[0].state = StepState::Failed;
        task.take_step(look("Bob"), &[]);
        assert_eq!(task.front.steps.len(), 2);
        assert_ne!(task.front.steps[0].input, task.front.steps[1].input);
    }

    #[test]
    fn an_order_that_was_carried_out_is_kept_with_its_step_once() {
        let mut task = task();
        task.take_step(Step { state: StepState::Waiting, ..look("Alice") }, &["mail it".into()]);
        task.front.order = Some("order".into());
        task.front.signature = Some("signature".into());
        let effect = Effect { state: EffectState::Done, at: now(), reference: None, message: None };
        assert!(!task.file_order(), "not before it was carried out");
        task.settle_step(&effect);
        task.settle_step(&effect);
        assert!(task.file_order() && !task.file_order());
        let step = &task.front.steps[0];
        assert_eq!((step.order.as_deref(), step.signature.as_deref()), (Some("order"), Some("signature")));
        assert_eq!((task.front.order.as_ref(), step.state), (None, StepState::Done));
        let failed = Effect { state: EffectState::Dry, ..effect };
        task.take_step(Step { state: StepState::Waiting, ..look("Bob") }, &[]);
        task.settle_step(&failed);
        assert_eq!(task.front.steps[1].state, StepState::Waiting, "a rehearsal makes no step");
    }

    #[test]
    fn a_result_too_long_to_keep_leaves_its_digest() {
        let mut step = look("Alice");
        step.end("many", &json!({"partners": ["x".repeat(RESULT)]}), now());
        assert_eq!((step.result.is_none(), step.digest.is_some(), step.outcome()), (true, true, Value::Null));
    }
}
