//! What goes wrong on this machine in the middle of a cycle, and what goes on all the same.

use std::sync::Mutex;

use mcp_client::{Call, CallError, Reply, ToolCaller};

use super::*;
use crate::{Arbiter, Pledge, Silence, Standing, State};

/// Something that happens once, in the middle of a cycle.
struct Meanwhile {
    world: Arc<World>,
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Meanwhile {
    fn new(machine: &Machine, act: impl FnOnce() + Send + 'static) -> Arc<Self> {
        Arc::new(Self { world: machine.world.clone(), act: Mutex::new(Some(Box::new(act))) })
    }

    fn happen(&self) {
        if let Some(act) = self.act.lock().expect("act").take() {
            act();
        }
    }
}

#[async_trait::async_trait]
impl ToolCaller for Meanwhile {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        self.happen();
        self.world.call(call).await
    }
}

#[async_trait::async_trait]
impl Arbiter for Meanwhile {
    async fn sit(&self, _: &str) -> Result<Standing, Silence> {
        Ok(Standing::Ours)
    }

    async fn reserve(&self, _: &Pledge) -> Result<Standing, Silence> {
        self.happen();
        Ok(Standing::Ours)
    }
}

fn failing(point: &str) {
    fault::arm_here(Some(Plan::at(point, 1, Effect::Fail(fault::Errno::IO))));
}

#[tokio::test]
async fn without_its_journal_a_cycle_calls_nothing_more() {
    for point in ["journal.accept", "journal.dispatch"] {
        let machine = Machine::new();
        let orders = [machine.approve("EMAIL_1", mail()), machine.approve("EMAIL_2", mail())];
        let executor = machine.executor();
        failing(point);
        let report = executor.run_cycle().await;
        fault::arm_here(None);
        assert_eq!(
            orders.each_ref().map(|order| machine.world.effects(order)),
            [0, 0],
            "{point}: {report:?}"
        );
        assert_eq!(report.problems.len(), 1, "{point}: {report:?}");
        assert!(report.problems[0].contains("journal"), "{report:?}");
        executor.run_cycle().await;
        assert_eq!(orders.map(|order| machine.world.effects(&order)), [1, 1], "{point}");
    }
}

#[tokio::test]
async fn what_goes_wrong_with_one_task_stops_no_other() {
    let machine = Machine::new();
    let orders = [machine.approve("EMAIL_1", mail()), machine.approve("EMAIL_2", mail())];
    failing("execute.file");
    let report = machine.executor().run_cycle().await;
    fault::arm_here(None);
    assert_eq!(orders.map(|order| machine.world.effects(&order)), [1, 1], "{report:?}");
    assert!(report.problems[0].starts_with("EMAIL_1: "), "{report:?}");
    assert_eq!(entry(&report, "EMAIL_2").0, End::Done);

    // Nor does a row that somebody broke, where only that order is looked up.
    let machine = Machine::new();
    machine.approve("EMAIL_1", mail());
    assert!(machine.crash_at("journal.dispatch").await);
    let other = machine.approve("EMAIL_2", mail());
    let database = rusqlite::Connection::open(machine.data().join("journal.sqlite")).expect("open");
    database.execute("UPDATE approvals SET order_text = '{}'", []).expect("break");
    let report = machine.executor().run_cycle().await;
    assert!(report.problems[0].contains("does not decode"), "{report:?}");
    assert_eq!(machine.world.effects(&other), 1, "{report:?}");
}

#[tokio::test]
async fn an_order_whose_file_is_taken_away_right_before_the_call_is_not_called() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    let path = machine.desk.vault.root().join("In_Progress/local-001/EXECUTE_EMAIL_1.md");
    let meanwhile = Meanwhile::new(&machine, move || std::fs::remove_file(path).expect("remove"));
    let report = machine.executor().arbitrated_by(meanwhile, false).run_cycle().await;
    let (end, said) = entry(&report, "EMAIL_1");
    assert!(end == End::Waiting && said.contains("changed right before the call"), "{report:?}");
    assert!(!report.changed(), "nothing was moved");
    assert_eq!(machine.world.effects(&order), 0);
}

#[tokio::test]
async fn an_outcome_is_kept_although_the_file_was_taken_away_during_the_call() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    let path = machine.desk.vault.root().join("In_Progress/local-001/EXECUTE_EMAIL_1.md");
    let meanwhile = Meanwhile::new(&machine, move || std::fs::remove_file(path).expect("remove"));
    let executor = Executor::open(machine.settings(), meanwhile).expect("executor");
    let report = executor.run_cycle().await;
    assert!(report.problems[0].contains("was taken away meanwhile"), "{report:?}");
    let row = executor.journal().get(&order.approval).expect("journal").expect("row");
    assert_eq!((row.state, machine.world.effects(&order)), (State::Done, 1));

    // Filed by another executor of this data directory, it is where it belongs.
    let machine = Machine::new();
    machine.approve("EMAIL_1", mail());
    let (vault, now) = (machine.desk.vault.clone(), machine.clock.now());
    let meanwhile = Meanwhile::new(&machine, move || {
        let at = vault.find(&id("EMAIL_1")).expect("find").expect("there");
        let file = vault.read(&at).expect("read");
        vault.finish(&file, &file.task, Stage::done(now)).expect("file");
    });
    let report = Executor::open(machine.settings(), meanwhile).expect("executor").run_cycle().await;
    assert_eq!((report.problems, machine.stage("EMAIL_1")), (Vec::new(), StageName::Done));
}

#[tokio::test]
async fn a_cycle_that_moved_a_file_says_so() {
    let mut machine = Machine::new();
    machine.desk.limits.undo_seconds.send_email = 10;
    machine.approve("EMAIL_1", mail());
    let executor = machine.executor();
    assert!(!executor.run_cycle().await.changed(), "it waits");
    machine.wait(TimeDelta::seconds(10));
    assert!(executor.run_cycle().await.changed());
    assert!(!executor.run_cycle().await.changed(), "nothing is left");
}
