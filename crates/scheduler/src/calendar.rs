//! The schedules of a configuration.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use config::{Duty, Schedule, Schedules};
use task::{Body, Digest, FrontMatter, Priority, Task, TaskId, TaskKind};

use crate::pattern::Pattern;

/// Why a configuration's schedules cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// No such time zone.
    #[error("schedules.time_zone: there is no time zone {name:?}{hint}")]
    Zone {
        /// As it stands there.
        name: String,
        /// The nearest, as `; did you mean "Europe/Berlin"?`, or where the names come from.
        hint: String,
    },
    /// A pattern.
    #[error("schedules.entries.{name}.cron: {cron:?} does not say when: {reason}")]
    Pattern {
        /// The schedule's name.
        name: String,
        /// As it stands there.
        cron: String,
        /// What is wrong, and how it is written.
        reason: String,
    },
}

/// One schedule, parsed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// What the configuration says of it.
    pub schedule: Schedule,
    pattern: Pattern,
}

/// One time at which a schedule is due.
#[derive(Clone, PartialEq, Debug)]
pub struct Occurrence {
    /// The schedule's name.
    pub name: String,
    /// When; whole minutes.
    pub at: DateTime<Utc>,
    /// The task that it is.
    pub task: Task,
}

/// All schedules, by name.
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: Tz,
    catch_up: TimeDelta,
    plans: Vec<Plan>,
}

/// The form of an occurrence's time in its task's id.
const STAMP: &str = "%Y%m%dT%H%MZ";

impl Calendar {
    /// Reads patterns and time zone.
    pub fn new(schedules: &Schedules) -> Result<Self, CalendarError> {
        let zone: Tz = schedules.time_zone.parse().map_err(|_| unknown_zone(&schedules.time_zone))?;
        let plan = |(name, schedule): (&String, &Schedule)| match Pattern::parse(&schedule.cron, zone) {
            Ok(pattern) => Ok(Plan { name: name.clone(), schedule: schedule.clone(), pattern }),
            Err(reason) => {
                Err(CalendarError::Pattern { name: name.clone(), cron: schedule.cron.clone(), reason })
            }
        };
        let hours = i64::try_from(schedules.catch_up_hours).unwrap_or(i64::MAX);
        Ok(Self {
            zone,
            // Longer than the calendar reaches is the same as for ever.
            catch_up: TimeDelta::try_hours(hours).unwrap_or(TimeDelta::weeks(5200)),
            plans: schedules.entries.iter().map(plan).collect::<Result<_, _>>()?,
        })
    }

    /// The time zone in which the patterns are meant.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// All schedules, by name.
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// What tells these schedules from others: time zone, patterns, and what each makes. Two machines of one vault need
    /// the same.
    pub fn digest(&self) -> Digest {
        let plans: Vec<(&str, &Schedule)> =
            self.plans.iter().map(|plan| (plan.name.as_str(), &plan.schedule)).collect();
        // A configuration came from text, and goes back into text.
        Digest::of(serde_json::to_string(&(self.zone.name(), plans)).unwrap_or_default())
    }

    /// What was missed is made up for when it is no older.
    pub fn catch_up(&self) -> TimeDelta {
        self.catch_up
    }

    /// The schedule of that name.
    pub fn plan(&self, name: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.name == name)
    }

    /// The nearest name that there is.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.plans.iter().map(|plan| plan.name.as_str()))
    }

    /// Which schedule's occurrence a task is, and when it was due, as told by its id alone.
    pub fn occurrence_of(&self, id: &TaskId) -> Option<(&Plan, DateTime<Utc>)> {
        let (front, stamp) = id.as_str().rsplit_once('_')?;
        let at = NaiveDateTime::parse_from_str(stamp, STAMP).ok()?.and_utc();
        let mut plans = self.plans.iter();
        let plan = plans.find(|plan| front.strip_prefix(plan.kind().prefix()) == Some(&plan.name))?;
        Some((plan, at))
    }

    /// What is due at `now` and was not at `since`: of each schedule the last occurrence only.
    pub fn due(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> Vec<Occurrence> {
        let since = since.max(now - self.catch_up);
        let due = self.plans.iter().filter_map(|plan| {
            let at = plan.pattern.until(now).filter(|at| *at > since)?;
            plan.occurrence(at)
        });
        due.collect()
    }
}

impl Plan {
    /// The kind of its tasks.
    pub fn kind(&self) -> TaskKind {
        match self.schedule.duty {
            Duty::Scan | Duty::Briefing => TaskKind::Schedule,
            Duty::Audit => TaskKind::Audit,
            Duty::Task => self.schedule.kind.unwrap_or(TaskKind::Schedule),
        }
    }

    /// When it is due next.
    pub fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.pattern.after(now)
    }

    /// When it was due last.
    pub fn last(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.pattern.until(now)
    }

    /// The task of its occurrence at `at`. The same on every machine with the same configuration,
    /// byte for byte. `None` for a name that makes no id, which `config` does not let through.
    pub fn occurrence(&self, at: DateTime<Utc>) -> Option<Occurrence> {
        let id = format!("{}{}_{}", self.kind().prefix(), self.name, at.format(STAMP));
        let mut front = FrontMatter::new(TaskId::new(id).ok()?, at);
        front.source = Some("schedule".to_owned());
        front.source_id = Some(format!("{} {}", self.name, at.format("%Y-%m-%dT%H:%M:%SZ")));
        front.subject = Some(self.schedule.subject.clone().unwrap_or_else(|| self.title().to_owned()));
        front.account.clone_from(&self.schedule.account);
        front.priority = if self.schedule.duty == Duty::Task { Priority::Medium } else { Priority::Low };
        let text = self.schedule.text.clone().or_else(|| self.schedule.subject.clone());
        let body = Body::of_original(text.unwrap_or_else(|| self.title().to_owned()));
        Some(Occurrence { name: self.name.clone(), at, task: Task::new(front, body.to_markdown()) })
    }

    fn title(&self) -> &str {
        match self.schedule.duty {
            Duty::Scan => "Look through every folder",
            Duty::Briefing => "Write the Monday briefing",
            Duty::Audit => "Audit the week",
            Duty::Task => &self.name,
        }
    }
}

fn unknown_zone(name: &str) -> CalendarError {
    let near = nearest(name, TZ_VARIANTS.iter().map(|zone| zone.name()));
    let hint = match near {
        Some(near) => format!("; did you mean {near:?}?"),
        None => "; use a name of the IANA list, such as \"Europe/Berlin\" or \"UTC\"".to_owned(),
    };
    CalendarError::Zone { name: name.to_owned(), hint }
}

/// The candidate with the fewest changes, if that is not nearly all of it. A city alone names its
/// zone.
fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase().replace(' ', "_");
    let distance = |candidate: &str| {
        let whole = candidate.to_lowercase();
        let city = whole.rsplit('/').next().unwrap_or(&whole);
        strsim::damerau_levenshtein(&wanted, &whole).min(strsim::damerau_levenshtein(&wanted, city))
    };
    let (away, candidate) = candidates.map(|candidate| (distance(candidate), candidate)).min()?;
    (away <= name.len() / 3).then_some(candidate)
}
