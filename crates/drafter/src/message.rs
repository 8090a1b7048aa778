//! What a task's message says, as far as words alone can tell: who wrote, in which language, and
//! what is wanted.

use policy::House;
use task::{Body, Task, TaskKind};

use crate::text::{has, line, own_words, sentences};

/// The languages that templates are written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Language {
    English,
    German,
}

impl Language {
    /// As in the templates' names.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::German => "de",
        }
    }

    /// Every language with templates.
    pub(crate) const ALL: [Language; 2] = [Language::English, Language::German];

    /// The language to answer in: the message's own where the handbook allows it, else the first one
    /// that it allows and that there are templates for.
    pub(crate) fn allowed(self, house: &House) -> Self {
        let allowed = &house.languages;
        if allowed.is_empty() || allowed.iter().any(|code| code == self.code()) {
            return self;
        }
        allowed.iter().find_map(|code| Self::ALL.into_iter().find(|one| one.code() == code)).unwrap_or(self)
    }

    /// German only where it is clear: common German words, clearly more of them than English ones.
    fn of(text: &str) -> Self {
        const GERMAN: &[&str] = &[
            "und", "der", "die", "das", "ist", "nicht", "ich", "sie", "wir", "für", "mit", "eine", "einen",
            "bitte", "können", "könnten", "ihr", "ihre", "auch", "danke", "von", "zu", "auf", "mir", "uns",
            "grüße", "grüßen", "hallo", "guten", "sehr", "geehrte", "wann", "haben", "noch", "zum", "zur",
        ];
        const ENGLISH: &[&str] = &[
            "and", "the", "is", "not", "i", "you", "we", "for", "with", "a", "an", "please", "could", "can",
            "your", "our", "also", "thanks", "of", "to", "on", "me", "us", "regards", "hello", "hi", "dear",
            "when", "have", "still", "this", "that", "it",
        ];
        let lower = text.to_lowercase();
        let words = || lower.split(|c: char| !c.is_alphanumeric());
        let german = words().filter(|word| GERMAN.contains(word)).count();
        let english = words().filter(|word| ENGLISH.contains(word)).count();
        if german >= 2 && german > 2 * english { Language::German } else { Language::English }
    }
}

/// What is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Intent {
    /// Something went wrong.
    Complaint,
    /// A time to meet or call.
    Meeting,
    /// A price or an offer.
    Quote,
    /// An invoice or a payment.
    Invoice,
    /// Thanks or praise.
    Thanks,
    /// Any other question.
    Question,
    /// None of these.
    Other,
}

impl Intent {
    /// As templates know it.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Intent::Complaint => "complaint",
            Intent::Meeting => "meeting",
            Intent::Quote => "quote",
            Intent::Invoice => "invoice",
            Intent::Thanks => "thanks",
            Intent::Question => "question",
            Intent::Other => "other",
        }
    }
}

/// The words by which each is known, in the order of precedence.
const SIGNS: &[(Intent, &[&str])] = &[
    (
        Intent::Complaint,
        &[
            "complain*",
            "disappoint*",
            "unacceptable",
            "refund*",
            "not working",
            "does not work",
            "doesn't work",
            "still waiting",
            "broken",
            "damaged",
            "defective",
            "beschwer*",
            "enttäusch*",
            "reklam*",
            "mangelhaft*",
            "defekt*",
            "kaputt*",
            "funktioniert nicht",
            "gewartet",
            "zu lange",
            "beschädigt*",
            "inakzeptabel",
        ],
    ),
    (
        Intent::Meeting,
        &[
            "meet",
            "meeting*",
            "appointment*",
            "schedule",
            "reschedule",
            "calendar",
            "a call",
            "catch up",
            "termin*",
            "treffen",
            "besprech*",
            "telefonat*",
            "telefonieren",
            "zeit für ein*",
        ],
    ),
    (
        Intent::Quote,
        &[
            "quote",
            "quotation*",
            "pricing",
            "price*",
            "estimate*",
            "proposal*",
            "how much",
            "rates",
            "angebot*",
            "kostenvoranschlag*",
            "preis*",
            "was kostet",
            "wie viel kostet",
        ],
    ),
    (
        Intent::Invoice,
        &["invoice*", "receipt*", "billing", "payment*", "rechnung*", "beleg*", "zahlung*", "überweis*"],
    ),
    (
        Intent::Thanks,
        &[
            "thank you",
            "thanks",
            "thank*",
            "great",
            "love",
            "congrat*",
            "awesome",
            "well done",
            "inspiring",
            "danke*",
            "dank",
            "toll*",
            "super",
            "glückwunsch*",
            "großartig*",
            "klasse",
        ],
    ),
];

