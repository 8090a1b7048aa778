//! One IMAP connection, for one request. Nothing here changes a mailbox but [`Mailbox::append`]:
//! folders are examined, bodies are peeked at.

use std::path::Path;
use std::sync::Arc;

use async_imap::error::Error;
use async_imap::types::{Name, NameAttribute};
use async_imap::{Authenticator, Client, Session};
use config::{Imap, ImapAuth, Security};
use futures::TryStreamExt as _;
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Folder, SearchEmail, Summary, mime, search};
use crate::outcome::Failure;
use crate::tls;

/// The most bytes of a mail that are fetched to read it.
const MAX_MAIL: u64 = 10 << 20;

/// A mailbox that is logged in to.
pub(super) struct Mailbox {
    session: Session<TlsStream<TcpStream>>,
    place: String,
    literals: bool,
    idle: bool,
}

/// A mail's bytes, or their beginning.
pub(super) struct Fetched {
    pub(super) bytes: Vec<u8>,
    pub(super) size: u64,
}

impl Mailbox {
    /// Connects, protects the connection and logs in.
    pub(super) async fn open(imap: &Imap, secret: &SecretString) -> Result<Self, Failure> {
        let place = format!("IMAP server {}:{}", imap.host, imap.port);
        let failed = |what: &str, why: String, remedy: &str| {
            Failure::none(format!("failed to {what} {place}: {why}; {remedy}"))
        };
        let reach = |e: String| failed("reach", e, "check mail[].imap.host and port, and the network");
        let trust =
            |e: String| failed("trust", e, "check mail[].imap.security and ca_file, and the certificate");

        let name = ServerName::try_from(imap.host.clone()).map_err(|e| reach(e.to_string()))?;
        let config = client_config(imap.ca_file.as_deref()).await.map_err(trust)?;
        let connector = TlsConnector::from(config);
        let tcp =
            TcpStream::connect((&*imap.host, imap.port)).await.map_err(|error| reach(error.to_string()))?;
        let tls = match imap.security {
            Security::Tls => connector.connect(name, tcp).await.map_err(|e| trust(e.to_string()))?,
            Security::Starttls => {
                let mut plain = Client::new(tcp);
                greeted(&mut plain).await.map_err(|e| reach(words(&e)))?;
                plain.run_command_and_check_ok("STARTTLS", None).await.map_err(|e| trust(words(&e)))?;
                connector.connect(name, plain.into_inner()).await.map_err(|e| trust(e.to_string()))?
            }
        };
        let mut client = Client::new(tls);
        if imap.security == Security::Tls {
            greeted(&mut client).await.map_err(|e| reach(words(&e)))?;
        }
        let login = match imap.auth {
            ImapAuth::Password => client.login(&imap.user, secret.expose_secret()).await,
            ImapAuth::Xoauth2 => {
                let token = Xoauth2 {
                    first: Some(format!(
                        "user={}\x01auth=Bearer {}\x01\x01",
                        imap.user,
                        secret.expose_secret()
                    )),
                };
                client.authenticate("XOAUTH2", token).await
            }
        };
        let mut session = login.map_err(|(error, _)| {
            let remedy = match imap.auth {
                ImapAuth::Password => "check mail[].imap.user and its secret",
                ImapAuth::Xoauth2 => "the token may have expired; get a new one",
            };
            failed("log in to", words(&error), remedy)
        })?;
        let capabilities = session.capabilities().await.map_err(|error| reach(words(&error)))?;
        let literals = capabilities.has_str("LITERAL+") || capabilities.has_str("LITERAL-");
        let idle = capabilities.has_str("IDLE");
        Ok(Self { session, place, literals, idle })
    }

    /// Whether the server says by itself that there is new mail (RFC 2177).
    pub(super) fn announces(&self) -> bool {
        self.idle
    }

    /// Opens a folder, to see that it is there.
    pub(super) async fn open_folder(&mut self, folder: &Folder) -> Result<(), Failure> {
        self.examine(folder).await
    }

    /// Finds mails, newest first: how many there are, and the first `limit` of them.
    pub(super) async fn search(
        &mut self,
        folder: &Folder,
        asked: &SearchEmail,
        limit: usize,
    ) -> Result<(usize, Vec<Summary>), Failure> {
        let query = search::query(asked, self.literals)?;
        self.examine(folder).await?;
        let found = self.session.uid_search(&query).await.map_err(|e| self.failed("search", &e))?;
        let mut ids: Vec<u32> = found.into_iter().collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        let total = ids.len();
        ids.truncate(limit);
        let mut mails = self.summaries(&ids).await?;
        if let Some(id) = &asked.message_id {
            // Servers look for a part of the header; the question is about the whole.
            mails.retain(|mail| mail.message_id.as_deref() == Some(id));
            return Ok((mails.len(), mails));
        }
        Ok((total, mails))
    }

