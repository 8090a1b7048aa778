//! Invariants 5 and 8: whatever is cut off wherever, an effect happens at most once, and what was
//! reported stays.

use super::world::Next;
use super::*;

/// Crashes before the step `point`, starts again, and gives the report of the second run.
async fn crash_at(machine: &Machine, point: &str) -> Report {
    assert!(machine.crash_at(point).await, "it should have crashed at {point}");
    let executor = machine.executor();
    let report = executor.run_cycle().await;
    let after = executor.run_cycle().await;
    assert_eq!(after, Report::default(), "{point}: nothing is left to do");
    report
}

async fn check(action: Action, point: &str, effects: u32, end: End) {
    let machine = Machine::new();
    let order = machine.approve("X_1", action);
    let report = crash_at(&machine, point).await;
    let tool = order.action.call.tool();
    assert_eq!(machine.world.effects(&order), effects, "{tool} after a crash at {point}");
    assert_eq!(entry(&report, "X_1").0, end, "{tool} after a crash at {point}: {report:?}");
    let stage = if end == End::Done { StageName::Done } else { StageName::Errors };
    assert_eq!(machine.stage("X_1"), stage);
    let state = machine.file("X_1").task.front.effect.expect("effect").state;
    assert_eq!(state == task::EffectState::Done, end == End::Done);
}

#[tokio::test]
async fn invariant_5_a_crash_before_the_call_leaves_one_effect() {
    for point in ["journal.accept", "journal.dispatch"] {
        for action in [mail(), payment(), post()] {
            check(action, point, 1, End::Done).await;
        }
    }
}

#[tokio::test]
async fn invariant_5_a_crash_between_intent_and_call_is_never_repeated_blindly() {
    check(mail(), "execute.call", 0, End::Unknown).await;
    check(payment(), "execute.call", 1, End::Done).await;
    check(post(), "execute.call", 0, End::Unknown).await;
}

#[tokio::test]
async fn invariant_5_a_crash_after_the_call_is_never_repeated_blindly() {
    check(mail(), "execute.outcome", 1, End::Done).await;
    check(payment(), "execute.outcome", 1, End::Done).await;
    check(post(), "execute.outcome", 1, End::Unknown).await;
}

#[tokio::test]
async fn invariant_5_a_crash_between_journal_and_file_is_finished_from_the_journal() {
    for action in [mail(), payment(), post()] {
        check(action, "execute.file", 1, End::Done).await;
    }
}

#[tokio::test]
async fn invariant_5_a_crash_during_recovery_is_recovered_from() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    assert!(machine.crash_at("execute.outcome").await);
    for _ in 0..3 {
        assert!(machine.crash_at("execute.file").await || machine.stage("EMAIL_1") == StageName::Done);
    }
    machine.executor().run_cycle().await;
    assert_eq!((machine.world.effects(&order), machine.stage("EMAIL_1")), (1, StageName::Done));
}

#[tokio::test]
async fn invariant_5_a_lost_answer_is_settled_at_once() {
    let check = async |action: Action, next: &[Next], effects: u32, end: End| {
        let machine = Machine::new();
        let order = machine.approve("X_1", action);
        machine.world.will(next.iter().copied());
        let report = machine.executor().run_cycle().await;
        assert_eq!(
            (entry(&report, "X_1").0, machine.world.effects(&order)),
            (end, effects),
            "{next:?}: {report:?}"
        );
    };
    check(mail(), &[Next::LosesAnswer], 1, End::Done).await;
    check(mail(), &[Next::LosesRequest], 0, End::Unknown).await;
    check(payment(), &[Next::LosesAnswer], 1, End::Done).await;
    check(payment(), &[Next::LosesRequest], 1, End::Done).await;
    check(payment(), &[Next::LosesAnswer, Next::LosesAnswer], 1, End::Unknown).await;
    check(post(), &[Next::LosesAnswer], 1, End::Unknown).await;
}

