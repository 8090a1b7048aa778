//! Files by path, for whoever integrates another machine's changes. No table of moves is asked
//! here; what is displaced without being expected is kept all the same.

use task::Digest;

use crate::durable::{Dir, DurableError, FileError, Kind, swap_name};
use crate::{LockError, SetAsideError, Vault, WriteError};
use std::sync::Arc;

/// What may be overwritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overwrite {
    /// Nothing: the name must be new.
    Never,
    /// Bytes of this digest; others are kept in `Conflicts/`.
    Expected(Digest),
}

/// Why a file was not written or removed.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// The name is taken.
    #[error("{0} exists already")]
    Exists(String),
    /// It is not there (any more).
    #[error("{0} is not there")]
    Gone(String),
    /// The lock was not had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Unexpected bytes could not be kept; they stay under a temporary name for the next start.
    #[error(transparent)]
    Keep(#[from] SetAsideError),
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Vault {
    /// Writes the file `path` (relative, with `/`) durably, making its folder. Returns where
    /// unexpected bytes that it displaced are kept.
    pub fn write_raw(&self, path: &str, bytes: &[u8], over: Overwrite) -> Result<Option<String>, RawError> {
        let _guard = self.lock_shared()?;
        let (dir, name) = self.raw_place(path, true)?;
        match over {
            Overwrite::Never => match self.staging().stage(bytes)?.publish_new(&dir, name) {
                Ok(()) => Ok(None),
                Err(DurableError::Exists(_)) => Err(RawError::Exists(path.to_owned())),
                Err(DurableError::Gone(_)) => Err(RawError::Gone(path.to_owned())),
                Err(DurableError::File(e)) => Err(e.into()),
            },
            Overwrite::Expected(digest) => match self.swap_in(&dir, name, bytes, digest) {
                Ok(kept) => Ok(kept),
                Err(WriteError::Gone(_)) => Err(RawError::Gone(path.to_owned())),
                Err(WriteError::Keep(e)) => Err((*e).into()),
                Err(WriteError::Lock(e)) => Err(e.into()),
                Err(WriteError::File(e)) => Err(e.into()),
                Err(WriteError::Exists(_) | WriteError::Id { .. } | WriteError::Encode(_)) => {
                    Err(RawError::Exists(path.to_owned()))
                }
            },
        }
    }

    /// Removes the file `path` durably. Bytes other than `expected` go to `Conflicts/`, and where
    /// they are is returned.
    pub fn remove_raw(&self, path: &str, expected: Digest) -> Result<Option<String>, RawError> {
        let _guard = self.lock_shared()?;
        let (dir, name) = self.raw_place(path, false)?;
        match dir.meta(name)? {
            Some(meta) if matches!(meta.kind, Kind::File | Kind::Linked) => {}
            Some(_) => {
                let error = FileError::new("remove", dir.path().join(name), rustix::io::Errno::INVAL);
                return Err(error.into());
            }
            None => return Err(RawError::Gone(path.to_owned())),
        }
        // Out of the way first, looked at afterwards: between a look and a removal somebody
        // could write.
        let aside = swap_name(expected, expected, name);
        match dir.rename_noreplace(name, self.staging(), &aside) {
            Ok(()) => {}
            Err(DurableError::File(e)) => return Err(e.into()),
            Err(_) => return Err(RawError::Gone(path.to_owned())),
        }
        let bytes = self.staging().read(&aside, u64::MAX)?.bytes;
        let kept =
            if Digest::of(&bytes) == expected { None } else { Some(self.keep_conflict(name, &bytes)?) };
        self.staging().remove(&aside)?;
        Ok(kept)
    }

    fn raw_place<'a>(&self, path: &'a str, create: bool) -> Result<(Arc<Dir>, &'a str), RawError> {
        let gone = || RawError::Gone(path.chars().take(300).collect());
        let (folder, name) = path.rsplit_once('/').ok_or_else(gone)?;
        if matches!(name, "" | "." | "..") {
            return Err(gone());
        }
        match if create { self.dir_created(folder) } else { self.dir(folder) } {
            Err(e) if e.is_missing() => Err(gone()),
            other => Ok((other?, name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    #[test]
    fn what_is_displaced_or_removed_without_being_expected_is_kept() {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path(), Limits::default()).expect("open");
        let text = |path: &str| std::fs::read_to_string(temp.path().join(path)).expect(path);
        let path = "Done/2026/02/EMAIL_1.md";
        assert_eq!(vault.write_raw(path, b"one", Overwrite::Never).expect("write"), None);
        assert!(matches!(vault.write_raw(path, b"two", Overwrite::Never), Err(RawError::Exists(_))));
        let one = Overwrite::Expected(Digest::of("one"));
        assert_eq!(vault.write_raw(path, b"two", one).expect("write"), None);
        let kept = vault.write_raw(path, b"three", one).expect("write").expect("kept");
        assert_eq!((text(path), text(&kept)), ("three".to_owned(), "two".to_owned()));
        let kept = vault.remove_raw(path, Digest::of("two")).expect("remove").expect("kept");
        assert_eq!(text(&kept), "three");
        assert!(matches!(vault.remove_raw(path, Digest::of("x")), Err(RawError::Gone(_))));
        assert!(vault.write_raw("../x.md", b"x", Overwrite::Never).is_err());
    }
}
