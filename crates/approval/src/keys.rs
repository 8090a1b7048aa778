//! The owner's key, the approvers list and the vault's id: made once, durably, and never
//! overwritten.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use signature::{Approvers, ApproversError};
use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey};
use task::{Introduction, Order};
use vault::durable::{self, DurableError};

/// Where the owner's files are.
#[derive(Clone, Debug)]
pub struct KeyFiles {
    /// The private key in OpenSSH's format; absent when an agent holds it.
    pub key: PathBuf,
    /// Its public half.
    pub public_key: PathBuf,
    /// Who may sign, in OpenSSH's allowed_signers format.
    pub approvers: PathBuf,
    /// The vault's id, one line.
    pub vault_id: PathBuf,
}

impl KeyFiles {
    /// Their places in a data directory.
    pub fn in_data(data: &Path) -> Self {
        Self {
            key: data.join("keys/owner"),
            public_key: data.join("keys/owner.pub"),
            approvers: data.join("approvers"),
            vault_id: data.join("vault-id"),
        }
    }

    /// Whether there is a key yet, here or in an agent.
    pub fn has_key(&self) -> bool {
        self.key.exists() || self.public_key.exists()
    }
}

/// Where the owner's key comes from when there is none yet.
#[derive(Debug)]
pub enum NewKey {
    /// Made here, encrypted under this passphrase, which may not be empty.
    Passphrase(SecretString),
    /// Made here, without a passphrase: whoever reads the file can sign. Only when the owner
    /// asked for exactly that.
    Unprotected,
    /// One that was saved: the text of an OpenSSH private key, kept as it is, passphrase and all.
    Saved(SecretString),
    /// An ssh-agent or a hardware key holds it; this is its public half, as in `id_ed25519.pub`.
    Elsewhere(String),
}

/// What [`init`] found and made.
#[derive(Debug)]
pub struct Initialised {
    /// The vault's id.
    pub vault_id: String,
    /// The key's fingerprint, `SHA256:…`.
    pub fingerprint: String,
    /// The files that were made.
    pub created: Vec<PathBuf>,
    /// Whether the approvers list has the key; a list that was there already is left alone.
    pub listed: bool,
}

/// Why the owner's files could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// An empty passphrase that nobody asked for.
    #[error("passphrase is empty; choose one, or ask explicitly for a key without one")]
    EmptyPassphrase,
    /// A file could not be read, made or written.
    #[error("failed to {action} {path}", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be written durably.
    #[error("failed to write {path}", path = path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: DurableError,
    },
    /// A key that cannot be made or read.
    #[error("key {path} cannot be used: {reason}", path = path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The approvers list that is there cannot be used.
    #[error(transparent)]
    Approvers(#[from] ApproversError),
    /// The vault's id is not one.
    #[error("vault id in {path} is empty or longer than a line; restore it from a backup", path = path.display())]
    VaultId {
        /// Where.
        path: PathBuf,
    },
}

/// Makes what is missing: key, public key, approvers list, vault id. What is there stays, so that
/// it can be run again, also after a crash half-way; `new_key` is asked only when there is no key.
/// `owner` is anybody's name; the approvers list has it without spaces and capitals.
pub fn init(
    files: &KeyFiles,
    owner: &str,
    new_key: impl FnOnce() -> Result<NewKey, InitError>,
) -> Result<Initialised, InitError> {
    // Spaces, commas and wild cards mean something in the approvers list.
    let approver = &task::slug(owner, 40);
    let mut created = Vec::new();
    for folder in [files.key.parent(), files.approvers.parent()].into_iter().flatten() {
        make_folder(folder)?;
    }
    if !files.has_key() {
        match new_key()? {
            NewKey::Passphrase(passphrase) if passphrase.expose_secret().is_empty() => {
                return Err(InitError::EmptyPassphrase);
            }
            NewKey::Passphrase(passphrase) => {
                make_key(&files.key, approver, Some(&passphrase), &mut created)?
            }
            NewKey::Unprotected => make_key(&files.key, approver, None, &mut created)?,
            NewKey::Saved(text) => {
                private_key(&files.key, &text)?;
                write_private(&files.key, text.expose_secret().as_bytes(), &mut created)?;
            }
            NewKey::Elsewhere(line) => {
                let key = public_key(&files.public_key, &line)?;
                write_public(&files.public_key, &key, &mut created)?;
            }
        }
    }
    // Whatever another process made meanwhile counts: everything below is derived from the files.
    let key = if files.key.exists() {
        let private = PrivateKey::from_openssh(read(&files.key)?)
            .map_err(|error| InitError::Key { path: files.key.clone(), reason: error.to_string() })?;
        let mut key = private.public_key().clone();
        if key.comment().is_empty() {
            key.set_comment(approver);
        }
        if !files.public_key.exists() {
            write_public(&files.public_key, &key, &mut created)?;
        }
        key
    } else {
        public_key(&files.public_key, &read(&files.public_key)?)?
    };
    let namespaces = format!("{},{}", Order::NAMESPACE, Introduction::NAMESPACE);
    let line = format!("{approver} namespaces=\"{namespaces}\" {}\n", openssh(&files.public_key, &key)?);
    write_new(&files.approvers, line.as_bytes(), &mut created)?;
    write_new(&files.vault_id, format!("{}\n", random_hex(16)?).as_bytes(), &mut created)?;
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    let listed = Approvers::load(&files.approvers)?.lists(&fingerprint);
    Ok(Initialised { vault_id: read_vault_id(&files.vault_id)?, fingerprint, created, listed })
}

