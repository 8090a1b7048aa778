//! The data directory: what belongs to this machine and never to the vault.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use task::AgentId;

use crate::Failure;

/// A folder that only its owner can enter, and the names of what is in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataDir {
    root: PathBuf,
}

/// Why a folder cannot be the data directory.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It cannot be made or looked at.
    #[error("cannot use the data directory {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is somebody else's.
    #[error("the data directory {} belongs to user {owner}, and this program runs as user {me}", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// We.
        me: u32,
    },
    /// A later version of this program made it.
    #[error("the data directory {} has format {format:?}, and this program knows format {FORMAT}; nothing was changed", path.display())]
    Newer {
        /// The folder.
        path: PathBuf,
        /// What it says.
        format: String,
    },
    /// Others may enter it, and it holds what is not ours, so that we do not close it ourselves.
    #[error("the data directory {} is open to other users (mode {mode:04o}) and holds other files", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl From<DataDirError> for Failure {
    fn from(error: DataDirError) -> Self {
        let message = error.to_string();
        match error {
            DataDirError::Io { source, .. } => Failure::usage(message)
                .because(source)
                .hint("name a folder that can be written with --data or AI_EMPLOYEE_DATA"),
            DataDirError::Foreign { .. } => {
                Failure::usage(message).hint("run as that user, or name another folder with --data")
            }
            DataDirError::Newer { .. } => {
                Failure::usage(message).hint("install that version again, or a newer one")
            }
            DataDirError::Open { path, .. } => Failure::usage(message).hint(format!(
                "name a folder of its own with --data, or, if this is the one: chmod 700 {}",
                path.display()
            )),
        }
    }
}

/// The data directory's format; a folder without the file `format` is of the first.
const FORMAT: u32 = 1;

/// Folders that are made with the data directory.
const FOLDERS: [&str; 4] = ["keys", "watch", "sync", "mock"];

impl DataDir {
    /// Makes the folder (mode 0700) with its subfolders, or checks the one that is there. One that
    /// is open to others is closed if it is empty or already ours.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, DataDirError> {
        let root = root.into();
        let io = |source| DataDirError::Io { path: root.clone(), source };
        let mut private = DirBuilder::new();
        private.recursive(true).mode(0o700);
        fault::reach("data.mkdir").map_err(|e| io(e.into()))?;
        private.create(&root).map_err(io)?;
        let metadata = std::fs::metadata(&root).map_err(io)?;
        let me = rustix::process::geteuid().as_raw();
        if metadata.uid() != me {
            return Err(DataDirError::Foreign { path: root, owner: metadata.uid(), me });
        }
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            let mut names = std::fs::read_dir(&root).map_err(io)?;
            let ours = names.next().is_none() || FOLDERS.iter().all(|name| root.join(name).is_dir());
            if !ours {
                return Err(DataDirError::Open { path: root, mode });
            }
            std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o700)).map_err(io)?;
            tracing::info!("data directory {} was open to other users; it is closed now", root.display());
        }
        let format = root.join("format");
        match std::fs::read_to_string(&format) {
            Ok(said) if said.trim().parse::<u32>().is_ok_and(|said| said <= FORMAT) => {}
            Ok(said) => {
                let format = said.trim().chars().take(20).collect();
                return Err(DataDirError::Newer { path: root, format });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                fault::reach("data.format").map_err(|e| io(e.into()))?;
                write_format(&format).map_err(io)?;
            }
            Err(error) => return Err(io(error)),
        }
        for name in FOLDERS {
            fault::reach("data.mkdir").map_err(|e| io(e.into()))?;
            private.create(root.join(name)).map_err(io)?;
        }
        Ok(Self { root })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The owner's signing key, an OpenSSH private key.
    pub fn owner_key(&self) -> PathBuf {
        self.root.join("keys/owner")
    }

    /// The owner's public key.
    pub fn owner_public_key(&self) -> PathBuf {
        self.root.join("keys/owner.pub")
    }

    /// Who may sign orders, in OpenSSH's allowed_signers format.
    pub fn approvers(&self) -> PathBuf {
        self.root.join("approvers")
    }

    /// The vault's name in orders, one line.
    pub fn vault_id(&self) -> PathBuf {
        self.root.join("vault-id")
    }

    /// The executor's journal.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal.sqlite")
    }

    /// One state file per source.
    pub fn watch(&self) -> PathBuf {
        self.root.join("watch")
    }

    /// The state of synchronisation.
    pub fn sync(&self) -> PathBuf {
        self.root.join("sync")
    }

    /// How far the audit log of each agent was when it was last looked at.
    pub fn log_heads(&self) -> PathBuf {
        self.root.join("log-heads")
    }

    /// How long each foreign claim has been seen unchanged.
    pub fn claims(&self) -> PathBuf {
        self.root.join("claims.json")
    }

    /// Which task is in work, so that one which ends the program is known by it.
    pub fn in_work(&self) -> PathBuf {
        self.root.join("in-work")
    }

    /// Which notes in Errors are ours, and what they said.
    pub fn error_notes(&self) -> PathBuf {
        self.root.join("error-notes.json")
    }

    /// What the language model has cost today.
    pub fn budget(&self) -> PathBuf {
        self.root.join("budget.json")
    }

    /// Which suggestions of the briefings were taken.
    pub fn suggestions(&self) -> PathBuf {
        self.root.join("suggestions.json")
    }

    /// Up to when the schedules' tasks were made.
    pub fn diary(&self) -> PathBuf {
        self.root.join("schedules.json")
    }

    /// The handbook that the owner has accepted.
    pub fn handbook(&self) -> PathBuf {
        self.root.join("handbook.md")
    }

    /// There while the kill switch is on.
    pub fn stopped(&self) -> PathBuf {
        self.root.join("stopped")
    }

    /// The lock against a second instance of an agent.
    pub fn lock(&self, agent: &AgentId) -> PathBuf {
        self.root.join(format!("lock-{agent}"))
    }

    /// What the tool servers' sample data have become.
    pub fn mock(&self) -> PathBuf {
        self.root.join("mock")
    }
}

