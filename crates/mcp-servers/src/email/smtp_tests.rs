//! The outcome of every way in which sending can end, against a server that follows a script.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use task::EmailMessage;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::email::compose::compose;
use crate::outcome::Effect;

/// What the server does when the client's line begins with the text on the left.
enum Do {
    /// Answers.
    Say(&'static str),
    /// Answers, then reads a message up to its final dot.
    Take(&'static str),
    /// Closes the connection.
    HangUp,
}

use Do::{HangUp, Say, Take};

/// Plays `script` over `stream`, the greeting already said; everything the client wrote.
async fn play<S: AsyncRead + AsyncWrite + Unpin>(stream: S, script: Vec<(&'static str, Do)>) -> String {
    let mut stream = BufReader::new(stream);
    let mut heard = String::new();
    for (expected, action) in script {
        let from = heard.len();
        if stream.read_line(&mut heard).await.unwrap_or(0) == 0 {
            break;
        }
        assert!(heard[from..].starts_with(expected), "expected {expected:?} in {heard}");
        match action {
            HangUp => return heard,
            Say(line) => stream.write_all(format!("{line}\r\n").as_bytes()).await.expect("written"),
            Take(line) => {
                stream.write_all(format!("{line}\r\n").as_bytes()).await.expect("written");
                while !heard.ends_with("\r\n.\r\n") {
                    stream.read_line(&mut heard).await.expect("message");
                }
            }
        }
    }
    heard
}

/// The script up to the message.
fn until_data(more: Vec<(&'static str, Do)>) -> Vec<(&'static str, Do)> {
    let mut script = vec![
        ("EHLO", Say("250-localhost\r\n250 AUTH PLAIN")),
        ("MAIL FROM:<owner@example.com>", Say("250 2.1.0 Ok")),
        ("RCPT TO:<alice@example.com>", Say("250 2.1.5 Ok")),
    ];
    script.extend(more);
    script
}

fn mail() -> Composed {
    let mail = EmailMessage {
        to: vec!["alice@example.com".into()],
        cc: vec![],
        bcc: vec![],
        subject: "Re: Q1".into(),
        in_reply_to: None,
        references: vec![],
        body: "Dear Alice".into(),
        attachments: vec![],
    };
    let now = "2026-02-23T03:20:00Z".parse().expect("time");
    compose("owner@example.com", &mail, "<a1@example.com>", now, &PathBuf::new()).expect("composed")
}

/// Sends over a connection without TLS, which only this test can make.
async fn outcome(script: Vec<(&'static str, Do)>) -> (Result<String, Failure>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address");
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("client");
        stream.write_all(b"220 test ESMTP\r\n").await.expect("greeting");
        play(stream, script).await
    });
    let stream = TcpStream::connect(address).await.expect("connected");
    let connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &ClientId::default())
        .await
        .expect("greeted");
    let connection = Connection { connection, place: "SMTP server test:25".into() };
    let result = connection.send(&mail(), "<a1@example.com>").await;
    (result, server.await.expect("the script was followed"))
}

#[tokio::test]
async fn a_reply_settles_the_matter_and_only_silence_after_the_message_leaves_it_open() {
    let check = async |script, effect, parts: &[&str]| {
        let (result, _) = outcome(script).await;
        let failure = result.expect_err("a failure");
        assert_eq!(failure.effect, effect, "{failure}");
        for part in parts {
            assert!(failure.message.contains(part), "{failure}");
        }
    };
    let hello = || ("EHLO", Say("250 localhost"));
    check(
        vec![hello(), ("MAIL FROM", Say("550 5.7.1 not your address")), ("QUIT", Say("221 bye"))],
        Effect::None,
        &["550 5.7.1 not your address", "nothing was sent", "may send as mail[].address"],
    )
    .await;
    check(
        vec![
            hello(),
            ("MAIL FROM", Say("250 ok")),
            ("RCPT TO", Say("550-5.1.1 no such user\r\n550 5.1.1 ask postmaster")),
            ("QUIT", Say("221 bye")),
        ],
        Effect::None,
        &["alice@example.com", "no such user", "ask postmaster", "check the address"],
    )
    .await;
    check(
        vec![
            hello(),
            ("MAIL FROM", Say("250 ok")),
            ("RCPT TO", Say("450 4.2.0 greylisted")),
            ("QUIT", Say("221")),
        ],
        Effect::Unreached,
        &["450 4.2.0 greylisted", "try again later"],
    )
    .await;
    check(until_data(vec![("DATA", HangUp)]), Effect::None, &["nothing was sent"]).await;
    check(until_data(vec![("DATA", Say("451 4.3.0 full"))]), Effect::Unreached, &["451 4.3.0 full"]).await;
    // The script ends, and with it the connection.
    let taken = until_data(vec![("DATA", Take("354 go on"))]);
    check(taken, Effect::Unknown, &["it may have been sent", "<a1@example.com>"]).await;
}

/// The reply to the message itself.
async fn replied(reply: &'static str) -> (Result<String, Failure>, String) {
    // The reply follows the dot at once, so it belongs to the script's step for the message.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address");
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("client");
        stream.write_all(b"220 test ESMTP\r\n").await.expect("greeting");
        let heard = play(&mut stream, until_data(vec![("DATA", Take("354 go on"))])).await;
        stream.write_all(reply.as_bytes()).await.expect("reply");
        heard
    });
    let stream = TcpStream::connect(address).await.expect("connected");
    let connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &ClientId::default())
        .await
        .expect("greeted");
    let connection = Connection { connection, place: "SMTP server test:25".into() };
    let result = connection.send(&mail(), "<a1@example.com>").await;
    (result, server.await.expect("the script was followed"))
}

