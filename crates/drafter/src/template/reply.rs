//! Answers and posts: words that go to people.

use minijinja::context;
use serde_json::json;
use task::{Platform, Task, TaskKind};

use super::pages::{Page, Pages};
use super::{decode, propose};
use crate::fields::Fields;
use crate::message::{Intent, Message, bare_address, original};
use crate::text::{clip, line};
use crate::{Draft, DraftError, Request};

/// How many message ids of a thread are repeated; the oldest ones go first (RFC 5322, 3.6.4).
const THREAD: usize = 20;

pub(super) fn mail(pages: &Pages, request: &Request<'_>, message: &Message) -> Result<Draft, DraftError> {
    let front = &request.task.front;
    let Some(to) = front.reply_to.as_deref().map(bare_address).or_else(|| message.from.clone()) else {
        return Ok(no_sender("the mail has no sender that an answer could go to"));
    };
    let body = pages.render(
        Page::Email(message.language),
        context! {
            name => message.name.as_deref(),
            owner => request.owner_name,
            signature => request.house.signature.as_deref(),
            subject => unprefixed(&message.subject),
            intent => message.intent.code(),
            wish => message.wish.as_deref(),
            reference => message.reference.as_deref(),
            attachments => front.attachments.len(),
        },
    )?;
    let (in_reply_to, references) = thread(request.task);
    let mut arguments = json!({
        "to": [to],
        "subject": reply_subject(&message.subject),
        "body": body,
        "references": references,
    });
    if let Some(id) = in_reply_to {
        arguments["in_reply_to"] = json!(id);
    }
    let mut plan = vec![read(message, "mail")];
    if front.reply_to.is_some() && front.reply_to.as_deref().map(bare_address) != message.from {
        plan.push(format!("answers are wanted at {to}, not at the sender's address"));
    }
    plan.push(format!("answer {to} in the same thread"));
    Ok(propose(request, decode("send_email", arguments), plan))
}

pub(super) fn social(pages: &Pages, request: &Request<'_>, message: &Message) -> Result<Draft, DraftError> {
    let front = &request.task.front;
    let Some(platform) = platform_of(TaskKind::of(&front.id)) else {
        return Ok(no_sender("the task names no platform"));
    };
    let Some(reply_to) = front.source_id.as_deref() else {
        return Ok(no_sender("the task does not say which post it is about (source_id)"));
    };
    let event = front.extra.get("event").and_then(|event| event.as_str()).unwrap_or("comment");
    let text = pages.render(
        Page::Social(message.language),
        context! {
            event => event,
            name => message.name.as_deref(),
            owner => request.owner_name,
            intent => message.intent.code(),
            wish => message.wish.as_deref(),
            limit => limit(platform),
        },
    )?;
    let what = match event {
        "direct_message" => "direct message",
        "mention" => "mention",
        "review" => "review",
        _ => "comment",
    };
    let mut plan = vec![read(message, what)];
    if event == "direct_message" {
        // Every tool for a platform posts in public; a private message must not be answered there.
        plan.push(format!("an answer could say: {text}"));
        let question = format!(
            "this is a private message on {}, and it can only be answered there by hand; what is to be done?",
            name(platform)
        );
        return Ok(Draft::NeedsPerson { question, plan });
    }
    plan.push(format!("answer it on {}", name(platform)));
    let arguments = json!({ "text": clip(&text, limit(platform)), "reply_to": reply_to });
    Ok(propose(request, decode(tool(platform), arguments), plan))
}

pub(super) fn whatsapp(pages: &Pages, request: &Request<'_>, message: &Message) -> Result<Draft, DraftError> {
    let Some(number) = message.from.as_deref().map(number) else {
        return Ok(no_sender("the message has no number that an answer could go to"));
    };
    let text = pages.render(
        Page::Whatsapp(message.language),
        context! {
            name => message.name.as_deref(),
            owner => request.owner_name,
            intent => message.intent.code(),
            wish => message.wish.as_deref(),
            reference => message.reference.as_deref(),
        },
    )?;
    let plan = vec![read(message, "message"), format!("answer {number} on WhatsApp")];
    Ok(propose(request, decode("send_whatsapp", json!({ "to": number, "text": text })), plan))
}

