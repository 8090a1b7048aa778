//! What was approved and no longer fits the world goes back to the owner.

use super::world::Next;
use super::*;

fn answer() -> Action {
    action(
        "send_email",
        json!({"to": ["alice@example.com"], "subject": "Re: Q1", "body": "Dear Alice", "in_reply_to": "<q1@x>"}),
    )
}

fn mail_of(minute: u32, id: &str) -> Value {
    json!([{"subject": "Re: Q1", "date": format!("2026-02-23T03:{minute}:00Z"), "message_id": id}])
}

#[tokio::test]
async fn an_answer_goes_back_to_the_owner_when_somebody_has_written_meanwhile_and_once_for_each_mail() {
    for folder in ["sent", "inbox"] {
        let machine = Machine::new();
        let order = machine.approve("EMAIL_1", answer());
        machine.world.thread.lock().expect("thread").insert(folder.into(), mail_of(25, "<by-hand@x>"));
        machine.wait(TimeDelta::minutes(10));
        let report = machine.executor().run_cycle().await;
        let (end, said) = entry(&report, "EMAIL_1");
        assert_eq!((end, machine.stage("EMAIL_1")), (End::Returned, StageName::PendingApproval), "{said}");
        assert!(said.contains("meanwhile") && said.contains("<by-hand@x>"), "{said}");
        assert_eq!(machine.world.effects(&order), 0);

        // The owner has read that, and wants it sent all the same.
        let again = machine.approve_again(&machine.file("EMAIL_1"));
        let report = machine.executor().run_cycle().await;
        assert_eq!((entry(&report, "EMAIL_1").0, machine.world.effects(&again)), (End::Done, 1), "{folder}");
    }
}

#[tokio::test]
async fn what_the_owner_was_told_of_sends_nothing_back_again_and_a_further_mail_does() {
    let machine = Machine::new();
    let file = machine.propose("EMAIL_1", answer());
    let mut task = file.task.clone();
    task.front.drafted_at = Some(start());
    let file = machine.desk.vault.replace(&file, &task).expect("drafted");
    machine.approve_again(&file);
    let inbox = |mails: Value| machine.world.thread.lock().expect("thread").insert("inbox".into(), mails);
    let first = mail_of(25, "<one@x>");
    inbox(first.clone());
    let executor = machine.executor();
    let mut minute = 25;
    for (mails, end) in [
        (first.clone(), End::Returned),
        (json!([first[0], mail_of(45, "<two@x>")[0]]), End::Returned),
        (json!([first[0], mail_of(45, "<two@x>")[0]]), End::Done),
    ] {
        machine.wait(TimeDelta::minutes(10));
        inbox(mails);
        let report = executor.run_cycle().await;
        assert_eq!(entry(&report, "EMAIL_1").0, end, "minute {minute}: {report:?}");
        if end == End::Returned {
            machine.approve_again(&machine.file("EMAIL_1"));
        }
        minute += 10;
    }
    // A mailbox knows days only: it is asked from the day before the draft on.
    assert_eq!(machine.world.calls("search_email")[0].arguments["since"], "2026-02-22");
}

#[tokio::test]
async fn an_account_that_only_sends_answers_all_the_same() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", answer());
    machine.world.will([Next::NoMailbox]);
    let report = machine.executor().run_cycle().await;
    assert_eq!((entry(&report, "EMAIL_1").0, machine.world.effects(&order)), (End::Done, 1), "{report:?}");
}

#[tokio::test]
async fn what_was_there_before_the_draft_sends_nothing_back() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", answer());
    machine.world.thread.lock().expect("thread").insert("inbox".into(), mail_of(10, "<before@x>"));
    let report = machine.executor().run_cycle().await;
    assert_eq!((entry(&report, "EMAIL_1").0, machine.world.effects(&order)), (End::Done, 1), "{report:?}");
}

#[tokio::test]
async fn where_it_cannot_be_told_the_order_waits() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", answer());
    machine.world.will([Next::NotStarted]);
    let executor = machine.executor();
    let (end, said) = entry(&executor.run_cycle().await, "EMAIL_1");
    assert_eq!((end, machine.world.effects(&order)), (End::Waiting, 0));
    assert!(said.contains("cannot be told whether it is still fresh"), "{said}");
    // For a while nobody is asked again.
    let (_, said) = entry(&executor.run_cycle().await, "EMAIL_1");
    assert!(said.starts_with("tried again later"), "{said}");
    assert_eq!(machine.world.calls("search_email").len(), 1);
    machine.wait(TimeDelta::minutes(1));
    executor.run_cycle().await;
    assert_eq!(machine.world.effects(&order), 1);
}

#[tokio::test]
async fn an_invoice_that_is_another_one_by_now_goes_back_to_the_owner() {
    let check = async |invoice: Value, said: &str, effects: u32| {
        let machine = Machine::new();
        let posting = json!({"invoice_id": 7, "partner": "Contoso", "total": "300.00", "currency": "EUR"});
        let order = machine.approve("ODOO_1", action("post_invoice", posting));
        *machine.world.invoice.lock().expect("invoice") = invoice;
        let report = machine.executor().run_cycle().await;
        let (end, message) = entry(&report, "ODOO_1");
        assert_eq!(machine.world.effects(&order), effects, "{message}");
        assert_eq!(end, if effects == 1 { End::Done } else { End::Returned }, "{message}");
        assert!(message.contains(said), "{message}");
    };
    let invoice = |state: &str, total: &str| json!({"state": state, "partner": "Contoso", "total": total, "currency": "EUR"});
    check(invoice("draft", "300"), "", 1).await;
    check(invoice("posted", "300.00"), "the invoice is posted by now", 0).await;
    check(invoice("draft", "310.00"), "over 310.00 EUR", 0).await;
    for (key, other) in [("partner", "Fabrikam"), ("currency", "USD")] {
        let mut changed = invoice("draft", "300.00");
        changed[key] = other.into();
        check(changed, other, 0).await;
    }
}
