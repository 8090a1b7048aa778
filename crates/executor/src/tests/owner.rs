//! The owner's word on what was set aside.

use task::{AuditOutcome, Step, StepState};

use super::world::Next;
use super::*;
use crate::{SettlementError, Verdict};

/// A task whose outcome nobody knows.
async fn unknown(machine: &Machine, name: &str) -> Order {
    let order = machine.approve(name, post());
    machine.world.will([Next::LosesAnswer]);
    let report = machine.executor().run_cycle().await;
    assert_eq!(entry(&report, name).0, End::Unknown);
    let reason = machine.file(name).task.front.reason.expect("reason");
    assert!(reason.contains(&format!("local-agent resolve {name} --sent")), "{reason}");
    order
}

#[tokio::test]
async fn what_was_sent_ends_in_done() {
    let machine = Machine::new();
    let order = unknown(&machine, "TWITTER_1").await;
    let settlement = machine.executor().settlement();
    settlement.resolve(&id("TWITTER_1"), Verdict::Sent).expect("resolve");
    let front = machine.file("TWITTER_1").task.front;
    assert_eq!(machine.stage("TWITTER_1"), StageName::Done);
    assert_eq!(front.effect.expect("effect").state, task::EffectState::Done);
    let row = settlement.journal.get(&order.approval).expect("journal").expect("row");
    assert_eq!(row.state, crate::State::Done);
    assert_eq!(machine.executor().run_cycle().await, Report::default());
    assert_eq!(machine.world.effects(&order), 1);
}

#[tokio::test]
async fn what_was_not_sent_needs_a_new_approval() {
    let machine = Machine::new();
    let old = unknown(&machine, "TWITTER_1").await;
    let settlement = machine.executor().settlement();
    let file = settlement.resolve(&id("TWITTER_1"), Verdict::NotSent).expect("resolve");
    assert_eq!(file.location.stage, Stage::PendingApproval);
    let front = machine.file("TWITTER_1").task.front;
    assert_eq!((front.order, front.signature, front.effect), (None, None, None));
    let new = machine.approve_again(&machine.file("TWITTER_1"));
    machine.executor().run_cycle().await;
    assert_eq!((machine.world.effects(&new), machine.stage("TWITTER_1")), (1, StageName::Done));
    assert_ne!(old.approval, new.approval);
}

#[tokio::test]
async fn only_what_nobody_knows_is_resolved_and_only_once() {
    let machine = Machine::new();
    let order = unknown(&machine, "TWITTER_1").await;
    machine.approve("EMAIL_1", mail());
    let settlement = machine.executor().settlement();
    let refused = |name: &str| settlement.resolve(&id(name), Verdict::Sent).expect_err(name);
    assert!(matches!(refused("EMAIL_1"), SettlementError::Elsewhere { .. }));
    assert!(matches!(refused("EMAIL_9"), SettlementError::NotFound(_)));
    machine.world.will([Next::Refuses]);
    machine.executor().run_cycle().await;
    assert!(matches!(refused("EMAIL_1"), SettlementError::Known(_)));
    assert!(matches!(settlement.retry(&id("TWITTER_1")), Err(SettlementError::Unresolved(_))));
    // A crash between the journal and the file: the same word again goes on, the other does not.
    let ending = crate::journal::Ending::new(crate::State::Done, "sent");
    assert!(settlement.journal.resolve(&order.approval, &ending, start()).expect("journal"));
    let other = settlement.resolve(&id("TWITTER_1"), Verdict::NotSent).expect_err("contradiction");
    assert!(matches!(other, SettlementError::Contradiction(_)));
    settlement.resolve(&id("TWITTER_1"), Verdict::Sent).expect("the same word");
}

#[tokio::test]
async fn a_failed_task_is_tried_again_after_a_new_approval() {
    let machine = Machine::new();
    let old = machine.approve("EMAIL_1", mail());
    machine.world.will([Next::Refuses]);
    machine.executor().run_cycle().await;
    assert_eq!(machine.stage("EMAIL_1"), StageName::Errors);
    let settlement = machine.executor().settlement();
    let file = settlement.retry(&id("EMAIL_1")).expect("retry");
    assert_eq!(file.location.stage, Stage::PendingApproval);
    assert!(file.task.front.reason.as_ref().expect("reason").contains("550 no such user"));
    let new = machine.approve_again(&file);
    machine.executor().run_cycle().await;
    assert_eq!((machine.world.effects(&old), machine.world.effects(&new)), (0, 1));
}

#[tokio::test]
async fn a_task_without_an_action_is_taken_up_from_the_start() {
    let machine = Machine::new();
    let front = FrontMatter::new(id("EMAIL_1"), start());
    let at = Location::new(Stage::Errors, id("EMAIL_1"));
    machine.desk.vault.create(&at, &Task::new(front, "")).expect("create");
    let file = machine.executor().settlement().retry(&id("EMAIL_1")).expect("retry");
    assert_eq!(file.location.stage, Stage::NeedsAction);
}

