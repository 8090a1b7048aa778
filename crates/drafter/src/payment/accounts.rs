//! Account numbers (IBAN, ISO 13616) in a text: the valid ones, and what looks like one and is not.

use std::ops::Range;

use super::plain::Plain;

/// What a text says of accounts.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    /// Without spaces, in capitals, each once.
    pub(super) valid: Vec<String>,
    /// As they stand there.
    pub(super) broken: Vec<String>,
    /// Where they stand.
    pub(super) ranges: Vec<Range<usize>>,
}

/// The longest IBAN there is.
const LONGEST: usize = 34;
/// The shortest.
const SHORTEST: usize = 15;

pub(super) fn accounts(text: &Plain) -> Accounts {
    let mut found = Accounts::default();
    let chars = &text.chars;
    let mut at = 0;
    while at < chars.len() {
        match candidate(chars, at) {
            Some((range, valid, written)) => {
                at = range.end;
                found.ranges.push(range);
                match valid {
                    Some(iban) if found.valid.contains(&iban) => {}
                    Some(iban) => found.valid.push(iban),
                    None => found.broken.push(written),
                }
            }
            None => at += 1,
        }
    }
    found
}

/// What one value is, whatever it looks like.
pub(super) fn account(value: &str) -> Result<String, String> {
    let plain: String = Plain::of(value).chars.into_iter().filter(|c| *c != '.').collect();
    task::iban(&plain)
}

/// What stands at `start`, if it begins like an account number: two letters, two digits, and at least
/// eleven more.
fn candidate(chars: &[char], start: usize) -> Option<(Range<usize>, Option<String>, String)> {
    let head = chars.get(start..start + 4)?;
    let starts =
        head[..2].iter().all(char::is_ascii_alphabetic) && head[2..].iter().all(char::is_ascii_digit);
    let named = start >= 4 && chars[start - 4..start].iter().collect::<String>().eq_ignore_ascii_case("iban");
    if !starts || (!named && start.checked_sub(1).is_some_and(|before| chars[before].is_alphanumeric())) {
        return None;
    }
    // Characters with their end, and whether a word ends there.
    let mut compact = String::new();
    let mut ends: Vec<(usize, usize)> = Vec::new();
    let mut at = start;
    let mut spaced = false;
    loop {
        let word = chars[at..].iter().take_while(|c| c.is_ascii_alphanumeric()).count();
        if word == 0 {
            break;
        }
        let group: String = chars[at..at + word].iter().collect();
        // After the first space groups are of at most four, as on paper; a word of letters alone is one only
        // where it is a bank's code in capitals.
        let fits = !spaced
            || (word <= 4
                && (group.contains(|c: char| c.is_ascii_digit())
                    || (word == 4 && group == group.to_uppercase())));
        if !fits || compact.len() + word > LONGEST {
            if !spaced {
                compact.push_str(&group);
                ends.push((compact.len(), at + word));
            }
            break;
        }
        compact.push_str(&group);
        at += word;
        ends.push((compact.len(), at));
        let gap = chars[at..]
            .iter()
            .take_while(|c| c.is_whitespace() || matches!(c, '\u{a0}' | '-' | '–' | '.'))
            .count();
        if gap == 0 || gap > 3 {
            break;
        }
        at += gap;
        spaced = true;
    }
    let compact = compact.to_uppercase();
    for (length, end) in &ends {
        if let Ok(iban) = task::iban(&compact[..*length]) {
            return Some((start..*end, Some(iban), String::new()));
        }
    }
    let (length, end) = *ends.last()?;
    let digits = compact.bytes().filter(u8::is_ascii_digit).count();
    if length < SHORTEST || digits < 8 {
        return None;
    }
    Some((start..end, None, chars[start..end].iter().collect()))
}