#[tokio::test]
async fn invariant_5_a_payment_is_not_repeated_when_the_bank_may_have_forgotten_its_key() {
    let check = async |point: &str, effects: u32, end: End, said: &str| {
        let machine = Machine::new();
        let order = machine.approve("PAYMENT_1", payment());
        assert!(machine.crash_at(point).await);
        let calls = machine.world.calls("initiate_payment").len();
        machine.wait(policy::KEYS_LAST);
        let report = machine.executor().run_cycle().await;
        assert_eq!(machine.world.calls("initiate_payment").len(), calls, "not called again");
        assert_eq!(machine.world.calls("payment_status").len(), 1, "asked once");
        let (found, message) = entry(&report, "PAYMENT_1");
        assert_eq!((found, machine.world.effects(&order)), (end, effects), "{message}");
        assert!(message.contains(said), "{message}");
    };
    check("execute.outcome", 1, End::Done, "found at the bank").await;
    check("execute.call", 0, End::Unknown, "not at the bank, which proves nothing").await;
}

#[tokio::test]
async fn invariant_5_of_an_invoice_that_was_cut_off_only_the_books_with_the_same_invoice_prove_anything() {
    let invoice = |state: &str, partner: &str, currency: &str| json!({"state": state, "partner": partner, "total": "300.00", "currency": currency});
    for (found, end) in [
        (invoice("posted", "Contoso", "EUR"), End::Done),
        (invoice("paid", "Contoso", "EUR"), End::Done),
        (invoice("draft", "Contoso", "EUR"), End::Unknown),
        (invoice("posted", "Fabrikam", "EUR"), End::Unknown),
        (invoice("posted", "Contoso", "USD"), End::Unknown),
    ] {
        let machine = Machine::new();
        let posting = json!({"invoice_id": 7, "partner": "Contoso", "total": "300.00", "currency": "EUR"});
        let order = machine.approve("ODOO_1", action("post_invoice", posting));
        *machine.world.invoice.lock().expect("invoice") = invoice("draft", "Contoso", "EUR");
        assert!(machine.crash_at("execute.call").await);
        machine.wait(policy::KEYS_LAST);
        *machine.world.invoice.lock().expect("invoice") = found.clone();
        let report = machine.executor().run_cycle().await;
        assert_eq!(entry(&report, "ODOO_1").0, end, "{found}: {report:?}");
        assert_eq!(machine.world.effects(&order), 0, "it is asked for, not repeated");
        let effect = machine.file("ODOO_1").task.front.effect.expect("effect");
        assert_eq!(effect.reference.as_deref(), (end == End::Done).then_some("7"));
    }
}

#[tokio::test]
async fn what_is_found_afterwards_is_known_by_the_other_sides_handle() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    machine.world.will([Next::LosesAnswer]);
    machine.executor().run_cycle().await;
    let effect = machine.file("EMAIL_1").task.front.effect.expect("effect");
    assert_eq!(effect.reference, Some(order.message_id()));
    // A post is looked for from a little earlier on: the other side's clock may be behind.
    machine.approve("TWITTER_1", post());
    machine.world.will([Next::LosesAnswer]);
    machine.executor().run_cycle().await;
    let asked = &machine.world.calls("get_social_summary")[0].arguments;
    assert_eq!(asked["since"], "2026-02-23T03:18:00Z");
}

#[tokio::test]
async fn invariant_5_a_cycle_that_is_dropped_in_a_call_is_a_crash_like_any_other() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    machine.world.will([Next::Hangs]);
    let executor = machine.executor();
    tokio::select! {
        report = executor.run_cycle() => panic!("{report:?}"),
        () = machine.world.hanging.notified() => {}
    }
    let report = executor.run_cycle().await;
    assert_eq!((entry(&report, "EMAIL_1").0, machine.world.effects(&order)), (End::Done, 1));
}

