//! What failed is tried again: a few tries soon after one another, then, where the cause may be
//! over by itself, a few returns from `Errors`, further and further apart; then on the owner's word
//! alone. How far a task is with it stands in the task, so that a restart forgets nothing and two
//! agents count together.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use crate::{Digest, FrontMatter, TaskId};

/// No pause is longer. A time further ahead was written by a clock that was wrong, or by somebody
/// who wants a task to be forgotten, and counts as past.
const LONGEST: TimeDelta = TimeDelta::days(7);

/// `base`, doubled with each try after the first, and up to a fifth more: what failed together,
/// because a model or the books were away, does not come back all at once.
pub fn retry_pause(base: TimeDelta, id: &TaskId, tries: u32) -> TimeDelta {
    pause(base, 2, tries.saturating_sub(1), id)
}

/// `base`, four times as long with each return before, and up to a fifth more.
pub fn return_pause(base: TimeDelta, id: &TaskId, returns: u32) -> TimeDelta {
    pause(base, 4, returns, id)
}

/// The same for the same task and number, so that it needs no source of chance.
fn pause(base: TimeDelta, factor: i32, exponent: u32, id: &TaskId) -> TimeDelta {
    let grown = factor.checked_pow(exponent).and_then(|by| base.checked_mul(by)).unwrap_or(LONGEST);
    let grown = grown.min(LONGEST);
    let digest = Digest::of(format!("{id} {factor} {exponent}")).hex();
    let share = i32::from_str_radix(&digest[..2], 16).unwrap_or_default();
    (grown + grown * share / (5 * 255)).min(LONGEST)
}

impl FrontMatter {
    /// Whether nothing keeps the task from being tried now.
    pub fn may_be_tried(&self, now: DateTime<Utc>) -> bool {
        self.retry_after.is_none_or(|after| after <= now || after - now > LONGEST)
    }

    /// Notes a try that failed, and when the next one is.
    pub fn failed(&mut self, reason: &str, next: Option<DateTime<Utc>>) {
        self.attempts = self.attempts.saturating_add(1);
        self.reason = Some(reason.to_owned());
        self.retry_after = next.map(|next| next.trunc_subsecs(0));
    }

    /// Notes that it went on: what failed before counts no more.
    pub fn recovered(&mut self) {
        if self.attempts > 0 {
            self.reason = None;
        }
        (self.attempts, self.returns, self.retry_after) = (0, 0, None);
    }

    /// Begins another round of tries.
    pub fn try_again(&mut self) {
        (self.attempts, self.retry_after, self.ask_after, self.reason) = (0, None, None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-02-23T03:15:00Z".parse().expect("time")
    }

    fn id() -> TaskId {
        "EMAIL_1".parse().expect("id")
    }

    #[test]
    fn pauses_grow_are_jittered_by_a_fifth_at_most_and_end_somewhere() {
        let check = |pause: TimeDelta, least: i64| {
            let seconds = pause.num_seconds();
            assert!((least..=least + least / 5).contains(&seconds), "{seconds} is not {least} and a fifth");
        };
        let half = TimeDelta::seconds(30);
        check(retry_pause(half, &id(), 1), 30);
        check(retry_pause(half, &id(), 2), 60);
        let hour = TimeDelta::hours(1);
        check(return_pause(hour, &id(), 0), 3600);
        check(return_pause(hour, &id(), 2), 16 * 3600);
        assert_eq!(return_pause(hour, &id(), u32::MAX), LONGEST);
        assert_eq!(retry_pause(TimeDelta::zero(), &id(), 3), TimeDelta::zero());
        let other: TaskId = "EMAIL_2".parse().expect("id");
        assert_ne!(return_pause(hour, &id(), 0), return_pause(hour, &other, 0), "not all at once");
    }

    #[test]
    fn a_time_that_no_honest_clock_wrote_keeps_nothing_from_being_tried() {
        let check = |after: Option<&str>, may: bool| {
            let mut front = FrontMatter::new(id(), now());
            front.retry_after = after.map(|after| after.parse().expect("time"));
            assert_eq!(front.may_be_tried(now()), may, "{after:?}");
        };
        check(None, true);
        check(Some("2026-02-23T03:15:00Z"), true);
        check(Some("2026-02-23T03:15:30Z"), false);
        check(Some("2026-03-01T03:15:00Z"), false);
        check(Some("2126-02-23T03:15:00Z"), true);
        check(Some("1970-01-01T00:00:00Z"), true);
    }

    #[test]
    fn a_success_forgets_what_failed_before_and_no_other_reason() {
        let mut front = FrontMatter::new(id(), now());
        front.reason = Some("returned: somebody wrote in the thread".into());
        front.recovered();
        assert!(front.reason.is_some());
        front.failed("the model is away", Some(now()));
        front.failed("the model is away", None);
        assert_eq!((front.attempts, front.retry_after), (2, None));
        front.recovered();
        assert_eq!((front.attempts, front.returns, front.reason), (0, 0, None));
    }
}
