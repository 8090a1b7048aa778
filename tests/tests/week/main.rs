//! A simulated week: both agents composed in this process as their programs compose them, a bare
//! repository between them, a clock that is set, 500 events from the mock sources and the Inbox, an
//! owner who approves, rejects, modifies and forgets, restarts and sleeps, and tool servers that keep
//! books. Events and answers are literal rules; what must come of them too.
//!
//! What is counted here is counted from what lies on the disk when the week is over: the task files,
//! the raw lines of the logs, and the servers' own books.

mod agent;
mod count;
mod events;
mod owner;
mod servers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use daemon::Program;
use task::FixedClock;

use crate::agent::{Agent, setup};
use crate::count::{Books, Week};
use crate::events::{EVENTS, Event, Way};
use crate::owner::Owner;

const START: &str = "2026-11-23T00:00:00Z";
const TICK: i64 = 2;
/// Until Monday, 30 November, 10:00.
const TICKS: i64 = (7 * 24 + 10) / TICK;

fn start() -> DateTime<Utc> {
    START.parse().expect("time")
}

/// Awake from 07:00 to 21:00, and not at all on Wednesday.
fn is_awake(now: DateTime<Utc>) -> bool {
    (7..21).contains(&now.hour()) && now.date_naive().to_string() != "2026-11-25"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_week_with_sleeps_restarts_and_a_forgetful_owner_loses_nothing_and_counts_right() {
    let temp = tempfile::tempdir().expect("a folder");
    // A folder that is kept, for whoever wants to see such a week: docs/screens.sh does.
    let kept = std::env::var_os("AIE_WEEK").map(PathBuf::from);
    let folder = kept.as_deref().unwrap_or(temp.path());
    let remote = folder.join("remote.git");
    let made = Command::new("git")
        .args(["init", "--quiet", "--bare", "--initial-branch=main"])
        .arg(&remote)
        .status();
    assert!(made.expect("git").success());
    let clock = Arc::new(FixedClock::new(start()));
    let events: Vec<Event> = (0..EVENTS).map(Event::number).collect();
    let script = folder.join("events.jsonl");
    std::fs::write(&script, events::script(&events)).expect("the script");
    let cloud = setup(folder, &remote, &script, Program::CloudAgent, "cloud-001");
    let local = setup(folder, &remote, &script, Program::LocalAgent, "local-001");
    let world = local.data.root().to_owned();
    let mut owner = Owner::new(&local, &clock);
    servers::open_books(&world);
    let mut cloud = Agent::start(&cloud, &world, &clock).await;
    let mut local = Agent::start(&local, &world, &clock).await;

    // The books and pages as they were when a page was written, by that moment.
    let mut books: BTreeMap<String, Books> = BTreeMap::new();
    let mut dropped = BTreeSet::new();
    let mut offered_again = 0;
    for tick in 0..TICKS {
        clock.advance(TimeDelta::hours(TICK));
        let now = task::Clock::now(&*clock);
        if tick % 17 == 5 {
            // What was seen is forgotten: all of it once, then what was seen last, as by a crash
            // between a task and its source's memory.
            offered_again += cloud.forget(tick == 22);
            cloud = cloud.restart().await;
        }
        cloud.round().await;
        if !is_awake(now) {
            continue;
        }
        if tick % 13 == 5 {
            offered_again += local.forget(false);
            local = local.restart().await;
        }
        for event in events.iter().filter(|event| event.way == Way::Inbox && event.at <= now) {
            if dropped.insert(event.n) {
                std::fs::write(local.root().join("Inbox").join(event.file()), event.text()).expect("a note");
            }
        }
        if now.to_rfc3339() == "2026-11-26T12:00:00+00:00" {
            servers::a_customer_pays(&world, "2026-11-26");
        }
        books.insert(now.format("%Y-%m-%d %H:%M UTC").to_string(), Books::read(&world));
        local.round().await;
        owner.decide();
        local.carry_out().await;
    }
    // The end of the week: both are awake, until nothing moves any more.
    for _ in 0..3 {
        cloud.round().await;
        local.round().await;
        local.carry_out().await;
    }
    assert!(offered_again > 100, "events were offered again: {offered_again}");

    let (here, there) = (Week::read(local.root()), Week::read(cloud.root()));
    assert_eq!(here.places(), there.places(), "the machines agree");
    every_event_ended_in_one_place(&events, &here);
    every_schedule_was_met_once(&here);
    every_effect_is_an_order_of_the_owner_and_was_had_once(&here, &Books::read(&world));
    the_briefing_says_what_the_logs_and_the_servers_say(&here, &books);
    a_tick_on_the_briefing_becomes_a_task_once(&mut local, &here).await;
}

fn every_event_ended_in_one_place(events: &[Event], week: &Week) {
    assert_eq!(events.len(), EVENTS);
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    for event in events {
        let files = week.with(&event.mark());
        assert_eq!(
            files.len(),
            1,
            "{}: {:?}",
            event.mark(),
            files.iter().map(|f| f.path()).collect::<Vec<_>>()
        );
        let file = files[0];
        assert!(file.id.starts_with(event.prefix()), "{} became {}", event.mark(), file.id);
        let end = file.folder.split('/').next().expect("a folder");
        let fits = match event.needs_no_decision() {
            true => end == "Done",
            false => ["Pending_Approval", "Rejected", "Done"].contains(&end),
        };
        assert!(fits, "{} is in {}:\n{}", event.mark(), file.path(), file.text);
        *ends.entry(end).or_default() += 1;
    }
    assert!(ends.values().all(|count| *count > 30), "every way was gone often: {ends:?}");
}

fn every_schedule_was_met_once(week: &Week) {
    let due = |prefix: &str| -> Vec<String> {
        week.files.iter().filter(|file| file.id.starts_with(prefix)).map(|file| file.id.clone()).collect()
    };
    let scans: Vec<String> = (23..=30).map(|day| format!("SCHEDULE_daily-scan_202611{day}T0900Z")).collect();
    assert_eq!(due("SCHEDULE_daily-scan_"), scans);
    assert_eq!(
        due("SCHEDULE_monday-briefing_"),
        ["SCHEDULE_monday-briefing_20261123T0800Z", "SCHEDULE_monday-briefing_20261130T0800Z"]
    );
    assert_eq!(due("AUDIT_"), ["AUDIT_weekly-audit_20261129T2300Z"]);
    assert_eq!(due("SALESPOST_linkedin-post_"), ["SALESPOST_linkedin-post_20261127T1600Z"]);
    let duties: Vec<String> = due("SCHEDULE_").into_iter().chain(due("AUDIT_")).collect();
    for id in &duties {
        let file = week.files.iter().find(|file| file.id == *id).expect("a duty");
        assert_eq!(file.folder, "Done/2026/11", "{id}");
        // Done once, also by the log: two machines, and two starts, could each have done it.
        assert_eq!(week.records("duty", id).count(), 1, "{id}");
    }
}

fn every_effect_is_an_order_of_the_owner_and_was_had_once(week: &Week, books: &Books) {
    let effects = books.effects();
    let twice: Vec<_> = effects.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "had twice: {twice:?}");
    let (on_servers, ordered): (BTreeSet<_>, _) = (effects.keys().cloned().collect(), week.orders_done());
    assert_eq!(on_servers, ordered, "the servers' books and the orders in Done");
    let signed: BTreeSet<String> = week.approvals();
    assert!(on_servers.is_subset(&signed), "nothing without the owner: {:?}", on_servers.difference(&signed));
    let done = week.logs.iter().filter(|r| r["action_type"] == "execute" && r["result"] == "ok").count();
    assert_eq!(done, effects.len(), "the log's executions and the servers' effects");
    for (what, count) in books.kinds() {
        assert!(count > 0, "no {what} took effect");
    }
}

