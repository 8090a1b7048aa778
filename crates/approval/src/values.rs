//! Values that say where something goes or how much: found in fields and in running text.

use std::collections::BTreeSet;
use std::fmt;

use rust_decimal::Decimal;
use unicode_security::skeleton;

use crate::provenance::plain;

/// So many values of one text are looked at.
const MOST: usize = 200;

/// What kind of value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    Address,
    Link,
    Account,
    Phone,
    Number,
    Amount,
    Name,
    File,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Address => "address",
            Kind::Link => "link",
            Kind::Account => "account",
            Kind::Phone => "phone",
            Kind::Number => "number",
            Kind::Amount => "amount",
            Kind::Name => "name",
            Kind::File => "file",
        })
    }
}

/// A value as it stands.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Marked {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

impl Marked {
    fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// What is compared: the same for all ways to write one value.
    pub(crate) fn key(&self) -> String {
        let only = |keep: fn(&char) -> bool| self.text.chars().filter(keep).collect::<String>();
        match self.kind {
            Kind::Account => only(|c| c.is_alphanumeric()).to_uppercase(),
            Kind::Phone | Kind::Number => only(char::is_ascii_digit),
            Kind::Link => self.text.trim_end_matches('/').to_lowercase(),
            Kind::Address | Kind::Amount | Kind::Name | Kind::File => plain(&self.text),
        }
    }

    /// Of an address or a link.
    pub(crate) fn domain(&self) -> Option<String> {
        let host = match self.kind {
            Kind::Address => self.text.rsplit_once('@')?.1,
            Kind::Link => {
                let rest = self.text.split_once("://").map_or(self.text.as_str(), |(_, rest)| rest);
                let host = rest.split(['/', '?', '#']).next()?;
                // `https://bank.example@evil.example/` leads to the latter.
                let host = host.rsplit('@').next()?;
                host.split(':').next()?
            }
            _ => return None,
        };
        let host = host.trim_end_matches('.').to_lowercase();
        let host = host.strip_prefix("www.").unwrap_or(&host);
        (!host.is_empty()).then(|| host.to_owned())
    }
}

/// The values of one field of an action.
pub(crate) fn of_field(key: &str, text: &str) -> Vec<Marked> {
    let text = text.trim();
    if text.is_empty() {
        return Vec::new();
    }
    match key {
        "to" | "cc" | "bcc" if text.contains('@') => vec![Marked::new(Kind::Address, text)],
        "to" => vec![Marked::new(Kind::Phone, text)],
        "iban" => vec![Marked::new(Kind::Account, text)],
        "amount" | "total" | "unit_price" => vec![Marked::new(Kind::Amount, text)],
        "payee" | "partner" | "reference" => vec![Marked::new(Kind::Name, text)],
        "name" => vec![Marked::new(Kind::File, text)],
        "sha256" | "in_reply_to" | "references" | "reply_to" | "currency" | "quantity" => Vec::new(),
        _ => in_text(text),
    }
}

/// The values in running text.
pub(crate) fn in_text(text: &str) -> Vec<Marked> {
    let mut found = Vec::new();
    for token in
        text.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '|' | '(' | ')' | '[' | ']'))
    {
        let token = token.trim_matches(|c: char| {
            matches!(
                c,
                '\'' | '.' | ',' | ';' | ':' | '!' | '?' | '*' | '_' | '`' | '{' | '}' | '„' | '“' | '”'
            )
        });
        if token.contains("://") || token.to_ascii_lowercase().starts_with("www.") || is_bare_link(token) {
            found.push(Marked::new(Kind::Link, token));
        } else if let Some((local, domain)) = token.rsplit_once('@')
            && !local.is_empty()
            && domain.contains('.')
        {
            found.push(Marked::new(Kind::Address, token.trim_start_matches("mailto:")));
        }
    }
    let characters: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < characters.len() && found.len() < MOST {
        let begins = at == 0 || !characters[at - 1].is_alphanumeric();
        match characters[at] {
            '+' if begins => at += push(&mut found, Kind::Phone, phone(&characters[at..])),
            c if begins && c.is_ascii_alphabetic() => {
                at += push(&mut found, Kind::Account, iban(&characters[at..]))
            }
            c if begins && c.is_ascii_digit() => {
                at += push(&mut found, Kind::Number, number(&characters[at..]))
            }
            _ => at += 1,
        }
    }
    found.truncate(MOST);
    found
}

fn push(found: &mut Vec<Marked>, kind: Kind, text: Option<String>) -> usize {
    let Some(text) = text else { return 1 };
    let length = text.chars().count();
    found.push(Marked::new(kind, text));
    length.max(1)
}

