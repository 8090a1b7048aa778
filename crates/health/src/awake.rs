//! Since when a process has been running without a pause. A laptop's sleep stops it without
//! ending it; afterwards everything looks late that only slept along.

use chrono::{DateTime, TimeDelta, Utc};

/// Notices pauses from the distance between two looks at the clock.
#[derive(Debug, Clone)]
pub struct Awake {
    since: DateTime<Utc>,
    last: DateTime<Utc>,
    pause: TimeDelta,
}

impl Awake {
    /// Starts now. Two looks further apart than `pause` had a sleep between them; take several
    /// times the interval at which [`Awake::tick`] is called.
    pub fn new(now: DateTime<Utc>, pause: TimeDelta) -> Self {
        Self { since: now, last: now, pause }
    }

    /// To be called regularly; returns since when it has been awake. A clock that was put back
    /// counts as a pause too.
    pub fn tick(&mut self, now: DateTime<Utc>) -> DateTime<Utc> {
        if now - self.last > self.pause || now < self.last {
            self.since = now;
        }
        self.last = now;
        self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_starts_the_count_anew() {
        let start: DateTime<Utc> = "2026-02-23T03:15:00Z".parse().expect("time");
        let mut awake = Awake::new(start, TimeDelta::minutes(3));
        let check = |awake: &mut Awake, minutes: i64, since: i64| {
            let now = start + TimeDelta::minutes(minutes);
            assert_eq!(awake.tick(now), start + TimeDelta::minutes(since));
        };
        check(&mut awake, 1, 0);
        check(&mut awake, 4, 0);
        check(&mut awake, 600, 600);
        check(&mut awake, 601, 600);
        check(&mut awake, 300, 300);
    }
}