#[tokio::test]
async fn an_outcome_that_cannot_be_asked_for_is_asked_for_later_and_then_left_to_the_owner() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    assert!(machine.crash_at("execute.outcome").await);
    machine.world.will([Next::Refuses]);
    let executor = machine.executor();
    let report = executor.run_cycle().await;
    assert_eq!(entry(&report, "EMAIL_1").0, End::Waiting, "{report:?}");
    let report = executor.run_cycle().await;
    assert_eq!(entry(&report, "EMAIL_1").0, End::Waiting, "not before its time");
    assert_eq!(machine.world.calls("search_email").len(), 1);
    machine.wait(TimeDelta::minutes(1));
    let report = executor.run_cycle().await;
    assert_eq!((entry(&report, "EMAIL_1").0, machine.world.effects(&order)), (End::Done, 1));

    machine.approve("EMAIL_2", mail());
    assert!(machine.crash_at("execute.outcome").await);
    machine.world.will([Next::Refuses; 5]);
    for round in 0..5 {
        let report = executor.run_cycle().await;
        let expected = if round < 4 { End::Waiting } else { End::Unknown };
        assert_eq!(entry(&report, "EMAIL_2").0, expected, "{report:?}");
        machine.wait(TimeDelta::hours(1));
    }
}

#[tokio::test]
async fn a_file_that_is_taken_away_in_the_middle_of_a_call_leaves_its_outcome_in_the_journal() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    assert!(machine.crash_at("execute.outcome").await);
    let file = machine.file("EMAIL_1");
    std::fs::remove_file(machine.desk.vault.root().join(file.location.path())).expect("remove");
    let executor = machine.executor();
    let report = executor.run_cycle().await;
    assert!(entry(&report, "EMAIL_1").1.contains("taken away"), "{report:?}");
    let row = executor.journal().get(&order.approval).expect("journal").expect("row");
    assert_eq!((row.state, machine.world.effects(&order)), (crate::State::Done, 1));
    assert_eq!(executor.run_cycle().await, Report::default());
}

#[tokio::test]
async fn invariant_5_two_executors_on_one_journal_make_one_effect() {
    let machine = Machine::new();
    let orders: Vec<_> = (0..12)
        .map(|n| machine.approve(&format!("X_{n}"), [mail(), payment(), post()][n % 3].clone()))
        .collect();
    let (one, two) = (machine.executor(), machine.executor());
    let (mut first, second) = tokio::join!(one.run_cycle(), two.run_cycle());
    first.merge(second);
    assert_eq!(first.problems, Vec::<String>::new());
    // What one found locked by the other is left for the next round.
    one.run_cycle().await;
    for (n, order) in orders.iter().enumerate() {
        assert_eq!(machine.world.effects(order), 1, "X_{n}: {first:?}");
        assert_eq!(machine.stage(&format!("X_{n}")), StageName::Done);
    }
}

#[tokio::test]
async fn invariant_5_a_call_that_another_executor_is_making_is_not_taken_for_a_crash() {
    let machine = Machine::new();
    let order = machine.approve("TWITTER_1", post());
    machine.world.will([Next::Hangs]);
    let (one, two) = (machine.executor(), machine.executor());
    tokio::select! {
        report = one.run_cycle() => panic!("{report:?}"),
        report = async {
            machine.world.hanging.notified().await;
            two.run_cycle().await
        } => {
            assert_eq!(entry(&report, "TWITTER_1").0, End::Waiting, "{report:?}");
            assert_eq!(machine.stage("TWITTER_1"), StageName::Executing);
        }
    }
    assert_eq!(machine.world.effects(&order), 1);
}

#[tokio::test]
async fn invariant_8_what_a_cycle_reported_is_there_after_a_kill() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    let executor = machine.executor();
    let report = executor.run_cycle().await;
    assert_eq!(entry(&report, "EMAIL_1").0, End::Done);
    // A killed process closes nothing.
    std::mem::forget(executor);
    let row = machine.executor().journal().get(&order.approval).expect("journal").expect("row");
    assert_eq!((row.state, row.reference), (crate::State::Done, Some(order.message_id())));
    let effect = machine.file("EMAIL_1").task.front.effect.expect("effect");
    assert_eq!(effect.reference, Some(order.message_id()));
}