#[tokio::test]
async fn every_step_is_in_the_audit_log() {
    let machine = Machine::new();
    unknown(&machine, "TWITTER_1").await;
    machine.executor().settlement().resolve(&id("TWITTER_1"), Verdict::Sent).expect("resolve");
    let records = machine.desk.vault.recent_records(10).expect("log");
    let mut said: Vec<_> =
        records.iter().map(|r| (r.seq, r.actor.as_str(), r.action_type.as_str())).collect();
    said.sort_unstable();
    assert_eq!(said, [(1, "owner", "approve"), (2, "agent", "execute"), (3, "owner", "resolve")]);
    unknown(&machine, "TWITTER_2").await;
    machine.executor().settlement().resolve(&id("TWITTER_2"), Verdict::NotSent).expect("resolve");
    let records = machine.desk.vault.recent_records(10).expect("log");
    let result = |name: &str| {
        let of = |r: &&task::AuditRecord| r.action_type == "resolve" && r.task == Some(id(name));
        records.iter().find(of).expect("record").result
    };
    assert_eq!((result("TWITTER_1"), result("TWITTER_2")), (AuditOutcome::Ok, AuditOutcome::Failed));
}

#[tokio::test]
async fn a_question_that_the_owner_answered_in_its_file_goes_back_to_the_agents() {
    let machine = Machine::new();
    let mut front = FrontMatter::new(id("EMAIL_1"), start());
    front.question = Some("which price?".into());
    let at = Location::new(Stage::PendingApproval, id("EMAIL_1"));
    machine.desk.vault.create(&at, &Task::new(front, "450 EUR")).expect("create");
    let settlement = machine.executor().settlement();
    let file = settlement.retry(&id("EMAIL_1")).expect("taken up");
    assert_eq!((file.location.stage, file.task.front.question), (Stage::NeedsAction, None));
    // What waits for a decision, or is on its way, is not taken up.
    machine.propose("EMAIL_2", mail());
    machine.approve("EMAIL_3", mail());
    let refused = |name: &str| settlement.retry(&id(name)).expect_err(name);
    assert!(matches!(refused("EMAIL_2"), SettlementError::Proposed(_)));
    assert!(matches!(refused("EMAIL_3"), SettlementError::Elsewhere { .. }));
}

#[tokio::test]
async fn what_nobody_knows_is_not_tried_again_whether_the_file_says_so_or_the_journal() {
    let machine = Machine::new();
    unknown(&machine, "TWITTER_1").await;
    let told = machine.file("TWITTER_1");
    machine.tamper("TWITTER_1", |task| task.front.effect = None);
    let refused = machine.executor().settlement().retry(&id("TWITTER_1")).expect_err("the journal says so");
    assert!(matches!(refused, SettlementError::Unresolved(_)), "{refused}");
    let other = Machine::new();
    let at = Location::new(Stage::Errors, id("TWITTER_1"));
    other.desk.vault.create(&at, &told.task).expect("create");
    let refused = other.executor().settlement().retry(&id("TWITTER_1")).expect_err("the file says so");
    assert!(matches!(refused, SettlementError::Unresolved(_)), "{refused}");
}

/// A long task whose first step is carried out and whose second one is to come.
fn long_task(machine: &Machine, name: &str, action: Action) -> TaskFile {
    let file = machine.propose(name, action);
    let mut task = file.task.clone();
    let step = |what: &str, state| Step { what: what.into(), state, ..Step::default() };
    task.front.steps = vec![step("write", StepState::Waiting), step("wait", StepState::Open)];
    machine.desk.vault.replace(&file, &task).expect("long")
}

#[tokio::test]
async fn a_long_task_goes_on_after_a_step_that_was_carried_out_and_not_after_a_rehearsal() {
    for (mode, stage) in [(Mode::Live, StageName::NeedsAction), (Mode::Dry, StageName::Done)] {
        let mut machine = Machine::new();
        machine.desk.mode = mode;
        machine.approve_again(&long_task(&machine, "EMAIL_1", mail()));
        let settings = Settings { mode, ..machine.settings() };
        Executor::open(settings, machine.world.clone()).expect("executor").run_cycle().await;
        assert_eq!(machine.stage("EMAIL_1"), stage, "{mode}");
    }
}

#[tokio::test]
async fn a_long_task_that_failed_later_on_is_tried_again_from_where_it_stopped() {
    let machine = Machine::new();
    machine.approve_again(&long_task(&machine, "EMAIL_1", mail()));
    machine.executor().run_cycle().await;
    let done = machine.file("EMAIL_1");
    std::fs::remove_file(machine.desk.vault.root().join(done.location.path())).expect("remove");
    let at = Location::new(Stage::Errors, id("EMAIL_1"));
    machine.desk.vault.create(&at, &done.task).expect("set aside");
    let file = machine.executor().settlement().retry(&id("EMAIL_1")).expect("the step that was done stays");
    assert_eq!(file.location.stage, Stage::NeedsAction);
    assert!(file.task.front.steps[0].order.is_some());
}