/// A post of the owner's own, from a note that says what and where.
pub(super) fn post(pages: &Pages, request: &Request<'_>, message: &Message) -> Result<Draft, DraftError> {
    let task = request.task;
    let fields = Fields::of(task);
    let offer = match TaskKind::of(&task.front.id) {
        TaskKind::Salespost => sales(pages, request, message, &fields)?,
        _ => None,
    };
    let text = match offer.map_or_else(|| fields.text(&["text", "post"]), Ok) {
        Ok(text) => text,
        Err(_) => post_text(task),
    };
    let platforms = platforms(task);
    let plan = vec![format!("read the note: {}", line(&text, 120))];
    let [platform] = platforms[..] else {
        let question = match platforms[..] {
            [] => "on which platform is this to be posted (linkedin, facebook, instagram or x)? write it as `platform:` in the task".to_owned(),
            _ => format!(
                "this names several platforms ({}); a task posts once: which one is it?",
                platforms.iter().map(|platform| name(*platform)).collect::<Vec<_>>().join(", ")
            ),
        };
        return Ok(Draft::NeedsPerson { question, plan });
    };
    if text.is_empty() {
        return Ok(Draft::NeedsPerson {
            question: "what is to be posted? the task has no text".into(),
            plan,
        });
    }
    if platform == Platform::Instagram {
        let question = "Instagram takes no post without a picture, and none can be added here; post it by hand, or name another platform?";
        return Ok(Draft::NeedsPerson { question: question.into(), plan });
    }
    let text = pages
        .render(Page::Post, context! { text, platform => name(platform), owner => request.owner_name })?;
    let plan = [plan, vec![format!("post it on {}", name(platform))]].concat();
    Ok(propose(request, decode(tool(platform), json!({ "text": text })), plan))
}

/// A post made of an offer's facts, where the task names what is offered.
fn sales(
    pages: &Pages,
    request: &Request<'_>,
    message: &Message,
    fields: &Fields,
) -> Result<Option<String>, DraftError> {
    let fact = |names: &[&str]| fields.text(names).ok();
    let Some(product) = fact(&["product", "produkt", "offer", "angebot"]) else { return Ok(None) };
    let facts = context! {
        product,
        benefit => fact(&["benefit", "nutzen", "vorteil"]),
        price => fact(&["price", "preis"]),
        until => fact(&["until", "valid_until", "bis", "gültig_bis"]),
        link => fact(&["link", "url"]),
        audience => fact(&["audience", "for", "zielgruppe", "für"]),
        platform => platforms(request.task).first().map(|platform| name(*platform)),
        owner => request.owner_name,
    };
    pages.render(Page::Sales(message.language), facts).map(Some)
}

/// The note without its `platform:` line.
fn post_text(task: &Task) -> String {
    let names_platform = |text: &&str| {
        let key = text.split(':').next().unwrap_or_default().trim().to_lowercase();
        matches!(key.as_str(), "platform" | "platforms" | "channel") && text.contains(':')
    };
    original(task)
        .lines()
        .filter(|text| !names_platform(text))
        .collect::<Vec<_>>()
        .join("\n")
        .trim()
        .to_owned()
}

/// The platforms that a note names: in its `platform` if it has one, else anywhere in its words.
pub(crate) fn platforms(task: &Task) -> Vec<Platform> {
    let fields = Fields::of(task);
    let names = ["platform", "platforms", "channel"];
    let said = match fields.list(&names) {
        Some(list) => list.iter().filter_map(|value| value.as_str()).collect::<Vec<_>>().join(" "),
        None => fields.text(&names).unwrap_or_else(|_| {
            format!("{} {}", task.front.id, task.front.subject.as_deref().unwrap_or_default())
        }),
    };
    let lower = said.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    [
        (Platform::Linkedin, &["linkedin"][..]),
        (Platform::Facebook, &["facebook"]),
        (Platform::Instagram, &["instagram"]),
        (Platform::Twitter, &["twitter", "x"]),
    ]
    .into_iter()
    .filter(|(_, names)| words.iter().any(|word| names.contains(word)))
    .map(|(platform, _)| platform)
    .collect()
}

/// The first step of a plan: what was found in the message.
fn read(message: &Message, what: &str) -> String {
    let wanted = match message.intent {
        Intent::Complaint => "a complaint",
        Intent::Meeting => "about a time to meet or talk",
        Intent::Quote => "asks for a price or an offer",
        Intent::Invoice => "about an invoice or a payment",
        Intent::Thanks => "says thanks",
        Intent::Question => "asks something",
        Intent::Other => "nothing particular is asked",
    };
    let about = message.wish.as_ref().map(|wish| format!(": \"{wish}\"")).unwrap_or_default();
    format!(
        "read the {what} from {}: {wanted}{about}",
        message.from.as_deref().unwrap_or("an unknown sender")
    )
}