fn the_briefing_says_what_the_logs_and_the_servers_say(week: &Week, books: &BTreeMap<String, Books>) {
    let page =
        std::fs::read_to_string(week.root.join("Briefings/2026-11-30_Monday_Briefing.md")).expect("page");
    let page = count::Page(&page);
    let (from, until) = ("2026-11-23T00:00:00", "2026-11-30T00:00:00");
    assert_eq!(page.kinds(), week.counted(from, until), "tasks by kind");
    assert_eq!(page.number("Duties done: "), week.duties(from, until), "duties");
    assert_eq!(page.number("Orders that ended: "), week.executed(from, until), "orders");
    let written = page.written();
    let books = books.get(&written).unwrap_or_else(|| panic!("nobody was awake at {written}"));
    for (row, expected) in books.money(("2026-11-23", "2026-11-30"), "2026-11-30") {
        assert_eq!(page.row("## Money", row), expected, "{row}");
    }
    for (platform, expected) in books.pages() {
        assert_eq!(page.row("## Pages", &platform), expected, "{platform}");
    }
    assert!(page.0.contains("tasks have waited for more than 48 h"), "what was forgotten is a bottleneck");
}

async fn a_tick_on_the_briefing_becomes_a_task_once(local: &mut Agent, week: &Week) {
    let path = week.root.join("Briefings/2026-11-30_Monday_Briefing.md");
    let page = std::fs::read_to_string(&path).expect("page");
    assert!(page.contains("- [ ] "), "{page}");
    std::fs::write(&path, page.replacen("- [ ] ", "- [x] ", 1)).expect("ticked");
    for _ in 0..2 {
        local.carry_out().await;
        local.round().await;
    }
    let after = Week::read(local.root());
    let made: Vec<_> = after.files.iter().filter(|file| file.id.contains("_suggestion_")).collect();
    assert_eq!(made.len(), 1, "{:?}", made.iter().map(|file| file.path()).collect::<Vec<_>>());
    assert_eq!(after.logs.iter().filter(|record| record["action_type"] == "suggestion").count(), 1);
}
