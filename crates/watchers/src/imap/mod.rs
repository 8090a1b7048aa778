//! A mailbox as a source: any provider that speaks IMAP over TLS.

mod connect;
mod cursor;
mod error;
mod session;
mod syntax;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Days, Utc};
use config::{Channel, ImapAuth, MailAccount};
use secrecy::SecretString;
use task::{Body, Digest, FrontMatter, Task, TaskKind};

use crate::event::task_id;
use crate::mail::add_notes;
use crate::{Arrival, Batch, Source, SourceError, State, parse_mail};
use connect::{Connect, Tls};
use cursor::{Cursor, Start};
use session::{Fetched, Login, Opened, Part, Session};

pub use error::ImapError;

/// How often a mail that breaks the connection is tried before it is passed over.
const ATTEMPTS: u32 = 3;
/// How many mails are taken up from before the first look, or after the server renumbered them.
const LISTED: usize = 500;
/// How much of a large mail's headers is read, in bytes.
const HEADERS: u64 = 256 << 10;

/// Gives the password or token, anew at each login: one that was mended counts at once. May read
/// files; it is called where that does not hold anything up.
pub type ReadSecret = Arc<dyn Fn() -> Result<SecretString, String> + Send + Sync>;

/// What may be set about a mail source.
#[derive(Clone, Debug)]
pub struct ImapOptions {
    /// The first look takes up unseen mails of the last so many days, never the whole mailbox.
    pub first_days: u32,
    /// Larger mails are not loaded: their task has the headers and a note.
    pub max_mail_bytes: u64,
    /// How long the server may be silent in IDLE before it is asked again; below the 29 minutes
    /// of RFC 2177, and short enough to find a dead connection soon.
    pub idle: Duration,
}

impl From<&config::Watchers> for ImapOptions {
    fn from(config: &config::Watchers) -> Self {
        Self { first_days: config.first_days, ..Self::default() }
    }
}

impl Default for ImapOptions {
    fn default() -> Self {
        Self { first_days: 7, max_mail_bytes: 25 << 20, idle: Duration::from_secs(4 * 60) }
    }
}

/// The longest that IDLE may last before it is issued again (RFC 2177: less than 29 minutes).
const IDLE_AT_MOST: Duration = Duration::from_secs(28 * 60);

/// A source for an account; `None` when the account has no `imap` section.
pub fn imap_source(account: &MailAccount, secret: ReadSecret, options: ImapOptions) -> Option<ImapSource> {
    let imap = account.imap.as_ref()?;
    let place = match (&imap.secret.env, &imap.secret.file) {
        (Some(name), _) => format!("${name}"),
        (None, Some(path)) => path.display().to_string(),
        (None, None) => "imap.secret, which is not set".to_owned(),
    };
    Some(ImapSource {
        name: format!("{}:{}", Channel::Gmail.name(), account.name),
        address: account.address.clone(),
        user: imap.user.clone(),
        auth: imap.auth,
        folder: imap.folder.clone(),
        authserv_id: imap.authserv_id.clone(),
        connector: Box::new(Tls::new(imap)),
        secret,
        place,
        options,
        session: None,
        stumbles: HashMap::new(),
    })
}

/// A watched mailbox.
pub struct ImapSource {
    name: String,
    address: String,
    user: String,
    auth: ImapAuth,
    folder: String,
    authserv_id: Option<String>,
    connector: Box<dyn Connect>,
    secret: ReadSecret,
    place: String,
    options: ImapOptions,
    /// Taken out while it is in use: a dropped or failed call leaves none behind.
    session: Option<Session>,
    /// How often the fetch of a mail has broken the connection.
    stumbles: HashMap<u32, u32>,
}

#[async_trait]
impl Source for ImapSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn channel(&self) -> Channel {
        Channel::Gmail
    }

    async fn poll(&mut self, state: &State, max: usize, now: DateTime<Utc>) -> Result<Batch, SourceError> {
        let (mut session, opened) = self.opened().await?;
        let (batch, healthy) = self.collect(&mut session, opened, state, max.max(1), now).await?;
        self.session = healthy.then_some(session);
        Ok(batch)
    }

    async fn wait(&mut self, timeout: Duration) -> Result<(), SourceError> {
        match self.session.take() {
            Some(mut session) if session.can_idle => {
                session.idle(self.options.idle.max(timeout).min(IDLE_AT_MOST)).await?;
                self.session = Some(session);
            }
            session => {
                self.session = session;
                tokio::time::sleep(timeout).await;
            }
        }
        Ok(())
    }
}