    async fn summaries(&mut self, ids: &[u32]) -> Result<Vec<Summary>, Failure> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let set = ids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let items = "(UID RFC822.SIZE BODY.PEEK[HEADER])";
        let fetched = match self.session.uid_fetch(set, items).await {
            Ok(stream) => stream.try_collect::<Vec<_>>().await,
            Err(error) => Err(error),
        };
        let fetched = fetched.map_err(|e| self.failed("read headers from", &e))?;
        let mut mails: Vec<_> = fetched
            .iter()
            .filter_map(|mail| {
                Some(mime::summary(mail.uid?, mail.header()?, mail.size.unwrap_or_default().into()))
            })
            .collect();
        mails.sort_by_key(|mail| std::cmp::Reverse(mail.id));
        Ok(mails)
    }

    /// Reads one mail; at most [`MAX_MAIL`] bytes of it.
    pub(super) async fn read(&mut self, folder: &Folder, id: u32) -> Result<Option<Fetched>, Failure> {
        self.examine(folder).await?;
        let items = format!("(UID RFC822.SIZE BODY.PEEK[]<0.{MAX_MAIL}>)");
        let fetched = match self.session.uid_fetch(id.to_string(), items).await {
            Ok(stream) => stream.try_collect::<Vec<_>>().await,
            Err(error) => Err(error),
        };
        let fetched = fetched.map_err(|e| self.failed("read a mail from", &e))?;
        Ok(fetched.iter().find(|mail| mail.uid == Some(id)).and_then(|mail| {
            let bytes = mail.body()?.to_vec();
            let size = mail.size.map_or(bytes.len() as u64, u64::from);
            Some(Fetched { bytes, size })
        }))
    }

    /// Puts a mail into a folder.
    pub(super) async fn append(&mut self, folder: &Folder, seen: bool, bytes: &[u8]) -> Result<(), Failure> {
        let name = self.locate(folder).await?;
        let flags = match (folder, seen) {
            (Folder::Drafts, _) => "(\\Draft \\Seen)",
            (_, true) => "(\\Seen)",
            (_, false) => "()",
        };
        self.session
            .append(&name, Some(flags), None, bytes)
            .await
            .map_err(|e| self.failed(&format!("file a mail in {name:?} on"), &e))
    }

    /// Leaves in order; that it cannot matters to nobody.
    pub(super) async fn close(mut self) {
        if let Err(error) = self.session.logout().await {
            tracing::debug!(%error, "IMAP logout failed");
        }
    }

    async fn examine(&mut self, folder: &Folder) -> Result<(), Failure> {
        let name = self.locate(folder).await?;
        self.session
            .examine(&name)
            .await
            .map(drop)
            .map_err(|e| self.failed(&format!("open the folder {name:?} on"), &e))
    }

    /// The folder's name on this server: by its special use (RFC 6154), else by its usual names.
    async fn locate(&mut self, folder: &Folder) -> Result<String, Failure> {
        let usual: &[&str] = match folder {
            Folder::Inbox => return Ok("INBOX".to_owned()),
            Folder::Other(name) => return Ok(name.clone()),
            Folder::Sent => &["Sent", "Sent Items", "Sent Messages", "Sent Mail"],
            Folder::Drafts => &["Drafts"],
            Folder::Archive => &["Archive", "Archives"],
            Folder::Trash => &["Trash", "Deleted Items", "Deleted Messages"],
            Folder::Junk => &["Junk", "Spam", "Junk E-mail"],
        };
        let listed = match self.session.list(Some(""), Some("*")).await {
            Ok(stream) => stream.try_collect::<Vec<Name>>().await,
            Err(error) => Err(error),
        };
        let names = listed.map_err(|e| self.failed("list the folders of", &e))?;
        let special = names.iter().find(|name| name.attributes().iter().any(|a| serves(a, folder)));
        let found = special.or_else(|| {
            names.iter().find(|name| {
                // `INBOX.Sent` and `Mail/Sent` are Sent as well.
                let last = match name.delimiter().filter(|d| !d.is_empty()) {
                    Some(delimiter) => name.name().rsplit(delimiter).next().unwrap_or_default(),
                    None => name.name(),
                };
                usual.iter().any(|usual| last.eq_ignore_ascii_case(usual))
            })
        });
        found.map(|name| name.name().to_owned()).ok_or_else(|| {
            Failure::none(format!("{} has no folder for {}; create one", self.place, folder.name()))
        })
    }

    fn failed(&self, what: &str, error: &Error) -> Failure {
        Failure::none(format!("failed to {what} {}: {}", self.place, words(error)))
    }
}

/// Whether a folder that has `attribute` is meant.
fn serves(attribute: &NameAttribute<'_>, folder: &Folder) -> bool {
    match folder {
        Folder::Sent => *attribute == NameAttribute::Sent,
        Folder::Drafts => *attribute == NameAttribute::Drafts,
        Folder::Archive => *attribute == NameAttribute::Archive,
        Folder::Trash => *attribute == NameAttribute::Trash,
        Folder::Junk => *attribute == NameAttribute::Junk,
        Folder::Inbox | Folder::Other(_) => false,
    }
}

/// Reads the server's greeting.
async fn greeted<T>(client: &mut Client<T>) -> Result<(), Error>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + std::fmt::Debug + Send,
{
    match client.read_response().await? {
        Some(_) => Ok(()),
        None => Err(Error::ConnectionLost),
    }
}

/// What went wrong, in the server's words where it has any.
fn words(error: &Error) -> String {
    match error {
        Error::No(said) | Error::Bad(said) => format!("the server said {said}"),
        Error::Validate(_) => "the user or secret has a line break".to_owned(),
        other => other.to_string(),
    }
}

/// Loading the system's authorities reads many files.
async fn client_config(ca_file: Option<&Path>) -> Result<Arc<rustls::ClientConfig>, String> {
    let ca_file = ca_file.map(Path::to_owned);
    match tokio::task::spawn_blocking(move || tls::client_config(ca_file.as_deref())).await {
        Ok(config) => config,
        Err(error) => Err(error.to_string()),
    }
}

/// SASL XOAUTH2: the token first, then an empty line in answer to the server's complaint.
struct Xoauth2 {
    first: Option<String>,
}

impl Authenticator for Xoauth2 {
    type Response = String;
    fn process(&mut self, _: &[u8]) -> Self::Response {
        self.first.take().unwrap_or_default()
    }
}
