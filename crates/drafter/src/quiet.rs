//! Messages that need no answer. They are found before any template or model is asked.

use task::{Automated, Task, TaskKind};

use crate::message::{Intent, Message};
use crate::text::has;

/// Why nothing is to be done, if nothing is.
pub(crate) fn reason(task: &Task, message: &Message) -> Option<String> {
    let front = &task.front;
    if let Some(automated) = front.automated {
        let why = match automated {
            Automated::List => "a newsletter or mailing list",
            Automated::AutoReply => "an automatic reply",
            Automated::NoReply => "from a sender that reads no answers",
            Automated::Bounce => "a delivery report",
        };
        return Some(format!("no answer needed: {why}"));
    }
    match TaskKind::of(&front.id) {
        TaskKind::Email => mail(task, message),
        TaskKind::Linkedin | TaskKind::Facebook | TaskKind::Instagram | TaskKind::Twitter => {
            social(task, message)
        }
        TaskKind::Whatsapp if message.text.is_empty() => {
            Some("no answer needed: the message has no text".into())
        }
        _ => None,
    }
}

fn mail(task: &Task, message: &Message) -> Option<String> {
    let front = &task.front;
    if let (Some(from), Some(account)) = (&message.from, &front.account)
        && from.eq_ignore_ascii_case(account)
    {
        return Some("no answer needed: you wrote it yourself".into());
    }
    if front.reply_to.is_none() && message.from.as_deref().is_some_and(reads_no_answers) {
        return Some("no answer needed: from a sender that reads no answers".into());
    }
    if message.text.is_empty() && message.subject.is_empty() && front.attachments.is_empty() {
        return Some("no answer needed: the mail is empty".into());
    }
    let in_thread = !front.references.is_empty() || message.subject.to_lowercase().starts_with("re:");
    let only_thanks = message.intent == Intent::Thanks
        && in_thread
        && front.attachments.is_empty()
        && message.text.chars().count() <= 160;
    only_thanks.then(|| "no answer needed: it only says thanks".into())
}

fn reads_no_answers(address: &str) -> bool {
    let local = address.split('@').next().unwrap_or_default();
    let letters: String = local.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    ["noreply", "donotreply", "mailerdaemon", "nichtantworten", "keineantwort"]
        .iter()
        .any(|word| letters.contains(word))
}

/// Advertising under a post: two signs of it, or it is taken for a person's.
fn social(_: &Task, message: &Message) -> Option<String> {
    if message.text.is_empty() {
        return Some("no answer needed: it has no text".into());
    }
    const SIGNS: &[&str] = &[
        "crypto",
        "followers",
        "dm me",
        "check my",
        "click",
        "giveaway",
        "free money",
        "promo*",
        "earn",
        "forex",
        "onlyfans",
        "investment*",
        "whatsapp me",
    ];
    let lower = message.text.to_lowercase();
    let link =
        usize::from(lower.contains("http://") || lower.contains("https://") || lower.contains("t.me/"));
    let signs = SIGNS.iter().filter(|sign| has(&lower, sign)).count();
    (signs + link >= 2 && signs > 0).then(|| "no answer needed: it looks like advertising".into())
}
