//! Amounts of money in a text, read exactly or not at all. A figure that could be read in two ways,
//! that is part of a sum, a range or a longer number, or that is cut by a line's end, is reported as
//! unclear; never is a part of a number taken for the number.

use task::{Amount, Currency};

use super::currencies::{Mark, after, before, blank, mark_of, signs};
use super::plain::{Plain, label};

/// An amount that can be read in one way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Figure {
    pub(super) amount: Amount,
    /// The currency that stands beside it.
    pub(super) currency: Option<Currency>,
    /// Whether it is said to be money, by its currency or its name. What only looks like it (`24.02`) can
    /// contradict, and is never taken.
    pub(super) sure: bool,
}

/// What a text says of money.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Figures {
    pub(super) read: Vec<Figure>,
    /// What may be an amount and cannot be read in one way; each reads on after "the amount".
    pub(super) unclear: Vec<String>,
}

/// Words after a figure that make it another one.
const MAGNITUDES: &[&str] = &[
    "k",
    "t",
    "tsd",
    "tsd.",
    "tausend",
    "thousand",
    "mio",
    "mio.",
    "mn",
    "m",
    "mill",
    "mill.",
    "million",
    "millions",
    "millionen",
    "mrd",
    "mrd.",
    "bn",
    "billion",
    "milliarden",
    "cent",
    "cents",
    "ct",
];
/// Words before or after a figure that make it the price of one of several.
const EACH: &[&str] = &["je", "each", "per", "pro", "à", "@", "x", "×", "*", "mal", "times"];

/// A run of digits and separators, with its marks.
struct Run {
    start: usize,
    end: usize,
    text: String,
    before: Option<(Mark, usize)>,
    after: Option<(Mark, usize)>,
}

/// The names under which an amount stands in a task.
pub(super) const AMOUNT: &[&str] = &[
    "amount",
    "betrag",
    "total",
    "gesamtbetrag",
    "rechnungsbetrag",
    "zahlbetrag",
    "amount_due",
    "total_due",
    "zu_zahlen",
    "endbetrag",
    "summe",
    "invoice_total",
    "invoice_amount",
    "grand_total",
];

/// Every amount in `text`. A line `Amount: 1250` is one also where it has neither currency nor
/// cents.
pub(super) fn figures(text: &Plain) -> Figures {
    let mut found = Figures::default();
    if text.unusual_digits {
        found.unclear.push("is in a text with digits of another script".into());
    }
    if text.turned {
        found.unclear.push("is in a text with characters that change the direction of reading".into());
    }
    let chars = &text.chars;
    let runs = runs(chars);
    for (at, run) in runs.iter().enumerate() {
        let labelled = starts_value(chars, run.start);
        judge(chars, run, neighbours(&runs, at), labelled, &mut found);
    }
    found
}

/// The one amount that `value` is, as of a key in front matter.
pub(super) fn whole(value: &str) -> Figures {
    // As the value of a line with the name, so that there is one way to read it.
    figures(&Plain::of(&format!("amount: {value}")))
}

fn neighbours(runs: &[Run], at: usize) -> (Option<&Run>, Option<&Run>) {
    (at.checked_sub(1).and_then(|before| runs.get(before)), runs.get(at + 1))
}

/// Whether what starts at `start` is the value of an amount's `Name: value` line.
fn starts_value(chars: &[char], start: usize) -> bool {
    let begin = chars[..start].iter().rposition(|c| *c == '\n').map_or(0, |at| at + 1);
    let head: String = chars[begin..start].iter().collect();
    let Some((key, rest)) = head.split_once([':', '=']) else { return false };
    let rest = rest.trim().trim_matches('*').trim();
    AMOUNT.contains(&label(key).as_str()) && (rest.is_empty() || mark_of(rest).is_some())
}

fn separator(c: char) -> bool {
    matches!(c, '.' | ',' | '\'' | '’' | '\u{a0}' | ' ')
}

/// Maximal runs of digits with single separators between them, and the `,--` that may end one.
fn runs(chars: &[char]) -> Vec<Run> {
    let mut all = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if !chars[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        while at < chars.len()
            && (chars[at].is_ascii_digit()
                || (separator(chars[at]) && chars.get(at + 1).is_some_and(char::is_ascii_digit)))
        {
            at += 1;
        }
        let dash = |at: usize| matches!(chars.get(at), Some('-' | '–' | '—'));
        if matches!(chars.get(at), Some('.' | ',')) && dash(at + 1) {
            at += 2;
            while dash(at) {
                at += 1;
            }
        }
        let text = chars[start..at].iter().collect();
        all.push(Run { start, end: at, text, before: before(chars, start), after: after(chars, at) });
    }
    all
}