/// The fingerprint (`SHA256:…`) of a saved key, private or public; `path` is where it was read, for
/// messages. Only Ed25519 keys, in a file or in hardware, can sign orders.
pub fn fingerprint(path: &Path, text: &SecretString) -> Result<String, InitError> {
    let key = if text.expose_secret().trim_start().starts_with("-----BEGIN") {
        private_key(path, text)?.public_key().clone()
    } else {
        public_key(path, text.expose_secret())?
    };
    Ok(key.fingerprint(HashAlg::Sha256).to_string())
}

fn private_key(path: &Path, text: &SecretString) -> Result<PrivateKey, InitError> {
    let refuse = |reason: String| InitError::Key { path: path.to_owned(), reason };
    let key = PrivateKey::from_openssh(text.expose_secret().trim_end_matches(['\r', '\n', ' ']))
        .or_else(|_| PrivateKey::from_openssh(text.expose_secret()))
        .map_err(|error| refuse(format!("it is no OpenSSH private key ({error})")))?;
    match key.algorithm() {
        Algorithm::Ed25519 => Ok(key),
        other => Err(refuse(format!("{other} keys are not supported; use ssh-ed25519"))),
    }
}

/// Reads the vault's id.
pub fn read_vault_id(path: &Path) -> Result<String, InitError> {
    let text = read(path)?;
    let id = text.trim();
    if id.is_empty() || id.len() > 100 || id.chars().any(char::is_whitespace) {
        return Err(InitError::VaultId { path: path.to_owned() });
    }
    Ok(id.to_owned())
}

/// As many random bytes as asked for, in hexadecimal.
pub(crate) fn random_hex(bytes: usize) -> Result<String, InitError> {
    use std::fmt::Write as _;
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(|error| InitError::File {
        action: "get randomness from",
        path: "/dev/urandom".into(),
        source: std::io::Error::other(error.to_string()),
    })?;
    Ok(random.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

pub(crate) fn make_folder(path: &Path) -> Result<(), InitError> {
    let failed = |source| InitError::File { action: "create", path: path.to_owned(), source };
    fault::reach("keys.mkdir").map_err(|e| failed(e.into()))?;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    // Its name in the folder above must survive a power cut as well.
    path.parent().map_or(Ok(()), |above| std::fs::File::open(above)?.sync_all()).map_err(failed)
}

fn make_key(
    path: &Path,
    comment: &str,
    passphrase: Option<&SecretString>,
    created: &mut Vec<PathBuf>,
) -> Result<(), InitError> {
    let failed = |error: ssh_key::Error| InitError::Key { path: path.to_owned(), reason: error.to_string() };
    let mut key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(failed)?;
    key.set_comment(comment);
    if let Some(passphrase) = passphrase {
        key = key.encrypt(&mut OsRng, passphrase.expose_secret()).map_err(failed)?;
    }
    let text = key.to_openssh(LineEnding::LF).map_err(failed)?;
    write_private(path, text.as_bytes(), created)
}

/// Creates a file that only its owner can read, from its first byte on; one that is there stays.
fn write_private(path: &Path, bytes: &[u8], created: &mut Vec<PathBuf>) -> Result<(), InitError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", random_hex(8)?));
    let temporary = path.with_file_name(name);
    let failed = |source| InitError::File { action: "write", path: temporary.clone(), source };
    let write = || {
        fault::reach("keys.write")?;
        let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    if let Err(error) = write() {
        // Half a key helps nobody; that it cannot be removed changes nothing about the failure.
        let _ = std::fs::remove_file(&temporary);
        return Err(failed(error));
    }
    match durable::rename_noreplace(&temporary, path) {
        Ok(()) => {
            created.push(path.to_owned());
            Ok(())
        }
        Err(DurableError::Exists(_)) => std::fs::remove_file(&temporary).map_err(failed),
        Err(source) => Err(InitError::Write { path: path.to_owned(), source }),
    }
}

fn write_public(path: &Path, key: &PublicKey, created: &mut Vec<PathBuf>) -> Result<(), InitError> {
    write_new(path, format!("{}\n", openssh(path, key)?).as_bytes(), created)
}

fn write_new(path: &Path, bytes: &[u8], created: &mut Vec<PathBuf>) -> Result<(), InitError> {
    match durable::write_new(path, bytes) {
        Ok(()) => {
            created.push(path.to_owned());
            Ok(())
        }
        Err(DurableError::Exists(_)) => Ok(()),
        Err(source) => Err(InitError::Write { path: path.to_owned(), source }),
    }
}

fn openssh(path: &Path, key: &PublicKey) -> Result<String, InitError> {
    key.to_openssh().map_err(|e| InitError::Key { path: path.to_owned(), reason: e.to_string() })
}

fn public_key(path: &Path, line: &str) -> Result<PublicKey, InitError> {
    let refuse = |reason: String| InitError::Key { path: path.to_owned(), reason };
    let key = PublicKey::from_openssh(line.trim())
        .map_err(|error| refuse(format!("{error}; expected a line such as: ssh-ed25519 AAAA… owner")))?;
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::SkEd25519 => Ok(key),
        other => Err(refuse(format!("{other} keys are not supported; use ssh-ed25519"))),
    }
}

fn read(path: &Path) -> Result<String, InitError> {
    std::fs::read_to_string(path).map_err(|source| InitError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })
}
