//! `schedules:`: what comes again by itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use task::TaskKind;

/// What comes again by itself. Both machines need the same section: the hour in it names the task.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedules {
    /// The IANA time zone in which the patterns are meant, such as `Europe/Berlin`. Mondays and
    /// weeks of briefings are in it too.
    pub time_zone: String,
    /// What was missed is made up for when it is no older than so many hours, and once.
    pub catch_up_hours: u64,
    /// By name: `a-z`, `0-9` and `-`, at most 40 characters.
    pub entries: BTreeMap<String, Schedule>,
}

impl Default for Schedules {
    fn default() -> Self {
        let entry = |name: &str, cron: &str, duty| {
            (name.to_owned(), Schedule { cron: cron.to_owned(), duty, ..Schedule::default() })
        };
        let mut post = entry("linkedin-post", "0 16 * * FRI", Duty::Task);
        post.1.kind = Some(TaskKind::Salespost);
        post.1.subject = Some("This week's LinkedIn post".to_owned());
        Self {
            time_zone: "UTC".to_owned(),
            catch_up_hours: 72,
            entries: BTreeMap::from([
                entry("daily-scan", "0 9 * * *", Duty::Scan),
                post,
                entry("monday-briefing", "0 8 * * MON", Duty::Briefing),
                entry("weekly-audit", "0 23 * * SUN", Duty::Audit),
            ]),
        }
    }
}

/// One schedule.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// When: minute, hour, day of the month, month, day of the week, as in crontab(5).
    pub cron: String,
    /// What.
    pub duty: Duty,
    /// For [`Duty::Task`]: the kind of the task, such as `salespost`; `schedule` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TaskKind>,
    /// The task's subject; the schedule's name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What the task says: what is to be done, in your words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The account in whose name the task is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// What is to be done when a schedule is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Duty {
    /// A look at every folder: what waits, since when, what can be tried again.
    Scan,
    /// The Monday briefing.
    Briefing,
    /// The weekly audit, which writes the coming Monday's briefing.
    Audit,
    /// An ordinary task, drafted like any other.
    #[default]
    Task,
}

impl Schedules {
    /// What the types alone cannot say; the error is a fragment. Patterns and time zones are read
    /// by the scheduler.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (name, schedule) in &self.entries {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || name.len() > 40 || !name.chars().all(plain) || name.starts_with('-') {
                return Err(format!(
                    "schedules.entries has the name {name:?}; use 1 to 40 of a-z, 0-9 and '-'"
                ));
            }
            let own = schedule.kind.is_some() || schedule.text.is_some() || schedule.account.is_some();
            if own && schedule.duty != Duty::Task {
                return Err(format!(
                    "schedules.entries.{name} has kind, text or account, which only duty: task can have"
                ));
            }
            if matches!(schedule.kind, Some(TaskKind::Error | TaskKind::Audit | TaskKind::Unknown)) {
                return Err(format!("schedules.entries.{name}: no schedule makes tasks of that kind"));
            }
        }
        Ok(())
    }

    /// A section with every key, to show all that exist.
    pub(crate) fn sample() -> Self {
        let mut schedules = Self::default();
        let post = Schedule {
            cron: "30 9 1 * *".into(),
            duty: Duty::Task,
            kind: Some(TaskKind::Odoo),
            subject: Some("Invoices of the month".into()),
            text: Some("Make the invoices of the month.".into()),
            account: Some("owner@example.com".into()),
        };
        schedules.entries.insert("monthly-invoices".into(), post);
        schedules
    }
}