/// What a mail program makes a link of without being asked.
fn is_bare_link(token: &str) -> bool {
    const ENDINGS: [&str; 26] = [
        "com", "net", "org", "de", "at", "ch", "eu", "uk", "fr", "it", "nl", "pl", "es", "io", "co", "me",
        "app", "dev", "info", "biz", "xyz", "top", "shop", "online", "site", "example",
    ];
    let host = token.split(['/', '?', ':']).next().unwrap_or_default();
    let Some((_, ending)) = host.rsplit_once('.') else { return false };
    !token.contains('@')
        && ENDINGS.contains(&ending.to_ascii_lowercase().as_str())
        && host
            .split('.')
            .all(|label| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-'))
}

/// `+49 170 123 45 67`
fn phone(rest: &[char]) -> Option<String> {
    let end = rest
        .iter()
        .skip(1)
        .position(|c| !(c.is_ascii_digit() || " -()/.".contains(*c)))
        .map_or(rest.len(), |at| at + 1);
    let text: String = rest[..end].iter().take(30).collect();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    (8..=15).contains(&digits).then(|| text.trim_end_matches([' ', '-', '(', '/', '.']).to_owned())
}

/// An IBAN, in one piece or in groups, whose check digits are right.
fn iban(rest: &[char]) -> Option<String> {
    let head: String = rest.iter().take(4).collect();
    let shape = head.len() == 4
        && head.is_ascii()
        && head[..2].bytes().all(|b| b.is_ascii_alphabetic())
        && head[2..].bytes().all(|b| b.is_ascii_digit());
    if !shape {
        return None;
    }
    let mut plain = String::new();
    let mut best = None;
    for (at, c) in rest.iter().take(48).enumerate() {
        match c {
            c if c.is_ascii_alphanumeric() => plain.push(c.to_ascii_uppercase()),
            ' ' | '-' | '\u{a0}' => continue,
            _ => break,
        }
        let next = rest.get(at + 1);
        if (15..=34).contains(&plain.len())
            && next.is_none_or(|c| !c.is_ascii_alphanumeric())
            && is_iban(&plain)
        {
            best = Some(at + 1);
        }
    }
    best.map(|end| rest[..end].iter().collect())
}

/// ISO 13616: the remainder of the rearranged number by 97 is 1.
fn is_iban(plain: &str) -> bool {
    let (head, tail) = plain.split_at(4);
    let mut rest = 0_u32;
    for c in tail.chars().chain(head.chars()) {
        let Some(value) = c.to_digit(36) else { return false };
        rest = (rest * if value < 10 { 10 } else { 100 } + value) % 97;
    }
    rest == 1
}

/// Eight digits or more in a row: an account, a card, an order.
fn number(rest: &[char]) -> Option<String> {
    let end = rest.iter().position(|c| !c.is_ascii_digit()).unwrap_or(rest.len());
    (end >= 8).then(|| rest[..end.min(40)].iter().collect())
}

/// Every amount in a text, in each way in which it can be read: `1.250,00` and `1,250.00`.
pub(crate) fn amounts(text: &str) -> BTreeSet<Decimal> {
    let mut found = BTreeSet::new();
    for token in text.split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',' | '\''))).take(20_000) {
        let token = token.trim_matches(['.', ',', '\'']);
        if token.is_empty() || token.len() > 20 {
            continue;
        }
        let english: String = token.chars().filter(|c| !matches!(c, ',' | '\'')).collect();
        let german = token.replace(['.', '\''], "").replace(',', ".");
        found.extend(
            [english, german]
                .iter()
                .filter_map(|text| text.parse::<Decimal>().ok())
                .map(|amount| amount.normalize()),
        );
    }
    found
}

/// Domains where everybody has an address: two of them are no imitation of each other.
const FREE_MAIL: [&str; 14] = [
    "gmail.com",
    "googlemail.com",
    "gmx.de",
    "gmx.net",
    "web.de",
    "outlook.com",
    "hotmail.com",
    "yahoo.com",
    "icloud.com",
    "mail.com",
    "proton.me",
    "protonmail.com",
    "aol.com",
    "live.com",
];

/// Why a domain could be taken for a known one; none if it could not, or is part of it.
pub(crate) fn imitates(domain: &str, known: &str) -> Option<&'static str> {
    let below = |a: &str, b: &str| a == b || a.strip_suffix(b).is_some_and(|head| head.ends_with('.'));
    let both_free = FREE_MAIL.contains(&domain) && FREE_MAIL.contains(&known);
    if below(domain, known) || below(known, domain) || both_free || !known.contains('.') {
        return None;
    }
    if drawn(domain) == drawn(known) {
        return Some("it only looks like it");
    }
    if domain.starts_with(&format!("{known}.")) || domain.contains(&format!(".{known}.")) {
        return Some("it only begins like it");
    }
    let name = |domain: &str| -> Option<(String, String)> {
        let labels: Vec<&str> = domain.split('.').collect();
        let second =
            labels.len() >= 3 && labels[labels.len() - 2].len() <= 3 && labels[labels.len() - 1].len() == 2;
        let at = labels.len().checked_sub(if second { 3 } else { 2 })?;
        Some((labels[at].to_owned(), labels[at + 1..].join(".")))
    };
    let ((mine, mine_end), (theirs, theirs_end)) = (name(domain)?, name(known)?);
    if theirs.len() >= 5 && mine == theirs && mine_end != theirs_end {
        return Some("it has the same name under another ending");
    }
    if theirs.len() >= 6 && mine_end == theirs_end && strsim::osa_distance(&mine, &theirs) == 1 {
        return Some("one letter is another");
    }
    let part = theirs.len() >= 5 && mine.split('-').any(|part| part == theirs);
    (part && mine != theirs).then_some("it has its name within another one")
}

