//! How IMAP writes names and dates.

use base64::Engine as _;
use chrono::{DateTime, NaiveDate, Utc};

/// ` 7-Feb-2026 03:15:00 +0000`
pub(super) fn internal_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_str(text.trim(), "%d-%b-%Y %H:%M:%S %z").ok().map(|date| date.to_utc())
}

/// A date as SEARCH takes it.
pub(super) fn search_date(date: NaiveDate) -> String {
    date.format("%-d-%b-%Y").to_string()
}

pub(super) fn quote(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("\"{}\"", clean.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A folder's name as IMAP writes it: modified UTF-7 (RFC 3501, section 5.1.3).
pub(super) fn utf7(name: &str) -> String {
    let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
    let mut out = String::new();
    let mut wide: Vec<u8> = Vec::new();
    let flush = |wide: &mut Vec<u8>, out: &mut String| {
        if !wide.is_empty() {
            out.push('&');
            out.push_str(&engine.encode(&wide).replace('/', ","));
            out.push('-');
            wide.clear();
        }
    };
    for c in name.chars() {
        match c {
            '&' => {
                flush(&mut wide, &mut out);
                out.push_str("&-");
            }
            ' '..='~' => {
                flush(&mut wide, &mut out);
                out.push(c);
            }
            c => {
                let mut units = [0; 2];
                wide.extend(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()));
            }
        }
    }
    flush(&mut wide, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_are_written_as_imap_does() {
        let check = |name: &str, expected: &str| assert_eq!(utf7(name), expected);
        check("INBOX", "INBOX");
        check("A & B", "A &- B");
        // The example of RFC 3501.
        check("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
        check("Entwürfe", "Entw&APw-rfe");
        assert_eq!(quote("a\"b\\c\r\nX LOGOUT"), "\"a\\\"b\\\\cX LOGOUT\"");
    }

    #[test]
    fn dates_are_read_and_written_as_imap_does() {
        let date = internal_date(" 7-Feb-2026 03:15:00 +0100").expect("date");
        assert_eq!(date.to_rfc3339(), "2026-02-07T02:15:00+00:00");
        assert_eq!(search_date(date.date_naive()), "7-Feb-2026");
        assert_eq!(internal_date("yesterday"), None);
    }
}
