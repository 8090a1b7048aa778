//! Signing with the owner's key: orders, and introductions of payees.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use ssh_key::{HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};
use task::{Introduction, Order};

use crate::agent;

/// Signs orders. It holds a passphrase or the way to an agent, never a private key.
#[derive(Debug)]
pub struct Signer(Source);

#[derive(Debug)]
enum Source {
    File { key: PathBuf, passphrase: Option<SecretString> },
    Agent { socket: PathBuf, public_key: PathBuf },
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key's file cannot be read.
    #[error("failed to read the key {path}; local-agent init makes one", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others could have read the key.
    #[error("key {path} can be read by others (mode {mode:o}); run: chmod 600 {path}", path = path.display())]
    Permissions {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not a key of ours.
    #[error("key {path} cannot be used: {reason}", path = path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is a passphrase, and none was given.
    #[error("key {path} needs its passphrase", path = path.display())]
    PassphraseNeeded {
        /// Which.
        path: PathBuf,
    },
    /// It is another passphrase.
    #[error("passphrase does not open the key {path}", path = path.display())]
    WrongPassphrase {
        /// Which.
        path: PathBuf,
    },
    /// The agent did not sign.
    #[error("ssh-agent at {socket} did not sign: {reason}", socket = socket.display())]
    Agent {
        /// Where it listens.
        socket: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Signer {
    /// Signs with a key file; `passphrase` is needed where [`Signer::needs_passphrase`] says so.
    pub fn key_file(key: impl Into<PathBuf>, passphrase: Option<SecretString>) -> Self {
        Self(Source::File { key: key.into(), passphrase })
    }

    /// Has the ssh-agent at `socket` sign with the private half of `public_key`. It may ask for a
    /// touch of a hardware key.
    pub fn agent(socket: impl Into<PathBuf>, public_key: impl Into<PathBuf>) -> Self {
        Self(Source::Agent { socket: socket.into(), public_key: public_key.into() })
    }

    /// Whether a key file is encrypted.
    pub fn needs_passphrase(key: &Path) -> Result<bool, SignError> {
        Ok(read_key(key)?.is_encrypted())
    }

    /// Signs an order's text; the armored SSHSIG.
    pub fn sign(&self, order: &str) -> Result<String, SignError> {
        self.sign_as(Order::NAMESPACE, order)
    }

    /// Signs an introduction's text; the armored SSHSIG.
    pub fn sign_introduction(&self, introduction: &str) -> Result<String, SignError> {
        self.sign_as(Introduction::NAMESPACE, introduction)
    }

    fn sign_as(&self, namespace: &str, text: &str) -> Result<String, SignError> {
        let (signature, path) = match &self.0 {
            Source::File { key, passphrase } => {
                (sign_with_file(key, passphrase.as_ref(), namespace, text.as_bytes())?, key)
            }
            Source::Agent { socket, public_key } => {
                (sign_with_agent(socket, public_key, namespace, text.as_bytes())?, public_key)
            }
        };
        signature.to_pem(LineEnding::LF).map_err(|error| unusable(path, error))
    }
}

fn unusable(path: &Path, error: impl std::fmt::Display) -> SignError {
    SignError::Key { path: path.to_owned(), reason: error.to_string() }
}

fn read_key(path: &Path) -> Result<PrivateKey, SignError> {
    let unreadable = |source| SignError::Read { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(unreadable)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SignError::Permissions { path: path.to_owned(), mode });
    }
    let text = SecretString::from(std::fs::read_to_string(path).map_err(unreadable)?);
    PrivateKey::from_openssh(text.expose_secret()).map_err(|error| unusable(path, error))
}

/// The decrypted key lives in this function alone and is wiped when it returns.
fn sign_with_file(
    path: &Path,
    passphrase: Option<&SecretString>,
    namespace: &str,
    text: &[u8],
) -> Result<SshSig, SignError> {
    let mut key = read_key(path)?;
    if key.is_encrypted() {
        let passphrase = passphrase.filter(|p| !p.expose_secret().is_empty());
        let passphrase = passphrase.ok_or_else(|| SignError::PassphraseNeeded { path: path.to_owned() })?;
        key = key
            .decrypt(passphrase.expose_secret())
            .map_err(|_| SignError::WrongPassphrase { path: path.to_owned() })?;
    }
    key.sign(namespace, HashAlg::Sha512, text).map_err(|error| unusable(path, error))
}

fn sign_with_agent(
    socket: &Path,
    public_key: &Path,
    namespace: &str,
    text: &[u8],
) -> Result<SshSig, SignError> {
    let line = std::fs::read_to_string(public_key)
        .map_err(|source| SignError::Read { path: public_key.to_owned(), source })?;
    let key = PublicKey::from_openssh(line.trim()).map_err(|error| unusable(public_key, error))?;
    let failed = |reason: String| SignError::Agent { socket: socket.to_owned(), reason };
    let blob =
        SshSig::signed_data(namespace, HashAlg::Sha512, text).map_err(|error| unusable(public_key, error))?;
    let signature = agent::sign(socket, &key, &blob).map_err(|error| failed(error.to_string()))?;
    SshSig::new(key.key_data().clone(), namespace, HashAlg::Sha512, signature)
        .map_err(|error| failed(error.to_string()))
}
