//! Times, as people say them.

use chrono::{DateTime, Utc};

/// `47 s ago`, `12 min ago`, `5 h ago`, `3 days ago`; what lies ahead as a time.
pub fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (now - at).num_seconds();
    match seconds {
        ..0 => at.format("%Y-%m-%d %H:%M UTC").to_string(),
        0..120 => format!("{seconds} s ago"),
        120..7_200 => format!("{} min ago", seconds / 60),
        7_200..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// How far a channel is: `complete up to 47 s ago`.
pub fn complete(until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> String {
    until.map_or_else(|| "never complete yet".to_owned(), |at| format!("complete up to {}", ago(at, now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_in_the_unit_that_fits() {
        let now: DateTime<Utc> = "2026-02-23T12:00:00Z".parse().expect("time");
        let check = |at: &str, expected: &str| assert_eq!(ago(at.parse().expect("time"), now), expected);
        check("2026-02-23T12:00:00Z", "0 s ago");
        check("2026-02-23T11:58:01Z", "119 s ago");
        check("2026-02-23T11:58:00Z", "2 min ago");
        check("2026-02-23T10:00:00Z", "2 h ago");
        check("2026-02-21T12:00:00Z", "2 days ago");
        check("2026-02-23T12:30:00Z", "2026-02-23 12:30 UTC");
        assert_eq!(complete(None, now), "never complete yet");
    }
}
