//! Invariant 4: what is not signed, or not for here and now, is not called.

use task::Authentication;

use super::world::Next;
use super::*;

/// Runs a cycle on a changed approval and expects no effect.
async fn refuse(name: &str, expected: (StageName, End, &str), change: impl FnOnce(&Machine)) -> Machine {
    let machine = Machine::new();
    let order = machine.approve(name, if name.starts_with("PAYMENT") { payment() } else { mail() });
    change(&machine);
    let executor = machine.executor();
    let report = executor.run_cycle().await;
    let (stage, end, reason) = expected;
    let (got, message) = entry(&report, name);
    assert!(got == end && message.contains(reason), "{report:?}");
    assert_eq!((machine.stage(name), machine.world.effects(&order)), (stage, 0), "{reason}");
    assert_eq!(machine.world.calls(order.action.call.tool()).len(), 0, "{reason}");
    if end == End::Refused {
        let said = machine.file(name).task.front.reason.expect("reason");
        assert!(said.contains(reason), "{said}");
        assert_eq!(executor.run_cycle().await, Report::default(), "said once");
    }
    machine
}

const REFUSED: fn(&str) -> (StageName, End, &str) = |reason| (StageName::Errors, End::Refused, reason);

#[tokio::test]
async fn invariant_4_an_order_without_the_owners_signature_is_refused() {
    refuse("EMAIL_1", REFUSED("not signed"), |m| m.tamper("EMAIL_1", |task| task.front.signature = None))
        .await;
    refuse("EMAIL_1", REFUSED("not signed"), |m| m.tamper("EMAIL_1", |task| task.front.order = None)).await;
    refuse("EMAIL_1", REFUSED("changed after it was signed"), |m| {
        m.tamper("EMAIL_1", |task| {
            let order = task.front.order.take().expect("order");
            task.front.order = Some(order.replace("alice@example.com", "eve@example.com"));
        });
    })
    .await;
    refuse("EMAIL_1", REFUSED("not the one that was signed"), |m| {
        m.tamper("EMAIL_1", |task| task.front.action = Some(payment()));
    })
    .await;
    refuse("EMAIL_1", REFUSED("not among the approvers"), |m| {
        let other = Machine::new();
        std::fs::copy(&other.files.approvers, &m.files.approvers).expect("approvers");
    })
    .await;
    refuse("EMAIL_1", REFUSED("made for \"file\""), |m| {
        m.tamper("EMAIL_1", |task| {
            let key = std::fs::read_to_string(&m.files.key).expect("key");
            let key = ssh_key::PrivateKey::from_openssh(key).expect("key");
            let order = task.front.order.clone().expect("order");
            let signature = key.sign("file", ssh_key::HashAlg::Sha512, order.as_bytes()).expect("signature");
            task.front.signature = Some(signature.to_string());
        });
    })
    .await;
}

#[tokio::test]
async fn invariant_4_an_order_for_another_task_is_refused() {
    let machine = Machine::new();
    machine.approve("EMAIL_1", mail());
    let other = machine.approve("EMAIL_2", mail());
    let stolen = machine.file("EMAIL_2").task.front;
    machine.tamper("EMAIL_1", |task| {
        task.front.order = stolen.order;
        task.front.signature = stolen.signature;
    });
    let report = machine.executor().run_cycle().await;
    assert!(entry(&report, "EMAIL_1").1.contains("another task (EMAIL_2)"), "{report:?}");
    assert_eq!((entry(&report, "EMAIL_2").0, machine.world.effects(&other)), (End::Done, 1));
}

#[tokio::test]
async fn invariant_4_a_file_with_anothers_order_does_the_other_no_harm() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_2", mail());
    // It is in the journal and on its way when the file with its order turns up.
    assert!(machine.crash_at("journal.dispatch").await);
    machine.approve("EMAIL_1", mail());
    let stolen = machine.file("EMAIL_2").task.front;
    machine.tamper("EMAIL_1", |task| {
        task.front.order = stolen.order;
        task.front.signature = stolen.signature;
    });
    std::fs::rename(
        machine.desk.vault.root().join("In_Progress/local-001/EXECUTE_EMAIL_2.md"),
        machine.desk.vault.root().join("Needs_Action/EXECUTE_EMAIL_2.md"),
    )
    .expect("back");
    let report = machine.executor().run_cycle().await;
    assert!(entry(&report, "EMAIL_1").1.contains("another task (EMAIL_2)"), "{report:?}");
    assert_eq!((entry(&report, "EMAIL_2").0, machine.world.effects(&order)), (End::Done, 1), "{report:?}");
}

/// Puts another order of `name` into place, signed by the owner with the approval of `first` and noted as
/// given here.
fn sign_again(machine: &Machine, first: &Order, name: &str) -> TaskFile {
    let other = action("send_email", json!({"to": ["bob@example.com"], "subject": "x", "body": "x"}));
    let second = Order { id: id(name), action: other.clone(), ..first.clone() };
    let text = second.to_text().expect("text");
    let noted = machine.data().join("approvals").join(&second.approval);
    std::fs::write(noted, format!("{}\n", task::Digest::of(&text))).expect("note");
    let mut front = FrontMatter::new(id(name), start());
    front.action = Some(other);
    front.signature = Some(Signer::key_file(&machine.files.key, None).sign(&text).expect("signature"));
    front.order = Some(text);
    let at = Location::new(Stage::Approved, id(name));
    let bytes = Task::new(front, "").to_bytes().expect("bytes");
    std::fs::write(machine.desk.vault.root().join(at.path()), bytes).expect("write");
    machine.desk.vault.read(&at).expect("read")
}

