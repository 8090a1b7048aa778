//! Secrets: where they are and how they are fetched. A value is never in a message.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use secrecy::SecretString;

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
            SecretError::Io { source, .. } => failure.because(source),
            SecretError::Content { .. } => failure.hint("put the secret alone into the file"),
        }
    }
}

/// The longest secret file, in bytes; tokens are far shorter.
pub(crate) const LONGEST: u64 = 64 * 1024;

impl Env {
    /// Fetches a secret. `of` says whose it is, as in `mail account work (imap)`.
    pub fn secret(&self, secret: &config::Secret, of: &str) -> Result<SecretString, SecretError> {
        let of = of.to_owned();
        match (&secret.env, &secret.file) {
            (Some(name), None) => self.secret_variable(name, of),
            (None, Some(path)) => secret_file(path.clone(), of),
            _ => Err(SecretError::Place { of }),
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

fn secret_file(path: PathBuf, of: String) -> Result<SecretString, SecretError> {
    let read = || {
        let file = std::fs::File::open(&path)?;
        let metadata = file.metadata()?;
        let mut text = String::new();
        file.take(LONGEST + 1).read_to_string(&mut text)?;
        Ok((metadata, text))
    };
    let (metadata, mut text) = match read() {
        Ok(read) => read,
        Err(source) => return Err(SecretError::Io { of, path, source }),
    };
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Open { of, path, mode });
    }
    if !metadata.is_file() || metadata.len() > LONGEST {
        return Err(SecretError::Content { of, path, what: "is no small file" });
    }
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    if text.is_empty() {
        return Err(SecretError::Content { of, path, what: "is empty" });
    }
    Ok(SecretString::from(text))
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