/// How the digits of a run can be read.
enum Reading {
    /// In one way. `loose`: its thousands are set apart by a plain space, as two numbers would be.
    Exact { amount: Amount, cents: bool, loose: bool },
    /// In more than one way, or in none.
    Unclear,
}

fn read(text: &str) -> Reading {
    let dashes = text.trim_end_matches(['-', '–', '—']);
    let tail = dashes.len() < text.len();
    let core = if tail { &dashes[..dashes.len() - 1] } else { text };
    let is = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = match core.rfind(['.', ',']) {
        Some(at) if !tail && core.len() - at - 1 != 3 => {
            (&core[..at], Some((&core[at..=at], &core[at + 1..])))
        }
        _ => (core, None),
    };
    if fraction.is_some_and(|(_, digits)| digits.len() != 2 || !is(digits)) {
        return Reading::Unclear;
    }
    let marks: Vec<char> =
        whole.chars().filter(|c| !c.is_ascii_digit()).map(|c| if c == '’' { '\'' } else { c }).collect();
    let parts: Vec<&str> = whole.split(separator).collect();
    let grouped = marks.windows(2).all(|pair| pair[0] == pair[1])
        && (1..=3).contains(&parts[0].len())
        && parts[1..].iter().all(|part| part.len() == 3 && is(part))
        && is(parts[0]);
    let loose = marks.first() == Some(&' ');
    let fits = match (marks.first(), fraction) {
        (None, _) => is(whole),
        // `1.250,00`: a point cannot be both.
        (Some(mark), Some((point, _))) => grouped && point != mark.to_string(),
        // `1.250` and `1,250` may have three places; `1'250` may not, nor may `1.250,--`.
        (Some('.' | ','), None) => grouped && tail,
        (Some(_), None) => grouped,
    };
    let digits = parts.concat();
    let plain = match fraction {
        Some((_, cents)) => format!("{digits}.{cents}"),
        None if tail => format!("{digits}.00"),
        None => digits,
    };
    match (fits, plain.parse::<Amount>()) {
        (true, Ok(amount)) => Reading::Exact { amount, cents: tail || fraction.is_some(), loose },
        _ => Reading::Unclear,
    }
}

fn judge(
    chars: &[char],
    run: &Run,
    around: (Option<&Run>, Option<&Run>),
    labelled: bool,
    found: &mut Figures,
) {
    let shown = line_around(chars, run);
    let mark = match marks(chars, run, around) {
        Ok(mark) => mark,
        Err(why) => return found.unclear.push(format!("{why} in {shown:?}")),
    };
    let reading = read(&run.text);
    let money = labelled
        || mark.is_some()
        || magnified(chars, run)
        || matches!(reading, Reading::Exact { cents: true, .. })
        || (matches!(reading, Reading::Unclear) && grouped_like(&run.text));
    if !money || (mark.is_none() && !labelled && no_money(chars, run)) {
        return;
    }
    if let Some(why) = entangled(chars, run) {
        return found.unclear.push(format!("{why} in {shown:?}"));
    }
    match (reading, mark) {
        (Reading::Exact { loose: true, .. }, _) if !labelled => {
            found.unclear.push(format!("may be one number or two in {shown:?}"));
        }
        (Reading::Exact { amount, .. }, Some(Mark::One(currency))) => {
            found.read.push(Figure { amount, currency: Some(currency), sure: true });
        }
        (Reading::Exact { .. }, Some(Mark::Shared(sign))) => {
            found
                .unclear
                .push(format!("has a currency sign that several currencies share, {sign:?}, in {shown:?}"));
        }
        (Reading::Exact { amount, .. }, None) => {
            found.read.push(Figure { amount, currency: None, sure: labelled })
        }
        (Reading::Unclear, _) => {
            found
                .unclear
                .push(format!("can be read in two ways or in none in {shown:?}; write it as 1250.00"));
        }
    }
}

/// Digits in groups of three, whatever they mean; dates and versions are none.
fn grouped_like(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['.', ',', '\'', '’', '\u{a0}']).collect();
    parts.len() > 1 && parts[1..].iter().any(|part| part.len() == 3) && parts[0].len() <= 3
}

