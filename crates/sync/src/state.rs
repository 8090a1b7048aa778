//! What is remembered outside of the vault: the last tip of the remote that was seen. It lies in
//! the data directory, where nothing that comes from the remote can change it.

use std::path::{Path, PathBuf};

use git2::Oid;
use serde::{Deserialize, Serialize};
use vault::{DurableError, durable};

/// The file's content.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// The remote that this is about; another address starts anew.
    #[serde(default)]
    pub(crate) remote: String,
    /// Its last tip that was integrated or pushed.
    #[serde(default, with = "hex")]
    pub(crate) seen: Option<Oid>,
    /// A tip that the owner has vouched for although it does not descend from `seen`.
    #[serde(default, with = "hex")]
    pub(crate) trusted: Option<Oid>,
}

/// Where it is kept.
#[derive(Clone, Debug)]
pub(crate) struct MemoryFile {
    path: PathBuf,
}

impl MemoryFile {
    pub(crate) fn new(directory: &Path, agent: &task::AgentId) -> Self {
        Self { path: directory.join(format!("tip-{agent}.json")) }
    }

    /// What is remembered; nothing, where there is no file or it cannot be read. The clone's own
    /// record of the remote then stands in.
    pub(crate) fn load(&self) -> Option<Memory> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    tracing::warn!(path = %self.path.display(), %error, "cannot read the last tip seen");
                }
                return None;
            }
        };
        match serde_json::from_slice(&bytes) {
            Ok(memory) => Some(memory),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the record of the last tip seen is damaged");
                None
            }
        }
    }

    pub(crate) fn store(&self, memory: &Memory) -> Result<(), DurableError> {
        // A struct of strings always has JSON.
        let bytes = serde_json::to_vec_pretty(memory).unwrap_or_default();
        durable::replace(&self.path, &bytes)
    }
}

mod hex {
    use git2::Oid;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(super) fn serialize<S: Serializer>(id: &Option<Oid>, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&id.map(|id| id.to_string()).unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Oid>, D::Error> {
        let text = String::deserialize(d)?;
        if text.is_empty() {
            return Ok(None);
        }
        Oid::from_str(&text).map(Some).map_err(|e| D::Error::custom(e.message().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_tip_is_kept_and_a_damaged_file_is_nothing() {
        let temp = tempfile::tempdir().expect("a folder");
        let file = MemoryFile::new(temp.path(), &"local-001".parse().expect("agent"));
        assert_eq!(file.load(), None);
        let seen = Oid::from_str("0123456789012345678901234567890123456789").ok();
        let memory = Memory { remote: "r".into(), seen, trusted: None };
        file.store(&memory).expect("store");
        assert_eq!(file.load(), Some(memory));
        std::fs::write(temp.path().join("tip-local-001.json"), "{").expect("write");
        assert_eq!(file.load(), None);
    }
}
