//! Secrets: where they are and how they are fetched. A value is never in a message.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use crate::{Env, Failure};

/// Why a secret was not had. Names the place, never the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Neither `env` nor `file`, or both.
    #[error("the secret of {of} must have exactly one of env and file")]
    Place {
        /// Whose secret.
        of: String,
    },
    /// The variable is not set.
    #[error("the environment variable {name}, which holds the secret of {of}, is not set")]
    Unset {
        /// Whose secret.
        of: String,
        /// The variable.
        name: String,
    },
    /// The file can be read by others.
    #[error("{}, which holds the secret of {of}, can be read by other users (mode {mode:04o})", path.display())]
    Open {
        /// Whose secret.
        of: String,
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file cannot be read.
    #[error("cannot read {}, which holds the secret of {of}", path.display())]
    Io {
        /// Whose secret.
        of: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is one of systemd's credentials, and there are none.
    #[error("{}, which holds the secret of {of}, is a credential, and systemd gave this program none", path.display())]
    NoCredentials {
        /// Whose secret.
        of: String,
        /// As configured.
        path: PathBuf,
    },
    /// The file holds no secret.
    #[error("{}, which should hold the secret of {of}, {what}", path.display())]
    Content {
        /// Whose secret.
        of: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        let failure = Failure::usage(error.to_string());
        match error {
            SecretError::Place { .. } => failure.hint("write it as { env: NAME } or as { file: PATH }"),
            SecretError::Unset { name, .. } => failure
                .hint(format!("set it, or put a line {name}=… into .env beside config.yaml (mode 0600)")),
            SecretError::Open { path, .. } => failure.hint(format!("chmod 600 {}", path.display())),
            SecretError::NoCredentials { path, .. } => failure.hint(format!(
                "put LoadCredential={}:/path/to/the/secret into the unit",
                path.file_name().unwrap_or_default().to_string_lossy()
            )),
            SecretError::Io { source, .. } => failure.because(source),
            SecretError::Content { .. } => failure.hint("put the secret alone into the file"),
        }
    }
}

/// What a `file` begins with that is one of systemd's credentials (`LoadCredential=`).
const CREDENTIALS: &str = "$CREDENTIALS_DIRECTORY";

/// The longest secret file, in bytes; tokens are far shorter.
pub(crate) const LONGEST: u64 = 64 * 1024;

impl Env {
    /// Fetches a secret. `of` says whose it is, as in `mail account work (imap)`.
    pub fn secret(&self, secret: &config::Secret, of: &str) -> Result<SecretString, SecretError> {
        let of = of.to_owned();
        match (&secret.env, &secret.file) {
            (Some(name), None) => self.secret_variable(name, of),
            (None, Some(path)) => match path.strip_prefix(CREDENTIALS) {
                Ok(name) => self.credential(name, path, of),
                Err(_) => secret_file(path.clone(), of, 0o077),
            },
            _ => Err(SecretError::Place { of }),
        }
    }

    /// Systemd lets a service read its credentials by an access list, which shows as group rights.
    fn credential(&self, name: &Path, configured: &Path, of: String) -> Result<SecretString, SecretError> {
        let plain = name.components().count() == 1 && name.file_name().is_some();
        match self.get("CREDENTIALS_DIRECTORY").filter(|_| plain) {
            Some(directory) => secret_file(Path::new(directory).join(name), of, 0o007),
            None => Err(SecretError::NoCredentials { of, path: configured.to_owned() }),
        }
    }

    fn secret_variable(&self, name: &str, of: String) -> Result<SecretString, SecretError> {
        if let Some((path, mode)) = self.file_of(name).filter(|(_, mode)| mode & 0o077 != 0) {
            return Err(SecretError::Open { of, path: path.to_owned(), mode });
        }
        match self.get(name) {
            Some(value) => Ok(SecretString::from(value)),
            None => Err(SecretError::Unset { of, name: name.to_owned() }),
        }
    }
}

/// Reads a file that nobody has rights to beside its owner, as far as `others` says.
fn secret_file(path: PathBuf, of: String, others: u32) -> Result<SecretString, SecretError> {
    let read = || {
        let file = std::fs::File::open(&path)?;
        let metadata = file.metadata()?;
        // In one piece from the start, so that no part of it is left behind; wiped when it goes.
        let length = usize::try_from(metadata.len().min(LONGEST)).unwrap_or_default();
        let mut text = Zeroizing::new(String::with_capacity(length + 2));
        file.take(LONGEST + 1).read_to_string(&mut text)?;
        Ok((metadata, text))
    };
    let (metadata, text) = match read() {
        Ok(read) => read,
        Err(source) => return Err(SecretError::Io { of, path, source }),
    };
    let mode = metadata.mode() & 0o777;
    if mode & others != 0 {
        return Err(SecretError::Open { of, path, mode });
    }
    if !metadata.is_file() || metadata.len() > LONGEST {
        return Err(SecretError::Content { of, path, what: "is no small file" });
    }
    let value = text.trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        return Err(SecretError::Content { of, path, what: "is empty" });
    }
    Ok(SecretString::from(value))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;
    use crate::Surroundings;

    fn write(dir: &tempfile::TempDir, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("write");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("chmod");
        path
    }

    fn check(env: &Env, secret: &config::Secret, expected: Result<&str, &str>) {
        match (env.secret(secret, "mail account work"), expected) {
            (Ok(value), Ok(expected)) => assert_eq!(value.expose_secret(), expected),
            (Err(error), Err(part)) => {
                let text = Failure::from(error).to_string();
                assert!(text.contains(part), "{text}");
                assert!(!text.contains("hunter2"), "{text}");
            }
            (got, expected) => panic!("got {:?}, expected {expected:?}", got.map(|_| "a secret")),
        }
    }

    #[test]
    fn a_secret_file_must_be_private() {
        let dir = tempfile::tempdir().expect("tempdir");
        let at = |path: PathBuf| config::Secret { env: None, file: Some(path) };
        let env = Env::default();
        check(&env, &at(write(&dir, "a", "hunter2\r\n", 0o600)), Ok("hunter2"));
        check(&env, &at(write(&dir, "b", "hunter2\n", 0o400)), Ok("hunter2"));
        check(&env, &at(write(&dir, "c", "hunter2\n", 0o640)), Err("mode 0640"));
        check(&env, &at(write(&dir, "d", "hunter2\n", 0o604)), Err("chmod 600"));
        check(&env, &at(write(&dir, "e", "\n", 0o600)), Err("is empty"));
        check(&env, &at(dir.path().join("missing")), Err("cannot read"));
    }

    #[test]
    fn a_secret_may_be_a_credential_of_systemds() {
        let dir = tempfile::tempdir().expect("tempdir");
        write(&dir, "imap", "hunter2\n", 0o440);
        write(&dir, "open", "hunter2\n", 0o444);
        let surroundings = Surroundings {
            variables: [("CREDENTIALS_DIRECTORY".to_owned(), dir.path().display().to_string())].into(),
            directory: dir.path().into(),
        };
        let at = |name: &str| config::Secret { env: None, file: Some(Path::new(CREDENTIALS).join(name)) };
        let env = Env::of(&surroundings);
        check(&env, &at("imap"), Ok("hunter2"));
        check(&env, &at("open"), Err("mode 0444"));
        check(&env, &at("missing"), Err("cannot read"));
        check(&env, &at("../imap"), Err("LoadCredential="));
        check(&Env::default(), &at("imap"), Err("LoadCredential=imap:"));
    }

    #[test]
    fn a_secret_variable_comes_from_the_process_or_a_private_dotenv() {
        let dir = tempfile::tempdir().expect("tempdir");
        let named = |name: &str| config::Secret { env: Some(name.into()), file: None };
        let surroundings = Surroundings {
            variables: [("A".to_owned(), "hunter2".to_owned())].into(),
            directory: dir.path().into(),
        };
        let text = "A=other\nB=hunter2\n";
        let private = Env::of(&surroundings).with_file(write(&dir, "x", text, 0o600)).expect("env");
        check(&private, &named("A"), Ok("hunter2"));
        check(&private, &named("B"), Ok("hunter2"));
        check(&private, &named("C"), Err("C, which holds the secret of mail account work, is not set"));
        let open = Env::of(&surroundings).with_file(write(&dir, "y", text, 0o644)).expect("env");
        check(&open, &named("A"), Ok("hunter2"));
        check(&open, &named("B"), Err("mode 0644"));
        check(&open, &config::Secret::default(), Err("exactly one of env and file"));
    }
}
