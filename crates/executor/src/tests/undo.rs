//! The time in which the owner can take an order back.

use super::*;
use crate::{Undo, UndoError};

/// Ten seconds to undo a mail.
fn machine() -> Machine {
    let mut machine = Machine::new();
    machine.desk.limits.undo_seconds.send_email = 10;
    machine
}

fn undo(machine: &Machine, name: &str) -> Result<TaskFile, UndoError> {
    let undo = Undo {
        vault: machine.desk.vault.clone(),
        journal: machine.executor().journal().clone(),
        agent: machine.desk.agent.clone(),
        approvers: machine.files.approvers.clone(),
        clock: machine.clock.clone(),
    };
    undo.undo(&id(name))
}

#[tokio::test]
async fn an_order_waits_for_its_window_to_pass() {
    let machine = machine();
    let order = machine.approve("EMAIL_1", mail());
    let other = machine.approve("TWITTER_1", post());
    let executor = machine.executor();
    for _ in 0..3 {
        let report = executor.run_cycle().await;
        let (end, message) = entry(&report, "EMAIL_1");
        assert!(end == End::Waiting && message.contains("local-agent undo EMAIL_1"), "{report:?}");
        assert_eq!(report.due, Some(start() + TimeDelta::seconds(10)));
        machine.wait(TimeDelta::seconds(3));
    }
    assert_eq!((machine.world.effects(&order), machine.world.effects(&other)), (0, 1));
    machine.wait(TimeDelta::seconds(1));
    let report = executor.run_cycle().await;
    assert_eq!((entry(&report, "EMAIL_1").0, report.due), (End::Done, None));
    assert_eq!(machine.world.effects(&order), 1);
}

#[tokio::test]
async fn an_order_that_was_taken_back_never_counts_again() {
    for taken_up in [false, true] {
        let machine = machine();
        let order = machine.approve("EMAIL_1", mail());
        let path = machine.desk.vault.root().join("Needs_Action/EXECUTE_EMAIL_1.md");
        let signed = std::fs::read(&path).expect("read");
        let executor = machine.executor();
        if taken_up {
            executor.run_cycle().await;
            assert_eq!(machine.stage("EMAIL_1"), StageName::Executing);
        }
        let file = undo(&machine, "EMAIL_1").expect("undo");
        assert_eq!(file.location.stage, Stage::PendingApproval);
        let front = machine.file("EMAIL_1").task.front;
        assert_eq!((front.order, front.signature, front.decided_at), (None, None, None));
        assert!(front.reason.expect("reason").contains("you took it back"));
        assert!(
            matches!(undo(&machine, "EMAIL_1"), Err(UndoError::Elsewhere { .. })),
            "nothing is left to undo"
        );

        // The signed file comes back, beside the task and in its place.
        machine.wait(TimeDelta::minutes(1));
        std::fs::write(&path, &signed).expect("replay");
        executor.run_cycle().await;
        std::fs::remove_file(machine.desk.vault.root().join("Pending_Approval/APPROVE_EMAIL_1.md"))
            .expect("remove");
        std::fs::write(&path, &signed).expect("replay");
        let report = executor.run_cycle().await;
        assert_eq!(entry(&report, "EMAIL_1").0, End::Returned, "{report:?}");
        assert_eq!(machine.world.effects(&order), 0);
        let again = machine.approve_again(&machine.file("EMAIL_1"));
        machine.wait(TimeDelta::seconds(10));
        executor.run_cycle().await;
        assert_eq!(machine.world.effects(&again), 1);
    }
}

#[tokio::test]
async fn what_was_called_is_not_taken_back() {
    let check = async |point: Option<&str>, expected: &str| {
        let machine = machine();
        let order = machine.approve("EMAIL_1", mail());
        machine.wait(TimeDelta::seconds(10));
        match point {
            Some(point) => assert!(machine.crash_at(point).await, "{point}"),
            None => assert_eq!(entry(&machine.executor().run_cycle().await, "EMAIL_1").0, End::Done),
        }
        let error = undo(&machine, "EMAIL_1").expect_err("too late").to_string();
        assert!(error.contains("too late") && error.contains(expected), "{error}");
        machine.executor().run_cycle().await;
        assert!(machine.world.effects(&order) <= 1);
    };
    check(Some("execute.call"), "it is being called").await;
    check(Some("execute.outcome"), "it is being called").await;
    check(Some("execute.file"), "it was carried out").await;
    check(None, "it was carried out: accepted").await;
}

#[tokio::test]
async fn a_forged_order_is_taken_back_without_a_word_in_the_journal() {
    let machine = machine();
    let order = machine.approve("EMAIL_1", mail());
    machine.tamper("EMAIL_1", |task| {
        let text = task.front.order.take().expect("order");
        task.front.order = Some(text.replace("alice@example.com", "eve@example.com"));
    });
    undo(&machine, "EMAIL_1").expect("undo");
    assert_eq!(machine.executor().journal().get(&order.approval).expect("journal"), None);
    assert_eq!(machine.stage("EMAIL_1"), StageName::PendingApproval);
    assert!(matches!(undo(&machine, "EMAIL_9"), Err(UndoError::NotFound(_))));
}

#[tokio::test]
async fn taking_back_a_file_with_anothers_order_leaves_the_other_alone() {
    let machine = machine();
    let order = machine.approve("EMAIL_2", mail());
    machine.executor().run_cycle().await;
    machine.approve("EMAIL_1", mail());
    let stolen = machine.file("EMAIL_2").task.front;
    machine.tamper("EMAIL_1", |task| {
        task.front.order = stolen.order;
        task.front.signature = stolen.signature;
    });
    undo(&machine, "EMAIL_1").expect("undo");
    assert_eq!(machine.stage("EMAIL_1"), StageName::PendingApproval);
    machine.wait(TimeDelta::seconds(10));
    machine.executor().run_cycle().await;
    assert_eq!((machine.stage("EMAIL_2"), machine.world.effects(&order)), (StageName::Done, 1));
}

#[tokio::test]
async fn what_arrived_is_said_to_have_arrived_although_its_file_has_no_order_any_more() {
    let machine = machine();
    machine.approve("EMAIL_1", mail());
    machine.wait(TimeDelta::seconds(10));
    machine.executor().run_cycle().await;
    machine.tamper("EMAIL_1", |task| task.front.order = None);
    let error = undo(&machine, "EMAIL_1").expect_err("too late").to_string();
    assert!(error.contains("too late") && error.contains("it was carried out: accepted"), "{error}");
}

#[tokio::test]
async fn a_rehearsal_has_nothing_to_take_back() {
    let mut machine = machine();
    machine.desk.mode = Mode::Dry;
    machine.approve("EMAIL_1", mail());
    let settings = Settings { mode: Mode::Dry, ..machine.settings() };
    let report = Executor::open(settings, machine.world.clone()).expect("executor").run_cycle().await;
    assert_eq!(entry(&report, "EMAIL_1").0, End::Dry);
}
