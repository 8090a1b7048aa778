//! `password: …` and its kin, with a value that looks drawn by lot. Values that a form, a log or
//! a mail has behind such words all the time are let through.

/// Words that announce a secret. Looked for in any case.
pub(crate) const WORDS: &[&str] = &[
    "password",
    "passwd",
    "passwort",
    "passphrase",
    "pwd",
    "secret",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "access-key",
    "accesskey",
    "private_key",
    "token",
    "credential",
];

/// Names of things about a secret that are none.
const ABOUT: &[&str] = &[
    "hash", "id", "url", "uri", "name", "file", "path", "env", "type", "count", "hint", "policy", "expires",
    "expiry", "limit", "usage", "used", "length", "digest", "at", "s",
];

/// Where the value begins, if a secret is assigned to the word at `at`. `linked`: it stands in a
/// link, before any encoding is taken off.
pub(crate) fn assigned(bytes: &[u8], at: usize, word: &str, linked: bool) -> Option<usize> {
    let mut index = at + word.len();
    let skip = |index: usize, set: fn(u8) -> bool| {
        let rest = bytes.get(index..).unwrap_or_default();
        index + rest.iter().take(24).take_while(|byte| set(**byte)).count()
    };
    let tail_end = skip(index, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let tail = String::from_utf8_lossy(&bytes[index..tail_end]).to_ascii_lowercase();
    let tail = tail.trim_start_matches(['_', '-']);
    if ABOUT.iter().any(|about| tail == *about || tail.ends_with(&format!("_{about}"))) {
        return None;
    }
    index = skip(tail_end, |byte| matches!(byte, b'"' | b'\'' | b']' | b'*' | b'`' | b' ' | b'\t'));
    let sign = index;
    index = skip(index, |byte| matches!(byte, b':' | b'=' | b'>'));
    if index == sign || index > sign + 2 {
        return None;
    }
    index = skip(index, |byte| matches!(byte, b' ' | b'\t'));
    let quote = bytes.get(index).copied().filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    let start = if quote.is_some() { index + 1 } else { index };
    let rest = bytes.get(start..).unwrap_or_default();
    let ends = |byte: &u8| match quote {
        Some(quote) => *byte == quote || matches!(byte, b'\r' | b'\n'),
        None => {
            byte.is_ascii_whitespace()
                || matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>' | b';' | b',' | b'&' | b')' | b'}' | b']')
        }
    };
    let end = rest.iter().take(513).position(ends).unwrap_or(rest.len().min(513));
    let value = &rest[..end];
    let short = word.starts_with("pass") || word == "pwd";
    let weak = matches!(word, "token" | "secret" | "credential");
    // What stands in the link to a meeting is the link's: who may read the mail may follow it.
    let links_own = weak || word == "pwd" || value.len() < 16 || !tail.is_empty();
    if (links_own && (linked || crate::shape::in_link(bytes, at))) || opens_a_meeting(bytes, at) {
        return None;
    }
    looks_drawn(value, short, weak).then_some(start)
}

/// Whether the word at `at` is about a meeting that its readers are invited to, as in `Meeting
/// password: …`.
fn opens_a_meeting(bytes: &[u8], at: usize) -> bool {
    let before = bytes[at.saturating_sub(24)..at].to_ascii_lowercase();
    let end =
        before.iter().rposition(|byte| !matches!(byte, b' ' | b'-' | b'_' | b'*')).map_or(0, |at| at + 1);
    ["meeting", "webinar", "besprechungs", "konferenz"]
        .iter()
        .any(|word| before[..end].ends_with(word.as_bytes()))
}

/// Whether a value looks drawn by lot. `short`: people choose these themselves, so fewer
/// characters are enough. `weak`: the word stands before harmless numbers as well.
fn looks_drawn(value: &[u8], short: bool, weak: bool) -> bool {
    let least = if short { 10 } else { 16 };
    if value.len() < least || value.len() > 512 || !value.iter().all(u8::is_ascii_graphic) {
        return false;
    }
    let has = |class: fn(&u8) -> bool| value.iter().any(class);
    if !has(u8::is_ascii_digit) || !has(u8::is_ascii_alphabetic) || is_reference(value) {
        return false;
    }
    let distinct = crate::shape::count_distinct(value);
    let plain = value.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    if plain {
        // A hash or a UUID, as a rule.
        return !weak && value.len() >= 32 && distinct >= 9;
    }
    match classes(value) {
        0 | 1 => false,
        2 => value.len() >= 24 && distinct >= 12,
        _ => distinct >= least.min(9),
    }
}

/// Whether a value points to something: a place, an address, a moment, a digest, a variable.
fn is_reference(value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value);
    let date = |text: &str| {
        let shape: String = text.chars().take(10).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        shape == "0000-00-00"
    };
    text.contains("://")
        || text.starts_with(['$', '/', '~', '{', '%', '(', '[', '*'])
        || text.starts_with("./")
        || text.contains("${")
        || text.contains("{{")
        || is_field(&text)
        || ["sha1", "sha256", "sha512", "md5"].iter().any(|name| text.starts_with(name))
        || date(&text)
        || (text.contains('@')
            && text.rsplit('@').next().is_some_and(|host| host.contains('.'))
            && !text.contains(':'))
}

/// A name in source text, as in `settings.CLIENT_SECRET_V2`: words with dots between them, and
/// digits at their ends only.
fn is_field(text: &str) -> bool {
    let name = |part: &str| {
        let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let plain = word.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
        let (upper, lower) = (|c: char| c.is_ascii_uppercase(), |c: char| c.is_ascii_lowercase());
        plain
            && word.len() >= 3
            && part.len() <= word.len() + 2
            && !(word.contains(upper) && word.contains(lower))
    };
    text.contains('.') && text.split('.').all(name)
}

/// How many kinds of characters: small, capital, digit, other.
pub(crate) fn classes(value: &[u8]) -> usize {
    let has = |class: fn(&u8) -> bool| usize::from(value.iter().any(class));
    has(u8::is_ascii_lowercase)
        + has(u8::is_ascii_uppercase)
        + has(u8::is_ascii_digit)
        + has(u8::is_ascii_punctuation)
}
