//! Sending, step by step, so that every failure says whether the mail may be on its way.
//!
//! Until the server has been handed the message's end, nothing is sent. A reply to it, good or
//! bad, settles the matter. Only silence in between leaves it open.

use std::path::Path;
use std::time::Duration;

use config::{ImapAuth, Security, Smtp};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::Response;
use secrecy::{ExposeSecret as _, SecretString};

use super::compose::Composed;
use crate::outcome::Failure;

/// How long reaching the server and each of its ordinary replies may take.
const STEP: Duration = Duration::from_secs(20);

/// How long the reply to the whole message may take; servers scan it first.
const ACCEPT: Duration = Duration::from_secs(120);

/// Where in the conversation it failed; each place has its remedy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step<'a> {
    Reach,
    Protect,
    LogIn,
    Sender,
    Recipient(&'a str),
    Content,
}

impl Step<'_> {
    fn doing(self) -> String {
        match self {
            Step::Reach => "reach".into(),
            Step::Protect => "protect the connection to".into(),
            Step::LogIn => "log in to".into(),
            Step::Sender => "name the sender to".into(),
            Step::Recipient(address) => format!("name the recipient {address} to"),
            Step::Content => "hand the mail to".into(),
        }
    }

    fn remedy(self, transient: bool) -> &'static str {
        match self {
            _ if transient => "try again later",
            Step::Reach => "check mail[].smtp.host and port, and the network",
            Step::Protect => "check mail[].smtp.security and ca_file, and the server's certificate",
            Step::LogIn => "check mail[].smtp.user and its secret; a token may have expired",
            Step::Sender => "check that this account may send as mail[].address",
            Step::Recipient(_) => "check the address, correct the draft and approve it again",
            Step::Content => "the server will not take this mail as it is; correct the draft",
        }
    }
}

/// A server that is logged in to.
pub(super) struct Connection {
    connection: AsyncSmtpConnection,
    place: String,
}

impl Connection {
    /// Connects, protects the connection and logs in. STARTTLS is required where it is configured,
    /// never a matter of what the server offers.
    pub(super) async fn open(smtp: &Smtp, secret: &SecretString) -> Result<Self, Failure> {
        let place = format!("SMTP server {}:{}", smtp.host, smtp.port);
        let parameters = parameters(&smtp.host, smtp.ca_file.as_deref())
            .await
            .map_err(|why| failed(&place, Step::Protect, &why, false))?;
        let hello = ClientId::default();
        let address = (smtp.host.as_str(), smtp.port);
        let at_once = (smtp.security == Security::Tls).then(|| parameters.clone());
        let connect = AsyncSmtpConnection::connect_tokio1(address, Some(STEP), &hello, at_once, None);
        let connection = step(&place, Step::Reach, STEP, connect).await?;
        let mut this = Self { connection, place };
        if smtp.security == Security::Starttls {
            step(&this.place, Step::Protect, STEP, this.connection.starttls(parameters, &hello)).await?;
        }
        let mechanisms: &[Mechanism] = match smtp.auth {
            ImapAuth::Password => &[Mechanism::Plain, Mechanism::Login],
            ImapAuth::Xoauth2 => &[Mechanism::Xoauth2],
        };
        let credentials = Credentials::new(smtp.user.clone(), secret.expose_secret().to_owned());
        step(&this.place, Step::LogIn, STEP, this.connection.auth(mechanisms, &credentials)).await?;
        Ok(this)
    }

    /// Leaves without having sent anything; how the conversation ends does not matter.
    pub(super) async fn leave(mut self) {
        if let Err(error) = tokio::time::timeout(Duration::from_secs(2), self.connection.quit()).await {
            tracing::debug!(%error, "SMTP QUIT was not answered");
        }
    }

