//! What the owner sees and is told before anything is signed: each proposal in one line, a refusal
//! before a passphrase is asked for, and a key that cannot be used.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use approval::{
    Desk, DeskError, InitError, KeyFiles, NewKey, Own, Retyped, Setting, fingerprint, init, read_vault_id,
    review,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use signature::{Approvers, Register};
use task::{Action, Body, Digest, FixedClock, FrontMatter, Location, Mode, Stage, Task};
use vault::{Limits, Vault};

fn now() -> chrono::DateTime<chrono::Utc> {
    "2026-02-23T03:20:00Z".parse().expect("a time")
}

fn proposal(tool: &str, arguments: Value) -> Task {
    let server = task::Call::decode(tool, arguments.clone()).expect(tool).server();
    let action: Action = serde_json::from_value(json!({
        "server": server.name(), "tool": tool, "account": "owner@example.com", "arguments": arguments,
    }))
    .expect("action");
    let mut front = FrontMatter::new("TASK_1".parse().expect("id"), now());
    let draft = action.call.text().map(str::to_owned);
    front.action = Some(action);
    Task::new(front, Body { draft, ..Body::default() }.to_markdown())
}

/// What stands on the confirming screen.
fn confirm(tool: &str, arguments: Value) -> String {
    let executor = "local-001".parse().expect("agent");
    let (limits, own) = (config::Approval::default(), Own::default());
    let setting = Setting {
        vault: "v1",
        executor: &executor,
        mode: Mode::Live,
        limits: &limits,
        own: &own,
        payee: None,
        now: now(),
    };
    review(&proposal(tool, arguments), &setting).expect("review").confirm
}

#[test]
fn every_kind_of_proposal_says_in_one_line_what_from_whom_and_to_whom() {
    let picture = json!([{"name": "picture.png", "size": 9, "sha256": format!("sha256:{}", "0".repeat(64))}]);
    let mail = json!({"to": ["a@example.com", "b@example.com"], "cc": ["c@example.com"],
        "bcc": ["d@example.com"], "subject": "Q1", "body": "Hello"});
    let lines = json!([{"description": "Work", "quantity": "2", "unit_price": "80.00"}]);
    for (tool, arguments, line) in [
        (
            "send_email",
            mail.clone(),
            "send a mail from owner@example.com to a@example.com, b@example.com, cc c@example.com, bcc \
             d@example.com: Q1",
        ),
        (
            "draft_email",
            mail,
            "keep as a draft a mail from owner@example.com to a@example.com, b@example.com, cc c@example.com, \
             bcc d@example.com: Q1",
        ),
        (
            "create_invoice_draft",
            json!({"partner": "Alice AG", "lines": lines, "currency": "EUR"}),
            "create an invoice draft for Alice AG: 160 EUR before tax, 1 line, books owner@example.com",
        ),
        (
            "draft_social_post",
            json!({"platform": "facebook", "text": "Hello"}),
            "keep a Facebook post as a draft for owner@example.com: 5 characters",
        ),
        (
            "post_facebook",
            json!({"text": "Hello", "reply_to": "77"}),
            "post on Facebook as owner@example.com in answer to 77: 5 characters, no files",
        ),
        (
            "post_instagram",
            json!({"text": "Hello", "media": picture}),
            "post on Instagram as owner@example.com: 5 characters, 1 file",
        ),
        ("post_twitter", json!({"text": "Hi"}), "post on X as owner@example.com: 2 characters, no files"),
        (
            "post_linkedin",
            json!({"text": "Hi"}),
            "post on LinkedIn as owner@example.com: 2 characters, no files",
        ),
    ] {
        let shown = confirm(tool, arguments);
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains(line), "{line}\nis not in\n{shown}");
    }
}

/// A desk with one task that waits.
fn desk(folder: &Path, task: &Task) -> Desk {
    let files = KeyFiles::in_data(&folder.join("data"));
    let made = init(&files, "owner", || Ok(NewKey::Unprotected)).expect("init");
    let vault = Vault::open(folder.join("vault"), Limits::default()).expect("vault");
    vault.create(&Location::new(Stage::PendingApproval, task.front.id.clone()), task).expect("create");
    Desk {
        vault,
        vault_id: made.vault_id,
        agent: "local-001".parse().expect("agent"),
        executor: "local-001".parse().expect("agent"),
        mode: Mode::Live,
        limits: config::Approval::default(),
        approvers: Approvers::load(&files.approvers).expect("approvers"),
        register: Register::new(folder.join("data")),
        paid: Arc::new(|_| Ok(vec!["Bob".to_owned()])),
        own: Own::default(),
        clock: Arc::new(FixedClock::new(now())),
    }
}

