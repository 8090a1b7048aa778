//! The owner's real mail accounts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use config::{MailAccount, SaveSent};
use futures::FutureExt as _;
use serde_json::{Value, json};
use signature::Permit;
use task::{Call, Clock, EmailMessage, Role};

use super::compose::{Composed, compose};
use super::imap::Mailbox;
use super::{Folder, ListDrafts, Named, ReadEmail, SearchEmail, found, mime, smtp};
use crate::backend::{Backend, Done, arguments, limit, not_here, proposal};
use crate::outcome::{Answer, Failure};
use crate::setup::{Secrets, Setup};
use crate::store::blocking;

/// How long one request may keep the mail server busy.
const REQUEST: Duration = Duration::from_secs(45);

/// How long a provider that files sent mail itself gets to do so.
const PATIENCE: Duration = Duration::from_secs(1);

/// `mcp-email` with real accounts.
pub(crate) struct Live {
    accounts: Vec<MailAccount>,
    role: Role,
    data: PathBuf,
    clock: Arc<dyn Clock>,
    secrets: Secrets,
}

impl Live {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            accounts: setup.config.mail.clone(),
            role: setup.role,
            data: setup.data.clone(),
            clock: setup.clock.clone(),
            secrets: setup.secrets.clone(),
        }
    }

    /// The account with this address or name; the first one when none is named.
    fn account(&self, named: Option<&str>) -> Result<&MailAccount, Failure> {
        let Some(first) = self.accounts.first() else {
            return Err(Failure::none(
                "config.yaml has no mail account; add one under mail: or set MOCK_DATA=true (modes.mock_data) to \
                 work with sample data",
            ));
        };
        let Some(named) = named else { return Ok(first) };
        let fits =
            |account: &&MailAccount| account.name == named || account.address.eq_ignore_ascii_case(named);
        self.accounts.iter().find(fits).ok_or_else(|| {
            let known: Vec<_> = self.accounts.iter().map(|account| account.address.as_str()).collect();
            let named: String = named.chars().take(100).collect();
            Failure::none(format!("{named:?} is no mail account of config.yaml; it has {}", known.join(", ")))
        })
    }

    async fn open(&self, account: &MailAccount) -> Result<Mailbox, Failure> {
        open(account, &self.secrets).await
    }

    async fn list_drafts(&self, asked: ListDrafts) -> Result<Answer, Failure> {
        let mut mailbox = self.open(self.account(asked.account.as_deref())?).await?;
        let all = SearchEmail::default();
        let result = mailbox.search(&Folder::Drafts, &all, limit(asked.limit)).await;
        mailbox.close().await;
        let (total, drafts) = result?;
        Ok(Answer::new(format!("{total} drafts"), json!({"total": total, "drafts": drafts})))
    }

    async fn search(&self, asked: SearchEmail) -> Result<Answer, Failure> {
        let folder = asked.folder()?;
        let mut mailbox = self.open(self.account(asked.account.as_deref())?).await?;
        let result = mailbox.search(&folder, &asked, limit(asked.limit)).await;
        mailbox.close().await;
        let (total, messages) = result?;
        Ok(found(&folder, &asked, total, &messages))
    }

    async fn read(&self, asked: ReadEmail) -> Result<Answer, Failure> {
        let (folder, named) = (asked.folder()?, asked.named()?);
        let mut mailbox = self.open(self.account(asked.account.as_deref())?).await?;
        let result = async {
            let id = match named {
                Named::Id(id) => id,
                Named::MessageId(message_id) => {
                    let search = SearchEmail { message_id: Some(message_id.clone()), ..Default::default() };
                    let (_, mails) = mailbox.search(&folder, &search, 1).await?;
                    match mails.first() {
                        Some(mail) => mail.id,
                        None => {
                            let folder = folder.name();
                            return Err(Failure::none(format!("{message_id} is not in {folder}")));
                        }
                    }
                }
            };
            let fetched = mailbox.read(&folder, id).await?;
            Ok((id, fetched))
        }
        .await;
        mailbox.close().await;
        let (id, fetched) = result?;
        // It may have been moved or deleted since it was listed.
        let Some(mail) = fetched else {
            return Err(Failure::none(format!("mail {id} is no longer in {}", folder.name())));
        };
        let content = mime::read(id, folder.name(), &mail.bytes, mail.size);
        let subject = content["subject"].as_str().unwrap_or_default().to_owned();
        Ok(Answer::new(format!("mail {id}: {subject}"), content))
    }

    /// On the owner's machine, and where the owner wants it, a draft is put into Drafts; elsewhere
    /// it lives in the task alone.
    async fn draft(&self, mail: EmailMessage, account: Option<&str>) -> Result<Answer, Failure> {
        if self.role == Role::Cloud || self.accounts.is_empty() {
            return Ok(kept());
        }
        let account = self.account(account)?;
        if !account.append_drafts {
            return Ok(kept());
        }
        let domain = account.address.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
        let digest = task::canonical::to_string(&mail).map(task::Digest::of);
        let name = digest.map_err(|e| Failure::none(e.to_string()))?.hex();
        let message_id = format!("<draft.{}@{domain}>", &name[..32]);
        let composed = self.compose(&account.address, mail, message_id.clone()).await?;
        let mut mailbox = self.open(account).await?;
        let result = file(&mut mailbox, &Folder::Drafts, &message_id, &composed.kept, None).await;
        mailbox.close().await;
        result?;
        Ok(Answer::new("the draft is in Drafts", json!({"appended": true, "message_id": message_id})))
    }

    async fn compose(
        &self,
        sender: &str,
        mail: EmailMessage,
        message_id: String,
    ) -> Result<Composed, Failure> {
        let (sender, now, data) = (sender.to_owned(), self.clock.now(), self.data.clone());
        blocking(move || compose(&sender, &mail, &message_id, now, &data)).await
    }

    async fn send(&self, permit: Permit) -> Result<Done, Failure> {
        let order = permit.order().clone();
        let message_id = order.message_id();
        let Call::SendEmail(mail) = order.action.call else {
            return Err(not_here(order.action.call.tool()));
        };
        let account = self.account(Some(&order.action.account))?;
        let Some(smtp) = &account.smtp else {
            let name = &account.name;
            return Err(Failure::none(format!(
                "mail account {name} of config.yaml has no smtp: section to send with"
            )));
        };
        let secret = (self.secrets)(&smtp.secret, &format!("mail account {} (smtp)", account.name))
            .map_err(Failure::none)?;
        let composed = self.compose(&account.address, mail, message_id.clone()).await?;
        let server = smtp::Connection::open(smtp, &secret).await?;
        let reply = server.send(&composed, &message_id).await?;
        let to = composed.envelope.to().iter().map(ToString::to_string).collect::<Vec<_>>();
        let text = format!("sent to {} as {message_id}; the server said {reply}", to.join(", "));
        let answer = Answer::new(text, json!({"message_id": message_id, "recipients": to, "reply": reply}));
        let filing = file_sent(account.clone(), self.secrets.clone(), message_id, composed.kept);
        Ok(Done { answer, tidy: Some(filing.boxed()) })
    }
}

