//! The vault's pages that are no tasks: the dashboard, the handbook, briefings; and the hidden
//! files that only this machine sees.

use crate::durable::{Dir, DurableError, FileError};
use crate::{LockError, Vault};
use std::sync::Arc;

/// Larger pages are not read.
const LIMIT: u64 = 4 << 20;

/// Why a page was not written.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Not a page's path.
    #[error("{0:?} is no page's path; use names of letters, digits, '.', '_', '-' with '/' between")]
    Path(String),
    /// The lock was not had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file.
    #[error(transparent)]
    Durable(#[from] DurableError),
}

enum Place<'a> {
    Root(&'a Dir),
    Folder(Arc<Dir>),
}

impl std::ops::Deref for Place<'_> {
    type Target = Dir;
    fn deref(&self) -> &Dir {
        match self {
            Place::Root(dir) => dir,
            Place::Folder(dir) => dir,
        }
    }
}

impl Vault {
    fn place<'a>(&self, relative: &'a str, create: bool) -> Result<(Place<'_>, &'a str), PageError> {
        let fits = relative.split('/').all(|name| {
            !name.is_empty()
                && name.len() <= 120
                && name != "."
                && name != ".."
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        });
        if !fits {
            return Err(PageError::Path(relative.chars().take(200).collect()));
        }
        Ok(match relative.rsplit_once('/') {
            None => (Place::Root(self.root_dir()), relative),
            Some((folder, name)) if create => (Place::Folder(self.dir_created(folder)?), name),
            Some((folder, name)) => (Place::Folder(self.dir(folder)?), name),
        })
    }

    /// Writes the page `relative` when its text is another; says whether it was.
    pub fn write_page(&self, relative: &str, text: &str) -> Result<bool, PageError> {
        let _guard = self.lock_shared()?;
        let (dir, name) = self.place(relative, true)?;
        match dir.read(name, LIMIT) {
            Ok(old) if old.bytes == text.as_bytes() => return Ok(false),
            _ => {}
        }
        self.staging().stage(text.as_bytes())?.publish_over(&dir, name)?;
        Ok(true)
    }

    /// Writes the page `relative` where there is none; says whether it did.
    pub fn create_page(&self, relative: &str, text: &str) -> Result<bool, PageError> {
        let _guard = self.lock_shared()?;
        let (dir, name) = self.place(relative, true)?;
        if dir.meta(name)?.is_some() {
            return Ok(false);
        }
        match self.staging().stage(text.as_bytes())?.publish_new(&dir, name) {
            Ok(()) => Ok(true),
            Err(DurableError::Exists(_)) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// A page's text; `None` where there is none.
    pub fn read_page(&self, relative: &str) -> Result<Option<String>, PageError> {
        let bytes = self.page_bytes(relative)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// A page's bytes; `None` where there is none.
    pub fn page_bytes(&self, relative: &str) -> Result<Option<Vec<u8>>, PageError> {
        let read = self.place(relative, false).and_then(|(dir, name)| Ok(dir.read(name, LIMIT)?));
        match read {
            Ok(contents) => Ok(Some(contents.bytes)),
            Err(PageError::File(e)) if e.is_missing() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Writes a hidden file in the root, such as `.heartbeat_cloud-001.json`, atomically. It is
    /// not fsynced: it is worth nothing after a power cut, and is written all the time.
    pub fn write_hidden(&self, name: &str, bytes: &[u8]) -> Result<(), PageError> {
        if !name.starts_with('.') || name.contains('/') {
            return Err(PageError::Path(name.chars().take(200).collect()));
        }
        Ok(self.staging().write_volatile(bytes, self.root_dir(), name)?)
    }

    /// A hidden file's bytes; `None` where there is none.
    pub fn read_hidden(&self, name: &str) -> Result<Option<Vec<u8>>, FileError> {
        match self.root_dir().read(name, LIMIT) {
            Ok(contents) => Ok(Some(contents.bytes)),
            Err(e) if e.is_missing() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The names of the hidden files in the root that start with `prefix`.
    pub fn hidden_names(&self, prefix: &str) -> Result<Vec<String>, FileError> {
        let mut names: Vec<String> = self
            .root_dir()
            .names()?
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .filter(|name| name.starts_with('.') && name.starts_with(prefix))
            .collect();
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Limits, PageError, Vault};

    #[test]
    fn a_page_is_written_only_when_its_text_is_another() {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path(), Limits::default()).expect("open");
        assert_eq!(vault.read_page("Dashboard.md").expect("read"), None);
        assert!(vault.write_page("Dashboard.md", "one").expect("write"));
        assert!(!vault.write_page("Dashboard.md", "one").expect("write"));
        assert!(vault.write_page("Dashboard.md", "two").expect("write"));
        assert!(!vault.create_page("Dashboard.md", "three").expect("create"));
        assert!(vault.create_page("Briefings/2026-02-23.md", "x").expect("create"));
        assert_eq!(vault.read_page("Dashboard.md").expect("read").as_deref(), Some("two"));
        assert!(matches!(vault.write_page("../x.md", "x"), Err(PageError::Path(_))));
        assert!(matches!(vault.write_page("/etc/x.md", "x"), Err(PageError::Path(_))));
    }

    #[test]
    fn a_page_behind_a_symlink_is_neither_read_nor_followed() {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path().join("v"), Limits::default()).expect("open");
        let outside = temp.path().join("outside");
        std::fs::write(&outside, "secret").expect("write");
        std::os::unix::fs::symlink(&outside, temp.path().join("v/Dashboard.md")).expect("link");
        assert!(vault.read_page("Dashboard.md").is_err());
        vault.write_page("Dashboard.md", "x").expect("write");
        assert_eq!(std::fs::read_to_string(&outside).expect("read"), "secret");
    }
}
