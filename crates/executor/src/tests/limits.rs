//! How much leaves, over the real journal.

use config::{Ceiling, Limits};
use mcp_client::ToolCaller;
use tokio::sync::Barrier;

use super::world::Next;
use super::*;
use crate::JournalError;

fn to(address: &str) -> Action {
    action("send_email", json!({"to": [address], "subject": "Re: Q1", "body": "Dear Alice"}))
}

fn pay(amount: &str, currency: &str) -> Action {
    action(
        "initiate_payment",
        json!({"payee": "Bob", "iban": "DE89370400440532013000", "amount": amount, "currency": currency, "reference": "R"}),
    )
}

fn machine(change: impl FnOnce(&mut Limits)) -> Machine {
    let mut machine = Machine::new();
    change(&mut machine.limits);
    machine
}

#[tokio::test]
async fn what_is_over_a_days_limit_goes_back_to_the_owner_with_the_reason() {
    let machine = machine(|limits| limits.per_recipient_per_day = 1);
    let first = machine.approve("EMAIL_1", mail());
    let second = machine.approve("EMAIL_2", mail());
    let other = machine.approve("EMAIL_3", to("bob@example.com"));
    let executor = machine.executor();
    let report = executor.run_cycle().await;
    let effects = |order: &Order| machine.world.effects(order);
    assert_eq!((effects(&first), effects(&second), effects(&other)), (1, 0, 1), "{report:?}");
    let (end, message) = entry(&report, "EMAIL_2");
    assert_eq!((end, machine.stage("EMAIL_2")), (End::Returned, StageName::PendingApproval));
    for part in ["alice@example.com", "limits.per_recipient_per_day allows 1", "2026-02-24T03:20:00Z"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let front = machine.file("EMAIL_2").task.front;
    assert!(front.reason.expect("reason").contains("over a limit"));
    assert_eq!((front.order, front.signature), (None, None));
    // A second too early, and at the instant that was named.
    machine.wait(TimeDelta::hours(24) - TimeDelta::seconds(1));
    let again = machine.approve_again(&machine.file("EMAIL_2"));
    executor.run_cycle().await;
    assert_eq!((machine.stage("EMAIL_2"), effects(&again)), (StageName::PendingApproval, 0));
    machine.wait(TimeDelta::seconds(1));
    let again = machine.approve_again(&machine.file("EMAIL_2"));
    executor.run_cycle().await;
    assert_eq!((machine.stage("EMAIL_2"), effects(&again)), (StageName::Done, 1));
}

#[tokio::test]
async fn what_is_over_an_hours_limit_waits_while_its_order_is_good() {
    let machine = machine(|limits| limits.tool_per_hour = 1);
    let first = machine.approve("EMAIL_1", mail());
    let second = machine.approve("EMAIL_2", mail());
    let executor = machine.executor();
    let report = executor.run_cycle().await;
    let (end, message) = entry(&report, "EMAIL_2");
    assert!(end == End::Waiting && message.contains("until 2026-02-23T04:20:00Z"), "{message}");
    let effects = |order: &Order| machine.world.effects(order);
    assert_eq!((effects(&first), effects(&second), machine.stage("EMAIL_2")), (1, 0, StageName::Executing));
    // It takes no attempt, however often it is looked at.
    for _ in 0..10 {
        machine.wait(TimeDelta::minutes(5));
        executor.run_cycle().await;
    }
    assert_eq!(effects(&second), 0);
    machine.wait(TimeDelta::minutes(10) - TimeDelta::seconds(1));
    executor.run_cycle().await;
    assert_eq!(effects(&second), 0, "a second too early");
    machine.wait(TimeDelta::seconds(1));
    executor.run_cycle().await;
    assert_eq!((effects(&second), machine.stage("EMAIL_2")), (1, StageName::Done));
    // Nor does one that ends with the hour wait for it: it would be expired by then.
    let mut short = self::machine(|limits| limits.tool_per_hour = 1);
    short.desk.limits.other_minutes = 60;
    short.approve("EMAIL_1", mail());
    short.approve("EMAIL_2", mail());
    let report = short.executor().run_cycle().await;
    assert_eq!(entry(&report, "EMAIL_2").0, End::Returned, "{report:?}");
    // A payment's order does not last until the hour is over.
    let one = machine.approve("PAYMENT_1", payment());
    let two = machine.approve("PAYMENT_2", payment());
    let report = executor.run_cycle().await;
    assert_eq!((effects(&one), effects(&two)), (1, 0));
    assert_eq!(entry(&report, "PAYMENT_2").0, End::Returned, "{report:?}");
}

#[tokio::test]
async fn payments_stop_at_their_ceilings() {
    let amount = |text: &str| text.parse().expect("amount");
    let ceiling = Ceiling { single: amount("100"), per_day: amount("150"), per_payee_per_day: amount("150") };
    let machine = machine(|limits| limits.payments = [("EUR".parse().expect("currency"), ceiling)].into());
    for (n, (sum, currency, end)) in [
        ("100.01", "EUR", End::Returned),
        ("100", "EUR", End::Done),
        ("10", "USD", End::Returned),
        ("50.01", "EUR", End::Returned),
        ("50.00", "EUR", End::Done),
        ("0.01", "EUR", End::Returned),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("PAYMENT_{n}");
        machine.approve(&name, pay(sum, currency));
        let report = machine.executor().run_cycle().await;
        assert_eq!(entry(&report, &name).0, end, "{sum} {currency}: {report:?}");
    }
    assert_eq!(machine.world.calls("initiate_payment").len(), 2);
}

#[tokio::test]
async fn what_may_have_left_counts_and_what_certainly_did_not_does_not() {
    let machine = machine(|limits| limits.per_recipient_per_day = 1);
    machine.approve("EMAIL_1", mail());
    machine.world.will([Next::Refuses]);
    let executor = machine.executor();
    assert_eq!(entry(&executor.run_cycle().await, "EMAIL_1").0, End::Failed);
    // Nobody knows of this one.
    machine.approve("EMAIL_2", mail());
    machine.world.will([Next::LosesRequest]);
    assert_eq!(entry(&executor.run_cycle().await, "EMAIL_2").0, End::Unknown);
    machine.approve("EMAIL_3", mail());
    assert_eq!(entry(&executor.run_cycle().await, "EMAIL_3").0, End::Returned);
    // The owner does: it was not sent.
    executor.settlement().resolve(&id("EMAIL_2"), crate::Verdict::NotSent).expect("resolve");
    let order = machine.approve_again(&machine.file("EMAIL_3"));
    assert_eq!(entry(&executor.run_cycle().await, "EMAIL_3").0, End::Done);
    assert_eq!(machine.world.effects(&order), 1);
}

#[tokio::test]
async fn a_rehearsal_takes_no_room() {
    let mut machine = machine(|limits| limits.per_recipient_per_day = 1);
    machine.desk.mode = Mode::Dry;
    machine.approve("EMAIL_1", mail());
    let settings = Settings { mode: Mode::Dry, ..machine.settings() };
    Executor::open(settings, machine.world.clone()).expect("executor").run_cycle().await;
    machine.desk.mode = Mode::Live;
    let order = machine.approve("EMAIL_2", mail());
    machine.executor().run_cycle().await;
    assert_eq!((machine.stage("EMAIL_1"), machine.world.effects(&order)), (StageName::Done, 1));
}

#[tokio::test]
async fn a_clock_that_is_set_back_lets_nothing_more_out() {
    let machine = machine(|limits| limits.per_recipient_per_day = 1);
    machine.approve("EMAIL_1", mail());
    machine.executor().run_cycle().await;
    machine.wait(TimeDelta::hours(-26));
    let order = machine.approve("EMAIL_2", mail());
    assert_eq!(entry(&machine.executor().run_cycle().await, "EMAIL_2").0, End::Returned);
    // A jump of 26 hours from the first call is 26 hours.
    machine.wait(TimeDelta::hours(52));
    let later = machine.approve_again(&machine.file("EMAIL_2"));
    machine.executor().run_cycle().await;
    assert_eq!((machine.world.effects(&order), machine.world.effects(&later)), (0, 1));
}

#[tokio::test]
async fn whoever_was_written_to_before_is_no_first_contact_also_after_an_upgrade() {
    let machine = machine(|limits| limits.first_contacts_per_day = 1);
    machine.approve("EMAIL_1", mail());
    machine.executor().run_cycle().await;
    machine.approve("EMAIL_2", to("bob@example.com"));
    assert_eq!(entry(&machine.executor().run_cycle().await, "EMAIL_2").0, End::Returned);
    machine.wait(TimeDelta::hours(24));
    // As a journal of the version before looks.
    let database = rusqlite::Connection::open(machine.data().join("journal.sqlite")).expect("open");
    database.execute_batch("DROP TABLE recipients; PRAGMA user_version = 1").expect("downgrade");
    machine.approve_again(&machine.file("EMAIL_2"));
    machine.approve("EMAIL_3", mail());
    let report = machine.executor().run_cycle().await;
    assert_eq!((entry(&report, "EMAIL_2").0, entry(&report, "EMAIL_3").0), (End::Done, End::Done));
    machine.approve("EMAIL_4", to("carol@example.com"));
    assert_eq!(entry(&machine.executor().run_cycle().await, "EMAIL_4").0, End::Returned);
    // Without any upgrade, by what this version wrote down itself.
    machine.wait(TimeDelta::hours(24));
    machine.approve_again(&machine.file("EMAIL_4"));
    assert_eq!(entry(&machine.executor().run_cycle().await, "EMAIL_4").0, End::Done);
    machine.wait(TimeDelta::hours(24));
    machine.approve("EMAIL_5", to("dora@example.com"));
    machine.approve("EMAIL_6", to("carol@example.com"));
    let report = machine.executor().run_cycle().await;
    assert_eq!((entry(&report, "EMAIL_5").0, entry(&report, "EMAIL_6").0), (End::Done, End::Done));
}

#[tokio::test]
async fn a_history_with_gaps_lets_nothing_out() {
    let machine = Machine::new();
    machine.approve("EMAIL_1", mail());
    machine.executor().run_cycle().await;
    let order = machine.approve("EMAIL_2", to("bob@example.com"));
    let database = rusqlite::Connection::open(machine.data().join("journal.sqlite")).expect("open");
    for gap in ["order_text = '{}'", "dispatched = 'yesterday'"] {
        let kept: (String, String) = database
            .query_row("SELECT order_text, dispatched FROM approvals WHERE task = 'EMAIL_1'", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .expect("row");
        database.execute(&format!("UPDATE approvals SET {gap} WHERE task = 'EMAIL_1'"), []).expect("break");
        let report = machine.executor().run_cycle().await;
        assert!(report.problems.iter().any(|problem| problem.contains("does not decode")), "{report:?}");
        assert_eq!(machine.world.effects(&order), 0);
        database
            .execute(
                "UPDATE approvals SET order_text = ?1, dispatched = ?2 WHERE task = 'EMAIL_1'",
                [kept.0, kept.1],
            )
            .expect("mend");
    }
    machine.executor().run_cycle().await;
    assert_eq!(machine.world.effects(&order), 1);
}

/// Two servers' orders side by side, and two processes: a limit that both share lets one through.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_two_calls_slip_under_one_limit_together() {
    /// A world and a line at which both processes start.
    struct Together(Arc<World>, Barrier);

    #[async_trait::async_trait]
    impl ToolCaller for Together {
        async fn call(&self, call: mcp_client::Call) -> Result<mcp_client::Reply, mcp_client::CallError> {
            self.0.call(call).await
        }
    }

    for round in 0..20 {
        let machine = machine(|limits| limits.first_contacts_per_day = 1);
        let whatsapp = action("send_whatsapp", json!({"to": "+491701234567", "text": "hi"}));
        machine.approve("EMAIL_1", mail());
        machine.approve("WHATSAPP_1", whatsapp);
        let caller = Arc::new(Together(machine.world.clone(), Barrier::new(2)));
        let cycle = || {
            let executor = Executor::open(machine.settings(), caller.clone()).expect("executor");
            let caller = caller.clone();
            tokio::spawn(async move {
                caller.1.wait().await;
                executor.run_cycle().await
            })
        };
        let (one, two) = (cycle(), cycle());
        let reports = [one.await.expect("one"), two.await.expect("two")];
        let made = machine.world.calls("send_email").len() + machine.world.calls("send_whatsapp").len();
        assert_eq!(made, 1, "round {round}: {reports:?}");
    }
}

#[test]
fn two_journals_of_one_file_share_their_limits() {
    let machine = machine(|limits| limits.tool_per_day = 5);
    let orders: Vec<(Order, String, String)> = (0..20)
        .map(|n| {
            let order = machine.approve(&format!("EMAIL_{n}"), to(&format!("a{n}@example.com")));
            let front = machine.file(&format!("EMAIL_{n}")).task.front;
            (order, front.order.expect("order"), front.signature.expect("signature"))
        })
        .collect();
    let path = machine.data().join("journal.sqlite");
    let now: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|part| {
                let (path, orders, limits) = (path.clone(), &orders, &machine.limits);
                scope.spawn(move || -> Result<usize, JournalError> {
                    let journal = crate::Journal::open(path)?;
                    let mut dispatched = 0;
                    for (order, text, signature) in orders.iter().skip(part).step_by(4) {
                        journal.accept(order, text, signature, start())?;
                        let ruling = journal.dispatch(order, limits, start())?;
                        dispatched += usize::from(ruling == crate::journal::Dispatch::Now);
                    }
                    Ok(dispatched)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("thread").expect("journal")).collect()
    });
    assert_eq!(now.iter().sum::<usize>(), 5, "{now:?}");
}

#[tokio::test]
async fn the_accepted_handbook_lowers_limits_and_the_vaults_page_does_nothing() {
    let machine = Machine::new();
    let page = machine.desk.vault.root().join(Handbook::PAGE);
    let rule = "---\nlimits: { per_recipient_per_day: 1 }\n---\n# Handbook\n";
    std::fs::write(&page, rule).expect("write");
    let sent = |name: &str| {
        machine.approve(name, mail());
        let (executor, name) = (machine.executor(), name.to_owned());
        async move { entry(&executor.run_cycle().await, &name).0 }
    };
    assert_eq!(sent("EMAIL_1").await, End::Done);
    assert_eq!(sent("EMAIL_2").await, End::Done, "nobody accepted it");
    let handbook = machine.settings().handbook;
    handbook.accept(&task::Digest::of(rule)).expect("accept");
    assert_eq!(sent("EMAIL_3").await, End::Returned);
    // The other side takes the rule away, or writes another: the accepted one counts on.
    for other in ["# Handbook", "---\nlimits: { per_recipient_per_day: 500 }\n---\n", "---\n"] {
        std::fs::write(&page, other).expect("write");
        assert_eq!(sent(&format!("EMAIL_{}", 100 + other.len())).await, End::Returned, "{other}");
    }
    // Accepted rules that cannot be read are no reason to send more.
    std::fs::write(handbook.file(), "---\nlimits: { per_recipient: 500 }\n---\n").expect("write");
    let order = machine.approve("EMAIL_9", to("bob@example.com"));
    let report = machine.executor().run_cycle().await;
    let (end, message) = entry(&report, "EMAIL_9");
    assert!(end == End::Waiting && message.contains("handbook accept"), "{message}");
    assert_eq!(machine.world.effects(&order), 0);
}
