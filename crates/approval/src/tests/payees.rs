//! Payments: what is typed again, and payees that were never paid.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::json;
use signature::{Introduced, SignedIntroduction};
use task::{FixedClock, Introduction, Mode};

use super::{Office, action, id, mail, now, payment, proposed, signer};
use crate::{DeskError, Retyped};

const NEW: &str = "GB33BUKB20201555555555";

fn to_new(payee: &str) -> task::Action {
    let arguments =
        json!({"payee": payee, "iban": NEW, "amount": "99.50", "currency": "EUR", "reference": "R-2"});
    action("initiate_payment", arguments)
}

fn at(office: &mut Office, delta: TimeDelta) {
    office.desk.clock = Arc::new(FixedClock::new(now() + delta));
}

fn reason(office: &Office, name: &str) -> String {
    office.desk.open(&id(name)).expect("open").task.front.reason.unwrap_or_default()
}

#[test]
fn invariant_4_a_payment_is_signed_only_when_amount_and_payee_were_typed_again() {
    let office = Office::new();
    let task = proposed("PAYMENT_1", Some(payment()));
    office.put(&task);
    let seen = office.digest(&task);
    let error =
        office.desk.approve(&id("PAYMENT_1"), &seen, &signer(&office.files)).expect_err("nothing typed");
    assert!(matches!(error, DeskError::PaysMoney(_)), "{error}");
    let check = |amount: &str, payee_end: &str, expected: &str| {
        let error = office.pay("PAYMENT_1", amount, payee_end).expect_err(expected).to_string();
        assert!(error.contains("PAYMENT_1 is not approved") && error.contains(expected), "{error}");
        let front = office.desk.open(&id("PAYMENT_1")).expect("it waits").task.front;
        assert_eq!((front.order, front.signature), (None, None));
    };
    check("1250.01", "3000", "1250.01, is not the one");
    check("1250.00", "3001", "not the last 4 characters");
    check("", "3000", "no amount");
    let kept = office.pay("PAYMENT_1", "1250", "3000").expect("the same number");
    assert!(kept.order.is_some() && kept.payable.is_none());
    office.put(&proposed("EMAIL_1", Some(mail("x"))));
    let error = office.pay("EMAIL_1", "1", "3000").expect_err("no payment");
    assert!(matches!(error, DeskError::PaysNothing(_)), "{error}");
}

#[test]
fn what_would_be_refused_is_refused_before_anybody_is_asked_for_a_passphrase() {
    let mut office = Office::new();
    office.put(&proposed("PAYMENT_1", Some(to_new("Carol"))));
    let seen = office.digest(&office.desk.open(&id("PAYMENT_1")).expect("open").task);
    let typed = |amount: &str| Retyped { amount: amount.into(), payee_end: "5555".into() };
    let check = |office: &Office, typed: Option<&Retyped>| office.desk.check(&id("PAYMENT_1"), &seen, typed);
    assert!(check(&office, Some(&typed("99.50"))).is_ok());
    assert!(matches!(check(&office, None), Err(DeskError::PaysMoney(_))));
    assert!(matches!(check(&office, Some(&typed("99.51"))), Err(DeskError::Mistyped { .. })));
    let other = task::Digest::of("another");
    let changed = office.desk.check(&id("PAYMENT_1"), &other, Some(&typed("99.50")));
    assert!(matches!(changed, Err(DeskError::Changed { .. })));
    office.pay("PAYMENT_1", "99.50", "5555").expect("introduced");
    at(&mut office, TimeDelta::hours(1));
    assert!(matches!(check(&office, Some(&typed("99.50"))), Err(DeskError::Held { .. })));
}

#[test]
fn a_new_payee_needs_a_second_signature_after_the_hold() {
    let mut office = Office::new();
    office.put(&proposed("PAYMENT_1", Some(to_new("Carol"))));
    let review = office.desk.review(&office.desk.open(&id("PAYMENT_1")).expect("open").task).expect("review");
    assert!(review.confirm.contains("new payee: this account was never paid"), "{}", review.confirm);

    let kept = office.pay("PAYMENT_1", "99.50", "5555").expect("introduced");
    assert_eq!((kept.order.clone(), kept.payable), (None, Some(now() + TimeDelta::days(1))));
    let said = reason(&office, "PAYMENT_1");
    assert!(said.contains("new payee Carol") && said.contains("2026-02-24 03:20:00 UTC"), "{said}");
    let log = office.desk.vault.recent_records(1).expect("log");
    assert_eq!((log[0].action_type.as_str(), log[0].actor.as_str()), ("introduce_payee", "owner"));

    at(&mut office, TimeDelta::hours(23));
    let error = office.pay("PAYMENT_1", "99.50", "5555").expect_err("too early");
    assert!(matches!(error, DeskError::Held { .. }), "{error}");
    assert!(error.to_string().contains("sign again from 2026-02-24 03:20:00 UTC on"), "{error}");
    at(&mut office, TimeDelta::hours(24));
    let order = office.pay("PAYMENT_1", "99.50", "5555").expect("paid").order.expect("order");
    assert_eq!(order.issued, now() + TimeDelta::days(1));
    assert!(office.desk.register.has_given(&order.approval, &order.to_text().expect("text")).expect("read"));
}

