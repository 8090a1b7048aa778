//! Which week a briefing is about.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveTime, TimeZone, Utc};

/// A week, from Monday to Monday on the owner's clock, named for the Monday after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Period {
    /// The Monday on which it is read.
    pub monday: NaiveDate,
    /// Its first moment.
    pub from: DateTime<Utc>,
    /// The first moment after it.
    pub until: DateTime<Utc>,
}

impl Period {
    /// The week of a moment: its own, which ends on the coming Monday; on a Monday the one that has
    /// just ended.
    pub fn of<Z: TimeZone>(at: DateTime<Utc>, zone: &Z) -> Self {
        let day = at.with_timezone(zone).date_naive();
        let gone = u64::from(day.weekday().num_days_from_monday());
        let monday = if gone == 0 { day } else { later(day, 7 - gone) };
        let first = monday.checked_sub_days(Days::new(7)).unwrap_or(monday);
        Self { monday, from: midnight(first, zone), until: midnight(monday, zone) }
    }

    /// Its seven days, on the owner's clock.
    pub fn days(&self) -> impl Iterator<Item = NaiveDate> {
        let first = self.monday.checked_sub_days(Days::new(7)).unwrap_or(self.monday);
        first.iter_days().take(7)
    }

    /// Whether a moment is in it.
    pub fn has(&self, at: DateTime<Utc>) -> bool {
        (self.from..self.until).contains(&at)
    }

    /// The briefing's path in the vault, without its ending.
    pub fn stem(&self) -> String {
        format!("Briefings/{}_Monday_Briefing", self.monday)
    }
}

fn later(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(Days::new(days)).unwrap_or(day)
}

/// The day's first moment, which a change to summer time may put off.
fn midnight<Z: TimeZone>(day: NaiveDate, zone: &Z) -> DateTime<Utc> {
    let start = day.and_time(NaiveTime::MIN);
    let first = (0..=4).find_map(|half_hours| {
        zone.from_local_datetime(&(start + chrono::Duration::minutes(30 * half_hours))).earliest()
    });
    first.map_or_else(|| start.and_utc(), |at| at.to_utc())
}
