//! The promises of approval, over real files and a real vault.

mod decisions;
mod every_step;
mod keys;
mod payees;
mod provenance;
mod screen;

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::{Value, json};
use signature::{Approvers, Register};
use task::{Action, Body, FixedClock, FrontMatter, Location, Mode, Stage, Task, TaskId};
use vault::{Limits, TaskFile, Vault};

use crate::{Desk, Initialised, KeyFiles, NewKey, Signer, init};

const PASSPHRASE: &str = "correct horse";

/// An account that was paid before.
const BOB: &str = "DE89370400440532013000";

fn now() -> DateTime<Utc> {
    "2026-02-23T03:20:00Z".parse().expect("time")
}

fn id(text: &str) -> TaskId {
    text.parse().expect("id")
}

fn passphrase() -> Result<NewKey, crate::InitError> {
    Ok(NewKey::Passphrase(SecretString::from(PASSPHRASE)))
}

fn prepare(data: &Path) -> (KeyFiles, Initialised) {
    let files = KeyFiles::in_data(data);
    let made = init(&files, "owner", passphrase).expect("init");
    (files, made)
}

fn signer(files: &KeyFiles) -> Signer {
    Signer::key_file(&files.key, Some(SecretString::from(PASSPHRASE)))
}

fn action(tool: &str, arguments: Value) -> Action {
    let server = task::Call::decode(tool, arguments.clone()).expect("call").server();
    serde_json::from_value(json!({
        "server": server.name(), "tool": tool, "account": "owner@example.com", "arguments": arguments,
    }))
    .expect("action")
}

fn mail(body: &str) -> Action {
    action("send_email", json!({"to": ["alice@example.com"], "subject": "Re: Q1", "body": body}))
}

fn payment() -> Action {
    action(
        "initiate_payment",
        json!({"payee": "Bob GmbH", "iban": "DE89370400440532013000", "amount": "1250.00", "currency": "EUR", "reference": "R-1"}),
    )
}

fn proposed(id: &str, action: Option<Action>) -> Task {
    let mut front = FrontMatter::new(self::id(id), now());
    front.from = Some("Alice <alice@example.com>".into());
    front.subject = Some("Q1".into());
    let draft = action.as_ref().and_then(|action| action.call.text()).map(str::to_owned);
    front.question = action.is_none().then(|| "May I tell Alice the price?".to_owned());
    front.action = action;
    let body = Body {
        draft,
        plan: vec!["answer".into()],
        original: Some("How much is Q1?".into()),
        ..Body::default()
    };
    Task::new(front, body.to_markdown())
}

struct Office {
    desk: Desk,
    files: KeyFiles,
    _folder: tempfile::TempDir,
}

impl Office {
    /// Its key needs no passphrase: what is not about passphrases need not derive keys from them.
    fn new() -> Self {
        Self::with(|| Ok(NewKey::Unprotected))
    }

    fn with(key: fn() -> Result<NewKey, crate::InitError>) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let files = KeyFiles::in_data(&folder.path().join("data"));
        let made = init(&files, "owner", key).expect("init");
        let desk = Desk {
            vault: Vault::open(folder.path().join("vault"), Limits::default()).expect("vault"),
            vault_id: made.vault_id,
            agent: "local-001".parse().expect("agent"),
            executor: "local-001".parse().expect("agent"),
            mode: Mode::Live,
            limits: config::Approval::default(),
            approvers: Approvers::load(&files.approvers).expect("approvers"),
            register: Register::new(folder.path().join("data")),
            paid: Arc::new(|iban| Ok(if iban == BOB { vec!["Bob GmbH".to_owned()] } else { Vec::new() })),
            own: crate::Own::default(),
            clock: Arc::new(FixedClock::new(now())),
        };
        Self { desk, files, _folder: folder }
    }

    fn put(&self, task: &Task) -> TaskFile {
        let at = Location::new(Stage::PendingApproval, task.front.id.clone());
        self.desk.vault.create(&at, task).expect("create")
    }

    /// Approves a payment that is there, with these typed again.
    fn pay(&self, name: &str, amount: &str, payee_end: &str) -> Result<crate::Kept, crate::DeskError> {
        let seen = self.digest(&self.desk.open(&id(name)).expect("open").task);
        let retyped = crate::Retyped { amount: amount.into(), payee_end: payee_end.into() };
        self.desk.approve_payment(&id(name), &seen, &retyped, &signer(&self.files))
    }

    fn digest(&self, task: &Task) -> task::Digest {
        self.desk.review(task).expect("review").digest.expect("digest")
    }
}
