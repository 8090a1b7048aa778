//! IMAP search keys (RFC 3501, 6.4.4).

use super::SearchEmail;
use crate::outcome::Failure;

/// The search keys for `asked`. `literals` says that the server takes LITERAL+ or LITERAL- (RFC
/// 7888), the only way to send it other characters than ASCII within one command.
pub(super) fn query(asked: &SearchEmail, literals: bool) -> Result<String, Failure> {
    let mut keys = Vec::new();
    for (key, value) in [
        ("FROM", &asked.from),
        ("SUBJECT", &asked.subject),
        ("TEXT", &asked.text),
        ("HEADER Message-ID", &asked.message_id),
    ] {
        if let Some(value) = value {
            keys.push(format!("{key} {}", string(value, literals)?));
        }
    }
    if let Some(id) = &asked.follows {
        let id = string(id, literals)?;
        keys.push(format!("OR HEADER In-Reply-To {id} HEADER References {id}"));
    }
    if let Some(since) = asked.since {
        keys.push(format!("SINCE {}", since.format("%-d-%b-%Y")));
    }
    if keys.is_empty() {
        keys.push("ALL".to_owned());
    }
    let keys = keys.join(" ");
    Ok(if keys.is_ascii() { keys } else { format!("CHARSET UTF-8 {keys}") })
}

fn string(value: &str, literals: bool) -> Result<String, Failure> {
    if value.chars().any(char::is_control) || value.len() > 1000 {
        return Err(Failure::none("a search word has a control character or more than 1000 bytes"));
    }
    if value.is_ascii() {
        return Ok(format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")));
    }
    if !literals {
        return Err(Failure::none(format!("this server cannot search for {value:?}; use ASCII words")));
    }
    Ok(format!("{{{}+}}\r\n{value}", value.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_quoted_and_nothing_slips_in() {
        let check = |asked: SearchEmail, expected: Result<&str, &str>| match (query(&asked, true), expected) {
            (Ok(query), Ok(expected)) => assert_eq!(query, expected),
            (Err(failure), Err(part)) => assert!(failure.message.contains(part), "{failure}"),
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        };
        let asked = |text: &str| SearchEmail { text: Some(text.into()), ..Default::default() };
        check(SearchEmail::default(), Ok("ALL"));
        check(asked("invoice"), Ok("TEXT \"invoice\""));
        check(asked(r#"a" OR "b\"#), Ok(r#"TEXT "a\" OR \"b\\""#));
        check(asked("März"), Ok("CHARSET UTF-8 TEXT {5+}\r\nMärz"));
        check(asked("a\r\nA1 LOGOUT"), Err("control character"));
        let id = SearchEmail { message_id: Some("<a@b>".into()), ..Default::default() };
        check(id, Ok("HEADER Message-ID \"<a@b>\""));
        let thread = SearchEmail { follows: Some("<a@b>".into()), ..Default::default() };
        check(thread, Ok("OR HEADER In-Reply-To \"<a@b>\" HEADER References \"<a@b>\""));
        let since = SearchEmail {
            from: Some("alice".into()),
            since: Some("2026-02-03".parse().expect("date")),
            ..Default::default()
        };
        check(since, Ok("FROM \"alice\" SINCE 3-Feb-2026"));
        assert!(query(&asked("März"), false).is_err());
    }
}