/// How a domain looks at a glance.
fn drawn(domain: &str) -> String {
    let latin: String = skeleton(&domain.to_lowercase()).collect();
    latin
        .to_lowercase()
        .replace("rn", "m")
        .replace("vv", "w")
        .replace("cl", "d")
        .replace(['1', 'i', '|'], "l")
        .replace('0', "o")
        .replace('5', "s")
        .replace('-', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_running_text() {
        let check = |text: &str, expected: &[(Kind, &str)]| {
            let found: Vec<_> = in_text(text).into_iter().map(|value| (value.kind, value.text)).collect();
            let expected: Vec<_> = expected.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect();
            assert_eq!(found, expected, "{text}");
        };
        check(
            "see <https://a.example/x?y=1>, or www.b.example.",
            &[(Kind::Link, "https://a.example/x?y=1"), (Kind::Link, "www.b.example")],
        );
        check("open evil.com/login now", &[(Kind::Link, "evil.com/login")]);
        check("a file report.pdf, version 1.2.3, e.g. this", &[]);
        check("write to Bob@b.example!", &[(Kind::Address, "Bob@b.example")]);
        check("IBAN DE89 3704 0044 0532 0130 00 today", &[(Kind::Account, "DE89 3704 0044 0532 0130 00")]);
        check("IBAN DE89370400440532013000", &[(Kind::Account, "DE89370400440532013000")]);
        check("IBAN DE88370400440532013000", &[]);
        check("call +49 (170) 123-4567 now", &[(Kind::Phone, "+49 (170) 123-4567")]);
        check("IBAN AT611904300234573201", &[(Kind::Account, "AT611904300234573201")]);
        check("call +491701234567, now", &[(Kind::Phone, "+491701234567")]);
        check("x+491701234567", &[(Kind::Number, "491701234567")]);
        check("order 12345678, item 1234567", &[(Kind::Number, "12345678")]);
    }

    #[test]
    fn a_field_says_what_its_value_is() {
        let check = |key: &str, text: &str, expected: &[Kind]| {
            let kinds: Vec<_> = of_field(key, text).into_iter().map(|value| value.kind).collect();
            assert_eq!(kinds, expected, "{key} {text}");
        };
        check("to", "bob@b.example", &[Kind::Address]);
        check("to", "0170 1", &[Kind::Phone]);
        check("bcc", "bob@b", &[Kind::Address]);
        check("iban", "not one at all", &[Kind::Account]);
        check("total", "1", &[Kind::Amount]);
        check("in_reply_to", "<a@b.example>", &[]);
        check("sha256", "12345678901", &[]);
        check("body", "12345678901", &[Kind::Number]);
        check("body", "  ", &[]);
    }

    #[test]
    fn a_link_and_an_address_lead_to_a_domain() {
        let check = |kind, text: &str, expected: Option<&str>| {
            assert_eq!(Marked::new(kind, text).domain().as_deref(), expected, "{text}");
        };
        check(Kind::Address, "Bob@B.example", Some("b.example"));
        check(Kind::Link, "https://bank.example@evil.example:8080/x", Some("evil.example"));
        check(Kind::Link, "www.b.example./x", Some("b.example"));
        check(Kind::Number, "12345678", None);
    }

    #[test]
    fn amounts_are_read_in_each_way() {
        let has = |text: &str, amount: &str| {
            amounts(text).contains(&amount.parse::<Decimal>().expect("amount").normalize())
        };
        assert!(has("EUR 1.250,00", "1250"));
        assert!(has("$1,250.00!", "1250.00"));
        assert!(has("99,90 €", "99.9"));
        assert!(!has("EUR 1.250,00", "1251"));
        // Twenty digits are an amount still, longer ones are none.
        assert!(has(&"1".repeat(20), &"1".repeat(20)));
        for length in [21, 25] {
            assert_eq!(amounts(&"1".repeat(length)), BTreeSet::new());
        }
    }

    #[test]
    fn domains_that_imitate_are_told_from_others() {
        let check = |domain: &str, known: &str, expected: bool| {
            assert_eq!(imitates(domain, known).is_some(), expected, "{domain} {known}");
        };
        check("exarnple.com", "example.com", true);
        check("examp1e.com", "example.com", true);
        check("ex\u{430}mple.com", "example.com", true);
        check("exmaple.com", "example.com", true);
        check("example.com.evil.net", "example.com", true);
        check("example-login.com", "example.com", true);
        check("example.co", "example.com", true);
        check("mail.example.com", "example.com", false);
        check("example.com", "mail.example.com", false);
        check("other.com", "example.com", false);
        check("gmail.com", "mail.com", false);
        check("grnail.com", "gmail.com", true);
        check("example.com.example.com", "example.com", false);
        check("localhost.evil.net", "localhost", false);
        check("company.com", "company.co.uk", true);
        check("company.com", "a.b.company.co.uk", true);
        check("company.org", "mail.company.com", true);
        check("abc.com", "abc.org", false);
    }
}
