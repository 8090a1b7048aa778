//! Approve, reject, modify, and edits in the Markdown.

use std::sync::Arc;

use secrecy::SecretString;
use signature::{Approvers, Expect, verify};
use task::{Body, Location, Mode, Stage, StageName, Task};

use super::{Office, action, id, mail, now, passphrase, payment, prepare, proposed, signer};
use crate::{DeskError, Signer};

fn edited(task: &Task, from: &str, to: &str) -> Task {
    Task::new(task.front.clone(), task.body.replace(from, to))
}

#[test]
fn an_approved_task_carries_an_order_that_verifies() {
    let office = Office::new();
    let task = proposed("PAYMENT_1", Some(payment()));
    office.put(&task);
    let kept = office.pay("PAYMENT_1", "1250.00", "3000").expect("approve");
    assert_eq!(kept.file.location.path(), "Needs_Action/EXECUTE_PAYMENT_1.md");
    let front = office.desk.vault.read(&kept.file.location).expect("read").task.front;
    assert_eq!((front.decided_at, front.requires_approval), (Some(now()), true));
    let (text, signature) = (front.order.expect("order"), front.signature.expect("signature"));
    let verified = verify(&text, &signature, &office.desk.approvers, now()).expect("verified");
    let expect = Expect {
        vault: &office.desk.vault_id,
        executor: &office.desk.executor,
        mode: Mode::Live,
        now: now(),
    };
    verified.check(&expect).expect("fits here");
    let order = kept.order.expect("order");
    assert_eq!(*verified.order(), order);
    assert_eq!(Some(order.action), front.action);
    assert_eq!((order.expires - order.issued).num_minutes(), 15);
    let log = office.desk.vault.recent_records(1).expect("log");
    assert_eq!((log[0].action_type.as_str(), log[0].actor.as_str()), ("approve", "owner"));
}

#[test]
fn approval_ids_differ() {
    let office = Office::new();
    let approve = |name: &str| {
        let task = proposed(name, Some(mail("x")));
        office.put(&task);
        let kept =
            office.desk.approve(&id(name), &office.digest(&task), &signer(&office.files)).expect("approve");
        kept.order.expect("order").approval
    };
    assert_ne!(approve("EMAIL_1"), approve("EMAIL_2"));
}

#[test]
fn invariant_4_nothing_is_approved_that_was_not_seen() {
    let office = Office::new();
    let task = proposed("EMAIL_1", Some(mail("Dear Alice")));
    let seen = office.digest(&task);
    office.put(&proposed("EMAIL_1", Some(mail("Dear Mallory"))));
    let check = |result: Result<_, DeskError>, expected: &str| {
        let error = result.map(|_: crate::Kept| ()).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    };
    let signer = signer(&office.files);
    check(office.desk.approve(&id("EMAIL_1"), &seen, &signer), "changed since you saw it");
    check(office.desk.approve(&id("EMAIL_9"), &seen, &signer), "not in the vault");
    office.put(&proposed("EMAIL_2", None));
    check(office.desk.approve(&id("EMAIL_2"), &seen, &signer), "May I tell Alice the price?");
    let task = proposed("EMAIL_3", Some(mail("Dear Alice")));
    office.put(&edited(&task, "Dear Alice", "Dear Bob"));
    check(office.desk.approve(&id("EMAIL_3"), &office.digest(&task), &signer), "edited Draft");
    let elsewhere = proposed("EMAIL_4", Some(mail("x")));
    office.desk.vault.create(&Location::new(Stage::NeedsAction, id("EMAIL_4")), &elsewhere).expect("create");
    check(office.desk.approve(&id("EMAIL_4"), &seen, &signer), "not in Pending_Approval");
    for name in ["EMAIL_1", "EMAIL_2", "EMAIL_3"] {
        let front = office.desk.open(&id(name)).expect("still pending").task.front;
        assert_eq!((front.order, front.signature), (None, None));
    }
}

#[test]
fn a_key_that_the_approvers_do_not_name_approves_nothing() {
    let mut office = Office::with(passphrase);
    let other = tempfile::tempdir().expect("folder");
    let (files, _) = prepare(other.path());
    let task = proposed("EMAIL_1", Some(mail("x")));
    office.put(&task);
    let seen = office.digest(&task);
    let error = office.desk.approve(&id("EMAIL_1"), &seen, &signer(&files)).expect_err("stranger");
    assert!(error.to_string().contains("not among the approvers"), "{error}");
    let wrong = Signer::key_file(&office.files.key, Some(SecretString::from("wrong")));
    let error = office.desk.approve(&id("EMAIL_1"), &seen, &wrong).expect_err("wrong passphrase");
    assert!(error.to_string().contains("passphrase does not open"), "{error}");
    assert!(office.desk.open(&id("EMAIL_1")).expect("pending").task.front.order.is_none());
    office.desk.approvers = Approvers::load(&files.approvers).expect("approvers");
    assert!(office.desk.approve(&id("EMAIL_1"), &seen, &signer(&files)).is_ok());
}

#[test]
fn a_rejection_keeps_its_reason_and_withdraws_a_signature() {
    let office = Office::new();
    let mut task = proposed("EMAIL_1", Some(mail("x")));
    task.front.order = Some("{}".into());
    task.front.signature = Some("x".into());
    office.put(&task);
    assert!(matches!(office.desk.reject(&id("EMAIL_1"), " "), Err(DeskError::NoReason)));
    let kept = office.desk.reject(&id("EMAIL_1"), "too expensive\n").expect("reject");
    assert_eq!(kept.file.location.stage.name(), StageName::Rejected);
    let front = office.desk.vault.read(&kept.file.location).expect("read").task.front;
    assert_eq!(front.reason.as_deref(), Some("too expensive"));
    assert_eq!((front.order, front.signature, front.decided_at), (None, None, Some(now())));
}

