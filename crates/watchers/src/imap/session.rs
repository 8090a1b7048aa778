//! The conversation with an IMAP server over any stream (RFC 3501, RFC 2177).
//!
//! Each command reads its answers itself up to the tagged one: a refusal, or a connection that
//! ends in the middle, must never look like an empty mailbox.

use std::collections::BTreeSet;
use std::time::Duration;

use async_imap::imap_proto::{
    AttributeValue, Capability, MailboxDatum, Outcome, RequestId, Response, ResponseCode, Status,
};
use async_imap::{Authenticator, Client, Session as Raw};
use chrono::{DateTime, Utc};
use config::ImapAuth;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::ImapError;
use super::connect::Wire;
use super::syntax::{internal_date, quote, utf7};
use crate::text;

/// How long the answer to a command may take.
const COMMAND: Duration = Duration::from_secs(60);
/// How long the answer may take that carries a mail.
const TRANSFER: Duration = Duration::from_secs(5 * 60);

/// Who logs in, and how.
#[derive(Debug)]
pub(super) struct Login<'a> {
    pub(super) user: &'a str,
    pub(super) auth: ImapAuth,
    pub(super) secret: &'a SecretString,
    /// Where the secret comes from, for messages.
    pub(super) place: &'a str,
}

/// A folder that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) uid_validity: u32,
    /// The next mail's UID will not be below this.
    pub(super) uid_next: Option<u32>,
}

/// What is known of a mail before it is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) uid: u32,
    pub(super) bytes: u64,
}

/// A fetched mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) bytes: Vec<u8>,
    pub(super) received: Option<DateTime<Utc>>,
}

/// A logged-in connection.
#[derive(Debug)]
pub(super) struct Session {
    raw: Raw<Box<dyn Wire>>,
    server: String,
    /// Whether the server can say that there is news.
    pub(super) can_idle: bool,
    /// Set when the server mentioned new mail in passing.
    news: bool,
}

impl Session {
    /// Reads the greeting (unless it was read before TLS), logs in and asks what the server can do.
    pub(super) async fn login(
        wire: Box<dyn Wire>,
        greeted: bool,
        server: String,
        login: &Login<'_>,
    ) -> Result<Self, ImapError> {
        let mut client = Client::new(wire);
        if !greeted {
            greeting(&mut client, &server).await?;
        }
        let refused = |error: async_imap::error::Error| refusal(&server, login, error);
        let secret = login.secret.expose_secret();
        let answer = tokio::time::timeout(COMMAND, async {
            match login.auth {
                ImapAuth::Xoauth2 => {
                    let token = format!("user={}\x01auth=Bearer {secret}\x01\x01", login.user);
                    client.authenticate("XOAUTH2", Once(Some(token))).await
                }
                // A quoted string may hold ASCII only.
                ImapAuth::Password if login.user.is_ascii() && secret.is_ascii() => {
                    client.login(login.user, secret).await
                }
                ImapAuth::Password => {
                    let plain = format!("\0{}\0{secret}", login.user);
                    client.authenticate("PLAIN", Once(Some(plain))).await
                }
            }
        });
        let raw = match answer.await {
            Err(_) => return Err(ImapError::Timeout { server, what: "the login", after: COMMAND }),
            Ok(Err((error, _))) => return Err(refused(error)),
            Ok(Ok(raw)) => raw,
        };
        let mut session = Self { raw, server, can_idle: false, news: false };
        let mut can_idle = false;
        session
            .command("CAPABILITY", "CAPABILITY", COMMAND, |response| {
                if let Response::Capabilities(all) = response {
                    can_idle |= all
                        .iter()
                        .any(|c| matches!(c, Capability::Atom(name) if name.eq_ignore_ascii_case("IDLE")));
                }
            })
            .await?;
        session.can_idle = can_idle;
        Ok(session)
    }

