//! What Meta's Graph API, behind Facebook, Instagram and the WhatsApp Cloud API, answers.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::http::{Reply, Trouble};

/// How a refusal is worded.
#[derive(Deserialize)]
struct Refusal {
    error: Words,
}

#[derive(Deserialize)]
struct Words {
    #[serde(default)]
    message: String,
    #[serde(default)]
    code: i64,
    #[serde(default)]
    is_transient: bool,
}

/// An id, the answer of whatever makes something.
#[derive(Deserialize)]
pub(crate) struct Made {
    pub(crate) id: String,
}

/// Codes with which it says that something went wrong on its own side, whatever the HTTP status: what
/// was asked for may have happened.
const ITS_OWN_FAULT: &[i64] = &[1, 2];

/// Reads an answer, with Meta's own words where it says no.
pub(crate) fn read<T: DeserializeOwned>(reply: &Reply) -> Result<T, Trouble> {
    if reply.is_ok() {
        return reply.json();
    }
    let Ok(Refusal { error }) = serde_json::from_slice(&reply.body) else {
        return Err(reply.refusal("", ""));
    };
    let mut trouble = reply.refusal(&format!("({}) {}", error.code, error.message), "");
    trouble.may |= error.is_transient || ITS_OWN_FAULT.contains(&error.code);
    Err(trouble)
}

/// Its times have no colon in the zone.
pub(crate) fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%z").ok().map(|at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_faults_leave_it_open_and_its_refusals_do_not() {
        let check = |status, body: &str, may| {
            let reply = Reply::test(status, body);
            assert_eq!(read::<Made>(&reply).map(drop).expect_err("a refusal").may, may, "{status} {body}");
        };
        check(400, r#"{"error": {"message": "Invalid parameter", "code": 100}}"#, false);
        check(400, r#"{"error": {"message": "An unknown error occurred", "code": 1}}"#, true);
        check(400, r#"{"error": {"message": "Please retry", "code": 9, "is_transient": true}}"#, true);
        check(503, r#"{"error": {"message": "Service temporarily unavailable", "code": 2}}"#, true);
        check(401, "no JSON", false);
    }

    #[test]
    fn its_times_are_read() {
        assert_eq!(
            time("2026-02-23T03:15:00+0000").map(|at| at.to_rfc3339()).as_deref(),
            Some("2026-02-23T03:15:00+00:00")
        );
    }
}
