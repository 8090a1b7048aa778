//! Mail that no person wrote, or that no answer reaches.

use mail_parser::{Message, MimeHeaders};
use task::Automated;

use super::headers::Headers;

/// Recognises delivery reports, autoresponders, lists and senders that read no answers, in this
/// order. A machine's mail that names a person in `Reply-To` (a form on a web site) is that
/// person's mail.
pub(super) fn recognise(
    headers: &Headers<'_>,
    message: &Message<'_>,
    account: &str,
    from: Option<&str>,
    reply_to: Option<&str>,
) -> Option<Automated> {
    if is_report(headers, message, from) {
        return Some(Automated::Bounce);
    }
    let speaks_for_a_person = reply_to.is_some_and(|address| !is_no_reply(address));
    if answers_by_itself(headers, speaks_for_a_person) {
        return Some(Automated::AutoReply);
    }
    if is_list(headers, account) {
        return Some(Automated::List);
    }
    let answer_goes_to = reply_to.or(from);
    answer_goes_to.is_some_and(is_no_reply).then_some(Automated::NoReply)
}

/// RFC 3464, RFC 8098, and reports from before them: an empty return path that is no autoresponder's.
fn is_report(headers: &Headers<'_>, message: &Message<'_>, from: Option<&str>) -> bool {
    let multipart_report = message.parts.first().and_then(|root| root.content_type()).is_some_and(|kind| {
        kind.ctype().eq_ignore_ascii_case("multipart")
            && kind.subtype().is_some_and(|s| s.eq_ignore_ascii_case("report"))
    });
    let daemon = from.is_some_and(|address| {
        address.split('@').next().is_some_and(|local| local.eq_ignore_ascii_case("mailer-daemon"))
    });
    let null_path =
        headers.first("return-path").is_some_and(|path| path.replace(char::is_whitespace, "") == "<>");
    multipart_report || daemon || (null_path && !answers_by_itself(headers, false))
}

/// RFC 3834, and what programs used before and beside it.
fn answers_by_itself(headers: &Headers<'_>, speaks_for_a_person: bool) -> bool {
    let first_word = |name: &str| {
        headers
            .first(name)
            .map(|value| value.split([';', ' ', '\t', '(']).next().unwrap_or_default().to_ascii_lowercase())
    };
    let submitted = first_word("auto-submitted");
    let generated = submitted.as_deref().is_some_and(|value| !value.is_empty() && value != "no");
    let replied = submitted.as_deref() == Some("auto-replied");
    let suppressed = headers.first("x-auto-response-suppress").is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        ["all", "autoreply", "oof"].iter().any(|word| value.split(',').any(|part| part.trim() == *word))
    });
    replied
        || first_word("precedence").is_some_and(|value| matches!(&*value, "auto_reply" | "auto-reply"))
        || ["x-autoreply", "x-autorespond", "x-autoresponder"]
            .iter()
            .any(|name| first_word(name).is_some_and(|value| value != "no"))
        || (!speaks_for_a_person && (generated || suppressed))
}

/// Bulk mail: RFC 2369, RFC 8058, and the older `Precedence`.
///
/// A group of the owner's own domain, such as `info@`, puts the headers of a list onto what any
/// person writes to it: there only what the sender says of itself counts, and so `List-Id`
/// (RFC 2919) alone makes no list.
fn is_list(headers: &Headers<'_>, account: &str) -> bool {
    let has = |name: &str| headers.first(name).is_some();
    let precedence = headers.first("precedence").unwrap_or_default().to_ascii_lowercase();
    let bulk = matches!(&*precedence, "bulk" | "junk")
        || has("list-unsubscribe-post")
        || headers.count("list-unsubscribe") > 1;
    let listed = has("list-unsubscribe") || has("list-post") || precedence == "list";
    bulk || (listed && !is_own_group(headers, account))
}

/// Whether the list is a group of the account's own domain.
fn is_own_group(headers: &Headers<'_>, account: &str) -> bool {
    let Some((_, domain)) = account.rsplit_once('@') else { return false };
    let domain = domain.to_ascii_lowercase();
    let id = headers.first("list-id").unwrap_or_default().to_ascii_lowercase();
    let id = id.rsplit_once('<').map_or(id.as_str(), |(_, id)| id).trim_end_matches('>').trim();
    id == domain || id.strip_suffix(&domain).is_some_and(|head| head.ends_with(['.', '@']))
}

/// Whether an address says that nobody reads what is sent to it.
fn is_no_reply(address: &str) -> bool {
    let local = address.split('@').next().unwrap_or_default();
    let letters: String = local.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    [
        "noreply",
        "donotreply",
        "dontreply",
        "neverreply",
        "nichtantworten",
        "keineantwort",
        "nepasrepondre",
        "noresponder",
        "nonrispondere",
    ]
    .iter()
    .any(|word| letters.contains(word))
}
