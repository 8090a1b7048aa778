//! Header fields as they stand, in order, from the top: the order tells who wrote them.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use mail_parser::{HeaderName, HeaderValue, Message};

use super::LISTED;

/// The most that is kept of one field.
const FIELD: usize = 16 * 1024;
/// The longest message id that is taken up.
const ID: usize = 250;

/// The fields of a mail, names in lower case, values as sent.
pub(super) struct Headers<'a> {
    fields: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Where the body starts.
    pub(super) body: usize,
}

impl<'a> Headers<'a> {
    pub(super) fn of(bytes: &'a [u8], message: &Message<'_>) -> Self {
        let Some(root) = message.parts.first() else {
            return Self { fields: Vec::new(), body: 0 };
        };
        let slice = |from: u32, to: u32| {
            let (from, to) = (from as usize, to as usize);
            let to = to.min(from.saturating_add(FIELD)).min(bytes.len());
            String::from_utf8_lossy(bytes.get(from..to).unwrap_or_default())
        };
        let fields = root
            .headers
            .iter()
            .map(|h| (Cow::Owned(h.name.as_str().to_ascii_lowercase()), slice(h.offset_start, h.offset_end)))
            .collect();
        Self { fields, body: root.offset_body as usize }
    }

    /// All fields of that lower-case name, from the top, with their position among all fields.
    pub(super) fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = (usize, &'s str)> {
        self.fields.iter().enumerate().filter(move |(_, (n, _))| n == name).map(|(at, (_, v))| (at, v.trim()))
    }

    /// The topmost field of that name.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.trim())
    }

    /// How many fields have that name.
    pub(super) fn count(&self, name: &str) -> usize {
        self.fields.iter().filter(|(n, _)| n == name).count()
    }
}

/// The decoded subject.
pub(super) fn subject(message: &Message<'_>) -> String {
    if message.parts.is_empty() {
        return String::new();
    }
    message.header_values(HeaderName::Subject).find_map(HeaderValue::as_text).unwrap_or_default().to_owned()
}

/// The sender's own date.
pub(super) fn date(message: &Message<'_>) -> Option<DateTime<Utc>> {
    if message.parts.is_empty() {
        return None;
    }
    let stamp = message.header_values(HeaderName::Date).find_map(HeaderValue::as_datetime)?;
    stamp.is_valid().then(|| DateTime::from_timestamp(stamp.to_timestamp(), 0)).flatten()
}

/// The message ids in a field, with their angle brackets; what is no id is passed over.
pub(super) fn ids(raw: &str) -> Vec<String> {
    raw.split('<')
        .skip(1)
        .filter_map(|rest| rest.split_once('>').map(|(id, _)| id))
        .filter(|id| !id.is_empty() && id.len() <= ID && id.bytes().all(|b| b.is_ascii_graphic()))
        .map(|id| format!("<{id}>"))
        .collect()
}

/// The thread, oldest first: `References`, and `In-Reply-To` where it says more. A long thread
/// keeps its start and its end.
pub(super) fn thread(headers: &Headers<'_>) -> Vec<String> {
    let mut thread: Vec<String> = Vec::new();
    for name in ["references", "in-reply-to"] {
        for id in headers.first(name).map(ids).unwrap_or_default() {
            if !thread.contains(&id) {
                thread.push(id);
            }
        }
    }
    if thread.len() > LISTED {
        thread.drain(1..=thread.len() - LISTED);
    }
    thread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_what_stands_in_brackets() {
        let check = |raw: &str, expected: &[&str]| assert_eq!(ids(raw), expected, "{raw:?}");
        check("<a@b>", &["<a@b>"]);
        check("<a@b>\r\n <c@d>", &["<a@b>", "<c@d>"]);
        check("a@b", &[]);
        check("<a b> <c\0d> <>", &[]);
        check("<a@b", &[]);
        check(&format!("<{}> <x@y>", "a".repeat(300)), &["<x@y>"]);
    }
}
