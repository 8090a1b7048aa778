//! A corpus of mails that try to be more than text: whatever they hold, what comes out is a task
//! within the vault's limits that can be read back, in which nothing acts on a terminal and
//! nothing looks like a part that we or the owner wrote.

use chrono::{DateTime, Utc};
use serde_json::Value;
use task::{Body, Task};
use watchers::{Arrival, parse_mail};

fn mail(item: &Value) -> Vec<u8> {
    let text = item["mail"].as_str().expect("a mail");
    let Some([unit, times]) = item["repeat"].as_array().map(Vec::as_slice) else { return text.into() };
    let (unit, times) = (unit.as_str().expect("a unit"), times.as_u64().expect("how often"));
    let (before, after) = text.split_once("@@").expect("a place for it");
    let many: String = (0..times).map(|n| unit.replace('#', &n.to_string())).collect();
    format!("{before}{many}{after}").into()
}

/// What acts on a terminal, or on the structure of a file whose parser follows older rules.
fn acts(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// What is wrong with what becomes of a mail.
fn check(bytes: &[u8]) -> Result<(), String> {
    let now: DateTime<Utc> = "2026-02-23T03:15:30Z".parse().expect("a time");
    let arrival =
        Arrival { account: "owner@example.com", authserv_id: Some("mx.example.com"), received: None, now };
    let task = parse_mail(bytes, &arrival);
    let written = task.to_bytes().map_err(|error| error.to_string())?;
    if written.len() >= 1 << 20 {
        return Err(format!("the task has {} bytes", written.len()));
    }
    let text = String::from_utf8(written.clone()).map_err(|error| error.to_string())?;
    if let Some(line) = text.lines().find(|line| line.contains(acts)) {
        return Err(format!("something acts in {line:?}"));
    }
    if Task::parse(&written, &task.front.id).as_ref() != Ok(&task) {
        return Err("the task cannot be read back".into());
    }
    let front = &task.front;
    let decided = front.order.is_some() || front.signature.is_some() || front.effect.is_some();
    let known = ["from_name", "cc", "notes"];
    let more = front.extra.keys().find(|key| !known.contains(&key.as_str()));
    if decided || front.action.is_some() || front.decided_at.is_some() || more.is_some() {
        return Err(format!("it decides something: {more:?}"));
    }
    let body = Body::parse(&task.body);
    if body.draft.is_some() || !body.plan.is_empty() || body.original.is_none() {
        return Err("its words stand where ours belong".into());
    }
    Ok(())
}

#[test]
fn whatever_a_mail_holds_it_becomes_an_inert_task() {
    let items: Vec<Value> = include_str!("../../../tests/corpus/mails.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("an item"))
        .collect();
    let wrong: Vec<String> = items
        .iter()
        .filter_map(|item| Some(format!("{}: {}", item["id"], check(&mail(item)).err()?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(items.len() >= 100);
}