    /// Opens a folder read-only (EXAMINE): not even by accident is a mail marked as read.
    pub(super) async fn open(&mut self, folder: &str) -> Result<Opened, ImapError> {
        let (mut validity, mut next) = (None, None);
        let quoted = quote(&utf7(folder));
        let answer = self
            .command("EXAMINE", &format!("EXAMINE {quoted}"), COMMAND, |response| {
                if let Response::Data { status: Status::Ok, outcome } = response {
                    match outcome.code {
                        Some(ResponseCode::UidValidity(n)) => validity = Some(n),
                        Some(ResponseCode::UidNext(n)) => next = Some(n),
                        _ => {}
                    }
                }
            })
            .await;
        // How many mails there are is said at every opening, and is no news.
        self.news = false;
        match answer {
            Ok(()) => {}
            Err(ImapError::Protocol { server, said, .. }) => {
                return Err(ImapError::Folder { server, folder: folder.to_owned(), said });
            }
            Err(error) => return Err(error),
        }
        let uid_validity = validity.ok_or_else(|| ImapError::Folder {
            server: self.server.clone(),
            folder: folder.to_owned(),
            said: "the server gives its mails no lasting numbers (UIDVALIDITY)".into(),
        })?;
        Ok(Opened { uid_validity, uid_next: next })
    }

    /// The UIDs that match, in ascending order.
    pub(super) async fn search(&mut self, criteria: &str) -> Result<BTreeSet<u32>, ImapError> {
        let mut found = BTreeSet::new();
        self.command("SEARCH", &format!("UID SEARCH {criteria}"), COMMAND, |response| {
            if let Response::MailboxData(MailboxDatum::Search(uids)) = response {
                found.extend(uids.iter().copied());
            }
        })
        .await?;
        Ok(found)
    }

    /// The sizes of those mails that are still there.
    pub(super) async fn sizes(&mut self, uids: &[u32]) -> Result<Vec<Size>, ImapError> {
        let mut sizes = Vec::new();
        let set = uids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        self.command("FETCH", &format!("UID FETCH {set} (UID RFC822.SIZE)"), COMMAND, |response| {
            if let Response::Fetch(_, attributes) = response {
                let (mut uid, mut bytes) = (None, None);
                for attribute in attributes {
                    match attribute {
                        AttributeValue::Uid(n) => uid = Some(*n),
                        AttributeValue::Rfc822Size(n) => bytes = Some(u64::from(*n)),
                        _ => {}
                    }
                }
                if let (Some(uid), Some(bytes)) = (uid, bytes) {
                    sizes.push(Size { uid, bytes });
                }
            }
        })
        .await?;
        Ok(sizes)
    }

    /// A mail's bytes, at most `limit`, or of a larger one the headers alone; `None` when it is
    /// gone. BODY.PEEK: it is not marked as read.
    pub(super) async fn fetch(
        &mut self,
        uid: u32,
        part: Part,
        limit: u64,
    ) -> Result<Option<Fetched>, ImapError> {
        let section = match part {
            Part::Whole => "",
            Part::Headers => "HEADER",
        };
        // The limit is said to the server too, whatever it said of the size.
        let command = format!("UID FETCH {uid} (UID INTERNALDATE BODY.PEEK[{section}]<0.{limit}>)");
        let mut mail = None;
        self.command("FETCH", &command, TRANSFER, |response| {
            if let Response::Fetch(_, attributes) = response {
                let (mut its, mut body, mut received) = (None, None, None);
                for attribute in attributes {
                    match attribute {
                        AttributeValue::Uid(n) => its = Some(*n),
                        AttributeValue::BodySection { data: Some(data), .. } => body = Some(data),
                        AttributeValue::InternalDate(date) => received = internal_date(date),
                        _ => {}
                    }
                }
                if let (true, Some(body)) = (its == Some(uid), body) {
                    mail = Some(Fetched { bytes: body.to_vec(), received });
                }
            }
        })
        .await?;
        Ok(mail)
    }

