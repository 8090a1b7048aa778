//! Trying the owner's mail accounts out: log in, open the folder, see whether new mail is
//! announced. Nothing is read and nothing is sent.

use std::time::Duration;

use config::{MailAccount, Smtp};

use super::imap::Mailbox;
use super::{Folder, smtp};
use crate::check::Checked;
use crate::outcome::Failure;
use crate::setup::{Secrets, Setup};

/// How long one account's part may take.
const PATIENCE: Duration = Duration::from_secs(45);

/// Every part of every account.
pub(crate) async fn check(setup: &Setup) -> Vec<Checked> {
    let mut checked = Vec::new();
    for account in &setup.config.mail {
        let what = |part: &str| format!("mail account {} ({part})", account.name);
        checked.push(Checked::of(what("imap"), within(read(account, &setup.secrets)).await));
        if let Some(server) = &account.smtp {
            let tried = within(send(&account.name, server, &setup.secrets)).await;
            checked.push(Checked::of(what("smtp"), tried));
        }
    }
    checked
}

async fn within(work: impl Future<Output = Result<String, Failure>>) -> Result<String, Failure> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => Err(Failure::none(format!(
            "no answer within {} s; check host and port, and the network",
            PATIENCE.as_secs()
        ))),
    }
}

async fn read(account: &MailAccount, secrets: &Secrets) -> Result<String, Failure> {
    let mut mailbox: Mailbox = super::live::open(account, secrets).await?;
    let folder = account.imap.as_ref().map_or("INBOX", |imap| imap.folder.as_str()).to_owned();
    let opened = mailbox.open_folder(&Folder::Other(folder.clone())).await;
    let announced = mailbox.announces();
    mailbox.close().await;
    opened?;
    let news = if announced { "new mail is announced at once" } else { "asked for new mail every poll" };
    Ok(format!("logged in, {folder} opens, {news}"))
}

async fn send(name: &str, server: &Smtp, secrets: &Secrets) -> Result<String, Failure> {
    let secret = secrets(&server.secret, &format!("mail account {name} (smtp)")).map_err(Failure::none)?;
    smtp::Connection::open(server, &secret).await?.leave().await;
    Ok("logged in; nothing was sent".to_owned())
}
