//! What is promised of time. Literal moments in, literal moments out.

use chrono::{DateTime, TimeDelta, Utc};
use config::{Duty, Schedule, Schedules};
use vault::{Folder, Limits, Vault};

use crate::{Calendar, Diary, Made};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect(text)
}

fn calendar(zone: &str, cron: &str) -> Calendar {
    let mut schedules = Schedules { time_zone: zone.into(), ..Schedules::default() };
    schedules.entries.clear();
    let schedule = Schedule { cron: cron.into(), duty: Duty::Scan, ..Schedule::default() };
    schedules.entries.insert("x".into(), schedule);
    Calendar::new(&schedules).expect("calendar")
}

/// Every time at which it is due in between, found by asking for one after the other.
fn all(zone: &str, cron: &str, from: &str, until: &str) -> Vec<String> {
    let calendar = calendar(zone, cron);
    let plan = &calendar.plans()[0];
    let (mut now, until) = (at(from), at(until));
    let mut times = Vec::new();
    while let Some(next) = plan.next(now).filter(|next| *next <= until) {
        assert!(next > now, "time stands still at {next}");
        assert_eq!(plan.last(next), Some(next), "the way back");
        times.push(next.format("%d %H:%MZ").to_string());
        now = next;
    }
    times
}

#[test]
fn a_pattern_is_meant_in_its_time_zone() {
    let check = |zone, cron, from, until, expected: &[&str]| {
        assert_eq!(all(zone, cron, from, until), expected, "{cron} in {zone}");
    };
    check("UTC", "0 9 * * *", "2026-11-30T00:00:00Z", "2026-12-02T00:00:00Z", &["30 09:00Z", "01 09:00Z"]);
    check("Europe/Berlin", "0 16 * * FRI", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z", &["04 15:00Z"]);
    check("America/New_York", "0 8 * * MON", "2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z", &["30 13:00Z"]);
    check("Asia/Kathmandu", "0 23 * * SUN", "2026-11-28T00:00:00Z", "2026-11-30T00:00:00Z", &["29 17:15Z"]);
}

#[test]
fn an_hour_that_summer_time_skips_is_due_at_the_change_and_one_that_is_repeated_is_due_once() {
    // Berlin, 2026-03-29: 02:00 becomes 03:00 at 01:00Z. 2026-10-25: 03:00 becomes 02:00 at 01:00Z.
    let spring = ("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z");
    let autumn = ("2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
    let check = |cron, (from, until): (&str, &str), expected: &[&str]| {
        assert_eq!(all("Europe/Berlin", cron, from, until), expected, "{cron}");
    };
    check("30 2 * * *", spring, &["29 01:00Z", "30 00:30Z"]);
    check("0 9 * * *", spring, &["29 07:00Z", "30 07:00Z"]);
    check("30 2 * * *", autumn, &["25 00:30Z", "26 01:30Z"]);
    check("0 9 * * *", autumn, &["25 08:00Z", "26 08:00Z"]);
    // All local times of a skipped or repeated hour are one moment, or come once.
    check("*/20 2 29 3 *", spring, &["29 01:00Z"]);
    check("*/30 2 25 10 *", autumn, &["25 00:00Z", "25 00:30Z"]);
    // In the second pass of the repeated hour the first one's times are over.
    let plan = calendar("Europe/Berlin", "30 2 * * *");
    assert_eq!(plan.plans()[0].next(at("2026-10-25T01:10:00Z")), Some(at("2026-10-26T01:30:00Z")));
    assert_eq!(plan.plans()[0].last(at("2026-10-25T01:10:00Z")), Some(at("2026-10-25T00:30:00Z")));
    // Lord Howe's clocks change by half an hour, Samoa once left out a day.
    assert_eq!(
        all("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00:00:00Z", "2026-10-04T12:00:00Z"),
        ["03 15:30Z"]
    );
    assert_eq!(
        all("Pacific/Apia", "0 12 * * *", "2011-12-29T00:00:00Z", "2011-12-31T12:00:00Z"),
        ["29 22:00Z", "30 10:00Z", "30 22:00Z"]
    );
}

#[test]
fn what_was_missed_is_made_up_for_once_and_not_without_bound() {
    let daily = calendar("UTC", "0 9 * * *");
    let due = |since: &str, now: &str| -> Vec<String> {
        daily.due(at(since), at(now)).into_iter().map(|o| o.task.front.id.to_string()).collect()
    };
    assert!(due("2026-11-30T08:00:00Z", "2026-11-30T08:59:59Z").is_empty());
    assert_eq!(due("2026-11-30T08:59:59Z", "2026-11-30T09:00:00Z"), ["SCHEDULE_x_20261130T0900Z"]);
    assert!(due("2026-11-30T09:00:00Z", "2026-11-30T09:00:30Z").is_empty());
    // Ten days of sleep: the last one only.
    assert_eq!(due("2026-11-20T08:00:00Z", "2026-11-30T08:00:00Z"), ["SCHEDULE_x_20261129T0900Z"]);
    // A weekly one that is four days old is left out.
    let weekly = calendar("UTC", "0 23 * * SUN");
    assert!(weekly.due(at("2026-11-20T00:00:00Z"), at("2026-12-03T22:59:00Z")).is_empty());
    assert_eq!(weekly.due(at("2026-11-20T00:00:00Z"), at("2026-12-02T22:59:00Z")).len(), 1);
}

struct Machine {
    temp: tempfile::TempDir,
    vault: Vault,
    diary: Diary,
}

impl Machine {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path().join("vault"), Limits::default()).expect("vault");
        let diary = Diary::open(temp.path().join("schedules.json"));
        Self { temp, vault, diary }
    }

    fn restart(&mut self) {
        self.diary = Diary::open(self.temp.path().join("schedules.json"));
    }

    fn look(&mut self, calendar: &Calendar, now: &str) -> usize {
        let made = self.diary.look(calendar, &self.vault, at(now)).expect("look");
        made.iter().filter(|made| matches!(made, Made::New(_))).count()
    }

    fn tasks(&self) -> Vec<String> {
        let listing = self.vault.list(&Folder::NeedsAction).expect("list");
        listing.tasks.into_iter().map(|entry| entry.location.id.to_string()).collect()
    }
}