#[test]
fn a_modified_task_waits_again_with_the_new_words() {
    let office = Office::new();
    let task = proposed("EMAIL_1", Some(mail("Dear Alice")));
    office.put(&task);
    let seen = office.digest(&task);
    let kept = office.desk.modify(&id("EMAIL_1"), Some(&seen), mail("Dear Bob")).expect("modify");
    assert_eq!(kept.file.location.stage, Stage::PendingApproval);
    let file = office.desk.open(&id("EMAIL_1")).expect("open");
    assert_eq!(Body::parse(&file.task.body).draft.as_deref(), Some("Dear Bob"));
    assert_eq!(Body::parse(&file.task.body).original.as_deref(), Some("How much is Q1?"));
    let error = office.desk.modify(&id("EMAIL_1"), Some(&seen), mail("x")).expect_err("seen is old");
    assert!(error.to_string().contains("changed since you saw it"), "{error}");
    let error = office.desk.approve(&id("EMAIL_1"), &seen, &signer(&office.files)).expect_err("seen is old");
    assert!(error.to_string().contains("changed since you saw it"), "{error}");
    assert!(office.desk.approve(&id("EMAIL_1"), &office.digest(&file.task), &signer(&office.files)).is_ok());
}

#[test]
fn a_question_is_answered_by_saying_what_to_do() {
    let office = Office::new();
    office.put(&proposed("EMAIL_1", None));
    office.desk.modify(&id("EMAIL_1"), None, mail("Dear Alice, 100 EUR.")).expect("modify");
    let file = office.desk.open(&id("EMAIL_1")).expect("open");
    assert!(office.desk.approve(&id("EMAIL_1"), &office.digest(&file.task), &signer(&office.files)).is_ok());
}

#[test]
fn invariant_6_an_edit_in_the_markdown_is_taken_over_or_kept_as_a_note() {
    let office = Office::new();
    let put = |name: &str| {
        let task = proposed(name, Some(mail("Dear Alice,\r\n\r\nyes.\n")));
        assert_eq!(crate::body_edit(&task), None, "line ends alone are no edit");
        office.put(&edited(&task, "yes.", "certainly."));
        let review = office.desk.review(&office.desk.open(&id(name)).expect("open").task).expect("review");
        assert!(review.edited.is_some() && review.screen.contains("certainly."), "{}", review.screen);
    };
    put("EMAIL_1");
    let kept = office.desk.take_edit(&id("EMAIL_1")).expect("take");
    assert_eq!(kept.file.task.front.action.expect("action").call.text(), Some("Dear Alice,\n\ncertainly."));
    assert!(matches!(office.desk.take_edit(&id("EMAIL_1")), Err(DeskError::NotEdited(_))));
    put("EMAIL_2");
    let kept = office.desk.drop_edit(&id("EMAIL_2")).expect("drop");
    assert_eq!(
        kept.file.task.front.action.as_ref().expect("action").call.text(),
        Some("Dear Alice,\r\n\r\nyes.\n")
    );
    assert_eq!(crate::body_edit(&kept.file.task), None);
    assert!(kept.file.task.body.contains("certainly."), "{}", kept.file.task.body);
    put("EMAIL_3");
    let kept = office.desk.modify(&id("EMAIL_3"), None, mail("No.")).expect("modify");
    assert!(kept.file.task.body.contains("certainly."), "{}", kept.file.task.body);
}

#[test]
fn invariant_6_words_beside_an_action_without_words_are_shown_and_kept() {
    let office = Office::new();
    let mut task = proposed("PAYMENT_1", Some(payment()));
    task.body = Body { draft: Some("ask Bob first".into()), ..Body::default() }.to_markdown();
    office.put(&task);
    let review = office.desk.review(&task).expect("review");
    assert!(review.edited.is_none() && review.screen.contains("ask Bob first"), "{}", review.screen);
    let kept = office.desk.modify(&id("PAYMENT_1"), None, payment()).expect("modify");
    let body = Body::parse(&kept.file.task.body);
    assert!(body.draft.is_none() && body.notes.is_some_and(|notes| notes.contains("ask Bob first")));
}

#[test]
fn an_edit_that_does_not_fit_the_tool_is_refused() {
    let office = Office::new();
    let task = proposed("TWITTER_1", Some(action("post_twitter", serde_json::json!({"text": "Hello"}))));
    office.put(&edited(&task, "Hello", &"x".repeat(281)));
    let error = office.desk.take_edit(&id("TWITTER_1")).expect_err("too long");
    assert!(error.to_string().contains("at most 280"), "{error}");
}

#[test]
fn a_dry_desk_signs_dry_orders() {
    let mut office = Office::new();
    office.desk.mode = Mode::Dry;
    office.desk.clock = Arc::new(task::FixedClock::new(now()));
    let task = proposed("EMAIL_1", Some(mail("x")));
    office.put(&task);
    let kept =
        office.desk.approve(&id("EMAIL_1"), &office.digest(&task), &signer(&office.files)).expect("approve");
    assert_eq!(kept.order.expect("order").mode, Mode::Dry);
}