#[test]
fn what_would_be_refused_is_refused_before_a_passphrase_is_asked_for() {
    let folder = tempfile::tempdir().expect("folder");
    let task = proposal(
        "initiate_payment",
        json!({"payee": "Bob", "iban": "DE89370400440532013000", "amount": "12.50", "currency": "EUR",
               "reference": "R"}),
    );
    let desk = desk(folder.path(), &task);
    let id = &task.front.id;
    let seen = desk.review(&task).expect("review").digest.expect("digest");
    let retyped = |amount: &str| Retyped { amount: amount.into(), payee_end: "3000".into() };
    desk.check(id, &seen, Some(&retyped("12.50"))).expect("it may be signed");
    let refused =
        |seen: &Digest, retyped: Option<&Retyped>| desk.check(id, seen, retyped).expect_err("refused");
    assert!(matches!(refused(&Digest::of("another"), Some(&retyped("12.50"))), DeskError::Changed { .. }));
    assert!(matches!(refused(&seen, None), DeskError::PaysMoney(_)));
    assert!(matches!(refused(&seen, Some(&retyped("125.0"))), DeskError::Mistyped { .. }));
    let elsewhere = "TASK_9".parse().expect("id");
    assert!(matches!(desk.check(&elsewhere, &seen, None), Err(DeskError::NotFound(_))));
}

/// A key of that kind, as `ssh-keygen` makes it: private and public half.
fn keygen(folder: &Path, kind: &str) -> (String, String) {
    let path = folder.join(kind);
    let made = Command::new("ssh-keygen").args(["-q", "-N", "", "-t", kind, "-f"]).arg(&path).status();
    assert!(made.expect("ssh-keygen starts").success());
    let read = |path: &Path| std::fs::read_to_string(path).expect("key");
    (read(&path), read(&path.with_extension("pub")))
}

#[test]
fn a_saved_keys_fingerprint_is_that_of_ssh_keygen_whichever_half_it_is_read_from() {
    let folder = tempfile::tempdir().expect("folder");
    let (private, public) = keygen(folder.path(), "ed25519");
    let shown = Command::new("ssh-keygen").arg("-lf").arg(folder.path().join("ed25519")).output();
    let shown = String::from_utf8(shown.expect("ssh-keygen starts").stdout).expect("text");
    for half in [private.clone(), public, format!("{}\r\n\n", private.trim())] {
        let found = fingerprint(Path::new("saved"), &SecretString::from(half)).expect("fingerprint");
        assert!(shown.contains(&found) && found.starts_with("SHA256:"), "{found} is not in {shown}");
    }
}

#[test]
fn a_key_that_cannot_sign_orders_is_refused_with_its_place_and_the_reason() {
    let folder = tempfile::tempdir().expect("folder");
    let (private, public) = keygen(folder.path(), "ecdsa");
    for (text, reason) in [
        (private, "ecdsa-sha2-nistp256 keys are not supported; use ssh-ed25519"),
        (public, "ecdsa-sha2-nistp256 keys are not supported; use ssh-ed25519"),
        ("-----BEGIN nothing".to_owned(), "it is no OpenSSH private key"),
        ("nonsense".to_owned(), "expected a line such as: ssh-ed25519 AAAA… owner"),
    ] {
        let error = fingerprint(Path::new("saved/key"), &SecretString::from(text)).expect_err(reason);
        assert!(matches!(error, InitError::Key { .. }));
        let said = error.to_string();
        assert!(said.starts_with("key saved/key cannot be used: ") && said.contains(reason), "{said}");
    }
}

#[test]
fn a_saved_key_is_kept_as_it_is_and_one_that_cannot_be_used_leaves_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let (private, _) = keygen(folder.path(), "ed25519");
    let files = KeyFiles::in_data(&folder.path().join("data"));
    let saved = |text: &str| init(&files, "owner", || Ok(NewKey::Saved(SecretString::from(text.to_owned()))));
    saved("no key").expect_err("no key");
    assert!(!files.has_key());
    assert!(saved(&private).expect("init").listed);
    assert_eq!(std::fs::read_to_string(&files.key).expect("key"), private);
}

#[test]
fn a_vault_id_that_is_none_is_said_with_its_file() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("vault-id");
    let missing = read_vault_id(&path).expect_err("no file").to_string();
    assert_eq!(missing, format!("failed to read {}", path.display()));
    for text in ["", " \n", "two words", &"x".repeat(101)] {
        std::fs::write(&path, text).expect("write");
        let error = read_vault_id(&path).expect_err(text).to_string();
        let place = path.display().to_string();
        assert!(error.contains(&place) && error.contains("restore it from a backup"), "{error}");
    }
}