#[tokio::test]
async fn what_was_carried_out_is_not_tried_again_although_its_file_came_back() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    let root = machine.desk.vault.root().to_owned();
    let signed = std::fs::read(root.join("Needs_Action/EXECUTE_EMAIL_1.md")).expect("read");
    machine.executor().run_cycle().await;
    assert_eq!(machine.stage("EMAIL_1"), StageName::Done);
    std::fs::write(root.join("Needs_Action/EXECUTE_EMAIL_1.md"), signed).expect("replay");
    let report = machine.executor().run_cycle().await;
    assert_eq!(entry(&report, "EMAIL_1").0, End::Refused);
    let refused = machine.executor().settlement().retry(&id("EMAIL_1")).expect_err("done");
    assert!(matches!(refused, SettlementError::CarriedOut(..)), "{refused}");
    assert_eq!(machine.world.effects(&order), 1);
}

#[tokio::test]
async fn a_long_task_whose_order_came_back_is_not_tried_again_for_what_was_no_step_of_it() {
    let machine = Machine::new();
    machine.approve("EMAIL_1", mail());
    machine.executor().run_cycle().await;
    let done = machine.file("EMAIL_1");
    std::fs::remove_file(machine.desk.vault.root().join(done.location.path())).expect("remove");
    let mut task = done.task.clone();
    task.front.steps = vec![Step { what: "wait".into(), ..Step::default() }];
    machine.desk.vault.create(&Location::new(Stage::Errors, id("EMAIL_1")), &task).expect("set aside");
    let refused = machine.executor().settlement().retry(&id("EMAIL_1")).expect_err("done");
    assert!(matches!(refused, SettlementError::CarriedOut(..)), "{refused}");
}

#[tokio::test]
async fn what_nobody_knows_is_not_dropped_whether_the_file_says_so_or_the_journal() {
    let machine = Machine::new();
    unknown(&machine, "TWITTER_1").await;
    let told = machine.file("TWITTER_1");
    machine.tamper("TWITTER_1", |task| task.front.effect = None);
    let refused = machine.executor().settlement().drop(&id("TWITTER_1")).expect_err("the journal says so");
    assert!(matches!(refused, SettlementError::Unresolved(_)), "{refused}");
    let other = Machine::new();
    let at = Location::new(Stage::Errors, id("TWITTER_1"));
    other.desk.vault.create(&at, &told.task).expect("create");
    let refused = other.executor().settlement().drop(&id("TWITTER_1")).expect_err("the file says so");
    assert!(matches!(refused, SettlementError::Unresolved(_)), "{refused}");
    // What certainly did not happen may be dropped.
    machine.approve("EMAIL_1", mail());
    machine.world.will([Next::Refuses]);
    machine.executor().run_cycle().await;
    let dropped = machine.executor().settlement().drop(&id("EMAIL_1")).expect("dropped");
    assert_eq!(dropped.location.stage.name(), StageName::Done);
}

#[tokio::test]
async fn the_owner_is_left_alone_for_as_long_as_was_said() {
    let machine = Machine::new();
    let at = Location::new(Stage::Errors, id("EMAIL_1"));
    machine.desk.vault.create(&at, &Task::new(FrontMatter::new(id("EMAIL_1"), start()), "")).expect("create");
    let until =
        machine.executor().settlement().ask_later(&id("EMAIL_1"), TimeDelta::hours(4)).expect("later");
    assert_eq!(until, start() + TimeDelta::hours(4));
    assert_eq!(machine.file("EMAIL_1").task.front.ask_after, Some(until));
}

#[tokio::test]
async fn only_what_waits_for_its_next_try_is_hurried() {
    let machine = Machine::new();
    let put = |name: &str, stage: Stage, retry_after| {
        let mut front = FrontMatter::new(id(name), start());
        front.retry_after = retry_after;
        machine.desk.vault.create(&Location::new(stage, id(name)), &Task::new(front, "")).expect("create");
    };
    let later = Some(start() + TimeDelta::hours(1));
    put("EMAIL_1", Stage::NeedsAction, later);
    put("EMAIL_2", Stage::NeedsAction, None);
    put("EMAIL_3", Stage::Rejected, later);
    let settlement = machine.executor().settlement();
    let hurried = settlement.retry(&id("EMAIL_1")).expect("hurried");
    assert_eq!((hurried.location.stage, hurried.task.front.retry_after), (Stage::NeedsAction, None));
    for name in ["EMAIL_2", "EMAIL_3"] {
        let refused = settlement.retry(&id(name)).expect_err(name);
        assert!(matches!(refused, SettlementError::Elsewhere { .. }), "{refused}");
    }
}