#[test]
fn a_restart_makes_nothing_due_twice_and_forgets_nothing() {
    let calendar = calendar("UTC", "0 9 * * *");
    let mut machine = Machine::new();
    assert_eq!(machine.look(&calendar, "2026-11-30T08:00:00Z"), 0);
    machine.restart();
    // It was off at nine.
    assert_eq!(machine.look(&calendar, "2026-11-30T11:00:00Z"), 1);
    machine.restart();
    assert_eq!(machine.look(&calendar, "2026-11-30T11:00:30Z"), 0);
    // A crash before the diary was saved: the task is there.
    std::fs::write(machine.temp.path().join("schedules.json"), br#"{"seen":"2026-11-30T08:00:00Z"}"#)
        .expect("write");
    machine.restart();
    assert_eq!(machine.look(&calendar, "2026-11-30T11:01:00Z"), 0);
    assert_eq!(machine.tasks(), ["SCHEDULE_x_20261130T0900Z"]);
    // A diary that cannot be read begins anew.
    std::fs::write(machine.temp.path().join("schedules.json"), b"\xff").expect("write");
    machine.restart();
    assert_eq!(machine.look(&calendar, "2026-12-01T11:00:00Z"), 0);
}

#[test]
fn a_clock_that_jumps_makes_no_storm_and_nothing_twice() {
    let mut schedules = Schedules::default();
    let often = Schedule { cron: "* * * * *".into(), duty: Duty::Scan, ..Schedule::default() };
    schedules.entries.insert("often".into(), often);
    let calendar = Calendar::new(&schedules).expect("calendar");
    let mut machine = Machine::new();
    machine.look(&calendar, "2026-11-30T07:00:00Z");
    // A year ahead: one task for each of the five, not half a million. The weekly ones are too old by then.
    assert!(machine.look(&calendar, "2027-11-30T07:00:00Z") <= 5);
    // And back: the clock is believed again, and what is due is due.
    assert_eq!(machine.look(&calendar, "2026-11-30T07:00:30Z"), 0);
    assert_eq!(machine.look(&calendar, "2026-11-30T08:00:00Z"), 2, "the briefing, and the minute's");
    // Half an hour back, and the same hour again.
    let before = machine.tasks();
    assert_eq!(machine.look(&calendar, "2026-11-30T07:30:00Z"), 0);
    assert_eq!(machine.look(&calendar, "2026-11-30T08:00:00Z"), 0);
    assert_eq!(machine.tasks(), before);
}

#[test]
fn two_machines_make_the_same_bytes() {
    let calendar = Calendar::new(&Schedules::default()).expect("calendar");
    let bytes = |delay: i64| {
        let mut machine = Machine::new();
        machine.look(&calendar, "2026-12-04T15:00:00Z");
        let now = at("2026-12-04T16:00:00Z") + TimeDelta::seconds(delay);
        machine.diary.look(&calendar, &machine.vault, now).expect("look");
        let path = machine.vault.root().join("Needs_Action/SALESPOST_linkedin-post_20261204T1600Z.md");
        std::fs::read_to_string(path).expect("the task")
    };
    assert_eq!(bytes(1), bytes(29));
    assert!(bytes(0).contains("This week's LinkedIn post"));
}

#[test]
fn a_task_is_a_schedules_by_its_id_alone() {
    let calendar = Calendar::new(&Schedules::default()).expect("calendar");
    let duty =
        |id: &str| calendar.occurrence_of(&id.parse().expect("id")).map(|(plan, _)| plan.schedule.duty);
    assert_eq!(duty("SCHEDULE_daily-scan_20261130T0900Z"), Some(Duty::Scan));
    assert_eq!(duty("AUDIT_weekly-audit_20261129T2300Z"), Some(Duty::Audit));
    assert_eq!(duty("SALESPOST_linkedin-post_20261204T1600Z"), Some(Duty::Task));
    for other in [
        "AUDIT_daily-scan_20261130T0900Z",
        "SCHEDULE_daily-scan_today",
        "SCHEDULE_daily-scan",
        "SCHEDULE_unknown_20261130T0900Z",
    ] {
        assert_eq!(duty(other), None, "{other}");
    }
}

#[test]
fn what_does_not_say_when_is_refused_with_the_nearest_help() {
    let check = |zone: &str, cron: &str, parts: &[&str]| {
        let mut schedules = Schedules { time_zone: zone.into(), ..Schedules::default() };
        schedules.entries.get_mut("daily-scan").expect("entry").cron = cron.into();
        let message = Calendar::new(&schedules).expect_err(cron).to_string();
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
    };
    check("UTC", "0 25 * * *", &["schedules.entries.daily-scan.cron", "\"0 25 * * *\"", "five fields"]);
    check("UTC", "0 9 * *", &["it has 4 fields"]);
    check("UTC", "0 0 9 * * *", &["it has 6 fields"]);
    check("UTC", "09:30", &["did you mean \"30 9 * * *\"?"]);
    check("UTC", "every day", &["it has 2 fields"]);
    check("UTC", "", &["it has 0 fields"]);
    check("UTC", "0 9 * * FRY", &["does not say when"]);
    check("UTC", "0 9 31 2 *", &["never be due"]);
    check("Europe/Berlni", "0 9 * * *", &["did you mean \"Europe/Berlin\"?"]);
    check("new york", "0 9 * * *", &["did you mean \"America/New_York\"?"]);
    check("Mars/Olympus_Mons", "0 9 * * *", &["IANA"]);
}

#[test]
fn schedules_that_make_other_tasks_or_at_other_times_have_another_digest() {
    let digest = |change: fn(&mut Schedules)| {
        let mut schedules = Schedules::default();
        change(&mut schedules);
        Calendar::new(&schedules).expect("a calendar").digest()
    };
    let own = digest(|_| {});
    assert_eq!(digest(|s| s.catch_up_hours = 1), own, "what one machine makes up for is its own business");
    assert_ne!(digest(|s| s.time_zone = "Europe/Berlin".into()), own);
    assert_ne!(digest(|s| s.entries.get_mut("daily-scan").expect("entry").cron = "5 9 * * *".into()), own);
    assert_ne!(digest(|s| s.entries.get_mut("linkedin-post").expect("entry").subject = None), own);
    assert_ne!(digest(|s| drop(s.entries.remove("daily-scan"))), own);
}