fn no_sender(what: &str) -> Draft {
    Draft::NeedsPerson { question: format!("{what}; what is to be done?"), plan: Vec::new() }
}

/// `Re:` once, whatever prefixes the subject already has.
pub(crate) fn reply_subject(subject: &str) -> String {
    format!("Re: {}", unprefixed(subject)).trim_end().to_owned()
}

fn unprefixed(subject: &str) -> &str {
    let mut rest = subject.trim();
    while let Some((prefix, after)) = rest.split_once(':') {
        if !["re", "aw", "antw", "sv"].contains(&prefix.trim().to_lowercase().as_str()) {
            break;
        }
        rest = after.trim_start();
    }
    rest
}

/// `In-Reply-To` and `References` of an answer (RFC 5322, 3.6.4).
pub(crate) fn thread(task: &Task) -> (Option<String>, Vec<String>) {
    let valid = |id: &&String| {
        id.len() > 2
            && id.len() <= 998
            && id.starts_with('<')
            && id.ends_with('>')
            && !id.chars().any(|c| c.is_whitespace() || c.is_control())
    };
    let own = task.front.message_id.as_ref().filter(valid).cloned();
    let mut ids: Vec<String> = task.front.references.iter().filter(valid).cloned().collect();
    ids.retain(|id| Some(id) != own.as_ref());
    ids.extend(own.clone());
    ids.drain(..ids.len().saturating_sub(THREAD));
    (own, ids)
}

/// Everybody in a mail's thread but the owner: who wrote it and who else got it, bare addresses.
pub(crate) fn participants(task: &Task, account: &str) -> Vec<String> {
    let front = &task.front;
    let copies = front.extra.get("cc").and_then(|value| value.as_sequence()).into_iter().flatten();
    front
        .from
        .iter()
        .chain(&front.reply_to)
        .chain(&front.to)
        .map(String::as_str)
        .chain(copies.filter_map(|value| value.as_str()))
        .map(bare_address)
        .filter(|address| !address.eq_ignore_ascii_case(account))
        .collect()
}

/// A number without the marks that people put into it.
pub(crate) fn number(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '/')).collect();
    match plain.strip_prefix("00") {
        Some(rest) => format!("+{rest}"),
        None => plain,
    }
}

/// The platform of a kind that is one platform's.
pub(crate) fn platform_of(kind: TaskKind) -> Option<Platform> {
    match kind {
        TaskKind::Linkedin => Some(Platform::Linkedin),
        TaskKind::Facebook => Some(Platform::Facebook),
        TaskKind::Instagram => Some(Platform::Instagram),
        TaskKind::Twitter => Some(Platform::Twitter),
        _ => None,
    }
}

/// How long an answer may be; shorter than the platform's own limit where that would be no answer.
fn limit(platform: Platform) -> usize {
    match platform {
        Platform::Twitter => 280,
        Platform::Instagram => 2_200,
        Platform::Linkedin | Platform::Facebook => 3_000,
    }
}

fn name(platform: Platform) -> &'static str {
    match platform {
        Platform::Linkedin => "LinkedIn",
        Platform::Facebook => "Facebook",
        Platform::Instagram => "Instagram",
        Platform::Twitter => "X",
    }
}

pub(crate) fn tool(platform: Platform) -> &'static str {
    match platform {
        Platform::Linkedin => "post_linkedin",
        Platform::Facebook => "post_facebook",
        Platform::Instagram => "post_instagram",
        Platform::Twitter => "post_twitter",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn re_is_said_once() {
        let check = |subject: &str, expected: &str| assert_eq!(reply_subject(subject), expected);
        check("Q1", "Re: Q1");
        check("RE: Q1", "Re: Q1");
        check("Re: AW: Re: Q1: numbers", "Re: Q1: numbers");
        check("", "Re:");
    }

    #[test]
    fn numbers_lose_their_marks() {
        let check = |text: &str, expected: &str| assert_eq!(number(text), expected);
        check("+49 170 123-45.67", "+491701234567");
        check("0049 (170) 1234567", "+491701234567");
    }
}
