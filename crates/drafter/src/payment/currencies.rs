//! The currencies that stand beside figures.

use task::Currency;

/// ISO 4217, as far as banks pay in it.
const CODES: &str = "AED AUD BGN BHD BRL CAD CHF CLP CNY COP CRC CZK DKK EUR GBP GEL HKD HUF IDR ILS INR ISK \
                     JOD JPY KES KRW KWD KZT MAD MXN MYR NGN NOK NZD OMR PEN PHP PKR PLN QAR RON RSD RUB SAR \
                     SEK SGD THB TND TRY TWD UAH USD UYU VND ZAR";
/// Words and signs that name one currency, in lower case.
const NAMES: &[(&str, &str)] = &[
    ("€", "EUR"),
    ("euro", "EUR"),
    ("euros", "EUR"),
    ("eur", "EUR"),
    ("us$", "USD"),
    ("usd", "USD"),
    ("£", "GBP"),
    ("gbp", "GBP"),
    ("chf", "CHF"),
    ("sfr.", "CHF"),
    ("sfr", "CHF"),
    ("fr.", "CHF"),
    ("franken", "CHF"),
];
/// Signs that several currencies share.
const SHARED: &[&str] = &["$", "¥", "dollar", "dollars", "kr", "kr."];
/// A mark of a currency beside a figure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    One(Currency),
    Shared(String),
}

pub(super) fn blank(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\t')
}

pub(super) fn mark_of(word: &str) -> Option<Mark> {
    let lower = word.to_lowercase();
    if let Some((_, code)) = NAMES.iter().find(|(name, _)| *name == lower) {
        return code.parse().ok().map(Mark::One);
    }
    if CODES.split_whitespace().any(|code| code == word) {
        return word.parse().ok().map(Mark::One);
    }
    // `A$`, `T€`: a sign with something to it is another currency than the sign alone.
    let sign = word.contains(signs) && word.chars().all(|c| c.is_alphabetic() || signs(c));
    (SHARED.contains(&lower.as_str()) || sign).then(|| Mark::Shared(word.to_owned()))
}

pub(super) fn signs(c: char) -> bool {
    matches!(c, '€' | '£' | '$' | '¥')
}

/// The mark that ends right before `start`, and where it starts.
pub(super) fn before(chars: &[char], start: usize) -> Option<(Mark, usize)> {
    let end = chars[..start].iter().rposition(|c| !blank(*c))? + 1;
    if start - end > 2 {
        return None;
    }
    let begin = match chars[end - 1] {
        c if signs(c) => {
            let letters = chars[..end - 1].iter().rev().take_while(|c| c.is_ascii_alphabetic()).count();
            end - 1 - letters
        }
        _ => {
            let part = |c: &&char| c.is_alphabetic() || **c == '.';
            end - chars[..end].iter().rev().take_while(part).count()
        }
    };
    let word: String = chars[begin..end].iter().collect();
    mark_of(&word).map(|mark| (mark, begin))
}

/// The mark that begins right after `end`, and where it ends.
pub(super) fn after(chars: &[char], end: usize) -> Option<(Mark, usize)> {
    let skipped = chars[end..].iter().take_while(|c| blank(**c)).count();
    let begin = end + skipped;
    if skipped > 2 {
        return None;
    }
    let first = *chars.get(begin)?;
    let stop = if signs(first) {
        begin + 1
    } else {
        begin + chars[begin..].iter().take_while(|c| c.is_alphabetic() || signs(**c)).count()
    };
    let word: String = chars[begin..stop].iter().collect();
    let dotted = chars.get(stop) == Some(&'.') && mark_of(&format!("{word}.")).is_some();
    mark_of(&word)
        .or_else(|| dotted.then(|| mark_of(&format!("{word}."))).flatten())
        .map(|mark| (mark, stop + usize::from(dotted)))
}
