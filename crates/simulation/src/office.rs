//! What all schedules share, because making it takes longer than a schedule: the owner's key.

use std::path::Path;

use approval::{InitError, KeyFiles, NewKey, Signer, init};
use signature::Approvers;

/// The owner's key, the list with it, and the vault's id.
#[derive(Debug)]
pub struct Office {
    pub(crate) files: KeyFiles,
    pub(crate) vault_id: String,
    pub(crate) approvers: Approvers,
}

impl Office {
    /// Makes a key in `folder`.
    pub fn new(folder: &Path) -> Result<Self, String> {
        let files = KeyFiles::in_data(folder);
        let made = init(&files, "owner", || Ok::<_, InitError>(NewKey::Unprotected))
            .map_err(|error| format!("make the owner's key: {error}"))?;
        let approvers = Approvers::load(&files.approvers).map_err(|error| error.to_string())?;
        Ok(Self { files, vault_id: made.vault_id, approvers })
    }

    pub(crate) fn signer(&self) -> Signer {
        Signer::key_file(&self.files.key, None)
    }
}
