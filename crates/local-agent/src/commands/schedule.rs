//! `local-agent schedule`: what comes again by itself, and when.

use std::fmt::Write as _;

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use config::Duty;
use daemon::{Failure, OrFailure as _, Setup};
use scheduler::{Calendar, Diary, Made, Plan};
use serde_json::{Value, json};
use worker::{calendar, open_vault};

use super::{print, print_json};
use crate::cli::Schedule;

pub(crate) fn run(setup: &Setup, command: &Schedule) -> Result<(), Failure> {
    let now = Utc::now();
    match command {
        Schedule::List(arguments) => list(setup, now, arguments.json),
        Schedule::Run { name } => make(setup, name, now),
    }
}

fn list(setup: &Setup, now: DateTime<Utc>, as_json: bool) -> Result<(), Failure> {
    let calendar = calendar(setup)?;
    if as_json {
        return print_json(&Value::Array(calendar.plans().iter().map(|plan| row(plan, now)).collect()));
    }
    if calendar.plans().is_empty() {
        return print("Nothing comes again by itself: schedules.entries in config.yaml is empty.\n");
    }
    let mut text = String::new();
    for plan in calendar.plans() {
        let when =
            |at: Option<DateTime<Utc>>| at.map_or_else(|| "never".to_owned(), |at| local(&calendar, at));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<20} {:<18} next {}, last {}\n{:<20} {}",
            plan.name,
            plan.schedule.cron,
            when(plan.next(now)),
            when(plan.last(now)),
            "",
            what(plan)
        );
    }
    let seen = Diary::open(setup.data.diary()).seen();
    let seen = seen.map_or_else(|| "the agent's first start".to_owned(), |at| local(&calendar, at));
    let _ = writeln!(
        text,
        "\nin {}; counted from {seen}; local-agent schedule run NAME does one now",
        calendar.zone()
    );
    print(&text)
}

fn row(plan: &Plan, now: DateTime<Utc>) -> Value {
    json!({
        "name": plan.name,
        "cron": plan.schedule.cron,
        "duty": plan.schedule.duty,
        "kind": plan.kind().name(),
        "next": plan.next(now),
        "last": plan.last(now),
    })
}

fn local(calendar: &Calendar, at: DateTime<Utc>) -> String {
    at.with_timezone(&calendar.zone()).format("%a %Y-%m-%d %H:%M").to_string()
}

fn what(plan: &Plan) -> String {
    match plan.schedule.duty {
        Duty::Scan => {
            "looks through every folder, and says what waits too long or can be tried again".to_owned()
        }
        Duty::Briefing => "writes the Monday briefing".to_owned(),
        Duty::Audit => "audits the week, and writes the coming Monday's briefing".to_owned(),
        Duty::Task => format!(
            "a {} task: {}",
            plan.kind().prefix(),
            approval::visible(plan.schedule.subject.as_deref().unwrap_or(&plan.name))
        ),
    }
}

/// Makes the task of a schedule now. The daemon takes it up like any other.
fn make(setup: &Setup, name: &str, now: DateTime<Utc>) -> Result<(), Failure> {
    let calendar = calendar(setup)?;
    let Some(plan) = calendar.plan(name) else {
        let known: Vec<&str> = calendar.plans().iter().map(|plan| plan.name.as_str()).collect();
        let hint = match calendar.nearest(name) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("there are: {}", known.join(", ")),
        };
        return Err(Failure::usage(format!("there is no schedule {name:?}")).hint(hint));
    };
    let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
    let occurrence = plan.occurrence(minute).ok_or_else(|| {
        Failure::failed(format!("the name {name:?} makes no task id")).hint("give the schedule another name")
    })?;
    let made = occurrence.make(&open_vault(setup)?).or_failed(format!("cannot make the task of {name}"))?;
    let text = match made {
        Made::New(id) => {
            format!("{id} is in Needs_Action; the agent takes it up (local-agent, or local-agent --once)\n")
        }
        Made::There(id) => format!("{id} was there already; nothing was done\n"),
    };
    print(&text)
}