/// A message, looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Message {
    /// The writer's address, handle or number.
    pub(crate) from: Option<String>,
    /// How to address the writer; none where no name is known.
    pub(crate) name: Option<String>,
    /// One line.
    pub(crate) subject: String,
    /// The writer's own words, without what is quoted.
    pub(crate) text: String,
    pub(crate) language: Language,
    pub(crate) intent: Intent,
    /// The sentence that says what is wanted, short enough to be quoted.
    pub(crate) wish: Option<String>,
    /// The invoice number or other reference that is spoken of.
    pub(crate) reference: Option<String>,
}

impl Message {
    pub(crate) fn of(task: &Task) -> Self {
        let front = &task.front;
        let original = original(task);
        let text = own_words(&original);
        let subject = line(front.subject.as_deref().unwrap_or_default(), 200);
        let both = format!("{subject}\n{text}");
        // The words themselves say more than a subject that may be years old; that of a comment
        // or message is not even the writer's.
        let theirs = if TaskKind::of(&front.id) == TaskKind::Email { subject.as_str() } else { "" };
        let (intent, signs) =
            wanted(&text, &text).or_else(|| wanted(theirs, &text)).unwrap_or((Intent::Other, &[]));
        let intent = if intent == Intent::Other && text.contains('?') { Intent::Question } else { intent };
        Self {
            from: front
                .from
                .as_deref()
                .map(|from| bare_address(&line(from, 320)))
                .filter(|from| !from.is_empty()),
            name: name(task),
            subject,
            language: Language::of(&both),
            wish: wish(&text, intent, signs),
            reference: reference(&both),
            text,
            intent,
        }
    }
}

/// What the task quotes, else what a person wrote into it.
pub(crate) fn original(task: &Task) -> String {
    let body = Body::parse(&task.body);
    let text = body.original.or(body.notes).unwrap_or_default();
    let text = text.trim();
    // What a mail without text is given as its text.
    if text == "(no text)" { String::new() } else { text.to_owned() }
}

/// `alice@example.com`, also out of `Alice <alice@example.com>`.
pub(crate) fn bare_address(from: &str) -> String {
    match from.rsplit_once('<') {
        Some((_, rest)) => rest.trim_end().trim_end_matches('>').trim().to_owned(),
        None => from.trim().to_owned(),
    }
}

/// Words that stand in an address where a name would.
const ROLES: &[&str] = &[
    "info", "billing", "support", "sales", "office", "hello", "contact", "accounts", "admin", "team", "mail",
    "kontakt", "buero", "rechnung", "invoice", "invoices", "service", "help", "noreply",
];

fn name(task: &Task) -> Option<String> {
    let given = task.front.extra.get("from_name").and_then(|value| value.as_str());
    let from = task.front.from.as_deref().unwrap_or_default();
    let display = from.rsplit_once('<').map(|(name, _)| name.trim().trim_matches('"'));
    let plain = |text: &str| {
        let text = line(text, 60);
        let fits = text.chars().any(char::is_alphabetic) && !text.contains(['@', '/', ':', '<', '>', '…']);
        fits.then_some(text)
    };
    if let Some(name) = given.and_then(plain).or_else(|| display.and_then(plain)) {
        // `Smith, Alice`
        return Some(match name.split_once(", ") {
            Some((last, first)) if !first.contains(',') => format!("{first} {last}"),
            _ => name,
        });
    }
    let local = bare_address(from).split_once('@').map(|(local, _)| local.to_owned())?;
    let first = local.split(['.', '_', '-', '+']).next()?.to_lowercase();
    let fits = first.len() >= 3
        && first.chars().all(|c| c.is_ascii_alphabetic())
        && !ROLES.contains(&first.as_str());
    fits.then(|| first[..1].to_uppercase() + &first[1..])
}

/// What `place` shows of what is wanted. Who thanks and asks in `text`, asks.
fn wanted(place: &str, text: &str) -> Option<(Intent, &'static [&'static str])> {
    let lower = place.to_lowercase();
    SIGNS
        .iter()
        .filter(|(intent, _)| !(*intent == Intent::Thanks && text.contains('?')))
        .find(|(_, signs)| signs.iter().any(|sign| has(&lower, sign)))
        .map(|(intent, signs)| (*intent, *signs))
}

/// The first question that shows what is wanted, else the first sentence that does, else the first
/// question; for a complaint the sentence that complains comes first. Links and addresses are not
/// repeated.
fn wish(text: &str, intent: Intent, signs: &[&str]) -> Option<String> {
    let sentences = sentences(text);
    let all = || sentences.iter().map(|sentence| ungreeted(sentence)).filter(|sentence| quotable(sentence));
    let shows = |sentence: &&str| {
        let lower = sentence.to_lowercase();
        signs.iter().any(|sign| has(&lower, sign))
    };
    let asks = |sentence: &&str| sentence.ends_with('?');
    let complains = || all().find(|s| intent == Intent::Complaint && shows(s));
    complains()
        .or_else(|| all().find(|s| asks(s) && shows(s)))
        .or_else(|| all().find(shows))
        .or_else(|| all().find(asks))
        .map(|sentence| sentence.replace(['"', '“', '”', '„'], "'"))
}

