//! Tasks as they occur, all different.

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use task::{Body, FrontMatter, Stage, Task, TaskId};

use super::Outcome;
use super::lab::OrFailed as _;

/// Who wrote task number `n`.
fn sender(n: usize) -> &'static str {
    const SENDERS: [&str; 7] = ["alice", "bob", "carol-meyer", "dieter", "elena.p", "faisal", "grace"];
    SENDERS[n % SENDERS.len()]
}

/// The name of task number `n`.
pub(crate) fn id(n: usize) -> Outcome<TaskId> {
    named(n, "20260223")
}

fn named(n: usize, day: &str) -> Outcome<TaskId> {
    // The last part looks like a digest, as with a watcher's tasks: not in the order of numbers.
    let scattered = u32::try_from(n).unwrap_or(u32::MAX).wrapping_mul(2_654_435_761);
    TaskId::new(format!("EMAIL_{day}_{}_{scattered:08x}", sender(n))).or_failed("name a task")
}

/// A new mail's task file.
pub(crate) fn new_task(id: &TaskId) -> Outcome<Vec<u8>> {
    task(id)?.to_bytes().or_failed("encode a task")
}

/// A new mail's task.
pub(crate) fn task(id: &TaskId) -> Outcome<Task> {
    let created: DateTime<Utc> = "2026-02-23T03:15:00Z".parse().or_failed("read a date")?;
    let mut front = FrontMatter::new(id.clone(), created);
    front.source = Some("gmail".into());
    front.source_id = Some(format!("<{id}@mail.example.com>"));
    front.account = Some("owner@example.com".into());
    front.received = Some(created);
    front.from = Some(format!("{}@example.com", sender(id.as_str().len())));
    front.to = vec!["owner@example.com".into()];
    front.subject = Some(format!("Invoice for {id}"));
    front.message_id = Some(format!("<{id}@mail.example.com>"));
    let text = format!(
        "Hello,\n\ncould you send me the invoice for our project {id} again? I cannot find it.\n\
         When would you have time for a call this week?\n\nBest regards\n"
    );
    Ok(Task::new(front, Body::of_original(text).to_markdown()))
}

/// Where finished task number `n` of `total` lies, and what its file says. They are spread over
/// the three years up to the sample date, as a vault fills up.
pub(crate) fn finished(n: usize, total: usize) -> Outcome<(String, Vec<u8>)> {
    let last: DateTime<Utc> = "2026-02-22T12:00:00Z".parse().or_failed("read a date")?;
    let minutes = 3 * 365 * 24 * 60 * (total - n) / total.max(1);
    let when = last - TimeDelta::minutes(i64::try_from(minutes).unwrap_or_default());
    let id = named(n, &format!("{:04}{:02}{:02}", when.year(), when.month(), when.day()))?;
    let path = task::Location::new(Stage::done(when), id.clone()).path();
    // Written out rather than encoded: a hundred thousand of them are made in a row.
    let (at, sender) = (when.format("%Y-%m-%dT%H:%M:%SZ"), sender(n));
    let text = format!(
        "---\nid: {id}\ntype: email\nsource: gmail\nsource_id: <{id}@mail.example.com>\naccount: owner@example.com\n\
         created: {at}\nreceived: {at}\npriority: medium\nstatus: done\nrequires_approval: true\n\
         from: {sender}@example.com\nto:\n- owner@example.com\nsubject: Invoice for {id}\n\
         drafted_by: cloud-001\ndrafted_at: {at}\ndrafter: template\n\
         effect:\n  state: done\n  at: {at}\n  reference: <{n}.{id}@example.com>\n---\n\
         ## Draft\n\nDear {sender},\n\nhere is the invoice for project {n}. I am free on Thursday.\n\n\
         ## Original\n\n> Hello,\n>\n> could you send me the invoice for our project {n} again?\n"
    );
    Ok((path, text.into_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use task::{Location, Task};

    use super::*;

    #[test]
    fn finished_tasks_are_tasks_under_their_months_and_none_is_there_twice() {
        let total = 1_000;
        let mut paths = BTreeSet::new();
        let mut months = BTreeSet::new();
        for n in 0..total {
            let (path, text) = finished(n, total).expect("a task");
            let location = Location::parse(&path).expect("a place");
            Task::parse(&text, &location.id).expect("a task file");
            months.insert(location.stage.folder());
            assert!(paths.insert(path));
        }
        assert_eq!(months.len(), 37);
    }
}
