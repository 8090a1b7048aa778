//! The words of a mail and a list of what came with it.

use mail_parser::{Message, MessagePart, MimeHeaders, PartType};
use task::{AttachmentNote, Digest};

use super::{LISTED, html};
use crate::event::{NAME, TEXT};
use crate::text;

/// The text, plain where the sender gave it, otherwise made from HTML. Says so in `notes` when
/// the HTML has text that its reader does not see.
pub(super) fn text(message: &Message<'_>, notes: &mut Vec<String>) -> String {
    let mut out = String::new();
    let mut hidden = 0;
    let mut html = |source: &str| {
        let read = html::read(source);
        hidden += read.hidden;
        read.text
    };
    let parts = message.text_body.iter().filter_map(|id| message.parts.get(*id as usize));
    for part in parts {
        let words = match &part.body {
            PartType::Text(words) => words.to_string(),
            PartType::Html(source) => html(source),
            _ => continue,
        };
        if !out.is_empty() {
            out.push_str("\n\n");
        }
        out.push_str(&words);
        if out.len() > 2 * TEXT {
            break;
        }
    }
    // Some programs send an empty plain part beside the real HTML one.
    if out.trim().is_empty() {
        out.clear();
        let parts = message.html_body.iter().filter_map(|id| message.parts.get(*id as usize));
        for part in parts {
            if let PartType::Html(source) = &part.body {
                out.push_str(&html(source));
            }
        }
    }
    if hidden > 0 {
        notes.push(format!("{hidden} characters that the mail hides from its reader are left out"));
    }
    out
}

/// Name, type, size and digest of each attachment; the bytes go nowhere.
pub(super) fn attachments(message: &Message<'_>, notes: &mut Vec<String>) -> Vec<AttachmentNote> {
    let count = message.attachments.len();
    if count > LISTED {
        notes.push(format!("the mail has {count} attachments; the first {LISTED} are listed"));
    }
    let parts = message.attachments.iter().filter_map(|id| message.parts.get(*id as usize));
    parts.take(LISTED).enumerate().map(|(at, part)| note(at + 1, part)).collect()
}

fn note(number: usize, part: &MessagePart<'_>) -> AttachmentNote {
    let contents = part.contents();
    let media_type = part.content_type().map_or_else(String::new, |kind| {
        let whole = format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("*"));
        text::line(&whole.to_ascii_lowercase(), 100)
    });
    let name = part
        .attachment_name()
        .map(|name| text::line(name, NAME))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("part {number}"));
    AttachmentNote {
        name,
        media_type,
        size: u64::try_from(contents.len()).unwrap_or(u64::MAX),
        sha256: Digest::of(contents),
    }
}
