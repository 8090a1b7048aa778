//! The way to the server: TCP, then TLS at once or after STARTTLS, and never without.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use config::{Imap, Security};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::ImapError;

/// How long each step of connecting may take.
const STEP: Duration = Duration::from_secs(20);
/// The longest line that a server may say before TLS, in bytes.
const LINE: usize = 8 << 10;

/// A two-way stream of bytes.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Sync + fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync + fmt::Debug> Wire for T {}

/// Opens streams to the server, protected where the world can listen. Tests put their own here.
#[async_trait]
pub(crate) trait Connect: Send + Sync {
    /// `host:port`, for messages.
    fn server(&self) -> String;
    /// A fresh stream, on which the greeting has been read if `true`.
    async fn connect(&self) -> Result<(Box<dyn Wire>, bool), ImapError>;
}

/// The real thing.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    host: String,
    port: u16,
    security: Security,
    ca_file: Option<PathBuf>,
}

impl Tls {
    pub(crate) fn new(imap: &Imap) -> Self {
        Self {
            host: imap.host.clone(),
            port: imap.port,
            security: imap.security,
            ca_file: imap.ca_file.clone(),
        }
    }
}

#[async_trait]
impl Connect for Tls {
    fn server(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    async fn connect(&self) -> Result<(Box<dyn Wire>, bool), ImapError> {
        let server = self.server();
        let name = ServerName::try_from(self.host.clone()).map_err(|e| ImapError::Lookup {
            server: server.clone(),
            source: io::Error::new(io::ErrorKind::InvalidInput, e),
        })?;
        // Read anew each time: renewed certificates count without a restart.
        let ca_file = self.ca_file.clone();
        let config = tokio::task::spawn_blocking(move || client_config(ca_file.as_deref()))
            .await
            .map_err(|e| ImapError::NoRoots(e.to_string()))??;

        let addresses =
            within(&server, "the look-up of its name", tokio::net::lookup_host((&*self.host, self.port)))
                .await?
                .map_err(|source| ImapError::Lookup { server: server.clone(), source })?;
        let addresses: Vec<_> = addresses.collect();
        let tcp = within(&server, "the connection", TcpStream::connect(&*addresses))
            .await?
            .map_err(|source| ImapError::connect(&server, source))?;

        let (tcp, greeted) = match self.security {
            Security::Tls => (tcp, false),
            Security::Starttls => (within(&server, "STARTTLS", starttls(tcp, &server)).await??, true),
        };
        let tls =
            within(&server, "the TLS handshake", TlsConnector::from(Arc::new(config)).connect(name, tcp))
                .await?
                .map_err(|source| ImapError::tls(&server, source))?;
        Ok((Box::new(tls), greeted))
    }
}

async fn within<T>(server: &str, what: &'static str, step: impl Future<Output = T>) -> Result<T, ImapError> {
    tokio::time::timeout(STEP, step).await.map_err(|_| ImapError::Timeout {
        server: server.to_owned(),
        what,
        after: STEP,
    })
}

/// Asks for TLS on a plain stream and returns the stream just where TLS begins. Reads byte by
/// byte: whatever somebody slipped in behind the answer stays on the stream, where it breaks the
/// handshake instead of being taken for the server's word.
pub(crate) async fn starttls<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    server: &str,
) -> Result<S, ImapError> {
    let greeting = line(&mut stream, server).await?;
    if !greeting.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("* OK ")) {
        return Err(ImapError::NoStarttls {
            server: server.to_owned(),
            said: crate::text::line(&greeting, 200),
        });
    }
    let sent = async {
        stream.write_all(b"S1 STARTTLS\r\n").await?;
        stream.flush().await
    };
    sent.await.map_err(|e| ImapError::io(server, "STARTTLS", &e))?;
    loop {
        let answer = line(&mut stream, server).await?;
        if answer.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("S1 OK")) {
            return Ok(stream);
        }
        if !answer.starts_with("* ") {
            return Err(ImapError::NoStarttls {
                server: server.to_owned(),
                said: crate::text::line(&answer, 200),
            });
        }
    }
}

async fn line<S: AsyncRead + Unpin>(stream: &mut S, server: &str) -> Result<String, ImapError> {
    let mut bytes = Vec::new();
    while bytes.last() != Some(&b'\n') {
        let byte = stream.read_u8().await.map_err(|e| ImapError::io(server, "STARTTLS", &e))?;
        bytes.push(byte);
        if bytes.len() > LINE {
            return Err(ImapError::Protocol {
                server: server.to_owned(),
                what: "STARTTLS",
                said: "a line without an end; is this an IMAP server?".into(),
            });
        }
    }
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// The system's certificate authorities and the extra ones.
fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, ImapError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    if let Some(path) = ca_file {
        let bad = |reason: String| ImapError::CaFile { path: path.to_owned(), reason };
        let before = roots.len();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|e| bad(e.to_string()))? {
            let certificate = certificate.map_err(|e| bad(e.to_string()))?;
            roots.add(certificate).map_err(|e| bad(e.to_string()))?;
        }
        if roots.len() == before {
            return Err(bad("there is none".into()));
        }
    }
    if roots.is_empty() {
        let reasons: Vec<String> = native.errors.iter().map(ToString::to_string).collect();
        return Err(ImapError::NoRoots(if reasons.is_empty() {
            "there are none".into()
        } else {
            reasons.join(", ")
        }));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| ImapError::NoRoots(e.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
