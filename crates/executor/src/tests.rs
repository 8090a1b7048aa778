//! The promises of execution, over a real vault, real signatures and a world that counts effects.

mod crash;
mod every_step;
mod freshness;
mod gate;
mod journal;
mod limits;
mod lost;
mod modes;
mod owner;
mod questions;
mod records;
mod reserve;
mod returning;
mod trouble;
mod undo;
mod world;

use std::path::Path;
use std::sync::Arc;

use approval::{Desk, KeyFiles, NewKey, Retyped, Signer, init};
use chrono::{DateTime, TimeDelta, Utc};
use fault::{Effect, Plan};
use serde_json::{Value, json};
use signature::{Approvers, Register, SignedIntroduction};
use task::{
    Action, Body, Clock as _, FixedClock, FrontMatter, Location, Mode, Order, Role, Stage, StageName, Task,
    TaskId,
};
use vault::{Handbook, Limits, TaskFile, Vault};

use crate::{End, Executor, Report, Settings};
use world::World;

/// Bob's account.
const BOB: &str = "DE89370400440532013000";

fn start() -> DateTime<Utc> {
    "2026-02-23T03:20:00Z".parse().expect("time")
}

fn id(text: &str) -> TaskId {
    text.parse().expect("id")
}

fn action(tool: &str, arguments: Value) -> Action {
    let server = task::Call::decode(tool, arguments.clone()).expect("call").server();
    serde_json::from_value(json!({
        "server": server.name(), "tool": tool, "account": "owner@example.com", "arguments": arguments,
    }))
    .expect("action")
}

fn mail() -> Action {
    action("send_email", json!({"to": ["alice@example.com"], "subject": "Re: Q1", "body": "Dear Alice"}))
}

fn payment() -> Action {
    action(
        "initiate_payment",
        json!({"payee": "Bob", "iban": BOB, "amount": "12.50", "currency": "EUR", "reference": "R"}),
    )
}

fn post() -> Action {
    action("post_twitter", json!({"text": "Hello"}))
}

/// The defaults, with no time to undo anything and no hold on payees that are introduced.
fn limits() -> config::Approval {
    config::Approval {
        undo_seconds: config::UndoSeconds::none(),
        payee_hold_hours: 0,
        ..config::Approval::default()
    }
}

/// The owner's machine: vault, data directory, keys, and the world behind the tool servers.
struct Machine {
    desk: Desk,
    files: KeyFiles,
    clock: Arc<FixedClock>,
    world: Arc<World>,
    limits: config::Limits,
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let files = KeyFiles::in_data(&folder.path().join("data"));
        let made = init(&files, "owner", || Ok(NewKey::Unprotected)).expect("init");
        let clock = Arc::new(FixedClock::new(start()));
        introduce(&files, &made.vault_id, start());
        let desk = Desk {
            vault: Vault::open(folder.path().join("vault"), Limits::default()).expect("vault"),
            vault_id: made.vault_id,
            agent: "local-001".parse().expect("agent"),
            executor: "local-001".parse().expect("agent"),
            mode: Mode::Live,
            limits: limits(),
            approvers: Approvers::load(&files.approvers).expect("approvers"),
            register: Register::new(folder.path().join("data")),
            // Bob was paid before, for all that the desk knows; what the executor knows is its own.
            paid: Arc::new(|_| Ok(vec!["Bob".to_owned()])),
            own: approval::Own::default(),
            clock: clock.clone(),
        };
        Self {
            desk,
            files,
            clock,
            world: Arc::new(World::default()),
            limits: config::Limits::default(),
            folder,
        }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn settings(&self) -> Settings {
        Settings {
            vault: self.desk.vault.clone(),
            vault_id: self.desk.vault_id.clone(),
            agent: self.desk.agent.clone(),
            role: Role::Local,
            mode: Mode::Live,
            data: self.data(),
            approval: self.desk.limits.clone(),
            approvers: self.files.approvers.clone(),
            limits: self.limits.clone(),
            handbook: Handbook::new(self.desk.vault.clone(), self.data().join("handbook.md")),
            stop_file: self.data().join("stopped"),
            machine: None,
            clock: self.clock.clone(),
        }
    }

