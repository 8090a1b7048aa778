//! Modes and the kill switch.

use super::*;

fn dry(machine: &Machine) -> Executor {
    let settings = Settings { mode: Mode::Dry, ..machine.settings() };
    Executor::open(settings, machine.world.clone()).expect("executor")
}

#[tokio::test]
async fn a_dry_run_finishes_dry_orders_and_calls_nothing() {
    let mut machine = Machine::new();
    machine.desk.mode = Mode::Dry;
    machine.approve("EMAIL_1", mail());
    machine.desk.mode = Mode::Live;
    machine.approve("EMAIL_2", mail());
    let report = dry(&machine).run_cycle().await;
    assert_eq!(entry(&report, "EMAIL_1").0, End::Dry);
    assert!(entry(&report, "EMAIL_2").1.contains("order is for a live run"), "{report:?}");
    assert_eq!((machine.stage("EMAIL_1"), machine.stage("EMAIL_2")), (StageName::Done, StageName::Approved));
    assert_eq!(machine.file("EMAIL_1").task.front.effect.expect("effect").state, task::EffectState::Dry);
    assert_eq!(machine.world.calls("send_email").len(), 0);
}

#[tokio::test]
async fn a_live_run_finishes_live_orders_only() {
    let mut machine = Machine::new();
    machine.desk.mode = Mode::Dry;
    let rehearsal = machine.approve("EMAIL_1", mail());
    machine.desk.mode = Mode::Live;
    let order = machine.approve("EMAIL_2", mail());
    let report = machine.executor().run_cycle().await;
    assert!(entry(&report, "EMAIL_1").1.contains("order is for a dry run"), "{report:?}");
    assert_eq!((machine.world.effects(&rehearsal), machine.world.effects(&order)), (0, 1));
    assert_eq!(machine.stage("EMAIL_1"), StageName::Approved);
}

#[tokio::test]
async fn a_dry_run_leaves_a_call_that_was_cut_off_to_a_live_one() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    assert!(machine.crash_at("execute.outcome").await);
    let report = dry(&machine).run_cycle().await;
    assert_eq!(entry(&report, "EMAIL_1").0, End::Waiting);
    assert_eq!(machine.world.calls("search_email").len(), 0);
    machine.executor().run_cycle().await;
    assert_eq!((machine.stage("EMAIL_1"), machine.world.effects(&order)), (StageName::Done, 1));
}

#[tokio::test]
async fn another_executors_orders_are_left_alone() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    let settings = Settings { agent: "local-002".parse().expect("agent"), ..machine.settings() };
    let other = Executor::open(settings, machine.world.clone()).expect("executor");
    let report = other.run_cycle().await;
    assert!(entry(&report, "EMAIL_1").1.contains("names local-001 as its executor"), "{report:?}");
    assert_eq!((machine.stage("EMAIL_1"), machine.world.effects(&order)), (StageName::Approved, 0));
}

#[tokio::test]
async fn a_stop_in_the_vault_stops_before_the_claim_and_only_the_owner_lifts_it() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    machine.desk.vault.stop("the cloud said so").expect("stop");
    let executor = machine.executor();
    let report = executor.run_cycle().await;
    assert_eq!(report.stopped.as_deref(), Some("the cloud said so"));
    assert_eq!(machine.stage("EMAIL_1"), StageName::Approved);
    // Removing STOP from the vault lifts nothing.
    machine.desk.vault.lift_stop().expect("lift");
    assert!(executor.run_cycle().await.stopped.is_some());
    assert_eq!(machine.world.effects(&order), 0);
    executor.kill_switch().lift().expect("lift");
    executor.run_cycle().await;
    assert_eq!(machine.world.effects(&order), 1);
}

#[tokio::test]
async fn a_stop_between_acceptance_and_call_stops_the_call() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    assert!(machine.crash_at("journal.dispatch").await);
    let executor = machine.executor();
    executor.kill_switch().engage("wait a moment").expect("engage");
    assert!(exists(&machine.desk.vault.root().join("STOP")));
    let report = executor.run_cycle().await;
    assert_eq!(report.stopped.as_deref(), Some("wait a moment"));
    assert_eq!((machine.stage("EMAIL_1"), machine.world.effects(&order)), (StageName::Executing, 0));
    executor.kill_switch().lift().expect("lift");
    executor.run_cycle().await;
    assert_eq!((machine.stage("EMAIL_1"), machine.world.effects(&order)), (StageName::Done, 1));
}

#[tokio::test]
async fn a_stop_during_a_cycle_stops_the_calls_that_are_left() {
    let machine = Machine::new();
    let orders = [machine.approve("EMAIL_1", mail()), machine.approve("EMAIL_2", mail())];
    let executor = machine.executor();
    // The first call engages the switch, as an owner would who sees the first mail go out.
    let switch = executor.kill_switch().clone();
    let world = machine.world.clone();
    let watcher = move || switch.engage("enough").expect("engage");
    let stopping = Stopping { world, engage: Box::new(watcher) };
    let executor = Executor::open(machine.settings(), Arc::new(stopping)).expect("executor");
    let report = executor.run_cycle().await;
    assert_eq!(report.stopped.as_deref(), Some("enough"));
    assert_eq!(orders.map(|order| machine.world.effects(&order)), [1, 0]);
    assert_eq!((machine.stage("EMAIL_1"), machine.stage("EMAIL_2")), (StageName::Done, StageName::Executing));
}

#[tokio::test]
async fn after_a_signal_the_call_in_hand_is_seen_through_and_no_other_begun() {
    let machine = Machine::new();
    let orders = [machine.approve("EMAIL_1", mail()), machine.approve("EMAIL_2", mail())];
    let ending = tokio_util::sync::CancellationToken::new();
    let signal = ending.clone();
    let caller = Stopping { world: machine.world.clone(), engage: Box::new(move || signal.cancel()) };
    let executor = Executor::open(machine.settings(), Arc::new(caller)).expect("executor").until(ending);
    executor.run_cycle().await;
    assert_eq!(orders.each_ref().map(|order| machine.world.effects(order)), [1, 0]);
    machine.executor().run_cycle().await;
    assert_eq!(orders.map(|order| machine.world.effects(&order)), [1, 1]);
}

struct Stopping {
    world: Arc<World>,
    engage: Box<dyn Fn() + Send + Sync>,
}

#[async_trait::async_trait]
impl mcp_client::ToolCaller for Stopping {
    async fn call(&self, call: mcp_client::Call) -> Result<mcp_client::Reply, mcp_client::CallError> {
        (self.engage)();
        self.world.call(call).await
    }
}

#[test]
fn a_switch_that_cannot_be_read_is_on() {
    let machine = Machine::new();
    let file = machine.data().join("approvers/stopped");
    let switch = vault::KillSwitch::new(machine.desk.vault.clone(), file);
    assert!(switch.engaged().expect("engaged").contains("failed to read"));
}