/// Which mark belongs to a run.
fn marks(
    chars: &[char],
    run: &Run,
    (previous, next): (Option<&Run>, Option<&Run>),
) -> Result<Option<Mark>, String> {
    let both = || "stands beside a currency that another number stands beside too".to_owned();
    let keep = |mark: &Option<(Mark, usize)>| mark.as_ref().map(|(mark, _)| mark.clone());
    let (mut before, mut after) = (keep(&run.before), keep(&run.after));
    match previous.and_then(|previous| shared(chars, previous, run)) {
        Some(Side::Left) => before = None,
        Some(Side::Nobody) => return Err(both()),
        Some(Side::Right) | None => {}
    }
    match next.and_then(|next| shared(chars, run, next)) {
        Some(Side::Right) => after = None,
        Some(Side::Nobody) => return Err(both()),
        Some(Side::Left) | None => {}
    }
    match (before, after) {
        (Some(one), Some(other)) if one != other => Err("has two currencies".into()),
        (before, after) => Ok(before.or(after)),
    }
}

enum Side {
    Left,
    Right,
    Nobody,
}

/// Whose the one mark between two figures is, if there is one: `3 EUR 250,00` could be either's.
fn shared(chars: &[char], left: &Run, right: &Run) -> Option<Side> {
    let ((_, end), (_, start)) = left.after.as_ref().zip(right.before.as_ref())?;
    if start >= end || chars[left.end..right.start].contains(&'\n') {
        return None;
    }
    let cents = |run: &Run| matches!(read(&run.text), Reading::Exact { cents: true, .. });
    Some(match (left.before.is_some(), right.after.is_some()) {
        (true, false) => Side::Right,
        (false, true) => Side::Left,
        (false, false) if cents(left) && !cents(right) => Side::Left,
        _ => Side::Nobody,
    })
}

/// What a bare figure with two places may be besides money: a percentage, a date, a time, a part of a name.
fn no_money(chars: &[char], run: &Run) -> bool {
    let next = chars.get(run.end).copied();
    let previous = run.start.checked_sub(1).map(|at| chars[at]);
    let ahead = chars[run.end..].iter().copied().find(|c| !blank(*c));
    let word = word_after(chars, run.end).to_lowercase();
    let percent = ahead == Some('%') || matches!(word.as_str(), "prozent" | "percent" | "v.h");
    let clock = matches!(word.as_str(), "uhr" | "h") || previous == Some(':') || next == Some(':');
    let mut parts = run.text.split('.').map(str::parse::<u32>);
    let day = matches!(
        (parts.next(), parts.next(), parts.next()),
        (Some(Ok(1..=31)), Some(Ok(1..=12)), _) if run.text.contains('.') && !run.text.contains([',', ' '])
    );
    let full_date = day && run.text.matches('.').count() == 2;
    // `15.12. zu zahlen`: a sentence would go on with a capital.
    let dotted = next == Some('.')
        && chars[run.end + 1..].iter().copied().find(|c| !blank(*c)).is_some_and(char::is_lowercase);
    let named = previous.is_some_and(|c| c.is_alphanumeric() || matches!(c, '#' | '/' | '_'))
        || next.is_some_and(|c| matches!(c, '/' | '_'));
    let dashed = previous == Some('-') && run.start >= 2 && chars[run.start - 2].is_alphanumeric();
    percent || clock || full_date || (day && dotted) || named || dashed
}

fn magnitude(word: &str) -> bool {
    let lower = word.to_lowercase();
    MAGNITUDES.contains(&lower.as_str()) || MAGNITUDES.contains(&lower.trim_end_matches(signs))
}

/// `1,2 Mio. EUR`, `5k €`: no mark stands beside the figure, and it is money all the same.
fn magnified(chars: &[char], run: &Run) -> bool {
    let word = word_after(chars, run.end);
    let rest: String = chars[run.end..].iter().take(24).collect();
    let next = rest.split_whitespace().nth(1).unwrap_or_default();
    magnitude(&word)
        && (word.chars().count() > 2
            || word.contains(signs)
            || mark_of(next.trim_end_matches(['.', ','])).is_some())
}

fn word_after(chars: &[char], end: usize) -> String {
    chars[end..]
        .iter()
        .skip_while(|c| blank(**c))
        .take_while(|c| !c.is_whitespace())
        .collect::<String>()
        .trim_end_matches([',', ';', ')'])
        .to_owned()
}

fn word_before(chars: &[char], start: usize) -> String {
    let mut word: Vec<char> = chars[..start]
        .iter()
        .rev()
        .skip_while(|c| blank(**c))
        .take_while(|c| !c.is_whitespace())
        .copied()
        .collect();
    word.reverse();
    word.into_iter().collect()
}

