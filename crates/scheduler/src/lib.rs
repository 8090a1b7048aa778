//! Recurring duties: when each is due, and as which task.
//!
//! A schedule is a pattern of crontab(5) in a time zone. Each of its occurrences is one task with a
//! fixed id, such as `SCHEDULE_daily-scan_20261130T0900Z`, and the same bytes on every machine: both
//! agents may make it, and the claim decides who does it. Nothing here does a duty.
//!
//! - [`Calendar`]: the schedules of a configuration, parsed; what is due between two moments.
//! - [`Diary`]: what an agent has seen of it, kept across restarts; makes the tasks that are due.
//!
//! What is promised of time:
//! - What was missed while a machine slept is made up for once, not once per occurrence, and not
//!   when it is older than `catch_up_hours`.
//! - A local time that a change to summer time skips is due at the change; one that the change back
//!   repeats is due the first time only.
//! - A clock that jumps makes at most one task per schedule, and an occurrence that had its task
//!   never gets a second one.

mod calendar;
mod diary;
mod pattern;

pub use calendar::{Calendar, CalendarError, Occurrence, Plan};
pub use diary::{Diary, DiaryError, Made};

#[cfg(test)]
mod tests;
