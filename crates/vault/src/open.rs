//! Opening a vault: its folders, its handles, and the tidying up after dead processes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::durable::{self, Dir, FileError};
use crate::logs::{Heads, LogCache};
use crate::{LockError, SetAsideError};

/// The folders that every vault has.
pub const FOLDERS: [&str; 12] = [
    "Inbox",
    "Needs_Action",
    "In_Progress",
    "Pending_Approval",
    "Rejected",
    "Done",
    "Errors",
    "Conflicts",
    "Logs",
    "Briefings",
    "Accounting",
    "Templates",
];

/// Where files are written before they get their names. One place, so that a start need not
/// search the whole vault for leftovers.
pub(crate) const STAGING: &str = ".tmp";

/// What a vault's own git leaves alone: temporaries, heartbeats, locks and what editors leave
/// behind, all of which start with a full stop.
const IGNORE: &str = include_str!("../../../vault/.gitignore");

/// The vault's format, as its `.gitignore` says it; one that says nothing is of the first.
const FORMAT: u32 = 1;

/// What stands before the format's number.
const FORMAT_LINE: &str = "# AI Employee vault, format ";

/// How much is read of what strangers put into the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest task file, in bytes.
    pub max_task_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_task_bytes: 1 << 20 }
    }
}

/// Why a vault cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or one in it cannot be made or opened.
    #[error("open the vault: {0}; check that the path is a folder this user may write to")]
    Folder(#[from] FileError),
    /// A later version of this program made it.
    #[error(
        "open the vault {}: it has format {format}, and this program knows formats up to {FORMAT}; nothing was changed. Install the same version as on the other machine",
        path.display()
    )]
    Newer {
        /// The vault.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// The lock is held.
    #[error("open the vault: {0}")]
    Lock(#[from] LockError),
    /// A person's words from before a crash could not be kept.
    #[error("tidy up the vault after a crash: {0}")]
    Rescue(#[from] SetAsideError),
}

/// A vault. Cheap to clone; all clones share their handles.
#[derive(Clone, Debug)]
pub struct Vault {
    inner: Arc<Inner>,
    heads: Option<Arc<Heads>>,
}

#[derive(Debug)]
struct Inner {
    root: Dir,
    staging: Dir,
    limits: Limits,
    folders: Mutex<HashMap<String, Arc<Dir>>>,
    logs: LogCache,
}

impl Vault {
    /// Opens the vault at `root`, makes the folders that are missing, and removes what dead
    /// processes left half-done; swapped-out words of a person among it go to `Conflicts/`.
    pub fn open(root: impl AsRef<Path>, limits: Limits) -> Result<Self, OpenError> {
        let path = root.as_ref();
        let reached = fault::reach("vault.mkdir").map_err(std::io::Error::from);
        reached.and_then(|()| std::fs::create_dir_all(path)).map_err(|e| {
            let cause = rustix::io::Errno::from_io_error(&e).unwrap_or(rustix::io::Errno::IO);
            FileError::new("create folder", path, cause)
        })?;
        let root = Dir::open(path)?;
        let format = format_of(path);
        if format > FORMAT {
            return Err(OpenError::Newer { path: path.to_owned(), format });
        }
        for folder in FOLDERS {
            root.below(folder, true)?;
        }
        let staging = root.below(STAGING, true)?;
        let inner =
            Inner { root, staging, limits, folders: Mutex::new(HashMap::new()), logs: LogCache::default() };
        let vault = Self { inner: Arc::new(inner), heads: None };
        match vault.root_dir().write_new(".gitignore", IGNORE.as_bytes()) {
            Ok(()) | Err(durable::DurableError::Exists(_)) => {}
            Err(durable::DurableError::Gone(path)) => {
                return Err(FileError::new("create", path, rustix::io::Errno::NOENT).into());
            }
            Err(durable::DurableError::File(e)) => return Err(e.into()),
        }
        vault.rescue()?;
        Ok(vault)
    }

    /// Keeps in `folder`, outside of the vault, how far each agent's log is; see
    /// [`Vault::verify_logs`] and [`Vault::note_heads`].
    #[must_use]
    pub fn keeping_heads(mut self, folder: impl AsRef<Path>) -> Self {
        self.heads = Some(Arc::new(Heads::at(folder.as_ref())));
        self
    }

    fn rescue(&self) -> Result<(), OpenError> {
        for dir in [self.staging(), self.root_dir()] {
            for stray in durable::sweep(dir)? {
                let kept = self.keep_conflict(&stray.name, &stray.bytes)?;
                tracing::warn!(
                    file = stray.name,
                    kept,
                    "a crash interrupted a write; the words it replaced are kept"
                );
                dir.remove(&stray.temporary)?;
            }
        }
        Ok(())
    }

    /// The vault's path.
    pub fn root(&self) -> &Path {
        self.inner.root.path()
    }

    /// Where `relative` (with `/`) is on this machine, for showing to people.
    pub fn path_of(&self, relative: &str) -> PathBuf {
        self.root().join(relative)
    }

    /// What it reads at most.
    pub fn limits(&self) -> Limits {
        self.inner.limits
    }

    /// A handle on the folder `relative` (with `/`), opened name by name without following a
    /// link; kept for the next call, and opened anew when the path leads elsewhere by now.
    pub fn dir(&self, relative: &str) -> Result<Arc<Dir>, FileError> {
        self.dir_with(relative, false)
    }

    /// Like [`Vault::dir`], making what is missing.
    pub fn dir_created(&self, relative: &str) -> Result<Arc<Dir>, FileError> {
        self.dir_with(relative, true)
    }

    fn dir_with(&self, relative: &str, create: bool) -> Result<Arc<Dir>, FileError> {
        let known = self.inner.folders.lock().unwrap_or_else(PoisonError::into_inner).get(relative).cloned();
        if let Some(dir) = known.filter(|dir| dir.is_at(&self.inner.root, relative)) {
            return Ok(dir);
        }
        let dir = Arc::new(self.inner.root.below(relative, create)?);
        let mut folders = self.inner.folders.lock().unwrap_or_else(PoisonError::into_inner);
        // Months of Done and agents of old do not keep their handles for ever.
        if folders.len() >= 64 {
            folders.clear();
        }
        folders.insert(relative.to_owned(), Arc::clone(&dir));
        Ok(dir)
    }

    pub(crate) fn root_dir(&self) -> &Dir {
        &self.inner.root
    }

    pub(crate) fn staging(&self) -> &Dir {
        &self.inner.staging
    }

    pub(crate) fn heads(&self) -> Option<&Heads> {
        self.heads.as_deref()
    }

    pub(crate) fn log_cache(&self) -> &LogCache {
        &self.inner.logs
    }
}

/// The format that a vault says it has. Only the owner's machine writes that file; whatever else is
/// in it is for git.
fn format_of(root: &Path) -> u32 {
    let text = std::fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    let said = text.lines().find_map(|line| line.strip_prefix(FORMAT_LINE));
    said.and_then(|said| said.trim_end_matches('.').trim().parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use task::Digest;

    use super::*;

    #[test]
    fn an_older_vault_opens_and_a_newer_one_is_left_as_it_is() {
        let temp = tempfile::tempdir().expect("a folder");
        let check = |ignore: &str, opens: bool| {
            let root = temp.path().join(Digest::of(ignore).to_string());
            std::fs::create_dir_all(&root).expect("folder");
            std::fs::write(root.join(".gitignore"), ignore).expect("write");
            let opened = Vault::open(&root, Limits::default());
            assert_eq!(opened.is_ok(), opens, "{ignore:?}");
            assert_eq!(root.join("Needs_Action").exists(), opens, "{ignore:?}");
            assert_eq!(std::fs::read_to_string(root.join(".gitignore")).expect("read"), ignore);
        };
        check(IGNORE, true);
        check(".*\n!.gitignore\n", true);
        check("# AI Employee vault, format 1.\n.*\n", true);
        check("# AI Employee vault, format 2.\n.*\n", false);
        check("# AI Employee vault, format 10.\n.*\n", false);
    }

    #[test]
    fn opening_makes_what_is_missing_and_keeps_what_is_there() {
        let temp = tempfile::tempdir().expect("a folder");
        let root = temp.path().join("new/vault");
        let vault = Vault::open(&root, Limits::default()).expect("open");
        std::fs::write(root.join("Needs_Action/EMAIL_1.md"), "x").expect("write");
        drop(vault);
        Vault::open(&root, Limits::default()).expect("open again");
        assert!(FOLDERS.iter().all(|folder| root.join(folder).is_dir()));
        assert!(root.join("Needs_Action/EMAIL_1.md").exists());
    }

    #[test]
    fn a_folder_that_is_a_symlink_is_refused() {
        let temp = tempfile::tempdir().expect("a folder");
        let elsewhere = temp.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).expect("folder");
        let root = temp.path().join("vault");
        std::fs::create_dir(&root).expect("folder");
        std::os::unix::fs::symlink(&elsewhere, root.join("Done")).expect("link");
        let error = Vault::open(&root, Limits::default()).expect_err("a link").to_string();
        assert!(error.contains("Done"), "{error}");
    }

    #[test]
    fn a_folder_that_was_replaced_is_found_again() {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path(), Limits::default()).expect("open");
        vault.dir_created("In_Progress/a").expect("dir");
        std::fs::remove_dir(temp.path().join("In_Progress/a")).expect("remove");
        assert!(vault.dir("In_Progress/a").expect_err("gone").is_missing());
        let dir = vault.dir_created("In_Progress/a").expect("dir");
        dir.write_new("x", b"x").expect("write");
        assert!(temp.path().join("In_Progress/a/x").exists());
    }

    #[test]
    fn words_that_a_crash_left_under_a_temporary_name_go_to_conflicts() {
        let temp = tempfile::tempdir().expect("a folder");
        drop(Vault::open(temp.path(), Limits::default()).expect("open"));
        // A pid that cannot be alive: above the kernel's limit of 2^22.
        let name = ".swap-2000000000-x-0-0000000000000000-1111111111111111-APPROVE_EMAIL_1.md";
        std::fs::write(temp.path().join(STAGING).join(name), "a person's words").expect("write");
        Vault::open(temp.path(), Limits::default()).expect("open again");
        assert!(!temp.path().join(STAGING).join(name).exists());
        let kept: Vec<_> = std::fs::read_dir(temp.path().join("Conflicts"))
            .expect("conflicts")
            .map(|e| std::fs::read_to_string(e.expect("entry").path()).expect("text"))
            .collect();
        assert_eq!(kept, ["a person's words"]);
    }
}