    /// Sends. All recipients are taken or nothing is sent.
    pub(super) async fn send(mut self, mail: &Composed, message_id: &str) -> Result<String, Failure> {
        let connection = &mut self.connection;
        let mut parameters = Vec::new();
        let addresses = mail.envelope.from().into_iter().chain(mail.envelope.to());
        if !addresses.into_iter().all(|address| AsRef::<str>::as_ref(address).is_ascii()) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let why = "an address is not ASCII, and the server does not take such (SMTPUTF8)";
                return Err(failed(&self.place, Step::Sender, why, false));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let from = connection.command(Mail::new(mail.envelope.from().cloned(), parameters));
        step(&self.place, Step::Sender, STEP, from).await?;
        for to in mail.envelope.to() {
            let command = connection.command(Rcpt::new(to.clone(), Vec::new()));
            step(&self.place, Step::Recipient(to.as_ref()), STEP, command).await?;
        }
        step(&self.place, Step::Content, STEP, connection.command(Data)).await?;
        // From here on only a reply says what happened.
        let reply = tokio::time::timeout(ACCEPT, connection.message(&mail.bytes)).await;
        let place = &self.place;
        let response = match reply {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.status().is_some() => {
                return Err(failed(place, Step::Content, &words(&error), error.is_transient()));
            }
            Ok(Err(error)) => return Err(lost(place, &words(&error), message_id)),
            Err(_) => {
                return Err(lost(place, &format!("no reply within {} s", ACCEPT.as_secs()), message_id));
            }
        };
        // The mail is the server's; how the conversation ends no longer matters.
        if let Err(error) = tokio::time::timeout(Duration::from_secs(2), self.connection.quit()).await {
            tracing::debug!(%error, "SMTP QUIT was not answered");
        }
        Ok(said(&response))
    }
}

/// Runs one step in which nothing can have been sent.
async fn step<T>(
    place: &str,
    at: Step<'_>,
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            // A certificate that is not trusted shows while connecting.
            let at = if error.is_tls() || distrusts(&error) { Step::Protect } else { at };
            Err(failed(place, at, &words(&error), error.is_transient()))
        }
        Err(_) => Err(failed(place, at, &format!("no reply within {} s", limit.as_secs()), true)),
    }
}

/// Whether TLS broke the connection, a certificate that is not trusted above all.
fn distrusts(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn failed(place: &str, at: Step<'_>, why: &str, transient: bool) -> Failure {
    let message =
        format!("failed to {} {place}: {why}; nothing was sent; {}", at.doing(), at.remedy(transient));
    // A server that was not reached, or says "later" itself, may be asked again.
    if at == Step::Reach || transient { Failure::unreached(message) } else { Failure::none(message) }
}

fn lost(place: &str, why: &str, message_id: &str) -> Failure {
    Failure::unknown(format!(
        "{place} was handed the mail and then lost: {why}; it may have been sent: look for {message_id} in Sent, or \
         ask the recipient"
    ))
}

/// The server's code and words, or what broke.
fn words(error: &Error) -> String {
    use std::error::Error as _;
    let cause = error.source().map(ToString::to_string);
    match (error.status(), cause) {
        (Some(code), Some(said)) => format!("{code} {said}"),
        (Some(code), None) => code.to_string(),
        (None, Some(cause)) => cause,
        (None, None) => error.to_string(),
    }
}

fn said(response: &Response) -> String {
    let lines: Vec<_> = response.message().collect();
    format!("{} {}", response.code(), lines.join(" "))
}

/// Loading the system's authorities reads many files.
async fn parameters(host: &str, ca_file: Option<&Path>) -> Result<TlsParameters, String> {
    let (host, ca_file) = (host.to_owned(), ca_file.map(Path::to_owned));
    let load = move || {
        let mut builder = TlsParameters::builder(host).certificate_store(CertificateStore::Default);
        if let Some(path) = ca_file {
            let unusable = |e: String| format!("the CA file {} cannot be used: {e}", path.display());
            let pem = std::fs::read(&path).map_err(|e| unusable(e.to_string()))?;
            let certificates = Certificate::from_pem(&pem).map_err(|e| unusable(words(&e)))?;
            builder = builder.add_root_certificate(certificates);
        }
        builder.build().map_err(|error| words(&error))
    };
    tokio::task::spawn_blocking(load).await.map_err(|error| error.to_string())?
}

#[cfg(test)]
#[path = "smtp_tests.rs"]
mod tests;
