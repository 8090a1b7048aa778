//! The words of a mail and a list of what came with it.

use std::collections::BTreeSet;

use mail_parser::{Message, MessagePart, MimeHeaders, PartType};
use task::{AttachmentNote, Digest};

use super::{LISTED, html};
use crate::event::{NAME, TEXT};
use crate::text;

/// The text that a reader sees: plain where the sender gave it, otherwise made from HTML. Where a
/// mail has both and they do not say the same, it is the HTML, which mail programs show. Says in
/// `notes` what is left out.
pub(super) fn text(message: &Message<'_>, notes: &mut Vec<String>) -> String {
    let mut hidden = 0;
    let (mut plain, mut shown) = (String::new(), String::new());
    let mut both = false;
    for part in message.text_body.iter().filter_map(|id| message.parts.get(*id as usize)) {
        match &part.body {
            PartType::Text(words) => {
                both = true;
                append(&mut plain, words);
            }
            PartType::Html(source) => append(&mut plain, &readable(source, &mut hidden)),
            _ => {}
        }
    }
    // Of a mail in HTML alone, the list above has it already.
    let empty = plain.trim().is_empty();
    if both || empty {
        let mut beside = 0;
        for part in message.html_body.iter().filter_map(|id| message.parts.get(*id as usize)) {
            if let PartType::Html(source) = &part.body {
                append(&mut shown, &readable(source, &mut beside));
            }
        }
        // Some programs send an empty plain part beside the real HTML one.
        let differ = !empty && says_more(&plain, &shown);
        if empty || differ {
            (plain, hidden) = (shown, beside);
        }
        if differ {
            notes.push(
                "the mail has a plain text that says more than what mail programs show; the latter is taken"
                    .to_owned(),
            );
        }
    }
    if hidden > 0 {
        notes.push(format!("{hidden} characters that the mail hides from its reader are left out"));
    }
    plain
}

fn readable(source: &str, hidden: &mut usize) -> String {
    let read = html::read(source);
    *hidden += read.hidden;
    read.text
}

fn append(out: &mut String, words: &str) {
    if out.len() > 2 * TEXT {
        return;
    }
    if !out.is_empty() {
        out.push_str("\n\n");
    }
    out.push_str(words);
}

/// So many words may be in the plain text alone: the two are written by programs.
const EXTRA: usize = 4;

/// Whether the plain text has words that the HTML, which has some, does not show. Addresses and
/// links are written differently in the two.
fn says_more(plain: &str, shown: &str) -> bool {
    let words = |text: &str| -> BTreeSet<String> {
        text.split_whitespace()
            .filter(|token| !token.contains(['@', '/']))
            .flat_map(|token| token.split(|c: char| !c.is_alphanumeric()))
            .filter(|word| word.chars().count() >= 3)
            .map(str::to_lowercase)
            .collect()
    };
    let shown = words(shown);
    !shown.is_empty() && words(plain).difference(&shown).count() > EXTRA
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
