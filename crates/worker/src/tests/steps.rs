//! What a long task promises, with a planner and servers that do what the test says.

use std::collections::BTreeSet;

use drafter::{Act, Next, Reach};
use mcp_client::{Call, CallError, Reply, ToolCaller};
use policy::Class;
use serde_json::json;
use task::{Server, StepState};

use super::*;
use crate::Toolbox;

/// Plans `ahead` further steps each time, and asks the books for whatever it is told to.
struct Planner {
    ahead: usize,
    query: fn(usize) -> String,
}

#[async_trait]
impl Drafter for Planner {
    async fn draft(&self, request: &Request<'_>) -> Result<Draft, DraftError> {
        let made = request.task.front.steps.iter().filter(|step| step.state == StepState::Done).count();
        let arguments = json!({"query": (self.query)(made)});
        let act = Act::Call { server: Server::Odoo, tool: "list_partners".into(), arguments };
        let then = vec!["and another".to_owned(); self.ahead];
        Ok(Draft::Next(Next { what: "look".into(), act, then, drafter: "test".into() }))
    }
}

/// Books that count how often they are asked.
#[derive(Default)]
struct Books {
    asked: AtomicUsize,
    fail: bool,
}

#[async_trait]
impl ToolCaller for Books {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.fail {
            true => Err(CallError::NotStarted { server: call.server, reason: "it is down".into() }),
            false => Ok(Reply { text: "nobody".into(), content: json!({"partners": []}) }),
        }
    }
}

fn worker(machine: &Machine, planner: Planner, books: &Arc<Books>) -> Worker {
    let reach = Reach { servers: BTreeSet::from([Server::Odoo]), most: Class::Draft };
    let tools = Some(Toolbox { caller: books.clone(), reach });
    Worker::new(Parts { tools, drafter: Box::new(planner), ..machine.parts(at_once(), None) })
}

fn reason(machine: &Machine, id: &str) -> String {
    let at = Location::parse(&format!("Errors/{id}.md")).expect("location");
    machine.vault.read(&at).expect("set aside").task.front.reason.expect("a reason")
}

#[tokio::test]
async fn a_plan_of_forty_steps_is_set_aside_before_its_first_step() {
    let machine = Machine::new();
    machine.put("ODOO_1");
    let books = Arc::new(Books::default());
    let planner = Planner { ahead: 39, query: |made| made.to_string() };
    let found = worker(&machine, planner, &books).cycle(&CancellationToken::new()).await;
    assert_eq!((found.set_aside.len(), books.asked.load(Ordering::SeqCst)), (1, 0));
    assert!(reason(&machine, "ODOO_1").contains("40 steps, and one task may have 15"));
}

#[tokio::test]
async fn a_plan_without_an_end_is_set_aside_after_fifteen_steps() {
    let machine = Machine::new();
    machine.put("ODOO_1");
    let books = Arc::new(Books::default());
    let planner = Planner { ahead: 0, query: |made| made.to_string() };
    worker(&machine, planner, &books).cycle(&CancellationToken::new()).await;
    assert_eq!(books.asked.load(Ordering::SeqCst), 15);
    assert!(reason(&machine, "ODOO_1").contains("16 steps, and one task may have 15"));
}

#[tokio::test]
async fn a_plan_that_goes_round_in_a_circle_is_set_aside_with_one_message() {
    let machine = Machine::new();
    machine.put("ODOO_1");
    let books = Arc::new(Books::default());
    let planner = Planner { ahead: 1, query: |made| (made % 3).to_string() };
    let found = worker(&machine, planner, &books).cycle(&CancellationToken::new()).await;
    assert_eq!((found.set_aside.len(), books.asked.load(Ordering::SeqCst)), (1, 3));
    assert!(reason(&machine, "ODOO_1").contains("circle"), "{}", reason(&machine, "ODOO_1"));
}

#[tokio::test]
async fn a_step_that_does_not_work_is_tried_again_later_and_not_at_once() {
    let machine = Machine::new();
    machine.put("ODOO_1");
    machine.put("EMAIL_1");
    let books = Arc::new(Books { fail: true, ..Books::default() });
    let mut worker = worker(&machine, Planner { ahead: 0, query: |made| made.to_string() }, &books);
    let cancel = CancellationToken::new();
    for _ in 0..5 {
        worker.cycle(&cancel).await;
    }
    assert_eq!(books.asked.load(Ordering::SeqCst), 2, "one try of each task");
    let at = Location::parse("Needs_Action/ODOO_1.md").expect("location");
    let step = machine.vault.read(&at).expect("put back").task.front.steps.remove(0);
    assert_eq!((step.state, step.failures), (StepState::Failed, Some(1)));
}

#[tokio::test]
async fn no_step_acts_without_the_owner() {
    struct Eager;
    #[async_trait]
    impl Drafter for Eager {
        async fn draft(&self, _: &Request<'_>) -> Result<Draft, DraftError> {
            let act = Act::Call { server: Server::Odoo, tool: "post_invoice".into(), arguments: json!({}) };
            Ok(Draft::Next(Next { what: "post".into(), act, then: vec![], drafter: "test".into() }))
        }
    }
    for role in [Role::Cloud, Role::Local, Role::Gold] {
        let machine = Machine::new();
        machine.put("ODOO_1");
        let books = Arc::new(Books::default());
        let reach = Reach { servers: BTreeSet::from([Server::Odoo]), most: Class::Dangerous };
        let tools = Some(Toolbox { caller: books.clone(), reach });
        let parts = Parts { tools, role, drafter: Box::new(Eager), ..machine.parts(at_once(), None) };
        Worker::new(parts).cycle(&CancellationToken::new()).await;
        assert_eq!(books.asked.load(Ordering::SeqCst), 0);
        assert!(reason(&machine, "ODOO_1").contains("not called by agents"));
    }
}

#[tokio::test]
async fn a_tick_that_comes_while_a_step_is_made_is_seen_after_it() {
    struct Ticks(Vault);
    #[async_trait]
    impl ToolCaller for Ticks {
        async fn call(&self, _: Call) -> Result<Reply, CallError> {
            let path = self.0.root().join("In_Progress/cloud-001/ODOO_1.md");
            let text = std::fs::read_to_string(&path).expect("the task in work");
            let ticked =
                text.replace("- [ ] Stop here", "- [x] Stop here") + "\nI want to look at this first.\n";
            std::fs::write(&path, ticked).expect("write");
            Ok(Reply { text: "nobody".into(), content: json!({"partners": []}) })
        }
    }
    let machine = Machine::new();
    machine.put("ODOO_1");
    let reach = Reach { servers: BTreeSet::from([Server::Odoo]), most: Class::Draft };
    let tools = Some(Toolbox { caller: Arc::new(Ticks(machine.vault.clone())), reach });
    let planner = Box::new(Planner { ahead: 2, query: |made| made.to_string() });
    let parts = Parts { tools, drafter: planner, ..machine.parts(at_once(), None) };
    Worker::new(parts).cycle(&CancellationToken::new()).await;
    let at = Location::parse("Pending_Approval/APPROVE_ODOO_1.md").expect("location");
    let task = machine.vault.read(&at).expect("stopped").task;
    assert!(task.front.question.expect("a question").contains("stopped in its Plan after 1 step"));
    assert!(task.body.contains("I want to look at this first."), "{}", task.body);
}