    /// Waits until the server says that there is news, or for `limit`. Also returns at once when
    /// it said so in passing since the folder was opened.
    pub(super) async fn idle(&mut self, limit: Duration) -> Result<(), ImapError> {
        if self.news {
            return Ok(());
        }
        let deadline = Instant::now() + limit;
        let what = "IDLE";
        let tag = self.send(what, "IDLE").await?;
        while !self.read(what, COMMAND, |response| idling(response, &tag)).await? {}
        while !self.news {
            // `* OK Still here` and the like are signs of life, and no news.
            if self.next(what, deadline, |_| ()).await?.is_none() {
                break;
            }
        }
        self.raw.run_command_untagged("DONE").await.map_err(|e| self.broken(what, e))?;
        self.until_done(what, &tag, COMMAND, |_| {}).await
    }

    async fn command(
        &mut self,
        what: &'static str,
        text: &str,
        limit: Duration,
        each: impl FnMut(&Response<'_>),
    ) -> Result<(), ImapError> {
        let tag = self.send(what, text).await?;
        self.until_done(what, &tag, limit, each).await
    }

    async fn send(&mut self, what: &'static str, text: &str) -> Result<RequestId, ImapError> {
        match tokio::time::timeout(COMMAND, self.raw.run_command(text)).await {
            Ok(sent) => sent.map_err(|e| self.broken(what, e)),
            Err(_) => Err(ImapError::Timeout { server: self.server.clone(), what, after: COMMAND }),
        }
    }

    /// Reads answers up to the tagged one; anything but OK is an error.
    async fn until_done(
        &mut self,
        what: &'static str,
        tag: &RequestId,
        limit: Duration,
        mut each: impl FnMut(&Response<'_>),
    ) -> Result<(), ImapError> {
        let mut done = false;
        while !done {
            let step = |response: &Response<'_>| match response {
                Response::Done { tag: ours, status, outcome } if ours == tag => {
                    ended(status, outcome).map(|()| true)
                }
                other => {
                    each(other);
                    Ok(false)
                }
            };
            done = self.read(what, limit, step).await?;
        }
        Ok(())
    }

    /// One answer, passed to `look`; what that calls a refusal is the command's.
    async fn read<R>(
        &mut self,
        what: &'static str,
        limit: Duration,
        look: impl FnOnce(&Response<'_>) -> Result<R, String>,
    ) -> Result<R, ImapError> {
        match self.next(what, Instant::now() + limit, look).await? {
            Some(looked) => {
                looked.map_err(|said| ImapError::Protocol { server: self.server.clone(), what, said })
            }
            None => Err(ImapError::Timeout { server: self.server.clone(), what, after: limit }),
        }
    }

    /// One answer, or `None` at the deadline; an error when the connection has ended, or is about to.
    async fn next<R>(
        &mut self,
        what: &'static str,
        deadline: Instant,
        look: impl FnOnce(&Response<'_>) -> R,
    ) -> Result<Option<R>, ImapError> {
        let Ok(answer) = tokio::time::timeout_at(deadline, self.raw.read_response()).await else {
            return Ok(None);
        };
        let closed = |said: String| ImapError::Closed { server: self.server.clone(), said };
        let data = answer
            .map_err(|e| ImapError::io(&self.server, what, &e))?
            .ok_or_else(|| closed(String::new()))?;
        let response = data.parsed();
        if let Response::Data { status: Status::Bye, outcome } = response {
            return Err(closed(format!(" ({})", said(outcome))));
        }
        self.news |= is_news(response);
        Ok(Some(look(response)))
    }

    fn broken(&self, what: &'static str, error: async_imap::error::Error) -> ImapError {
        match error {
            async_imap::error::Error::Io(e) => ImapError::io(&self.server, what, &e),
            other => ImapError::Protocol {
                server: self.server.clone(),
                what,
                said: text::line(&other.to_string(), 200),
            },
        }
    }
}

/// Which part of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Headers,
}

async fn greeting(client: &mut Client<Box<dyn Wire>>, server: &str) -> Result<(), ImapError> {
    let what = "the greeting";
    let answer = match tokio::time::timeout(COMMAND, client.read_response()).await {
        Ok(answer) => answer.map_err(|e| ImapError::io(server, what, &e))?,
        Err(_) => return Err(ImapError::Timeout { server: server.to_owned(), what, after: COMMAND }),
    };
    let closed = |said: String| ImapError::Closed { server: server.to_owned(), said };
    match answer.as_ref().map(|data| data.parsed()) {
        Some(Response::Data { status: Status::Ok | Status::PreAuth, .. }) => Ok(()),
        Some(Response::Data { status: Status::Bye, outcome }) => Err(closed(format!(" ({})", said(outcome)))),
        None => Err(closed(String::new())),
        Some(_) => Err(ImapError::Protocol {
            server: server.to_owned(),
            what,
            said: "something else came; is this an IMAP server?".into(),
        }),
    }
}

/// Whether IDLE has begun; a tagged answer instead is a refusal.
fn idling(response: &Response<'_>, tag: &RequestId) -> Result<bool, String> {
    match response {
        Response::Continue(_) => Ok(true),
        Response::Done { tag: ours, status, outcome } if ours == tag => match ended(status, outcome) {
            Ok(()) => Err("it ended before it began".to_owned()),
            Err(said) => Err(said),
        },
        _ => Ok(false),
    }
}

/// What a tagged answer says of its command.
fn ended(status: &Status, outcome: &Outcome<'_>) -> Result<(), String> {
    if *status == Status::Ok { Ok(()) } else { Err(said(outcome)) }
}

/// The server's words.
fn said(outcome: &Outcome<'_>) -> String {
    outcome
        .information
        .as_deref()
        .map_or_else(|| "no reason given".to_owned(), |words| text::line(words, 200))
}

/// Tells a wrong password from a server that cannot log anybody in just now (RFC 5530).
fn refusal(server: &str, login: &Login<'_>, error: async_imap::error::Error) -> ImapError {
    use async_imap::error::Error;
    let (server, user) = (server.to_owned(), login.user.to_owned());
    match error {
        Error::No(said) | Error::Bad(said) => {
            let said = words(&said);
            let upper = said.to_ascii_uppercase();
            if ["UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "TEMPORARY", "TRY AGAIN"]
                .iter()
                .any(|w| upper.contains(w))
            {
                return ImapError::Unavailable { server, user, said };
            }
            ImapError::Login { server, user, said, place: login.place.to_owned() }
        }
        Error::Validate(_) => ImapError::Login {
            server,
            user,
            said: "not sent: it holds a line end".into(),
            place: login.place.to_owned(),
        },
        Error::ConnectionLost => ImapError::Closed { server, said: String::new() },
        Error::Io(e) => ImapError::io(&server, "the login", &e),
        other => ImapError::Protocol { server, what: "the login", said: text::line(&other.to_string(), 200) },
    }
}

/// The server's words in `code: None, info: Some("…")`, the only form in which the library hands
/// a refused login on.
fn words(message: &str) -> String {
    let info = message.split_once("info: Some(\"").map_or(message, |(_, rest)| rest);
    text::line(info.strip_suffix("\")").unwrap_or(info), 200)
}

/// Answers the first challenge, and any further one (XOAUTH2 sends its error so) with nothing.
struct Once(Option<String>);

impl Authenticator for Once {
    type Response = String;
    fn process(&mut self, _: &[u8]) -> String {
        self.0.take().unwrap_or_default()
    }
}

fn is_news(response: &Response<'_>) -> bool {
    matches!(response, Response::MailboxData(MailboxDatum::Exists(_) | MailboxDatum::Recent(1..)))
}