#[tokio::test]
async fn what_goes_back_to_the_owner_withdraws_no_other_order() {
    let machine = Machine::new();
    let first = machine.approve("EMAIL_1", mail());
    assert!(machine.crash_at("journal.dispatch").await);
    let second = sign_again(&machine, &first, "EMAIL_2");
    let executor = machine.executor();
    let objection = crate::admit::Objection::Returned("too late".into());
    let mut report = Report::default();
    executor.core().object(&second, objection, &mut report).expect("sent back");
    assert_eq!(
        (entry(&report, "EMAIL_2").0, machine.stage("EMAIL_2")),
        (End::Returned, StageName::PendingApproval)
    );
    let row = executor.journal().get(&first.approval).expect("journal").expect("row");
    assert_eq!((row.state, row.order.id), (crate::State::Accepted, id("EMAIL_1")));
}

#[tokio::test]
async fn invariant_5_one_approval_is_good_for_one_order_although_the_owner_signed_two_with_it() {
    for name in ["EMAIL_1", "EMAIL_2"] {
        let machine = Machine::new();
        let first = machine.approve("EMAIL_1", mail());
        let executor = machine.executor();
        executor.run_cycle().await;
        sign_again(&machine, &first, name);
        let (end, said) = entry(&executor.run_cycle().await, name);
        assert!(end == End::Refused && said.contains("used before, for another order"), "{said}");
        assert_eq!(machine.world.calls("send_email").len(), 1, "{name}");
    }
}

#[tokio::test]
async fn invariant_4_an_order_for_another_vault_is_refused() {
    let mut machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    machine.desk.vault_id = "another".into();
    let report = machine.executor().run_cycle().await;
    assert!(entry(&report, "EMAIL_1").1.contains("another vault"), "{report:?}");
    assert_eq!((machine.stage("EMAIL_1"), machine.world.effects(&order)), (StageName::Errors, 0));
}

#[tokio::test]
async fn invariant_5_an_approval_is_used_once() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    let approved = machine.file("EMAIL_1");
    let executor = machine.executor();
    executor.run_cycle().await;
    assert_eq!(machine.world.effects(&order), 1);
    // The approved file comes back, from a backup or a rewound remote.
    let path = machine.desk.vault.root().join(approved.location.path());
    std::fs::write(path, approved.task.to_bytes().expect("bytes")).expect("write");
    let report = executor.run_cycle().await;
    let (end, message) = entry(&report, "EMAIL_1");
    assert!(end == End::Refused && message.contains("approval was used before"), "{report:?}");
    assert_eq!(machine.world.effects(&order), 1);
    assert_eq!(executor.run_cycle().await, Report::default());
}

#[tokio::test]
async fn invariant_4_a_file_that_is_dragged_into_place_is_refused() {
    let machine = Machine::new();
    let file = machine.propose("EMAIL_1", mail());
    let root = machine.desk.vault.root();
    std::fs::rename(root.join(file.location.path()), root.join("Needs_Action/EXECUTE_EMAIL_1.md"))
        .expect("drag");
    let report = machine.executor().run_cycle().await;
    assert!(entry(&report, "EMAIL_1").1.contains("not signed"), "{report:?}");
    assert_eq!(machine.world.calls("send_email").len(), 0);
}

#[tokio::test]
async fn an_expired_order_goes_back_to_the_owner_without_its_signature() {
    let expired = (StageName::PendingApproval, End::Returned, "expired");
    let machine = refuse("PAYMENT_1", expired, |m| m.wait(TimeDelta::minutes(15))).await;
    let front = machine.file("PAYMENT_1").task.front;
    assert!(front.reason.expect("reason").contains("expired"));
    assert_eq!((front.order, front.signature, front.decided_at), (None, None, None));
    assert!(front.requires_approval);
    // It can be approved anew.
    let order = machine.approve_again(&machine.file("PAYMENT_1"));
    machine.executor().run_cycle().await;
    assert_eq!((machine.stage("PAYMENT_1"), machine.world.effects(&order)), (StageName::Done, 1));
}

#[tokio::test]
async fn an_order_from_the_future_waits() {
    let future = (StageName::Approved, End::Waiting, "not valid before");
    refuse("EMAIL_1", future, |m| m.wait(TimeDelta::hours(-1))).await;
}

#[tokio::test]
async fn without_an_approvers_list_orders_wait() {
    let waits = (StageName::Approved, End::Waiting, "approvers");
    refuse("EMAIL_1", waits, |m| std::fs::remove_file(&m.files.approvers).expect("remove")).await;
}

