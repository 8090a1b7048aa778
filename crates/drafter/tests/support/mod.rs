//! Tasks as the watchers make them.

use drafter::{Draft, Drafter, Reach, Request};
use task::{Body, FrontMatter, Role, Task};

/// A task of that id with the front matter's other keys as YAML and a quoted text.
pub(crate) fn task(id: &str, yaml: &str, text: &str) -> Task {
    let front = format!("id: {id}\ntype: x\ncreated: 2026-02-23T03:15:00Z\n{yaml}\n");
    let front: FrontMatter = serde_yaml::from_str(&front).expect("front matter");
    Task::new(front, Body::of_original(text).to_markdown())
}

/// A mail from Alice.
pub(crate) fn mail(text: &str) -> Task {
    task(
        "EMAIL_20260223_alice_2d711642",
        "source: gmail\nsource_id: <q1@example.com>\nmessage_id: <q1@example.com>\naccount: owner@example.org\nfrom: alice@example.com\nfrom_name: Alice Smith\nto: [owner@example.org]\nsubject: Q1 invoice",
        text,
    )
}

/// A handbook without rules.
static HOUSE: std::sync::LazyLock<policy::House> = std::sync::LazyLock::new(policy::House::default);

/// The owner's accounts.
static ACCOUNTS: std::sync::LazyLock<drafter::Accounts> = std::sync::LazyLock::new(|| drafter::Accounts {
    mail: Some("default@example.org".into()),
    books: Some("books".into()),
    x: Some("owner-on-x".into()),
    ..drafter::Accounts::default()
});

/// What is asked about a task on the owner's machine.
pub(crate) fn request(task: &Task) -> Request<'_> {
    Request {
        task,
        handbook: "Always be polite.",
        house: &HOUSE,
        owner_name: "Olga Owner",
        accounts: &ACCOUNTS,
        role: Role::Local,
        reach: Reach::NONE,
        now: "2026-02-23T03:15:02Z".parse().expect("time"),
    }
}

/// Drafts it.
pub(crate) async fn draft(drafter: &dyn Drafter, task: &Task) -> Draft {
    drafter.draft(&request(task)).await.expect("a draft")
}
