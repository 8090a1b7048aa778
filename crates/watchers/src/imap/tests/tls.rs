use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::{Imap, Security};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::server::Server;
use crate::ImapError;
use crate::imap::connect::{Connect as _, Tls, starttls};

/// An authority of our own, its file, and certificates from it.
struct Authority {
    dir: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("key")).expect("issuer");
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).expect("write");
        Self { dir, issuer }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    fn acceptor(&self, name: &str, until: i32) -> TlsAcceptor {
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("params");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).expect("certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("key");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("server");
        TlsAcceptor::from(Arc::new(config))
    }
}

fn client(port: u16, security: Security, ca_file: Option<PathBuf>) -> Tls {
    Tls::new(&Imap {
        host: "localhost".into(),
        port,
        security,
        user: "owner".into(),
        auth: Default::default(),
        secret: Default::default(),
        folder: "INBOX".into(),
        ca_file,
        authserv_id: None,
        granted_scopes: Vec::new(),
        token_info: None,
    })
}

/// A server for one connection: `before` is said and read in the clear, then TLS.
async fn listen(acceptor: TlsAcceptor, before: Option<&'static str>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
    let port = listener.local_addr().expect("address").port();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.expect("accept");
        if let Some(answer) = before {
            tcp.write_all(b"* OK [CAPABILITY STARTTLS] ready\r\n").await.expect("greet");
            let mut asked = [0; 13];
            tcp.read_exact(&mut asked).await.expect("asked");
            assert_eq!(&asked, b"S1 STARTTLS\r\n");
            tcp.write_all(answer.as_bytes()).await.expect("answer");
        }
        // A refused handshake is what some of the tests are about.
        if let Ok(tls) = acceptor.accept(tcp).await {
            drop(Server::new().serve(tls, before.is_none()).await);
        }
    });
    port
}

#[tokio::test]
async fn tls_and_starttls_reach_a_server_whose_authority_is_known() {
    let authority = Authority::new("ours");
    for (security, before) in [(Security::Tls, None), (Security::Starttls, Some("S1 OK begin\r\n"))] {
        let port = listen(authority.acceptor("localhost", 2999), before).await;
        let (mut wire, greeted) =
            client(port, security, Some(authority.file())).connect().await.expect("connect");
        assert_eq!(greeted, before.is_some());
        wire.write_all(b"a CAPABILITY\r\n").await.expect("write");
        let mut bytes = [0; 12];
        wire.read_exact(&mut bytes).await.expect("read");
        assert_eq!(&bytes, if greeted { b"* CAPABILITY" } else { b"* OK ready\r\n" });
    }
}

#[tokio::test]
async fn each_fault_of_a_certificate_has_its_own_message() {
    let authority = Authority::new("ours");
    let check = |name: &'static str, until, ca_file, expected: &'static str| {
        let acceptor = authority.acceptor(name, until);
        async move {
            let port = listen(acceptor, None).await;
            let error = client(port, Security::Tls, ca_file).connect().await.expect_err(expected);
            let message = error.to_string();
            assert!(matches!(error, ImapError::Certificate { .. }), "{message}");
            assert!(
                message.contains(expected) && message.contains(&format!("localhost:{port}")),
                "{message}"
            );
        }
    };
    check("localhost", 2021, Some(authority.file()), "has expired").await;
    check("other.example", 2999, Some(authority.file()), "is for another name").await;
    let stranger = Authority::new("strangers");
    check(
        "localhost",
        2999,
        Some(stranger.file()),
        "does not know; for a server of your own, set imap.ca_file",
    )
    .await;
}

#[tokio::test]
async fn nothing_goes_over_a_plain_connection() {
    let authority = Authority::new("ours");
    let port = listen(authority.acceptor("localhost", 2999), Some("S1 BAD no such command\r\n")).await;
    let error = client(port, Security::Starttls, Some(authority.file())).connect().await.expect_err("no TLS");
    let message = error.to_string();
    assert!(
        message.contains("refused STARTTLS (S1 BAD no such command); nothing is sent unprotected"),
        "{message}"
    );
}

/// What somebody in the middle slips in behind the server's OK must not be taken for its word.
#[tokio::test]
async fn words_slipped_in_before_tls_do_not_count() {
    let (mut theirs, ours) = tokio::io::duplex(1024);
    theirs.write_all(b"* OK ready\r\nS1 OK begin\r\n* PREAUTH you are in\r\n").await.expect("write");
    let mut stream = starttls(ours, "x:143").await.expect("OK");
    drop(theirs);
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.expect("rest");
    assert_eq!(rest, "* PREAUTH you are in\r\n", "it stays where the TLS handshake finds it");

    let authority = Authority::new("ours");
    let port =
        listen(authority.acceptor("localhost", 2999), Some("S1 OK begin\r\n* PREAUTH you are in\r\n")).await;
    let error = client(port, Security::Starttls, Some(authority.file())).connect().await.expect_err("broken");
    assert!(matches!(error, ImapError::Tls { .. }), "{error}");
}

#[tokio::test]
async fn a_refused_connection_and_a_bad_file_are_said() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
    let port = listener.local_addr().expect("address").port();
    drop(listener);
    let authority = Authority::new("ours");
    let message = |ca_file| async move {
        client(port, Security::Tls, Some(ca_file)).connect().await.expect_err("fault").to_string()
    };
    let refused = message(authority.file()).await;
    assert_eq!(
        refused,
        format!(
            "connect to localhost:{port}: refused; check imap.host and imap.port, and that the server runs"
        )
    );
    let missing = message(authority.dir.path().join("none.pem")).await;
    assert!(missing.contains("none.pem") && missing.contains("check imap.ca_file"), "{missing}");
    let empty = authority.dir.path().join("empty.pem");
    std::fs::write(&empty, "nothing").expect("write");
    assert!(message(empty).await.contains("there is none"));
}

#[tokio::test]
async fn a_server_that_is_no_imap_server_is_told_apart() {
    let (mut theirs, ours) = tokio::io::duplex(1 << 16);
    theirs.write_all(&[b'x'; 9_000]).await.expect("write");
    let error = starttls(ours, "x:143").await.expect_err("no line");
    assert!(error.to_string().contains("is this an IMAP server?"), "{error}");
    let (mut theirs, ours) = tokio::io::duplex(1 << 16);
    theirs.write_all(b"220 mail ESMTP\r\n").await.expect("write");
    let error = tokio::time::timeout(Duration::from_secs(5), starttls(ours, "x:143")).await.expect("in time");
    assert!(error.expect_err("no IMAP").to_string().contains("220 mail ESMTP"));
}
