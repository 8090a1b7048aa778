//! What reading and writing a task's file promises.

use super::*;
use proptest::prelude::*;

const SAMPLE: &str = "---\nid: EMAIL_1\ntype: email\ncreated: 2026-02-23T03:15:00Z\npriority: high\ntags: [vip, 2026]\nmy_key: {a: 'no', b: 007}\naction:\n  server: email\n  tool: send_email\n  account: owner@example.com\n  arguments:\n    to: [alice@example.com]\n    subject: 'Re: Q1'\n    body: |\n      Dear Alice,\n\n      yes.\n---\n# Body\n\n---\nnot front matter\n";

fn id() -> TaskId {
    "EMAIL_1".parse().expect("id")
}

#[test]
fn unknown_keys_and_the_body_survive_a_rewrite() {
    let task = Task::parse(SAMPLE.as_bytes(), &id()).expect("task");
    assert_eq!(task.front.priority, Priority::High);
    assert_eq!(task.body, "# Body\n\n---\nnot front matter\n");
    let again = Task::parse(&task.to_bytes().expect("bytes"), &id()).expect("again");
    assert_eq!(again, task);
    assert_eq!(again.front.extra["my_key"]["a"], Value::from("no"));
    assert!(again.front.extra.contains_key("tags"));
}

#[test]
fn obsidians_empty_values_are_absent_values() {
    let text = "---\nid: EMAIL_1\ntype: email\ncreated: 2026-02-23T03:15:00Z\npriority:\nto:\nsubject:\naction:\n---\n";
    let task = Task::parse(text.as_bytes(), &id()).expect("task");
    assert_eq!((task.front.priority, task.front.subject, task.front.action), (Priority::Medium, None, None));
}

#[test]
fn what_is_no_task_is_refused_with_its_reason() {
    let check = |text: &[u8], what: &str| {
        let error = Task::parse(text, &id()).expect_err(what).to_string();
        assert!(error.contains(what), "{error}");
    };
    let head = "---\nid: EMAIL_1\ntype: email\ncreated: 2026-02-23T03:15:00Z\n";
    check(b"hello", "first line must be ---");
    check(b"---\nid: EMAIL_1\n", "second line ---");
    check(b"---\n\xff\n---\n", "not UTF-8");
    check(b"---\nid: E\0\n---\n", "control character");
    check(b"---\nid: OTHER\ntype: email\ncreated: 2026-02-23T03:15:00Z\n---\n", "named for EMAIL_1");
    check(format!("{head}id: EMAIL_1\n---\n").as_bytes(), "second time");
    check(format!("{head}x: &a 1\n---\n").as_bytes(), "an anchor");
    check(format!("{head}priority: urgent\n---\n").as_bytes(), "unknown variant");
    check(format!("{head}priority: \"\\e[2J\"\n---\n").as_bytes(), "unknown variant `\\u{1b}[2J`");
    let action = |arguments: &str| {
        format!(
            "{head}action:\n  server: payment\n  tool: initiate_payment\n  account: o\n  arguments: {arguments}\n---\n"
        )
    };
    check(
        action("{payee: B, iban: DE89370400440532013000, amount: 1.50, currency: EUR, reference: x}")
            .as_bytes(),
        "decimal string",
    );
    check(
        action("{payee: B, iban: DE89370400440532013000, amount: '1.50', currency: EUR, reference: }")
            .as_bytes(),
        "null at",
    );
    let account = |account: &str| {
        format!(
            "{head}action:\n  server: email\n  tool: send_email\n  account: {account}\n  arguments: {{to: [a@b], subject: x, body: y}}\n---\n"
        )
    };
    // The decoder took these for the words "null" and "true".
    for no_text in ["null", "~", "true", "1.10", "[a]"] {
        check(account(no_text).as_bytes(), "account is no text");
    }
    check(
        action(
            "{payee: B, iban: DE89370400440532013000, amount: '1.50', currency: EUR, reference: no, x: 1}",
        )
        .as_bytes(),
        "unknown field",
    );
}

#[test]
fn line_separators_of_old_yaml_round_trip() {
    // Found by the property below: written raw, they made a task that could not be read again.
    for question in ["\u{2028}\n", "\n\u{2028}", "a\u{2029}b: &c\n---\n", "\u{2028}"] {
        let mut front = FrontMatter::new(id(), "2026-02-23T03:15:00Z".parse().expect("time"));
        front.question = Some(question.to_owned());
        front.extra.insert("tags".into(), Value::from(vec!["x"]));
        let task = Task::new(front, "body\n");
        assert_eq!(Task::parse(&task.to_bytes().expect("bytes"), &id()), Ok(task));
    }
}

proptest! {
    #[test]
    fn any_subject_and_body_round_trip(subject in "\\PC{0,40}", question in "[ -~\\n\u{a0}-\u{2fff}]{0,60}", body in "[\\PC\\n\\t]{0,200}") {
        let mut front = FrontMatter::new(id(), "2026-02-23T03:15:00Z".parse().expect("time"));
        front.subject = Some(subject);
        front.question = Some(question);
        let task = Task::new(front, body);
        let again = Task::parse(&task.to_bytes().expect("bytes"), &id());
        prop_assert_eq!(again, Ok(task));
    }
}