#[async_trait]
impl Backend for Live {
    async fn answer(&self, tool: &str, given: Value, account: Option<&str>) -> Result<Answer, Failure> {
        let work = async {
            match tool {
                "list_drafts" => self.list_drafts(arguments(tool, given)?).await,
                "search_email" => self.search(arguments(tool, given)?).await,
                "read_email" => self.read(arguments(tool, given)?).await,
                _ => match proposal(tool, given)? {
                    Call::DraftEmail(mail) => self.draft(mail, account).await,
                    _ => Err(not_here(tool)),
                },
            }
        };
        tokio::time::timeout(REQUEST, work).await.unwrap_or_else(|_| {
            let limit = REQUEST.as_secs();
            Err(Failure::none(format!("the mail server did not answer within {limit} s; try again later")))
        })
    }

    async fn act(&self, permit: Permit) -> Result<Done, Failure> {
        self.send(permit).await
    }
}

fn kept() -> Answer {
    Answer::new("the draft is kept in the task; no mailbox was touched", json!({"appended": false}))
}

pub(super) async fn open(account: &MailAccount, secrets: &Secrets) -> Result<Mailbox, Failure> {
    let Some(imap) = &account.imap else {
        let name = &account.name;
        return Err(Failure::none(format!(
            "mail account {name} of config.yaml has no imap: section to read with"
        )));
    };
    let secret =
        secrets(&imap.secret, &format!("mail account {} (imap)", account.name)).map_err(Failure::none)?;
    Mailbox::open(imap, &secret).await
}

/// Files a mail unless it is there already; `patience` waits once for somebody else to file it.
async fn file(
    mailbox: &mut Mailbox,
    folder: &Folder,
    message_id: &str,
    bytes: &[u8],
    patience: Option<Duration>,
) -> Result<(), Failure> {
    let search = SearchEmail { message_id: Some(message_id.to_owned()), ..Default::default() };
    let mut waits = patience.into_iter();
    loop {
        let (_, mails) = mailbox.search(folder, &search, 1).await?;
        if !mails.is_empty() {
            return Ok(());
        }
        match waits.next() {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return mailbox.append(folder, true, bytes).await,
        }
    }
}

/// Files a sent mail in Sent as the account is configured; what fails is a warning.
async fn file_sent(
    account: MailAccount,
    secrets: Secrets,
    message_id: String,
    bytes: Vec<u8>,
) -> Vec<String> {
    let patience = match account.save_sent {
        SaveSent::Server => return Vec::new(),
        // Without a mailbox there is nothing to look into; the provider may file it.
        SaveSent::Auto if account.imap.is_none() => return Vec::new(),
        SaveSent::Auto => Some(PATIENCE),
        SaveSent::Append => None,
    };
    let filed = async {
        let mut mailbox = open(&account, &secrets).await?;
        let result = file(&mut mailbox, &Folder::Sent, &message_id, &bytes, patience).await;
        mailbox.close().await;
        result
    };
    match filed.await {
        Ok(()) => Vec::new(),
        Err(failure) => vec![format!("it was sent, but not filed in Sent: {failure}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_address_and_by_name() {
        let account = |name: &str, address: &str| {
            let mut account = config::Config::sample().mail.remove(0);
            account.name = name.into();
            account.address = address.into();
            account
        };
        let live = |accounts| Live {
            accounts,
            role: Role::Local,
            data: PathBuf::new(),
            clock: Arc::new(task::SystemClock),
            secrets: Arc::new(|_, _| Err("no secret".into())),
        };
        let two = live(vec![account("work", "owner@example.com"), account("home", "me@example.org")]);
        let check = |named: Option<&str>, expected: Result<&str, &str>| match (two.account(named), expected) {
            (Ok(account), Ok(name)) => assert_eq!(account.name, name),
            (Err(failure), Err(part)) => assert!(failure.message.contains(part), "{failure}"),
            (_, expected) => panic!("{named:?}: expected {expected:?}"),
        };
        check(None, Ok("work"));
        check(Some("home"), Ok("home"));
        check(Some("Me@Example.org"), Ok("home"));
        check(Some("boss@example.com"), Err("owner@example.com, me@example.org"));
        let none = live(vec![]);
        assert!(none.account(None).is_err_and(|f| f.message.contains("MOCK_DATA")));
    }
}
