//! Known values, as little of them as it takes to recognise them.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// A value that must never leave, and what it is called.
#[derive(Clone, Debug)]
pub struct Known {
    /// Shown in findings, as in `mail account work (imap)`.
    pub name: String,
    /// The value.
    pub value: SecretString,
}

/// A known value that is not looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unguarded {
    /// What it is called.
    pub name: String,
    /// Why.
    pub why: Weakness,
}

/// Why a value would be found everywhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weakness {
    /// Fewer than [`SHORTEST`] bytes.
    Short,
    /// Shorter than [`PLAIN`] bytes and of lower-case letters or digits alone, as words and
    /// numbers are.
    Plain,
}

/// Shorter values are not looked for.
pub(crate) const SHORTEST: usize = 8;

/// From here on a value may be of one kind of characters.
pub(crate) const PLAIN: usize = 12;

/// Of a value with several lines, parts of this length are looked for each by itself.
const PART: usize = 20;

/// How many bytes of a value are kept.
pub(crate) const WINDOW: usize = 4;

impl fmt::Display for Unguarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unguarded { name, why } = self;
        match why {
            Weakness::Short => write!(
                f,
                "the secret of {name} has fewer than {SHORTEST} characters and cannot be kept out of what is sent; use a longer one"
            ),
            Weakness::Plain => write!(
                f,
                "the secret of {name} is a short word or number and cannot be kept out of what is sent; use one with {PLAIN} characters or of several kinds"
            ),
        }
    }
}

/// What is kept of a value: enough to recognise it, too little to tell it.
pub(crate) struct Fingerprint {
    /// Which of the known values.
    pub(crate) known: usize,
    /// Where the window begins within the value.
    start: usize,
    /// The value's length.
    len: usize,
    digest: [u8; 32],
    /// Whether this is the value backwards.
    pub(crate) reversed: bool,
}

impl Fingerprint {
    /// With the window to look for: the four bytes that are least like prose.
    fn of(value: &[u8], known: usize, reversed: bool) -> (Self, [u8; WINDOW]) {
        let rarity = |bytes: &[u8]| -> usize {
            let weigh = |byte: u8| match byte {
                b'a'..=b'z' | b' ' => 0,
                b'0'..=b'9' => 2,
                b'A'..=b'Z' => 1,
                _ => 1,
            };
            let distinct = (1..bytes.len()).filter(|at| !bytes[..*at].contains(&bytes[*at])).count();
            bytes.iter().map(|byte| weigh(*byte)).sum::<usize>() + distinct
        };
        let windows = value.windows(WINDOW).enumerate();
        let (start, window) =
            windows.max_by_key(|(_, window)| rarity(window)).map_or((0, [0; WINDOW]), |(start, window)| {
                let mut kept = [0; WINDOW];
                kept.copy_from_slice(window);
                (start, kept)
            });
        let digest = Sha256::digest(value).into();
        (Self { known, start, len: value.len(), digest, reversed }, window)
    }

    /// Where the value begins in `bytes`, if its window was found at `at` and it is really there.
    pub(crate) fn confirm(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let start = at.checked_sub(self.start)?;
        let value = bytes.get(start..start.checked_add(self.len)?)?;
        (<[u8; 32]>::from(Sha256::digest(value)) == self.digest).then_some(start)
    }
}

/// The fingerprints of a value and their windows, or why there are none.
pub(crate) fn fingerprints(
    value: &SecretString,
    known: usize,
) -> Result<Vec<(Fingerprint, [u8; WINDOW])>, Weakness> {
    let text = value.expose_secret().trim();
    if text.len() < SHORTEST {
        return Err(Weakness::Short);
    }
    let only = |class: fn(&u8) -> bool| text.bytes().all(|byte| class(&byte));
    if text.len() < PLAIN && (only(u8::is_ascii_lowercase) || only(u8::is_ascii_digit)) {
        return Err(Weakness::Plain);
    }
    let mut found = vec![Fingerprint::of(text.as_bytes(), known, false)];
    // Backwards it is a copy, wiped when it goes.
    let reversed = SecretString::from(text.chars().rev().collect::<String>());
    found.push(Fingerprint::of(reversed.expose_secret().as_bytes(), known, true));
    if text.contains('\n') {
        // A key file or a JSON document that was indented, quoted or sent in part.
        let parts = text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ','));
        let parts = parts.flat_map(|part| part.split("\\n")).filter(|part| is_random(part));
        found.extend(parts.map(|part| Fingerprint::of(part.as_bytes(), known, false)));
    }
    Ok(found)
}

/// Whether a part of a document can be taken for the secret in it, rather than for an address or
/// a name.
fn is_random(part: &str) -> bool {
    let has = |class: fn(&u8) -> bool| part.bytes().any(|byte| class(&byte));
    part.len() >= PART
        && !part.contains("://")
        && !part.contains('@')
        && !part.starts_with("-----")
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        // The head that every OpenSSH private key without passphrase shares.
        && !part.starts_with("b3BlbnNzaC1rZXktdjE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_recognised_by_its_fingerprint_alone() {
        let value = SecretString::from("correct-Horse7battery");
        let found = fingerprints(&value, 3).expect("long enough");
        let (print, window) = &found[0];
        assert_eq!(window.len(), WINDOW);
        let text = b"say correct-Horse7battery now";
        let at = text.windows(WINDOW).position(|w| w == window).expect("the window");
        assert_eq!(print.confirm(text, at), Some(4));
        let other = b"say correct-Horse7batterx now";
        let at = other.windows(WINDOW).position(|w| w == window).expect("the window");
        assert_eq!(print.confirm(other, at), None);
        assert_eq!(print.confirm(b"se7b", 0), None);
    }

    #[test]
    fn what_would_be_found_everywhere_is_not_guarded() {
        let check = |value: &str, expected: Option<Weakness>| {
            let got = fingerprints(&SecretString::from(value), 0).err();
            assert_eq!(got, expected, "{value}");
        };
        check("hunter2", Some(Weakness::Short));
        check("sunshine", Some(Weakness::Plain));
        check("20260223", Some(Weakness::Plain));
        check("hunter22", None);
        check("a long pass phrase", None);
        check("abcdefghijkl", None);
    }
}