/// `Hi, can we meet?` without its first word.
fn ungreeted(sentence: &str) -> &str {
    match sentence.split_once(", ") {
        Some((first, rest)) if ["hi", "hello", "hey", "hallo"].contains(&first.to_lowercase().as_str()) => {
            rest
        }
        _ => sentence,
    }
}

fn quotable(sentence: &str) -> bool {
    sentence.split_whitespace().nth(2).is_some()
        && sentence.chars().count() <= 200
        && !sentence.contains("://")
        && !sentence.contains('@')
        && !sentence.ends_with(',')
}

/// A word that looks like a document's number: `INV-2026-014`, `RE2026/17`, `#4711`.
fn reference(text: &str) -> Option<String> {
    references(text).into_iter().next()
}

/// All of them, each once.
pub(crate) fn references(text: &str) -> Vec<String> {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | ';' | '"'));
    let mut found: Vec<String> = Vec::new();
    for word in words.map(|word| word.trim_matches(['.', ':', '?', '!', '*'])) {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let upper = word.strip_prefix('#').unwrap_or(word).to_ascii_uppercase();
        let marked = word.starts_with('#')
            || ["INV", "RE-", "RE2", "RG", "PO-", "QUO", "ANG", "SO-"]
                .iter()
                .any(|start| upper.starts_with(start));
        let plain =
            word.len() <= 30 && word.chars().all(|c| c.is_ascii_alphanumeric() || "#-/_.".contains(c));
        if marked && digits >= 2 && plain && !found.iter().any(|known| known == word) {
            found.push(word.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use task::FrontMatter;

    use super::*;

    fn message(from: &str, subject: &str, text: &str) -> Message {
        let now = "2026-02-23T03:15:00Z".parse().expect("time");
        let mut front = FrontMatter::new("EMAIL_1".parse().expect("id"), now);
        front.from = Some(from.into());
        front.subject = Some(subject.into());
        Message::of(&Task::new(front, Body::of_original(text).to_markdown()))
    }

    #[test]
    fn what_is_wanted_is_recognised() {
        let check = |subject: &str, text: &str, intent: Intent, wish: Option<&str>| {
            let message = message("a@b.example", subject, text);
            assert_eq!((message.intent, message.wish.as_deref()), (intent, wish), "{text}");
        };
        check(
            "Q1",
            "Hi,\ncould you resend the invoice for Q1? Thanks!",
            Intent::Invoice,
            Some("could you resend the invoice for Q1?"),
        );
        check(
            "Meeting",
            "Can we meet on Tuesday at 10:00?",
            Intent::Meeting,
            Some("Can we meet on Tuesday at 10:00?"),
        );
        check(
            "Termin",
            "Haben Sie am Dienstag Zeit für ein Gespräch?",
            Intent::Meeting,
            Some("Haben Sie am Dienstag Zeit für ein Gespräch?"),
        );
        check(
            "",
            "What would be your price for a web shop?",
            Intent::Quote,
            Some("What would be your price for a web shop?"),
        );
        check(
            "",
            "I am very disappointed with the delivery.",
            Intent::Complaint,
            Some("I am very disappointed with the delivery."),
        );
        check(
            "",
            "Thanks a lot for the quick help!",
            Intent::Thanks,
            Some("Thanks a lot for the quick help!"),
        );
        check("", "Thanks! Do you ship abroad?", Intent::Question, Some("Do you ship abroad?"));
        check("", "The fox jumps.", Intent::Other, None);
        check("", "Please see https://evil.example/price now.", Intent::Quote, None);
    }

    #[test]
    fn german_is_taken_for_german_only_when_clear() {
        let check = |text: &str, language| assert_eq!(message("a@b", "", text).language, language, "{text}");
        check("Könnten Sie mir bitte die Rechnung für März schicken?", Language::German);
        check("Could you please send me the Rechnung?", Language::English);
        check("ok", Language::English);
        check("Danke für die schnelle Hilfe!", Language::German);
    }

    #[test]
    fn people_are_addressed_by_name_where_there_is_one() {
        let check = |from: &str, name: Option<&str>| {
            assert_eq!(message(from, "", "x").name.as_deref(), name, "{from}")
        };
        check("alice@example.com", Some("Alice"));
        check("Alice Smith <a.smith@example.com>", Some("Alice Smith"));
        check("\"Smith, Alice\" <a@example.com>", Some("Alice Smith"));
        check("billing@example.com", None);
        check("x7@example.com", None);
    }

    #[test]
    fn document_numbers_are_found() {
        let check =
            |text: &str, expected: Option<&str>| assert_eq!(reference(text).as_deref(), expected, "{text}");
        check("about invoice INV-2026-014.", Some("INV-2026-014"));
        check("Rechnung RE-2026/17 fehlt", Some("RE-2026/17"));
        check("ticket #4711?", Some("#4711"));
        check("regarding 2026", None);
    }
}
