//! A small IMAP server in memory, with faults to order. It knows no more of the protocol than the
//! source speaks, and writes down what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use base64::Engine as _;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::Notify;

use crate::imap::ImapError;
use crate::imap::connect::{Connect, Wire};

pub(super) struct Mail {
    pub(super) bytes: Vec<u8>,
    pub(super) seen: bool,
    /// Day in February 2026.
    pub(super) day: u32,
    /// What RFC822.SIZE says, if not the truth.
    pub(super) size: Option<u64>,
}

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Fault {
    #[default]
    None,
    /// Nothing listens.
    Refuse,
    /// `NO` to every search.
    NoToSearch,
    /// The connection ends in the middle of a search's answer.
    CutInSearch,
    /// `BYE` in the middle of a search.
    ByeInSearch,
    /// The mail of that UID is gone when it is fetched.
    Vanish(u32),
    /// The connection ends in the middle of the mail of that UID.
    CutInMail(u32),
    /// No server restarts quicker: the kept connection is dead, a new one works.
    DropOnce,
}

#[derive(Default)]
pub(super) struct Store {
    pub(super) uid_validity: u32,
    pub(super) mails: BTreeMap<u32, Mail>,
    pub(super) password: String,
    pub(super) fault: Fault,
    pub(super) no_idle: bool,
    /// Commands, tags taken off.
    pub(super) asked: Vec<String>,
    pub(super) logins: usize,
}

#[derive(Clone, Default)]
pub(super) struct Server {
    store: Arc<Mutex<Store>>,
    news: Arc<Notify>,
    /// Wakes when a client has begun to idle.
    pub(super) idling: Arc<Notify>,
}

impl Server {
    pub(super) fn new() -> Self {
        let server = Self::default();
        server.store().uid_validity = 1;
        server.store().password = "secret".into();
        server
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().expect("no test panicked with the store")
    }

    /// A mail of that UID, unread, from 20 February.
    pub(super) fn deliver(&self, uid: u32) {
        let text = format!(
            "From: a{uid}@example.com\r\nSubject: no. {uid}\r\nMessage-ID: <{uid}@example.com>\r\nDate: Fri, 20 Feb 2026 10:00:00 +0000\r\n\r\nText {uid}\r\n"
        );
        self.put(uid, text.as_bytes());
    }

    pub(super) fn put(&self, uid: u32, bytes: &[u8]) {
        let mail = Mail { bytes: bytes.to_vec(), seen: false, day: 20, size: None };
        self.store().mails.insert(uid, mail);
        self.news.notify_one();
    }

    /// What was asked since the last call, without what every look begins with.
    pub(super) fn asked(&self) -> Vec<String> {
        let routine = ["LOGIN", "CAPABILITY", "EXAMINE"];
        let asked = std::mem::take(&mut self.store().asked);
        asked.into_iter().filter(|c| !routine.iter().any(|r| c.starts_with(r))).collect()
    }

    pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        stream: S,
        greet: bool,
    ) -> std::io::Result<()> {
        let (read, mut out) = tokio::io::split(stream);
        let mut lines = BufReader::new(read).lines();
        if greet {
            out.write_all(b"* OK ready\r\n").await?;
        }
        while let Some(line) = lines.next_line().await? {
            let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
            self.store().asked.push(command.to_owned());
            let fault = self.store().fault;
            if fault == Fault::DropOnce {
                self.store().fault = Fault::None;
                return Ok(());
            }
            if command == "IDLE" {
                // Dovecot speaks first, and then says that it idles.
                out.write_all(b"* OK Still here\r\n+ idling\r\n* OK Still here\r\n").await?;
                self.idling.notify_one();
                let said = tokio::select! {
                    () = self.news.notified() => {
                        out.write_all(b"* 9 EXISTS\r\n").await?;
                        lines.next_line().await?
                    }
                    said = lines.next_line() => said?,
                };
                assert_eq!(said.as_deref(), Some("DONE"));
                out.write_all(format!("{tag} OK done\r\n").as_bytes()).await?;
                continue;
            }
            if command == "AUTHENTICATE XOAUTH2" {
                out.write_all(b"+ \r\n").await?;
                let said = lines.next_line().await?.unwrap_or_default();
                let expected = format!("user=owner\x01auth=Bearer {}\x01\x01", self.store().password);
                let answer = if said == base64::engine::general_purpose::STANDARD.encode(expected) {
                    format!("{tag} OK done\r\n")
                } else {
                    // The reason comes as one more challenge, which wants an empty answer.
                    out.write_all(b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n").await?;
                    assert_eq!(lines.next_line().await?.as_deref(), Some(""));
                    format!("{tag} NO [AUTHENTICATIONFAILED] Invalid token\r\n")
                };
                out.write_all(answer.as_bytes()).await?;
                continue;
            }
            let (answer, goes_on) = self.answer(tag, command, fault);
            out.write_all(&answer).await?;
            if !goes_on {
                return Ok(());
            }
        }
        Ok(())
    }

    fn answer(&self, tag: &str, command: &str, fault: Fault) -> (Vec<u8>, bool) {
        let mut store = self.store();
        let done = |body: String| (format!("{body}{tag} OK done\r\n").into_bytes(), true);
        if let Some(login) = command.strip_prefix("LOGIN ") {
            store.logins += 1;
            return if login == format!("\"owner\" \"{}\"", store.password) {
                done(String::new())
            } else {
                (format!("{tag} NO [AUTHENTICATIONFAILED] Authentication failed.\r\n").into_bytes(), true)
            };
        }
        if command == "CAPABILITY" {
            let idle = if store.no_idle { "" } else { " IDLE" };
            return done(format!("* CAPABILITY IMAP4rev1{idle}\r\n"));
        }
        if command.starts_with("EXAMINE") {
            let next = store.mails.keys().next_back().map_or(1, |uid| uid + 1);
            return done(format!(
                "* FLAGS (\\Seen)\r\n* {} EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY {}] ok\r\n* OK [UIDNEXT {next}] ok\r\n",
                store.mails.len(),
                store.uid_validity
            ));
        }
        if let Some(criteria) = command.strip_prefix("UID SEARCH ") {
            let found: Vec<String> = search(&store, criteria).iter().map(ToString::to_string).collect();
            let found = found.join(" ");
            return match fault {
                Fault::NoToSearch => (format!("{tag} NO not now\r\n").into_bytes(), true),
                Fault::CutInSearch => (format!("* SEARCH {found}\r\n* SEA").into_bytes(), false),
                Fault::ByeInSearch => (b"* BYE shutting down\r\n".to_vec(), false),
                _ => done(format!("* SEARCH {found}\r\n")),
            };
        }
        if let Some(rest) = command.strip_prefix("UID FETCH ") {
            let (set, items) = rest.split_once(' ').expect("items");
            let uids: Vec<u32> = set.split(',').map(|uid| uid.parse().expect("uid")).collect();
            if items == "(UID RFC822.SIZE)" {
                let sizes = uids.iter().filter_map(|uid| {
                    let mail = store.mails.get(uid)?;
                    let size = mail.size.unwrap_or(mail.bytes.len() as u64);
                    Some(format!("* {uid} FETCH (UID {uid} RFC822.SIZE {size})\r\n"))
                });
                return done(sizes.collect());
            }
            let uid = uids[0];
            if fault == Fault::Vanish(uid) {
                store.mails.remove(&uid);
            }
            let Some(mail) = store.mails.get(&uid) else { return done(String::new()) };
            let (section, rest) =
                items.split_once("BODY.PEEK[").and_then(|(_, r)| r.split_once("]<0.")).expect("a peek");
            let limit: usize = rest.trim_end_matches(">)").parse().expect("limit");
            let whole = match section {
                "HEADER" => mail.bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4),
                _ => mail.bytes.len(),
            };
            let bytes = &mail.bytes[..whole.min(limit)];
            let mut out = format!(
                "* 1 FETCH (FLAGS (\\Recent))\r\n* {uid} FETCH (UID {uid} INTERNALDATE \"{:02}-Feb-2026 11:00:00 +0000\" BODY[{section}]<0> {{{}}}\r\n",
                mail.day,
                bytes.len()
            )
            .into_bytes();
            if fault == Fault::CutInMail(uid) {
                out.extend(&bytes[..bytes.len() / 2]);
                return (out, false);
            }
            out.extend(bytes);
            out.extend(format!(")\r\n{tag} OK done\r\n").as_bytes());
            return (out, true);
        }
        (format!("{tag} BAD unknown command\r\n").into_bytes(), true)
    }
}

fn search(store: &Store, criteria: &str) -> Vec<u32> {
    let words: Vec<&str> = criteria.split(' ').collect();
    let day = |text: &str| -> u32 {
        text.strip_suffix("-Feb-2026").and_then(|d| d.parse().ok()).expect("a day in February 2026")
    };
    let matches = |uid: u32, mail: &Mail| {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let fits = match *word {
                "ALL" => true,
                "UNSEEN" => !mail.seen,
                "SINCE" | "SENTSINCE" => mail.day >= day(words.next().expect("a date")),
                "UID" => {
                    let from = words.next().and_then(|r| r.strip_suffix(":*")).expect("a range");
                    let last = store.mails.keys().next_back().copied().unwrap_or_default();
                    // RFC 3501: the last mail is always in such a range.
                    uid >= from.parse().expect("uid") || uid == last
                }
                other => panic!("search for {other}"),
            };
            if !fits {
                return false;
            }
        }
        true
    };
    store.mails.iter().filter(|(uid, mail)| matches(**uid, mail)).map(|(uid, _)| *uid).collect()
}

#[async_trait]
impl Connect for Server {
    fn server(&self) -> String {
        "imap.example.com:993".into()
    }

    async fn connect(&self) -> Result<(Box<dyn Wire>, bool), ImapError> {
        if self.store().fault == Fault::Refuse {
            return Err(ImapError::Refused { server: self.server() });
        }
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        // A client that hangs up in the middle is no fault of the server.
        let server = self.clone();
        tokio::spawn(async move { drop(server.serve(theirs, true).await) });
        Ok((Box::new(ours), false))
    }
}
