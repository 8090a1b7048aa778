//! What can go wrong with a mailbox, each as one message: what, where, what to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustls::CertificateError;

/// Why a mailbox cannot be read. `server` is `host:port`.
#[derive(Debug, thiserror::Error)]
pub enum ImapError {
    /// The host's name leads nowhere.
    #[error("find {server}: {source}; check imap.host and this machine's network")]
    Lookup {
        /// Where.
        server: String,
        /// Why.
        source: io::Error,
    },
    /// Nothing listens there.
    #[error("connect to {server}: refused; check imap.host and imap.port, and that the server runs")]
    Refused {
        /// Where.
        server: String,
    },
    /// No way there.
    #[error("connect to {server}: {source}; check this machine's network and imap.host")]
    Unreachable {
        /// Where.
        server: String,
        /// Why.
        source: io::Error,
    },
    /// The server's certificate does not prove who it is.
    #[error("trust {server}: its certificate {reason}")]
    Certificate {
        /// Where.
        server: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// TLS failed otherwise.
    #[error(
        "start TLS with {server}: {source}; check that imap.security fits imap.port (993: tls, 143: starttls)"
    )]
    Tls {
        /// Where.
        server: String,
        /// Why.
        source: io::Error,
    },
    /// The server offers no STARTTLS.
    #[error(
        "start TLS with {server}: the server refused STARTTLS ({said}); nothing is sent unprotected, so try imap.security: tls with port 993"
    )]
    NoStarttls {
        /// Where.
        server: String,
        /// The server's words.
        said: String,
    },
    /// A certificate file cannot be used.
    #[error("read the certificates in {}: {reason}; check imap.ca_file, it holds PEM", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The system has no certificates.
    #[error("find the system's certificate authorities: {0}; install ca-certificates, or set imap.ca_file")]
    NoRoots(String),
    /// The password or token cannot be had.
    #[error("get the password of {user}: {reason}; it is looked for in {place}")]
    Secret {
        /// Whose.
        user: String,
        /// Why.
        reason: String,
        /// Where it should be.
        place: String,
    },
    /// The server does not accept the login.
    #[error(
        "log in to {server} as {user}: refused ({said}); check imap.user and the password or token in {place} (many providers want an app password)"
    )]
    Login {
        /// Where.
        server: String,
        /// As whom.
        user: String,
        /// The server's words.
        said: String,
        /// Where the secret comes from.
        place: String,
    },
    /// The server cannot log anybody in just now.
    #[error("log in to {server} as {user}: not now ({said}); it is tried again")]
    Unavailable {
        /// Where.
        server: String,
        /// As whom.
        user: String,
        /// The server's words.
        said: String,
    },
    /// The folder cannot be opened.
    #[error("open the folder {folder:?} at {server}: {said}; check imap.folder")]
    Folder {
        /// Where.
        server: String,
        /// Which.
        folder: String,
        /// The server's words.
        said: String,
    },
    /// The connection is gone.
    #[error("talk to {server}: the server ended the connection{said}; it is tried again")]
    Closed {
        /// Where.
        server: String,
        /// The server's words, as ` (…)`, or empty.
        said: String,
    },
    /// No answer.
    #[error("talk to {server}: no answer to {what} within {} s; it is tried again", .after.as_secs())]
    Timeout {
        /// Where.
        server: String,
        /// To what.
        what: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// The server refused a command, or what it says makes no sense.
    #[error("talk to {server}: {what} failed ({said}); it is tried again")]
    Protocol {
        /// Where.
        server: String,
        /// What was asked.
        what: &'static str,
        /// What came back.
        said: String,
    },
}

impl ImapError {
    /// Whether only a person can mend it. Logins with a wrong password lock accounts.
    pub fn needs_a_person(&self) -> bool {
        matches!(self, ImapError::Login { .. } | ImapError::Secret { .. })
    }

    /// Whether it may be one mail's fault: what is said of it breaks the conversation.
    pub(super) fn may_be_the_mail(&self) -> bool {
        matches!(self, ImapError::Closed { .. } | ImapError::Timeout { .. } | ImapError::Protocol { .. })
    }

    /// Sorts out why no connection came about.
    pub(super) fn connect(server: &str, source: io::Error) -> Self {
        let server = server.to_owned();
        match source.kind() {
            io::ErrorKind::ConnectionRefused => ImapError::Refused { server },
            _ => ImapError::Unreachable { server, source },
        }
    }

    /// Sorts out why TLS did not come about.
    pub(super) fn tls(server: &str, source: io::Error) -> Self {
        let server = server.to_owned();
        let inner = source.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::InvalidCertificate(error)) => {
                let reason = explain(error);
                ImapError::Certificate { server, reason }
            }
            _ => ImapError::Tls { server, source },
        }
    }

    /// Sorts out why reading or writing failed.
    pub(super) fn io(server: &str, what: &'static str, source: &io::Error) -> Self {
        let server = server.to_owned();
        match source.kind() {
            // The parser reports a garbled answer, and quotes all of it.
            io::ErrorKind::Other => {
                ImapError::Protocol { server, what, said: crate::text::line(&source.to_string(), 120) }
            }
            io::ErrorKind::UnexpectedEof => ImapError::Closed { server, said: String::new() },
            _ => ImapError::Closed { server, said: format!(" ({source})") },
        }
    }
}

fn explain(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired; the server's owner must renew it (or this machine's clock is wrong)".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet; check this machine's clock".into()
        }
        // A stranger that has the name of a known authority.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "comes from an authority that this machine does not know; for a server of your own, set imap.ca_file".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another name; check imap.host, or somebody stands between".into()
        }
        CertificateError::Revoked => "was revoked; ask the server's owner".into(),
        other => format!("is not accepted: {other}"),
    }
}