/// Whole or not at all: half a number would look like another version's.
fn write_format(path: &Path) -> std::io::Result<()> {
    let new = path.with_file_name(format!("format.new-{}", std::process::id()));
    std::fs::write(&new, format!("{FORMAT}\n"))?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_one_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().expect("tempdir");
        let root = dir.path().join("data");
        DataDir::open(&root).expect("new");
        DataDir::open(&root).expect("again");
        std::fs::write(root.join("format"), "2\n").expect("write");
        std::fs::remove_dir(root.join("watch")).expect("remove");
        let failure = Failure::from(DataDir::open(&root).expect_err("newer"));
        assert_eq!(failure.status(), 2);
        assert!(failure.to_string().contains("\"2\"") && !root.join("watch").exists(), "{failure}");
        std::fs::remove_file(root.join("format")).expect("an older one");
        DataDir::open(&root).expect("older");
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("metadata").mode() & 0o777
    }

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
    }

    #[test]
    fn it_is_made_for_its_owner_alone() {
        let dir = tempfile::tempdir().expect("tempdir");
        let data = DataDir::open(dir.path().join("a/b")).expect("data");
        assert_eq!(mode(data.root()), 0o700);
        assert_eq!(mode(&data.watch()), 0o700);
        assert!(data.watch().is_dir() && data.sync().is_dir() && data.mock().is_dir());
    }

    #[test]
    fn an_open_one_is_closed_when_it_is_ours_and_refused_otherwise() {
        let dir = tempfile::tempdir().expect("tempdir");
        let root = dir.path().join("empty");
        std::fs::create_dir(&root).expect("mkdir");
        chmod(&root, 0o755);
        DataDir::open(&root).expect("an empty one");
        assert_eq!(mode(&root), 0o700);
        chmod(&root, 0o750);
        DataDir::open(&root).expect("one of ours");
        assert_eq!(mode(&root), 0o700);

        let home = dir.path().join("home");
        std::fs::create_dir(&home).expect("mkdir");
        std::fs::write(home.join("letter.txt"), "x").expect("write");
        chmod(&home, 0o755);
        let failure = Failure::from(DataDir::open(&home).expect_err("somebody's home"));
        assert_eq!(failure.status(), 2);
        assert!(failure.to_string().contains("mode 0755") && failure.to_string().contains("chmod 700"));
        assert_eq!(mode(&home), 0o755, "left alone");
    }

    #[test]
    fn a_file_in_its_place_is_a_usage_failure() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("file");
        std::fs::write(&path, "x").expect("write");
        assert_eq!(Failure::from(DataDir::open(&path).expect_err("file")).status(), 2);
    }
}
