//! The file that stands beside a task in work and says whose it is and by which claim. Its
//! content belongs to the crate that claims.

use task::{AgentId, TaskId};

use crate::durable::FileError;
use crate::{LockError, Vault, WriteError};

/// Larger ones are nobody's.
const LIMIT: u64 = 16 << 10;

/// The name of the claim file of a task, `<id>.claim.json`.
pub fn claim_file_name(id: &TaskId) -> String {
    format!("{id}.claim.json")
}

impl Vault {
    /// Writes or replaces `In_Progress/<agent>/<id>.claim.json`, durably.
    pub fn write_claim(&self, agent: &AgentId, id: &TaskId, bytes: &[u8]) -> Result<(), WriteError> {
        let _guard = self.lock_shared()?;
        let dir = self.dir_created(&format!("In_Progress/{agent}"))?;
        Ok(self.staging().stage(bytes)?.publish_over(&dir, &claim_file_name(id))?)
    }

    /// Its bytes; `None` where there is none.
    pub fn read_claim(&self, agent: &AgentId, id: &TaskId) -> Result<Option<Vec<u8>>, FileError> {
        let read = self.dir(&format!("In_Progress/{agent}")).and_then(|d| d.read(claim_file_name(id), LIMIT));
        match read {
            Ok(contents) => Ok(Some(contents.bytes)),
            Err(e) if e.is_missing() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Removes it, durably; missing is fine.
    pub fn remove_claim(&self, agent: &AgentId, id: &TaskId) -> Result<(), LockError> {
        let _guard = self.lock_shared()?;
        let dir = match self.dir(&format!("In_Progress/{agent}")) {
            Err(e) if e.is_missing() => return Ok(()),
            other => other?,
        };
        dir.remove(claim_file_name(id))?;
        Ok(dir.sync()?)
    }

    /// The ids of the claim files of an agent.
    pub fn claim_files(&self, agent: &AgentId) -> Result<Vec<TaskId>, FileError> {
        let names = match self.dir(&format!("In_Progress/{agent}")) {
            Err(e) if e.is_missing() => return Ok(Vec::new()),
            other => other?.names()?,
        };
        let mut ids: Vec<TaskId> = names
            .iter()
            .filter_map(|name| TaskId::new(name.to_str()?.strip_suffix(".claim.json")?).ok())
            .collect();
        ids.sort();
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Limits, Vault};

    #[test]
    fn claim_files_come_and_go() {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path(), Limits::default()).expect("open");
        let (agent, id) = ("cloud-001".parse().expect("agent"), "EMAIL_1".parse().expect("id"));
        assert_eq!(vault.read_claim(&agent, &id).expect("read"), None);
        vault.remove_claim(&agent, &id).expect("remove");
        vault.write_claim(&agent, &id, b"{}").expect("write");
        vault.write_claim(&agent, &id, b"{1}").expect("write");
        assert_eq!(vault.claim_files(&agent).expect("list"), std::slice::from_ref(&id));
        assert_eq!(vault.read_claim(&agent, &id).expect("read").as_deref(), Some(&b"{1}"[..]));
        vault.remove_claim(&agent, &id).expect("remove");
        assert_eq!(vault.read_claim(&agent, &id).expect("read"), None);
    }
}
