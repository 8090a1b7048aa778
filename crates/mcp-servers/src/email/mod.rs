//! `mcp-email`: reading over IMAP, sending over SMTP, or sample data.

mod check;
mod compose;
mod imap;
mod live;
mod mime;
mod mock;
mod search;
mod smtp;

pub(crate) use check::check;
pub(crate) use live::Live;
pub(crate) use mock::Mock;

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::catalog::{Entry, proposable, schema};
use crate::outcome::{Answer, Failure};

pub(crate) const TOOLS: &[Entry] = &[
    Entry {
        name: "list_drafts",
        description: "Lists the mails in the Drafts folder, newest first.",
        schema: schema::<ListDrafts>,
    },
    Entry {
        name: "search_email",
        description: "Searches mail, newest first. With message_id it says whether that mail is there, in the Sent \
                      folder unless another is named.",
        schema: schema::<SearchEmail>,
    },
    Entry {
        name: "read_email",
        description: "Reads one mail as text, with its attachments' names, sizes and digests.",
        schema: schema::<ReadEmail>,
    },
    proposable!(
        "draft_email",
        "Drafts a mail. Nothing is sent; where the owner wants it, it is put into Drafts."
    ),
    proposable!("send_email", "Sends a mail."),
];

/// Arguments of `list_drafts`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListDrafts {
    /// The account's address or name; the first one configured unless told.
    account: Option<String>,
    /// At most so many; 20 unless told, 100 at most.
    limit: Option<u32>,
}

/// Arguments of `search_email`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SearchEmail {
    /// The account's address or name; the first one configured unless told.
    account: Option<String>,
    /// inbox, sent, drafts, archive, trash, junk, or a folder's own name; inbox unless told.
    folder: Option<String>,
    /// Words anywhere in the mail.
    text: Option<String>,
    /// Part of the sender's name or address.
    from: Option<String>,
    /// Part of the subject.
    subject: Option<String>,
    /// Received on or after this day.
    since: Option<NaiveDate>,
    /// Exactly this Message-ID, with its angle brackets.
    message_id: Option<String>,
    /// Mails that answer this Message-ID, or come later in its thread.
    follows: Option<String>,
    /// At most so many; 20 unless told, 100 at most.
    limit: Option<u32>,
}

impl SearchEmail {
    /// The folder that is searched.
    fn folder(&self) -> Result<Folder, Failure> {
        match (&self.folder, &self.message_id) {
            (Some(name), _) => Folder::named(name),
            (None, Some(_)) => Ok(Folder::Sent),
            (None, None) => Ok(Folder::Inbox),
        }
    }
}

/// Arguments of `read_email`; `id` or `message_id`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReadEmail {
    /// The account's address or name; the first one configured unless told.
    account: Option<String>,
    /// inbox, sent, drafts, archive, trash, junk, or a folder's own name; inbox unless told.
    folder: Option<String>,
    /// The id from search_email or list_drafts.
    id: Option<u32>,
    /// The mail's Message-ID, with its angle brackets.
    message_id: Option<String>,
}

/// Which of the two names the mail.
enum Named {
    Id(u32),
    MessageId(String),
}

impl ReadEmail {
    fn folder(&self) -> Result<Folder, Failure> {
        self.folder.as_deref().map_or(Ok(Folder::Inbox), Folder::named)
    }

    fn named(&self) -> Result<Named, Failure> {
        match (&self.id, &self.message_id) {
            (Some(id), None) => Ok(Named::Id(*id)),
            (None, Some(message_id)) => Ok(Named::MessageId(message_id.clone())),
            _ => Err(Failure::none("read_email needs an id or a message_id, one of the two")),
        }
    }
}

/// A mailbox folder, by its use or by its name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Folder {
    Inbox,
    Sent,
    Drafts,
    Archive,
    Trash,
    Junk,
    Other(String),
}

impl Folder {
    fn named(name: &str) -> Result<Self, Failure> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "inbox" => Folder::Inbox,
            "sent" => Folder::Sent,
            "drafts" => Folder::Drafts,
            "archive" => Folder::Archive,
            "trash" => Folder::Trash,
            "junk" => Folder::Junk,
            // What else is in a quoted IMAP string would need another encoding.
            _ if !name.is_empty() && name.bytes().all(|b| (b' '..=b'~').contains(&b)) => {
                Folder::Other(name.to_owned())
            }
            _ => return Err(Failure::none(format!("{name:?} is no folder name; use printable ASCII"))),
        })
    }

    fn name(&self) -> &str {
        match self {
            Folder::Inbox => "inbox",
            Folder::Sent => "sent",
            Folder::Drafts => "drafts",
            Folder::Archive => "archive",
            Folder::Trash => "trash",
            Folder::Junk => "junk",
            Folder::Other(name) => name,
        }
    }
}

/// A mail in a listing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Summary {
    /// Its id in the folder; `read_email` takes it.
    id: u32,
    from: String,
    to: Vec<String>,
    subject: String,
    date: Option<DateTime<Utc>>,
    message_id: Option<String>,
    /// In bytes.
    size: u64,
}

/// The answer of `search_email`.
fn found(folder: &Folder, asked: &SearchEmail, total: usize, messages: &[Summary]) -> Answer {
    let text = match &asked.message_id {
        Some(id) if messages.is_empty() => format!("{id} is not in {}", folder.name()),
        Some(id) => format!("{id} is in {}", folder.name()),
        None => format!("{total} mails found in {}", folder.name()),
    };
    Answer::new(
        text,
        json!({
            "folder": folder.name(), "found": !messages.is_empty(), "total": total, "messages": messages,
        }),
    )
}
