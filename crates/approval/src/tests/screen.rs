//! What the owner sees.

use proptest::prelude::*;
use serde_json::{Value, json};
use task::Mode;

use super::{Office, action, mail, now, payment, proposed};
use crate::{Setting, from_editable, review, to_editable, visible};

fn screen(action: Option<task::Action>) -> crate::Review {
    let executor = "local-001".parse().expect("agent");
    let (limits, own) = (config::Approval::default(), crate::Own::default());
    let setting = Setting {
        vault: "v1",
        executor: &executor,
        mode: Mode::Live,
        limits: &limits,
        own: &own,
        payee: None,
        now: now(),
    };
    review(&proposed("EMAIL_1", action), &setting).expect("review")
}

#[test]
fn a_mail_is_shown_whole() {
    insta::assert_snapshot!(screen(Some(mail("Dear Alice,\n\nyes.\u{202e}\n"))).screen);
}

#[test]
fn amount_and_payee_are_always_on_the_confirming_screen() {
    let check = |action, parts: &[&str]| {
        let review = screen(Some(action));
        for part in parts {
            assert!(review.confirm.contains(part), "{part}: {}", review.confirm);
            assert!(review.screen.contains(part), "{part}: {}", review.screen);
        }
    };
    check(
        payment(),
        &["1250.00 EUR", "Bob GmbH", "DE89 3704 0044 0532 0130 00", "2026-02-23 03:35:00 UTC", "R-1"],
    );
    check(
        action(
            "post_invoice",
            json!({"invoice_id": 7, "partner": "Alice AG", "total": "99.90", "currency": "EUR"}),
        ),
        &["99.90 EUR", "Alice AG", "2026-02-24 03:20:00 UTC"],
    );
    let lines = json!([{"description": "Work", "quantity": "2.5", "unit_price": "80.00"}]);
    check(
        action("create_invoice_draft", json!({"partner": "Alice AG", "lines": lines, "currency": "EUR"})),
        &["200 EUR", "Alice AG"],
    );
    check(mail("x"), &["alice@example.com", "Re: Q1"]);
    check(action("send_whatsapp", json!({"to": "+491701234567", "text": "Hallo"})), &["+491701234567"]);
    for (tool, place) in [
        ("post_twitter", "X"),
        ("post_facebook", "Facebook"),
        ("post_instagram", "Instagram"),
        ("post_linkedin", "LinkedIn"),
    ] {
        let media = json!([{"name": "a.png", "size": 5, "sha256": task::Digest::of("x").to_string()}]);
        let post = if place == "Instagram" {
            json!({"text": "Hello", "media": media})
        } else {
            json!({"text": "Hello"})
        };
        check(action(tool, post), &[&format!("on {place} as owner@example.com"), "5 characters"]);
    }
}

#[test]
fn a_task_without_an_action_shows_its_question() {
    let review = screen(None);
    assert_eq!(review.digest, None);
    assert!(review.screen.contains("May I tell Alice the price?"), "{}", review.screen);
}

#[test]
fn the_steps_of_a_long_task_are_shown_with_what_is_done() {
    let mut task = proposed("EMAIL_1", Some(mail("x")));
    let step = |what: &str, state| task::Step { what: what.into(), state, ..task::Step::default() };
    task.front.steps = vec![step("ask Bob", task::StepState::Done), step("answer", task::StepState::Open)];
    task.front.steps[0].said = Some("he is away".into());
    let screen = Office::new().desk.review(&task).expect("review").screen;
    for part in ["[x] ask Bob: he is away", "[ ] answer"] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
}

#[test]
fn that_nobody_checked_the_sender_is_said_of_mails_only() {
    for (name, said) in [("EMAIL_1", true), ("WHATSAPP_1", false)] {
        let task = proposed(name, Some(mail("x")));
        let screen = Office::new().desk.review(&task).expect("review").screen;
        assert_eq!(screen.contains("recorded no SPF, DKIM or DMARC result"), said, "{screen}");
    }
}