#[tokio::test]
async fn the_reply_to_the_message_decides() {
    let (result, heard) = replied("250 2.0.0 queued as 4711\r\n").await;
    assert_eq!(result, Ok("250 2.0.0 queued as 4711".into()));
    assert!(heard.contains("Message-ID: <a1@example.com>"), "{heard}");
    let check = async |reply, effect, part: &str| {
        let failure = replied(reply).await.0.expect_err(part);
        assert_eq!((failure.effect, failure.message.contains(part)), (effect, true), "{failure}");
    };
    check("554 5.7.1 looks like spam\r\n", Effect::None, "554 5.7.1 looks like spam").await;
    check("452 4.3.1 disk full\r\n", Effect::Unreached, "try again later").await;
    check("what?\r\n", Effect::Unknown, "may have been sent").await;
    check("", Effect::Unknown, "may have been sent").await;
}

/// A server with a certificate of its own authority for `localhost`.
struct Secured {
    acceptor: TlsAcceptor,
    ca_file: tempfile::NamedTempFile,
}

fn secured() -> Secured {
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("key")).expect("authority");
    let key = KeyPair::generate().expect("key");
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .expect("parameters")
        .signed_by(&key, &authority)
        .expect("certificate");
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).expect("key"),
            )
            .expect("certificate");
    let mut ca_file = tempfile::NamedTempFile::new().expect("file");
    std::io::Write::write_all(&mut ca_file, authority.pem().as_bytes()).expect("file");
    Secured { acceptor: TlsAcceptor::from(Arc::new(config)), ca_file }
}

fn settings(port: u16, security: Security, ca_file: Option<PathBuf>) -> Smtp {
    let mut smtp = config::Config::sample().mail.remove(0).smtp.expect("smtp");
    smtp.host = "localhost".into();
    smtp.port = port;
    smtp.security = security;
    smtp.user = "owner".into();
    smtp.ca_file = ca_file;
    smtp
}

/// Opens a connection to a server that speaks TLS from the first byte, or after STARTTLS, and then
/// follows `script`.
async fn opened(
    security: Security,
    trusted: bool,
    offered: &'static str,
    script: Vec<(&'static str, Do)>,
) -> Result<String, Failure> {
    let Secured { acceptor, ca_file } = secured();
    let listener = TcpListener::bind("localhost:0").await.expect("port");
    let port = listener.local_addr().expect("address").port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("client");
        if security == Security::Starttls {
            stream.write_all(b"220 test ESMTP\r\n").await.expect("greeting");
            let script = vec![("EHLO", Say(offered)), ("STARTTLS", Say("220 go ahead"))];
            if !play(&mut stream, script).await.contains("STARTTLS") {
                return String::new();
            }
        }
        let Ok(mut stream) = acceptor.accept(stream).await else { return String::new() };
        if security == Security::Tls {
            stream.write_all(b"220 test ESMTP\r\n").await.expect("greeting");
        }
        play(stream, script).await
    });
    let ca_file = trusted.then(|| ca_file.path().to_owned());
    let secret = SecretString::from("hunter2");
    let connection = Connection::open(&settings(port, security, ca_file), &secret).await?;
    drop(connection);
    Ok(server.await.expect("the script was followed"))
}

fn login(reply: &'static str) -> Vec<(&'static str, Do)> {
    vec![("EHLO", Say("250-localhost\r\n250 AUTH PLAIN")), ("AUTH PLAIN", Say(reply))]
}

#[tokio::test]
async fn the_connection_is_protected_or_there_is_none() {
    for security in [Security::Tls, Security::Starttls] {
        let heard = opened(security, true, "250-localhost\r\n250 STARTTLS", login("235 2.7.0 ok")).await;
        // NUL owner NUL hunter2, in base64.
        assert!(heard.expect("opened").contains("AUTH PLAIN AG93bmVyAGh1bnRlcjI="));
    }
    let check = async |security, trusted, offered, reply, part: &str| {
        let failure = opened(security, trusted, offered, login(reply)).await.expect_err(part);
        assert_ne!(failure.effect, Effect::Unknown);
        assert!(failure.message.contains(part) && !failure.message.contains("hunter2"), "{failure}");
    };
    let offered = "250-localhost\r\n250 STARTTLS";
    check(Security::Starttls, true, "250 localhost", "", "STARTTLS is not supported").await;
    check(Security::Starttls, false, offered, "", "certificate").await;
    check(Security::Tls, false, offered, "", "ca_file").await;
    check(Security::Tls, true, offered, "535 5.7.8 bad credentials", "535 5.7.8 bad credentials").await;
    check(Security::Tls, true, offered, "454 4.7.0 later", "try again later").await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let listener = TcpListener::bind("localhost:0").await.expect("port");
    let port = listener.local_addr().expect("address").port();
    drop(listener);
    let failure = Connection::open(&settings(port, Security::Tls, None), &SecretString::from("x"))
        .await
        .err()
        .expect("nobody listens");
    assert!(failure.message.contains(&format!("localhost:{port}")), "{failure}");
    assert!(failure.message.contains("check mail[].smtp.host and port"), "{failure}");
    assert_eq!(failure.effect, Effect::Unreached, "it may be tried again");
}
