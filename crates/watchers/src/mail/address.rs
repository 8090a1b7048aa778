//! Addresses, as bare `local@domain` and the name beside it.

use mail_parser::{HeaderName, Message};

use crate::event::NAME;
use crate::text;

/// The longest address (RFC 5321: 64 + 1 + 255, less the brackets).
const ADDRESS: usize = 320;

/// Someone in a header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Person {
    /// The bare address, when it is one that mail can be sent to.
    pub(super) address: Option<String>,
    /// The display name, as one line.
    pub(super) name: Option<String>,
}

/// The people in the first header of that name, groups taken apart.
pub(super) fn list(message: &Message<'_>, name: HeaderName<'static>) -> Vec<Person> {
    if message.parts.is_empty() {
        return Vec::new();
    }
    let Some(addresses) = message.header_values(name).next().and_then(|value| value.as_address()) else {
        return Vec::new();
    };
    addresses
        .iter()
        .map(|a| Person {
            address: a.address().and_then(bare),
            name: a.name().map(|n| text::line(n, NAME)).filter(|n| !n.is_empty()),
        })
        .collect()
}

/// A text that is an address and nothing else: exactly one `@` with something on both sides, and
/// nothing that could end a header line, start a second address or hide.
pub(super) fn bare(text: &str) -> Option<String> {
    let text = text.trim();
    let (local, domain) = text.split_once('@')?;
    let plain = |c: char| {
        !c.is_whitespace()
            && !c.is_control()
            && !matches!(c, '<' | '>' | ',' | ';' | ':' | '"' | '(' | ')' | '[' | ']' | '\\')
    };
    let fits = text.len() <= ADDRESS
        && !local.is_empty()
        && !domain.is_empty()
        && !domain.contains('@')
        && text.chars().all(plain)
        && text::line(text, ADDRESS) == text;
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_is_an_address() {
        let check = |text: &str, ok: bool| assert_eq!(bare(text).is_some(), ok, "{text:?}");
        check("alice@example.com", true);
        check(" alice+tag@example.com ", true);
        check("jürgen@bücher.example", true);
        check("alice", false);
        check("@example.com", false);
        check("alice@", false);
        check("a@b@c", false);
        check("alice@example.com\r\nBcc: x@y", false);
        check("alice@example.com,bob@example.com", false);
        check("ali\u{202e}ce@example.com", false);
        check("a\0@example.com", false);
        check(&format!("{}@example.com", "a".repeat(400)), false);
    }
}
