//! The kill switch: a file in the data directory, and a file `STOP` in the vault that anybody with
//! access to the vault can make. Either stops; only [`KillSwitch::lift`] starts again.

use std::path::{Path, PathBuf};

use crate::durable::{self, DurableError};
use crate::{FileError, Vault};

/// The switch of one machine and one vault.
#[derive(Clone, Debug)]
pub struct KillSwitch {
    vault: Vault,
    /// Absent on a machine that only follows the vault.
    file: Option<PathBuf>,
}

/// Why the switch could not be set.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The file in the data directory, or `STOP`.
    #[error(transparent)]
    Write(#[from] DurableError),
    /// `STOP` in the vault.
    #[error(transparent)]
    Vault(#[from] FileError),
    /// The file in the data directory.
    #[error("failed to remove {path}", path = path.display())]
    Remove {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl KillSwitch {
    /// The switch of `vault` with its file in the data directory.
    pub fn new(vault: Vault, file: impl Into<PathBuf>) -> Self {
        Self { vault, file: Some(file.into()) }
    }

    /// The switch of a machine that can do nothing but draft: it obeys `STOP` for as long as it is
    /// in the vault, so that the owner's `resume`, once synchronised, lifts it here too.
    pub fn following(vault: Vault) -> Self {
        Self { vault, file: None }
    }

    /// Why nothing may be done, if nothing may be done. A `STOP` in the vault is remembered in the
    /// data directory, so that removing it there lifts nothing; a switch that cannot be read is on.
    pub fn engaged(&self) -> Option<String> {
        // `symlink_metadata`: whatever has the name stops, also a dangling link.
        if let Some(file) = &self.file {
            match std::fs::symlink_metadata(file) {
                Ok(_) => return Some(reason(file)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Some(format!("failed to read {}: {error}", file.display())),
            }
        }
        match self.vault.is_stopped() {
            Ok(false) => None,
            Ok(true) => {
                let reason = self.vault.stop_reason().filter(|reason| !reason.is_empty());
                let reason = reason.unwrap_or_else(|| "there is a STOP in the vault".into());
                if let Err(error) = self.remember(&reason) {
                    tracing::error!(%error, "STOP in the vault is obeyed but cannot be remembered");
                }
                Some(reason)
            }
            Err(error) => Some(format!("failed to look for STOP: {error}")),
        }
    }

    /// Stops everything, on both machines once the vault is synchronised.
    pub fn engage(&self, reason: &str) -> Result<(), StopError> {
        self.remember(reason)?;
        Ok(self.vault.stop(reason)?)
    }

    /// Starts again.
    pub fn lift(&self) -> Result<(), StopError> {
        // The data directory's file last: a crash in between leaves it stopped.
        self.vault.lift_stop()?;
        let Some(file) = &self.file else { return Ok(()) };
        let reached = fault::reach("stop.forget").map_err(std::io::Error::from);
        match reached.and_then(|()| std::fs::remove_file(file)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(StopError::Remove { path: file.clone(), source })
            }
            _ => file.parent().map_or(Ok(()), |folder| Ok(durable::fsync_dir(folder)?)),
        }
    }

    fn remember(&self, reason: &str) -> Result<(), DurableError> {
        let Some(file) = &self.file else { return Ok(()) };
        match durable::write_new(file, format!("{reason}\n").as_bytes()) {
            Err(DurableError::Exists(_)) => Ok(()),
            other => other,
        }
    }
}

fn reason(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() { "stopped by the owner".to_owned() } else { line.chars().take(200).collect() }
}
