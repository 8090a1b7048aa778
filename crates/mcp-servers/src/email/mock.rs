//! A mailbox with sample data.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use signature::Permit;
use task::{Attachment, Call, Clock, EmailMessage, Server};

use super::{Folder, ListDrafts, Named, ReadEmail, SearchEmail, Summary, found};
use crate::backend::{Backend, Done, arguments, limit, not_here, proposal};
use crate::outcome::{Answer, Failure};
use crate::setup::Setup;
use crate::store::Store;

/// The mock of `mcp-email`.
pub(crate) struct Mock {
    store: Store<Mails>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Mails {
    mails: Vec<Mail>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Mail {
    id: u32,
    folder: Folder,
    from: String,
    to: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cc: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bcc: Vec<String>,
    subject: String,
    date: DateTime<Utc>,
    message_id: String,
    #[serde(default)]
    in_reply_to: Option<String>,
    #[serde(default)]
    references: Vec<String>,
    text: String,
    #[serde(default)]
    attachments: Vec<Attachment>,
    /// The approval that sent it.
    #[serde(default)]
    approval: Option<String>,
}

impl Mock {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self { store: Store::new(&setup.data, Server::Email, sample), clock: setup.clock.clone() }
    }
}

#[async_trait]
impl Backend for Mock {
    async fn answer(&self, tool: &str, given: Value, account: Option<&str>) -> Result<Answer, Failure> {
        match tool {
            "list_drafts" => {
                let asked: ListDrafts = arguments(tool, given)?;
                self.store.read(move |mails| Ok(list_drafts(mails, &asked))).await
            }
            "search_email" => {
                let asked: SearchEmail = arguments(tool, given)?;
                self.store.read(move |mails| search(mails, &asked)).await
            }
            "read_email" => {
                let asked: ReadEmail = arguments(tool, given)?;
                self.store.read(move |mails| read(mails, &asked)).await
            }
            _ => match proposal(tool, given)? {
                Call::DraftEmail(message) => {
                    let now = self.clock.now();
                    let sender = account.unwrap_or("owner@example.com").to_owned();
                    self.store
                        .change(move |mails| {
                            let message_id = format!("<draft.{}@example.com>", mails.next_id());
                            let id = mails.add(Folder::Drafts, sender, message, now, message_id, None);
                            Ok(Answer::new(format!("kept draft {id}"), json!({"id": id, "appended": true})))
                        })
                        .await
                }
                _ => Err(not_here(tool)),
            },
        }
    }

    async fn act(&self, permit: Permit) -> Result<Done, Failure> {
        let order = permit.order().clone();
        let message_id = order.message_id();
        let Call::SendEmail(message) = order.action.call else {
            return Err(not_here(order.action.call.tool()));
        };
        let (sender, approval, now) = (order.action.account, order.approval, self.clock.now());
        self.store
            .change(move |mails| {
                let to = message.to.join(", ");
                mails.add(Folder::Sent, sender, message, now, message_id.clone(), Some(approval));
                let text = format!("sent to {to} as {message_id}");
                Ok(Answer::new(text, json!({"message_id": message_id})))
            })
            .await
            .map(Done::from)
    }
}

impl Mails {
    fn next_id(&self) -> u32 {
        self.mails.iter().map(|mail| mail.id).max().unwrap_or_default() + 1
    }

    fn add(
        &mut self,
        folder: Folder,
        from: String,
        message: EmailMessage,
        date: DateTime<Utc>,
        message_id: String,
        approval: Option<String>,
    ) -> u32 {
        let id = self.next_id();
        let EmailMessage { to, cc, bcc, subject, in_reply_to, references, body, attachments } = message;
        self.mails.push(Mail {
            id,
            folder,
            from,
            to,
            cc,
            bcc,
            subject,
            date,
            message_id,
            in_reply_to,
            references,
            text: body,
            attachments,
            approval,
        });
        id
    }
}

impl Mail {
    fn summary(&self) -> Summary {
        Summary {
            id: self.id,
            from: self.from.clone(),
            to: self.to.clone(),
            subject: self.subject.clone(),
            date: Some(self.date),
            message_id: Some(self.message_id.clone()),
            size: self.text.len() as u64,
        }
    }
}

fn contains(text: &str, part: Option<&String>) -> bool {
    part.is_none_or(|part| text.to_lowercase().contains(&part.to_lowercase()))
}

fn list_drafts(mails: &Mails, asked: &ListDrafts) -> Answer {
    let all: Vec<_> =
        mails.mails.iter().rev().filter(|mail| mail.folder == Folder::Drafts).map(Mail::summary).collect();
    let total = all.len();
    let drafts: Vec<_> = all.into_iter().take(limit(asked.limit)).collect();
    Answer::new(format!("{total} drafts"), json!({"total": total, "drafts": drafts}))
}

fn search(mails: &Mails, asked: &SearchEmail) -> Result<Answer, Failure> {
    let folder = asked.folder()?;
    let hits: Vec<_> = mails
        .mails
        .iter()
        .rev()
        .filter(|mail| {
            mail.folder == folder
                && contains(&mail.from, asked.from.as_ref())
                && contains(&mail.subject, asked.subject.as_ref())
                && contains(&format!("{} {} {}", mail.from, mail.subject, mail.text), asked.text.as_ref())
                && asked.message_id.as_ref().is_none_or(|id| mail.message_id == *id)
                && asked
                    .follows
                    .as_ref()
                    .is_none_or(|id| mail.in_reply_to.as_ref() == Some(id) || mail.references.contains(id))
                && asked.since.is_none_or(|since| mail.date.date_naive() >= since)
        })
        .map(Mail::summary)
        .collect();
    let total = hits.len();
    let shown: Vec<_> = hits.into_iter().take(limit(asked.limit)).collect();
    Ok(found(&folder, asked, total, &shown))
}

fn read(mails: &Mails, asked: &ReadEmail) -> Result<Answer, Failure> {
    let (folder, named) = (asked.folder()?, asked.named()?);
    let fits = |mail: &&Mail| {
        mail.folder == folder
            && match &named {
                Named::Id(id) => mail.id == *id,
                Named::MessageId(id) => mail.message_id == *id,
            }
    };
    let Some(mail) = mails.mails.iter().find(fits) else {
        return Err(Failure::none(format!(
            "there is no such mail in {}; search_email shows them",
            folder.name()
        )));
    };
    let content = json!({
        "id": mail.id, "folder": folder.name(), "from": mail.from, "to": mail.to, "cc": mail.cc,
        "subject": mail.subject, "date": mail.date, "message_id": mail.message_id, "size": mail.text.len(),
        "in_reply_to": mail.in_reply_to.iter().collect::<Vec<_>>(), "references": mail.references,
        "text": mail.text, "truncated": false, "attachments": mail.attachments,
    });
    Ok(Answer::new(format!("mail {}: {}", mail.id, mail.subject), content))
}

/// The mailbox of a freelancer in February 2026.
fn sample() -> Mails {
    serde_json::from_str(include_str!("sample.json")).unwrap_or(Mails { mails: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_mailbox_is_there() {
        let mails = sample();
        assert!(mails.mails.iter().filter(|mail| mail.folder == Folder::Inbox).count() >= 3);
    }
}