#[test]
fn sender_checks_attachments_and_expiry_are_shown() {
    let office = Office::new();
    let mut task = proposed("EMAIL_1", Some(mail("x")));
    task.front.reply_to = Some("mallory@evil.example".into());
    task.front.authentication =
        Some(task::Authentication { spf: Some("fail".into()), dkim: None, dmarc: None });
    task.front.attachments = vec![task::AttachmentNote {
        name: "invoice\u{202e}fdp.exe".into(),
        media_type: "application/pdf".into(),
        size: 10,
        sha256: task::Digest::of("x"),
    }];
    let review = office.desk.review(&task).expect("review");
    for part in [
        "spf=fail dkim=none dmarc=none",
        "SPF is fail",
        "wants answers at mallory@evil.example",
        "invoice‹U+202E›fdp.exe",
        "How much is Q1?",
        "good until 2026-02-24 03:20:00 UTC",
    ] {
        assert!(review.screen.contains(part), "{part}: {}", review.screen);
    }
}

fn leaves(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.extend(text.split('\n').map(|line| visible(line).trim_end().to_owned())),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, out)),
        Value::Object(map) => map.values().for_each(|item| leaves(item, out)),
        other => out.push(other.to_string()),
    }
}

proptest! {
    #[test]
    fn invariant_4_every_byte_that_is_signed_is_on_the_screen(
        body in "[\\PC\\n\\t\u{202a}-\u{202e}\u{200b}\x1b]{1,120}[a-z]",
        subject in "\\PC{1,60}",
        name in "[\\PC&&[^ ]]{1,20}",
    ) {
        let arguments = json!({
            "to": ["alice@example.com", "bob@example.com"], "cc": ["carol@example.com"], "subject": subject, "body": body,
            "in_reply_to": "<a@b>", "references": ["<c@d>", "<e@f>"],
            "attachments": [{"name": name, "size": 5, "sha256": task::Digest::of("x").to_string()}],
        });
        prop_assume!(task::Call::decode("send_email", arguments.clone()).is_ok());
        let review = screen(Some(action("send_email", arguments.clone())));
        let mut expected = Vec::new();
        leaves(&arguments, &mut expected);
        for leaf in expected {
            prop_assert!(review.screen.contains(&leaf), "{leaf:?} is not in {}", review.screen);
        }
        prop_assert!(!review.screen.chars().any(|c| c.is_control() && c != '\n'));
    }

    #[test]
    fn an_action_survives_the_editor(body in "[\\PC\\n]{0,100}[a-z]", subject in "\\PC{0,40}") {
        let arguments = json!({"to": ["alice@example.com"], "subject": subject, "body": body});
        prop_assume!(task::Call::decode("send_email", arguments.clone()).is_ok());
        let before = action("send_email", arguments);
        let text = to_editable(&super::id("EMAIL_1"), None, Some(&before)).expect("text");
        prop_assert_eq!(from_editable(&text, None).expect("action"), Some(before));
    }
}

#[test]
fn the_editor_gives_an_action_arguments_or_nothing() {
    let current = mail("Dear Alice");
    let decoded = |text: &str| from_editable(text, Some(&current)).expect(text).expect(text);
    assert_eq!(
        decoded("to: [bob@example.com]\nsubject: Hi\nbody: |\n  Dear Bob\n").call.text(),
        Some("Dear Bob\n")
    );
    assert_eq!(
        decoded(r#"{"to": ["bob@example.com"], "subject": "Hi", "body": "x"}"#).account,
        "owner@example.com"
    );
    assert_eq!(from_editable("", Some(&current)).expect("empty"), None);
    let empty = to_editable(&super::id("EMAIL_1"), Some("why?\nreally"), None).expect("text");
    assert_eq!(from_editable(&empty, None).expect("comments"), None, "{empty}");
    let check = |text: &str, expected: &str| {
        let error = from_editable(text, Some(&current)).expect_err(text).to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("to: [bob@example.com]\nsubject: Hi\n", "body");
    check("to: [bob@example.com]\nsubject: Hi\nbody: x\nurgent: true\n", "unknown field");
    check("to: [bob@example.com]\nto: [eve@example.com]\n", "second time");
    check("to: &a [x]\n", "an anchor");
    check("tool: delete_all\nserver: email\naccount: o\narguments: {}\n", "unknown tool");
    check("hello", "expected");
    // Half an action is no list of arguments.
    check("tool: send_email\n", "missing field");
    check("arguments: { to: [bob@example.com] }\n", "missing field");
    assert!(from_editable("to: []", None).expect_err("no tool").to_string().contains("no tool"));
}
