//! The kill switch that everybody with access to the vault has: a file named `STOP`.

use crate::Vault;
use crate::durable::{DurableError, FileError};

const NAME: &str = "STOP";

impl Vault {
    /// Whether there is a `STOP`, of whatever kind: a folder or a dangling link stops too.
    pub fn is_stopped(&self) -> Result<bool, FileError> {
        Ok(self.root_dir().meta(NAME)?.is_some())
    }

    /// Creates `STOP`; it stays as it is where there is one.
    pub fn stop(&self, reason: &str) -> Result<(), DurableError> {
        match self.staging().stage(format!("{reason}\n").as_bytes())?.publish_new(self.root_dir(), NAME) {
            Err(DurableError::Exists(_)) => Ok(()),
            other => other,
        }
    }

    /// What is written in `STOP`, if it is a readable file.
    pub fn stop_reason(&self) -> Option<String> {
        let bytes = self.root_dir().read(NAME, 4096).ok()?.bytes;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Removes `STOP`.
    pub fn lift_stop(&self) -> Result<(), FileError> {
        self.root_dir().remove(NAME)?;
        self.root_dir().sync()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Limits, Vault};

    #[test]
    fn anything_named_stop_stops() {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path(), Limits::default()).expect("open");
        assert!(!vault.is_stopped().expect("stopped"));
        vault.stop("by the owner").expect("stop");
        vault.stop("again").expect("stop");
        assert!(vault.is_stopped().expect("stopped"));
        assert_eq!(vault.stop_reason().as_deref(), Some("by the owner"));
        vault.lift_stop().expect("lift");
        assert!(!vault.is_stopped().expect("stopped"));
        std::os::unix::fs::symlink("nowhere", temp.path().join("STOP")).expect("link");
        assert!(vault.is_stopped().expect("stopped"));
    }
}