    fn executor(&self) -> Executor {
        Executor::open(self.settings(), self.world.clone()).expect("executor")
    }

    /// A cycle in a process that ends right before the step `point`; whether it came so far.
    async fn crash_at(&self, point: &str) -> bool {
        let executor = self.executor();
        fault::arm_here(Some(Plan::at(point, 1, Effect::Unwind)));
        // The end of the simulated process must not be the end of the test.
        let ended = tokio::spawn(async move { executor.run_cycle().await }).await;
        let reached = fault::arm_here(None).is_some_and(|plan| plan.has_struck());
        assert!(reached || ended.is_ok(), "{ended:?}");
        reached
    }

    /// A task that waits for approval.
    fn propose(&self, name: &str, action: Action) -> TaskFile {
        let mut front = FrontMatter::new(id(name), start());
        let draft = action.call.text().map(str::to_owned);
        front.action = Some(action);
        let body = Body { draft, ..Body::default() };
        let at = Location::new(Stage::PendingApproval, id(name));
        self.desk.vault.create(&at, &Task::new(front, body.to_markdown())).expect("create")
    }

    /// A task that the owner approved.
    fn approve(&self, name: &str, action: Action) -> Order {
        let file = self.propose(name, action);
        self.approve_again(&file)
    }

    fn approve_again(&self, file: &TaskFile) -> Order {
        let review = self.desk.review(&file.task).expect("review");
        let digest = review.digest.expect("digest");
        let signer = Signer::key_file(&self.files.key, None);
        let id = &file.location.id;
        let kept = match &file.task.front.action.as_ref().expect("action").call {
            task::Call::InitiatePayment(payment) => {
                let retyped = Retyped {
                    amount: payment.amount.to_string(),
                    payee_end: payment.iban[payment.iban.len() - 4..].to_owned(),
                };
                self.desk.approve_payment(id, &digest, &retyped, &signer)
            }
            _ => self.desk.approve(id, &digest, &signer),
        };
        kept.expect("approve").order.expect("order")
    }

    fn file(&self, name: &str) -> TaskFile {
        let at = self.desk.vault.find(&id(name)).expect("find").expect(name);
        self.desk.vault.read(&at).expect("read")
    }

    fn stage(&self, name: &str) -> StageName {
        self.file(name).location.stage.name()
    }

    /// Changes an approved file behind everybody's back.
    fn tamper(&self, name: &str, change: impl FnOnce(&mut Task)) {
        let file = self.file(name);
        let mut task = file.task.clone();
        change(&mut task);
        self.desk.vault.replace(&file, &task).expect("replace");
    }

    fn wait(&self, delta: TimeDelta) {
        self.clock.advance(delta);
    }
}

/// Has the owner introduce Bob, at `at`.
fn introduce(files: &KeyFiles, vault: &str, at: DateTime<Utc>) {
    let introduction = task::Introduction {
        iban: BOB.into(),
        introduced: at,
        payee: "Bob".into(),
        task: id("PAYMENT_0"),
        vault: vault.into(),
    };
    let introduction = introduction.to_text().expect("text");
    let signature = Signer::key_file(&files.key, None).sign_introduction(&introduction).expect("signature");
    let signed = SignedIntroduction { introduction, signature };
    let path = Register::new(files.vault_id.parent().expect("data")).payee_file(BOB).expect("path");
    std::fs::create_dir_all(path.parent().expect("folder")).expect("folder");
    std::fs::write(path, serde_json::to_string(&signed).expect("text")).expect("write");
}

/// The one entry of a report about `name`.
fn entry(report: &Report, name: &str) -> (End, String) {
    let found: Vec<_> = report.entries.iter().filter(|entry| entry.id == id(name)).collect();
    assert_eq!(found.len(), 1, "{name}: {report:?}");
    (found[0].end, found[0].message.clone())
}

fn exists(path: &Path) -> bool {
    path.try_exists().expect("exists")
}