impl ImapSource {
    /// The kept connection with the folder opened anew, or a fresh one when the kept one is dead.
    async fn opened(&mut self) -> Result<(Session, Opened), ImapError> {
        if let Some(mut session) = self.session.take()
            && let Ok(opened) = session.open(&self.folder).await
        {
            return Ok((session, opened));
        }
        let mut session = self.log_in().await?;
        let opened = session.open(&self.folder).await?;
        Ok((session, opened))
    }

    async fn log_in(&self) -> Result<Session, ImapError> {
        let unread =
            |reason: String| ImapError::Secret { user: self.user.clone(), reason, place: self.place.clone() };
        let read = Arc::clone(&self.secret);
        let secret = tokio::task::spawn_blocking(move || read())
            .await
            .map_err(|e| unread(e.to_string()))?
            .map_err(unread)?;
        let (wire, greeted) = self.connector.connect().await?;
        let login = Login { user: &self.user, auth: self.auth, secret: &secret, place: &self.place };
        Session::login(wire, greeted, self.connector.server(), &login).await
    }

    /// One look; the second value says whether the connection can be used again.
    async fn collect(
        &mut self,
        session: &mut Session,
        opened: Opened,
        state: &State,
        max: usize,
        now: DateTime<Utc>,
    ) -> Result<(Batch, bool), ImapError> {
        let mut notes = Vec::new();
        let mut cursor = match Cursor::start(&state.cursor, opened) {
            Start::Onwards(cursor) => cursor,
            start => self.list(session, opened, &start, state, now, &mut notes).await?,
        };
        let news = opened.uid_next.is_none_or(|next| next > cursor.next_uid());
        let fresh = if news {
            session.search(&format!("UID {}:*", cursor.next_uid())).await?
        } else {
            Default::default()
        };
        let queue = cursor.queue(fresh);

        let mut tasks: Vec<Task> = Vec::new();
        let mut looked_at = 0;
        let mut healthy = true;
        // What is known already (after a renumbering) does not count, but costs a fetch too.
        'looking: for chunk in queue.chunks(max).take(10) {
            let sizes = session.sizes(chunk).await?;
            for uid in chunk.iter().copied() {
                if tasks.len() == max {
                    break 'looking;
                }
                let size = sizes.iter().find(|s| s.uid == uid).map(|s| s.bytes);
                match self.take_up(session, uid, size, now).await {
                    // What was read before the connection broke is not read again.
                    Err(error) if !tasks.is_empty() => {
                        notes.push(error.to_string());
                        healthy = false;
                        break 'looking;
                    }
                    Err(error) => return Err(error),
                    Ok(Some(task)) => {
                        let id = &task.front.id;
                        if !state.has_seen(id) && !tasks.iter().any(|t| t.front.id == *id) {
                            tasks.push(task);
                        }
                    }
                    Ok(None) => {
                        notes.push(format!(
                            "a mail (UID {uid}) disappeared before it was read; it is skipped"
                        ));
                    }
                }
                cursor = cursor.past(uid);
                looked_at += 1;
            }
        }
        let complete = looked_at == queue.len();
        if complete {
            cursor = cursor.caught_up(opened.uid_next);
        }
        Ok((Batch { tasks, cursor: cursor.to_value(), complete, notes }, healthy))
    }

    /// What to take up when there is no place to go on from.
    async fn list(
        &self,
        session: &mut Session,
        opened: Opened,
        start: &Start,
        state: &State,
        now: DateTime<Utc>,
        notes: &mut Vec<String>,
    ) -> Result<Cursor, ImapError> {
        let day = |from: DateTime<Utc>, days: u32| {
            let date = from.date_naive();
            syntax::search_date(date.checked_sub_days(Days::new(days.into())).unwrap_or(date))
        };
        let found = match (start, state.complete_until) {
            // Whatever came since the last full look, read or unread; what is known is
            // recognised by its id. Days are the server's, hence one more.
            (Start::Renumbered, Some(until)) => {
                notes.push(format!(
                    "{} has renumbered its mails; the last days are looked through again",
                    self.folder
                ));
                let since = day(until, 2);
                let found = session.search(&format!("SINCE {since}")).await?;
                // After a move to another server all mails may look new; then their own date counts.
                if found.len() > LISTED {
                    session.search(&format!("SINCE {since} SENTSINCE {since}")).await?
                } else {
                    found
                }
            }
            _ => session.search(&format!("UNSEEN SINCE {}", day(now, self.options.first_days))).await?,
        };
        let next_uid = match opened.uid_next {
            Some(next) => next,
            None => session.search("ALL").await?.last().map_or(1, |last| last.saturating_add(1)),
        };
        let (cursor, left_out) = Cursor::listing(opened, next_uid, found.into_iter().collect(), LISTED);
        if left_out > 0 {
            notes.push(format!(
                "the newest {LISTED} mails are taken up; {left_out} older ones are left to you"
            ));
        }
        Ok(cursor)
    }

    /// A mail as a task; `None` when it is gone.
    async fn take_up(
        &mut self,
        session: &mut Session,
        uid: u32,
        size: Option<u64>,
        now: DateTime<Utc>,
    ) -> Result<Option<Task>, ImapError> {
        let Some(size) = size else { return Ok(None) };
        if self.stumbles.get(&uid).is_some_and(|n| *n >= ATTEMPTS) {
            self.stumbles.remove(&uid);
            return Ok(Some(self.unreadable(uid, size, now)));
        }
        let limit = self.options.max_mail_bytes;
        let (part, most) = if size > limit { (Part::Headers, HEADERS) } else { (Part::Whole, limit) };
        let fetched = match session.fetch(uid, part, most).await {
            Ok(fetched) => fetched,
            Err(error) => {
                if error.may_be_the_mail() {
                    *self.stumbles.entry(uid).or_default() += 1;
                }
                return Err(error);
            }
        };
        self.stumbles.remove(&uid);
        let Some(mail) = fetched else { return Ok(None) };
        let Some(mut task) = self.parse(mail, now).await else {
            return Ok(Some(self.unreadable(uid, size, now)));
        };
        if part == Part::Headers {
            let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
            let note = format!(
                "the mail has {} MB; above {} MB only the headers are read, the rest is in the mailbox",
                megabytes(size),
                megabytes(limit)
            );
            task.body = Body::of_original(format!("[{note}]")).to_markdown();
            add_notes(&mut task.front, vec![note]);
        }
        Ok(Some(task))
    }

    /// Large mails take their time, and no mail may take the program with it: `None` when the
    /// parser has a fault.
    async fn parse(&self, mail: Fetched, now: DateTime<Utc>) -> Option<Task> {
        let (account, authserv_id) = (self.address.clone(), self.authserv_id.clone());
        let parsed = tokio::task::spawn_blocking(move || {
            let arrival = Arrival {
                account: &account,
                authserv_id: authserv_id.as_deref(),
                received: mail.received,
                now,
            };
            parse_mail(&mail.bytes, &arrival)
        });
        parsed.await.ok()
    }

    /// Stands in for a mail that cannot be read, so that the owner learns of it and the mails
    /// behind it are not held up.
    fn unreadable(&self, uid: u32, size: u64, now: DateTime<Utc>) -> Task {
        let source_id = format!("{}/{}/{uid}/{size}", self.name, self.folder);
        let id = task_id(TaskKind::Email, now, "unreadable", &Digest::of(&source_id));
        let mut front = FrontMatter::new(id, now);
        front.source = Some(Channel::Gmail.name().to_owned());
        front.source_id = Some(source_id);
        front.account = Some(self.address.clone());
        front.subject = Some("A mail that could not be read".to_owned());
        front.requires_approval = true;
        let note = format!(
            "this mail (UID {uid}, {size} bytes) cannot be read: the connection broke {ATTEMPTS} times over it, or it is like no other; please look into the folder {}",
            self.folder
        );
        let body = Body::of_original(format!("[{note}]")).to_markdown();
        add_notes(&mut front, vec![note]);
        Task::new(front, body)
    }
}
