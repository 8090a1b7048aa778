//! A mail's bytes, made into a task. Pure: no network, no clock, no file.
//!
//! Everything in a mail is the sender's word, except what the receiving server wrote on top of
//! it. No mail is refused: what cannot be read is said in the task's `notes`, and the owner still
//! sees that something came.

mod address;
mod authentication;
mod automated;
mod content;
mod headers;
mod html;
mod priority;

use chrono::{DateTime, Utc};
use config::Channel;
use mail_parser::{HeaderName, MessageParser};
use task::{Body, Digest, FrontMatter, Task};

use crate::event::{NAME, SUBJECT, TEXT, kind, task_id};
use crate::text;
use headers::Headers;

/// How many recipients, attachments and message ids a task lists.
const LISTED: usize = 50;

/// Headers of this many `Content-Type`s are a bomb, not a mail: nested messages are dropped
/// recursively by the parser's types, and would end the process.
const PARTS: usize = 500;

/// What is known of a mail beside its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The owner's address that it came to.
    pub account: &'a str,
    /// The name that the receiving server gives itself in `Authentication-Results`, where known.
    pub authserv_id: Option<&'a str>,
    /// When the mailbox got it.
    pub received: Option<DateTime<Utc>>,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Makes a task of a mail (RFC 5322, MIME).
///
/// The id depends on the mail's own headers and body alone: a second copy of it, under another
/// UID, in another folder or at another account, is the same task. `source_id` is the
/// `Message-ID`, or the digest of the bytes where there is none.
pub fn parse_mail(bytes: &[u8], arrival: &Arrival<'_>) -> Task {
    let mut notes = Vec::new();
    let bomb = count_ignore_case(bytes, b"content-type") > PARTS;
    let parser = MessageParser::default();
    let message = if bomb { parser.parse_headers(bytes) } else { parser.parse(bytes) };
    let message = message.unwrap_or_else(|| {
        notes.push("the mail has no headers that can be read".to_owned());
        mail_parser::Message::default()
    });
    let headers = Headers::of(bytes, &message);

    let from = address::list(&message, HeaderName::From);
    if headers.count("from") > 1 {
        notes.push(format!("the mail has {} From headers; the first counts", headers.count("from")));
    }
    let sender = from.first();
    let sender_address = sender.and_then(|s| s.address.clone());
    if sender_address.is_none() {
        let raw = headers.first("from").map(|raw| text::line(raw, NAME)).unwrap_or_default();
        notes.push(format!("the sender's address cannot be read: {raw:?}"));
    }
    let reply_to = address::list(&message, HeaderName::ReplyTo)
        .into_iter()
        .find_map(|a| a.address)
        .filter(|a| Some(a) != sender_address.as_ref());

    let subject = headers::subject(&message);
    let sent = headers::date(&message);
    let message_id = headers.first("message-id").and_then(|raw| headers::ids(raw).into_iter().next());
    let source_id = message_id.clone().unwrap_or_else(|| Digest::of(bytes).to_string());
    let who = sender_address.as_deref().or(sender.and_then(|s| s.name.as_deref())).unwrap_or("unknown");
    let local_part = who.split('@').next().unwrap_or(who);
    let key = identity(bytes, &headers, &source_id);
    let day = sent.or(arrival.received).unwrap_or(arrival.now);

    let mut front = FrontMatter::new(task_id(kind(Channel::Gmail), day, local_part, &key), arrival.now);
    front.source = Some(Channel::Gmail.name().to_owned());
    front.source_id = Some(source_id);
    front.account = Some(text::line(arrival.account, NAME));
    front.received = arrival.received.or(sent);
    front.automated = automated::recognise(
        &headers,
        &message,
        arrival.account,
        sender_address.as_deref(),
        reply_to.as_deref(),
    );
    front.priority = priority::of(&headers, &subject, front.automated);
    front.authentication = authentication::of(&headers, arrival.authserv_id, sender_address.as_deref());
    front.to = recipients(&message, HeaderName::To, "To", &mut notes);
    let copies = recipients(&message, HeaderName::Cc, "Cc", &mut notes);
    front.references = headers::thread(&headers);
    front.message_id = message_id;
    front.reply_to = reply_to;
    front.subject = Some(text::line(&subject, SUBJECT)).filter(|s| !s.is_empty());
    front.attachments = content::attachments(&message, &mut notes);

    let words = if bomb {
        notes.push("the mail has more parts than a mail has; its source is shown as it is".to_owned());
        let rest = message.parts.first().and_then(|p| bytes.get(p.offset_body as usize..));
        String::from_utf8_lossy(head(rest.unwrap_or(bytes), TEXT)).into_owned()
    } else {
        content::text(&message, &mut notes)
    };
    let (mut body, cut) = text::block(&words, TEXT);
    if cut {
        notes.push(format!("the text is longer than {} KB; the rest is in the mailbox", TEXT / 1024));
        body.push_str("\n[the rest was cut]");
    }
    if body.is_empty() {
        body.push_str("(no text)");
    }
    front.from = sender_address;
    if let Some(name) = sender.and_then(|s| s.name.clone()) {
        front.extra.insert("from_name".into(), name.into());
    }
    if !copies.is_empty() {
        front.extra.insert("cc".into(), copies.into());
    }
    add_notes(&mut front, notes);
    Task::new(front, Body::of_original(body).to_markdown())
}

/// Appends to the task's `notes`: what its reader should know of how it was made.
pub(crate) fn add_notes(front: &mut FrontMatter, notes: Vec<String>) {
    if notes.is_empty() {
        return;
    }
    let entry = front.extra.entry("notes".into()).or_insert_with(|| serde_yaml::Value::Sequence(Vec::new()));
    if let serde_yaml::Value::Sequence(list) = entry {
        list.extend(notes.into_iter().map(|note| text::line(&note, 500).into()));
    }
}

/// What makes a mail this mail and no other. The `Message-ID` alone is not enough: careless
/// programs use one twice, and whoever knows one could keep the mail that has it from being seen.
/// Headers that servers add on the way are left out.
fn identity(bytes: &[u8], headers: &Headers<'_>, source_id: &str) -> Digest {
    let mut text = String::from(source_id);
    for name in ["from", "date", "subject"] {
        text.push('\n');
        text.push_str(headers.first(name).unwrap_or_default());
    }
    text.push('\n');
    text.push_str(&Digest::of(bytes.get(headers.body..).unwrap_or_default()).hex());
    Digest::of(text)
}

fn recipients(
    message: &mail_parser::Message<'_>,
    name: HeaderName<'static>,
    label: &str,
    notes: &mut Vec<String>,
) -> Vec<String> {
    let mut all: Vec<String> = address::list(message, name).into_iter().filter_map(|a| a.address).collect();
    if all.len() > LISTED {
        notes.push(format!("{label} has {} addresses; the first {LISTED} are listed", all.len()));
        all.truncate(LISTED);
    }
    all
}

fn count_ignore_case(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).filter(|window| window.eq_ignore_ascii_case(needle)).count()
}

fn head(bytes: &[u8], max: usize) -> &[u8] {
    &bytes[..bytes.len().min(max)]
}
