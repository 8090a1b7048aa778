//! One pattern in one time zone.

use chrono::{DateTime, Duration, LocalResult, NaiveDateTime, SubsecRound as _, TimeZone as _, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds};

/// A time zone's change skips or repeats less than this.
const WIDEST_CHANGE: i64 = 26 * 60;

/// When something comes again.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    cron: Cron,
    zone: Tz,
}

impl Pattern {
    /// Five fields, without seconds; the error says what is wrong and how it is written.
    pub(crate) fn parse(text: &str, zone: Tz) -> Result<Self, String> {
        let fields = text.split_whitespace().count();
        if let Some(hint) = clock_time(text) {
            return Err(format!("it is no pattern; did you mean {hint:?}? {FORM}"));
        }
        if fields != 5 && !text.starts_with('@') {
            return Err(format!("it has {fields} fields; {FORM}"));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| format!("{}; {FORM}", words(&error)))?;
        let pattern = Self { cron, zone };
        if pattern.after(DateTime::UNIX_EPOCH).is_none() {
            return Err("no day fits it, so that it would never be due".to_owned());
        }
        Ok(pattern)
    }

    /// The first occurrence later than `moment`.
    pub(crate) fn after(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut local = self.local(moment);
        loop {
            let next = self.cron.find_next_occurrence(&local.and_utc(), false).ok()?.naive_utc();
            let instant = self.instant(next)?;
            if instant > moment {
                return Some(instant);
            }
            // Within the hour that the change back repeats: it was due the first time.
            local = next;
        }
    }

    /// The last occurrence no later than `moment`.
    pub(crate) fn until(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // What is due in a skipped hour has a local time behind that of its instant, and what
        // was due before a repeated hour may have one ahead.
        let mut local = self.local(moment) + Duration::minutes(WIDEST_CHANGE);
        loop {
            let before = self.cron.find_previous_occurrence(&local.and_utc(), true).ok()?.naive_utc();
            let instant = self.instant(before)?;
            if instant <= moment {
                return Some(instant);
            }
            local = before - Duration::seconds(1);
        }
    }

    fn local(&self, moment: DateTime<Utc>) -> NaiveDateTime {
        moment.with_timezone(&self.zone).naive_local().trunc_subsecs(0)
    }

    /// The pattern is matched against the clock on the wall alone, and this says which moment that
    /// is: the first of two, and the end of the gap for one that there is not.
    fn instant(&self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        match self.zone.from_local_datetime(&local) {
            LocalResult::Single(at) => Some(at.to_utc()),
            LocalResult::Ambiguous(first, _) => Some(first.to_utc()),
            LocalResult::None => (1..=WIDEST_CHANGE).find_map(|minutes| {
                let later = local + Duration::minutes(minutes);
                let at = self.zone.from_local_datetime(&later).earliest()?;
                Some(at.to_utc())
            }),
        }
    }
}

const FORM: &str = "it takes five fields: minute, hour, day of the month, month, day of the week, such as \
                    \"0 9 * * MON-FRI\" for nine o'clock on working days";

/// The library's words, without the names of its types.
fn words(error: &CronError) -> String {
    match error {
        CronError::InvalidPattern(text)
        | CronError::IllegalCharacters(text)
        | CronError::ComponentError(text) => text.trim_end_matches('.').to_owned(),
        other => other.to_string().trim_end_matches('.').to_owned(),
    }
}

/// For `09:00` and the like, the pattern that says the same.
fn clock_time(text: &str) -> Option<String> {
    let (hour, minute) = text.trim().trim_start_matches("at ").split_once(':')?;
    let (hour, minute): (u32, u32) = (hour.trim().parse().ok()?, minute.trim().parse().ok()?);
    (hour < 24 && minute < 60).then(|| format!("{minute} {hour} * * *"))
}