#[test]
fn a_new_task_to_an_introduced_payee_does_not_restart_the_hold() {
    let mut office = Office::new();
    office.put(&proposed("PAYMENT_1", Some(to_new("Carol"))));
    office.pay("PAYMENT_1", "99.50", "5555").expect("introduced");
    at(&mut office, TimeDelta::hours(20));
    office.put(&proposed("PAYMENT_2", Some(to_new("Mallory"))));
    let error = office.pay("PAYMENT_2", "99.50", "5555").expect_err("held").to_string();
    assert!(error.contains("from 2026-02-24 03:20:00 UTC on"), "{error}");
    assert!(reason(&office, "PAYMENT_2").contains("2026-02-24 03:20:00 UTC"));
    at(&mut office, TimeDelta::hours(25));
    let review = office.desk.review(&office.desk.open(&id("PAYMENT_2")).expect("open").task).expect("review");
    assert!(review.warnings.iter().any(|w| w.contains("introduced as Carol")), "{:?}", review.warnings);
    assert!(office.pay("PAYMENT_2", "99.50", "5555").expect("paid").order.is_some());
}

#[test]
fn a_known_account_under_another_name_is_warned_of() {
    let office = Office::new();
    let as_name = |name: &str| {
        let arguments =
            json!({"payee": name, "iban": super::BOB, "amount": "1.00", "currency": "EUR", "reference": "R"});
        let task = proposed("PAYMENT_1", Some(action("initiate_payment", arguments)));
        office.desk.review(&task).expect("review").warnings
    };
    assert_eq!(as_name("Bob GmbH"), Vec::<String>::new());
    assert_eq!(as_name("Robert"), ["this account was paid before, but as Bob GmbH"]);
}

#[test]
fn an_introduction_that_does_not_verify_introduces_nobody() {
    let mut office = Office::new();
    office.put(&proposed("PAYMENT_1", Some(to_new("Carol"))));
    office.pay("PAYMENT_1", "99.50", "5555").expect("introduced");
    let path = office.desk.register.payee_file(NEW).expect("path");
    let good = std::fs::read_to_string(&path).expect("read");
    at(&mut office, TimeDelta::days(3));
    let found = |text: &str| {
        std::fs::write(&path, text).expect("write");
        let desk = &office.desk;
        desk.register.introduced(NEW, &desk.vault_id, &desk.approvers, desk.clock.now()).expect("read")
    };
    assert!(matches!(found(&good), Introduced::Yes(_)));
    let signed: SignedIntroduction = serde_json::from_str(&good).expect("signed");
    let with = |change: &dyn Fn(&mut SignedIntroduction)| {
        let mut signed = signed.clone();
        change(&mut signed);
        serde_json::to_string(&signed).expect("text")
    };
    let as_order = signer(&office.files).sign(&signed.introduction).expect("signed as an order");
    let earlier = signed.introduction.replace("2026-02-23", "2026-02-21");
    assert_ne!(earlier, signed.introduction);
    for (text, expected) in [
        (with(&|s| s.introduction = earlier.clone()), "changed after it was signed"),
        (with(&|s| s.signature = as_order.clone()), "not for payees"),
        (with(&|s| s.signature.clear()), "not signed"),
        ("{}".to_owned(), "missing field"),
        (String::new(), "EOF"),
    ] {
        match found(&text) {
            Introduced::Void(reason) => assert!(reason.contains(expected), "{reason}"),
            other => panic!("{expected}: {other:?}"),
        }
    }
    // A void one is replaced, and its hold starts anew.
    let kept = office.pay("PAYMENT_1", "99.50", "5555").expect("introduced again");
    assert_eq!(kept.payable, Some(now() + TimeDelta::days(4)));
    let desk = &office.desk;
    let anew =
        desk.register.introduced(NEW, &desk.vault_id, &desk.approvers, desk.clock.now()).expect("read");
    assert!(
        matches!(anew, Introduced::Yes(Introduction { introduced, .. }) if introduced == now() + TimeDelta::days(3))
    );
    let other = desk.register.introduced(NEW, "v2", &desk.approvers, desk.clock.now()).expect("read");
    assert_eq!(other, Introduced::Void("it was signed for another vault".into()));
}

#[test]
fn a_rehearsal_introduces_nobody_and_a_journal_that_cannot_be_read_pays_nobody() {
    let mut office = Office::new();
    office.desk.mode = Mode::Dry;
    let task = proposed("PAYMENT_1", Some(to_new("Carol")));
    office.put(&task);
    let review = office.desk.review(&task).expect("review");
    assert!(!review.screen.contains("new payee"), "{}", review.screen);
    assert!(office.pay("PAYMENT_1", "99.50", "5555").expect("rehearsed").order.is_some());
    assert!(!office.desk.register.payee_file(NEW).expect("path").exists());
    office.desk.mode = Mode::Live;
    office.put(&proposed("PAYMENT_2", Some(to_new("Carol"))));
    let seen = office.digest(&office.desk.open(&id("PAYMENT_2")).expect("open").task);
    office.desk.paid = Arc::new(|_| Err("the journal is locked".into()));
    let retyped = Retyped { amount: "99.50".into(), payee_end: "5555".into() };
    let error = office
        .desk
        .approve_payment(&id("PAYMENT_2"), &seen, &retyped, &signer(&office.files))
        .expect_err("no journal");
    assert!(error.to_string().contains("the journal is locked"), "{error}");
}