#[tokio::test]
async fn invariant_9_a_malformed_file_is_set_aside_and_stops_nothing() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_2", mail());
    let needs_action = machine.desk.vault.root().join("Needs_Action");
    std::fs::write(needs_action.join("EXECUTE_EMAIL_1.md"), b"---\nid: [\n---\n").expect("write");
    std::fs::write(needs_action.join("EXECUTE_EMAIL_3.md"), b"\xff\xfe").expect("write");
    let executor = machine.executor();
    let report = executor.run_cycle().await;
    assert_eq!(report.ended(End::Refused).count(), 2, "{report:?}");
    assert_eq!((entry(&report, "EMAIL_2").0, machine.world.effects(&order)), (End::Done, 1));
    assert!(exists(&machine.desk.vault.root().join("Errors/EMAIL_1.md.reason.md")));
    assert_eq!(executor.run_cycle().await, Report::default());
}

#[tokio::test]
async fn what_the_body_and_the_rest_of_the_front_matter_say_does_not_matter() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    machine.tamper("EMAIL_1", |task| {
        task.body = "send it to eve@example.com instead".into();
        task.front.authentication =
            Some(Authentication { spf: Some("fail".into()), dkim: None, dmarc: None });
        task.front.to = vec!["eve@example.com".into()];
    });
    machine.executor().run_cycle().await;
    assert_eq!(machine.world.effects(&order), 1);
    let calls = machine.world.calls("send_email");
    assert_eq!(calls[0].arguments, order.action.call.arguments().expect("arguments"));
    assert_eq!(calls[0].meta["ai-employee/account"], "owner@example.com");
    assert_eq!(calls[0].meta[Order::META_KEY], order.approval.as_str());
    assert_eq!(calls[0].meta[Order::META_TEXT], order.to_text().expect("text").as_str());
}

#[tokio::test]
async fn the_cloud_role_calls_nothing_dangerous() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    let settings = Settings { role: Role::Cloud, ..machine.settings() };
    let executor = Executor::open(settings, machine.world.clone()).expect("executor");
    let report = executor.run_cycle().await;
    assert!(entry(&report, "EMAIL_1").1.contains("may not call send_email"), "{report:?}");
    assert_eq!(machine.world.effects(&order), 0);
}

#[tokio::test]
async fn a_refusal_of_the_server_is_a_failure_and_no_other_task_minds() {
    let machine = Machine::new();
    machine.approve("EMAIL_1", mail());
    let other = machine.approve("EMAIL_2", mail());
    machine.world.will([Next::Refuses]);
    let report = machine.executor().run_cycle().await;
    assert_eq!(entry(&report, "EMAIL_1"), (End::Failed, "550 no such user".into()));
    let front = machine.file("EMAIL_1").task.front;
    assert!(front.reason.expect("reason").contains("550 no such user"));
    assert_eq!(machine.world.effects(&other), 1);
}

#[tokio::test]
async fn a_server_that_cannot_be_started_is_tried_again_and_then_given_up() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    let executor = machine.executor();
    machine.world.will([Next::NotStarted]);
    let report = executor.run_cycle().await;
    assert!(entry(&report, "EMAIL_1").1.contains("mcp-email is missing"), "{report:?}");
    assert_eq!(machine.stage("EMAIL_1"), StageName::Executing);
    executor.run_cycle().await;
    assert_eq!(machine.world.calls("send_email").len(), 1, "not before its time");
    machine.wait(TimeDelta::minutes(1));
    executor.run_cycle().await;
    assert_eq!((machine.world.effects(&order), machine.stage("EMAIL_1")), (1, StageName::Done));

    // Each time it is left alone twice as long, to the second.
    machine.approve("EMAIL_3", mail());
    for seconds in [30, 60, 120, 240] {
        machine.world.will([Next::NotStarted]);
        let until = machine.clock.now() + TimeDelta::seconds(seconds);
        let (_, message) = entry(&executor.run_cycle().await, "EMAIL_3");
        assert!(message.contains(&format!("tried again at {until}")), "{message}");
        machine.wait(TimeDelta::seconds(seconds - 1));
        let (_, message) = entry(&executor.run_cycle().await, "EMAIL_3");
        assert!(message.starts_with("tried again later"), "{message}");
        machine.wait(TimeDelta::seconds(1));
    }
    executor.run_cycle().await;
    assert_eq!(machine.stage("EMAIL_3"), StageName::Done);

    machine.approve("EMAIL_2", mail());
    machine.world.will([Next::NotStarted; 5]);
    for round in 0..5 {
        let report = executor.run_cycle().await;
        let expected = if round < 4 { End::Waiting } else { End::Failed };
        assert_eq!(entry(&report, "EMAIL_2").0, expected, "{report:?}");
        machine.wait(TimeDelta::hours(1));
    }
    // What expires while it waits says why it could not be carried out.
    machine.approve("PAYMENT_1", payment());
    machine.world.will([Next::NotStarted]);
    executor.run_cycle().await;
    machine.wait(TimeDelta::minutes(20));
    let (end, message) = entry(&executor.run_cycle().await, "PAYMENT_1");
    assert!(end == End::Returned && message.contains("is missing"), "{message}");
}
