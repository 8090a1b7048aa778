//! What becomes of a task that fails: tried a few times, over restarts too, then set aside.

use task::Clock as _;

use super::*;

/// Has no model to ask; or works, or hangs, as the task's id says.
struct Moody;

#[async_trait]
impl Drafter for Moody {
    async fn draft(&self, request: &Request<'_>) -> Result<Draft, DraftError> {
        match request.task.front.id.as_str() {
            id if id.contains("away") => Err(DraftError::Model { reason: "no route to host".into() }),
            id if id.contains("deadly") => std::future::pending().await,
            _ => Ok(Draft::NeedsPerson { question: "what now?".into(), plan: Vec::new() }),
        }
    }
}

impl Machine {
    /// The program, started anew.
    async fn started(&self) -> Worker {
        let mut worker = Worker::new(Parts { drafter: Box::new(Moody), ..self.parts(at_once(), None) });
        worker.resume().await;
        worker
    }

    /// Starts the program and kills it while it is at work.
    async fn killed(&self) {
        let mut worker = self.started().await;
        let cancel = CancellationToken::new();
        let cycle = tokio::time::timeout(Duration::from_secs(600), worker.cycle(&cancel)).await;
        assert!(cycle.is_err(), "it was to hang");
    }

    fn front(&self, path: &str) -> FrontMatter {
        self.vault.read(&Location::parse(path).expect("location")).expect(path).task.front
    }
}

#[tokio::test]
async fn tries_are_counted_over_restarts_and_come_later_and_later() {
    let machine = Machine::new();
    machine.put("EMAIL_away");
    let cancel = CancellationToken::new();
    let cycle = async |seconds| {
        machine.clock.advance(TimeDelta::seconds(seconds));
        machine.started().await.cycle(&cancel).await.troubles.len()
    };
    assert_eq!(cycle(0).await, 1);
    let front = machine.front("Needs_Action/EMAIL_away.md");
    assert_eq!(
        (front.attempts, front.reason.as_deref()),
        (1, Some("draft: no draft from the language model: no route to host"))
    );
    assert_eq!(cycle(29).await, 0, "before half a minute has passed nothing is tried");
    assert_eq!(cycle(8).await, 1);
    assert_eq!(cycle(58).await, 0, "nor before a whole one after the second try");
    cycle(15).await;
    let front = machine.front("Errors/EMAIL_away.md");
    assert_eq!(front.attempts, 3);
    let back = front.retry_after.expect("it comes back by itself") - machine.clock.now();
    assert!(back >= TimeDelta::minutes(60) && back <= TimeDelta::minutes(72), "{back}");
}

#[tokio::test]
async fn what_has_come_back_often_enough_is_left_to_the_owner() {
    let machine = Machine::new();
    machine.put("EMAIL_away");
    let path = "Needs_Action/EMAIL_away.md";
    let file = machine.vault.read(&Location::parse(path).expect("location")).expect("task");
    let mut task = file.task.clone();
    (task.front.attempts, task.front.returns) = (2, 3);
    machine.vault.replace(&file, &task).expect("replace");
    machine.started().await.cycle(&CancellationToken::new()).await;
    let front = machine.front("Errors/EMAIL_away.md");
    assert_eq!((front.retry_after, front.returns), (None, 3));
}

#[tokio::test]
async fn a_success_forgets_the_tries_before() {
    let machine = Machine::new();
    machine.put("EMAIL_1");
    let file =
        machine.vault.read(&Location::parse("Needs_Action/EMAIL_1.md").expect("location")).expect("task");
    let mut task = file.task.clone();
    task.front.failed("the model is away", Some(machine.clock.now()));
    machine.vault.replace(&file, &task).expect("replace");
    machine.started().await.cycle(&CancellationToken::new()).await;
    let front = machine.front("Pending_Approval/APPROVE_EMAIL_1.md");
    assert_eq!((front.attempts, front.retry_after, front.reason), (0, None, None));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_the_program_each_time_is_set_aside_and_its_siblings_go_through() {
    let machine = Machine::new();
    for id in ["EMAIL_a_deadly", "EMAIL_b", "EMAIL_c"] {
        machine.put(id);
        machine.clock.advance(TimeDelta::seconds(1));
    }
    let cancel = CancellationToken::new();
    // A power cut may have been the reason: it goes on at once.
    machine.killed().await;
    machine.killed().await;
    assert_eq!(machine.front("In_Progress/cloud-001/EMAIL_a_deadly.md").attempts, 1);
    // From the second time on the others come first.
    machine.started().await.cycle(&cancel).await;
    assert!(
        machine.has("Pending_Approval/APPROVE_EMAIL_b.md")
            && machine.has("Pending_Approval/APPROVE_EMAIL_c.md")
    );
    assert_eq!(machine.front("Needs_Action/EMAIL_a_deadly.md").attempts, 2);
    machine.clock.advance(TimeDelta::minutes(2));
    machine.killed().await;
    machine.started().await;
    let front = machine.front("Errors/EMAIL_a_deadly.md");
    assert_eq!((front.attempts, front.retry_after), (3, None), "it does not come back by itself");
    assert!(front.reason.expect("reason").contains("the program ended in the middle of it"));
    assert!(!machine.has("In_Progress/cloud-001/EMAIL_a_deadly.md"));
}
