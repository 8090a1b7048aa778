//! How urgent a mail is, by its headers and its subject.

use task::{Automated, Priority};

use super::headers::Headers;

/// Words in a subject that make a mail urgent, in lower case.
const URGENT: [&str; 16] = [
    "urgent",
    "asap",
    "immediately",
    "deadline",
    "overdue",
    "past due",
    "final notice",
    "final reminder",
    "payment reminder",
    "dringend",
    "eilig",
    "sofort",
    "überfällig",
    "mahnung",
    "zahlungserinnerung",
    "frist",
];

/// Decides. What a machine sent is never urgent, except where a sender that reads no answers (a
/// bank, an authority) says that something is due.
pub(super) fn of(headers: &Headers<'_>, subject: &str, automated: Option<Automated>) -> Priority {
    match automated {
        Some(Automated::List | Automated::AutoReply) => return Priority::Low,
        Some(Automated::Bounce) => return Priority::Medium,
        Some(Automated::NoReply) | None => {}
    }
    let subject = subject.to_lowercase();
    if URGENT.iter().any(|word| has_word(&subject, word)) {
        return Priority::High;
    }
    let value = |name: &str| headers.first(name).unwrap_or_default().to_ascii_lowercase();
    let level = value("x-priority").chars().next();
    if value("importance") == "high" || value("priority") == "urgent" || matches!(level, Some('1' | '2')) {
        return Priority::High;
    }
    let low = value("importance") == "low"
        || value("priority") == "non-urgent"
        || matches!(level, Some('4' | '5'))
        || automated.is_some();
    if low { Priority::Low } else { Priority::Medium }
}

/// Whether `word` stands in `text` by itself, not as a part of another.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}