/// Why a figure cannot stand for itself; reads on after "the amount".
fn entangled(chars: &[char], run: &Run) -> Option<&'static str> {
    let start = run.before.as_ref().map_or(run.start, |(_, start)| *start);
    let end = run.after.as_ref().map_or(run.end, |(_, end)| *end);
    // A mark that was given to the neighbour is looked past all the same: what matters is which digits are near.
    let tight = start.checked_sub(1).map(|at| chars[at]);
    let sign = tight.filter(|c| matches!(c, '-' | '−' | '–' | '+'));
    if follows_digits(chars, start) {
        return Some("follows another number");
    }
    if chars[..start].iter().rev().find(|c| !c.is_whitespace()) == Some(&'+') {
        return Some("is part of a sum");
    }
    if sign.is_some() {
        return Some("has a sign before it");
    }
    if run.before.is_none()
        && tight.is_some_and(|c| c.is_alphanumeric() || matches!(c, '#' | '/' | '_' | '.' | ',' | '\''))
    {
        return Some("is part of a longer word");
    }
    let each = |word: &str| EACH.contains(&word.to_lowercase().trim_end_matches([':', '.']));
    if each(&word_before(chars, start)) || each(&word_after(chars, end)) || chars.get(end) == Some(&'/') {
        return Some("is the price of one of several");
    }
    if magnitude(&word_after(chars, run.end)) {
        return Some("has a word after it that makes it another one");
    }
    let next: Vec<char> = chars[end..].iter().filter(|c| !blank(**c)).take(2).copied().collect();
    match next[..] {
        ['+', ..] => return Some("is part of a sum"),
        ['-' | '–' | '−', d] if d.is_ascii_digit() => return Some("is part of a range"),
        _ => {}
    }
    if chars.get(run.end) == Some(&'-') {
        return Some("has a sign after it");
    }
    // `1 250` on one line and `,00` on the next.
    let rest: Vec<char> =
        chars[run.end..].iter().skip_while(|c| c.is_whitespace()).take(2).copied().collect();
    if chars.get(run.end).is_some_and(|c| c.is_whitespace()) && run.after.is_none() {
        match rest[..] {
            [c, ..] if c.is_ascii_digit() => return Some("is followed by another number"),
            [c, d] if matches!(c, '.' | ',') && d.is_ascii_digit() => {
                return Some("is cut by a space or a line's end");
            }
            _ => {}
        }
    }
    if run.after.is_none() && chars.get(run.end).is_some_and(|c| c.is_alphanumeric()) {
        return Some("is part of a longer word");
    }
    if chars.get(run.end) == Some(&'…') {
        return Some("is cut off");
    }
    None
}

/// Whether what starts at `start` may go on with digits that stand before it, on its own line or at the end of
/// the one above: `1` there and `250,00` here.
fn follows_digits(chars: &[char], start: usize) -> bool {
    let mut from = start;
    let (core, end) = loop {
        let Some(end) = chars[..from].iter().rposition(|c| !c.is_whitespace()).map(|at| at + 1) else {
            return false;
        };
        let length = chars[..end].iter().rev().take_while(|c| !c.is_whitespace()).count();
        let token: String = chars[end - length..end].iter().collect();
        let core = token.trim_end_matches(['.', ',', '\'', '’', '-', '–', '−', '/', '·', '_', ':']);
        if !core.is_empty() {
            break (core.to_owned(), end);
        }
        from = end - length;
    };
    if !core.ends_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    if !chars[end..start].contains(&'\n') {
        return true;
    }
    // Above, only what could be the head of a grouped number: not a date, not a document's number.
    let head = core.trim_start_matches(|c: char| !c.is_alphanumeric());
    let mut groups = head.split(['.', ',', '\'', '’']);
    let first = groups.next().unwrap_or_default();
    (1..=3).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_digit())
        && groups.all(|group| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit()))
}

/// The words around a run, to be found again.
fn line_around(chars: &[char], run: &Run) -> String {
    let from = chars[..run.start]
        .iter()
        .rposition(|c| *c == '\n')
        .map_or(0, |at| at + 1)
        .max(run.start.saturating_sub(20));
    let to = chars[run.end..]
        .iter()
        .position(|c| *c == '\n')
        .map_or(chars.len(), |at| run.end + at)
        .min(run.end + 20);
    chars[from..to].iter().collect::<String>().trim().to_owned()
}
