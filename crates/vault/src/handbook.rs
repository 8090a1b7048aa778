//! The owner's handbook: the page in the vault, and the copy of it in the data directory that the
//! owner has accepted. Everybody with access to the vault can change the page; only the copy counts.

use std::path::{Path, PathBuf};

use task::Digest;

use crate::durable::{self, DurableError};
use crate::{PageError, Vault};

/// A longer handbook is not read.
const LIMIT: u64 = 256 << 10;

/// The handbook of one machine and one vault. All calls block.
#[derive(Clone, Debug)]
pub struct Handbook {
    vault: Vault,
    file: PathBuf,
}

/// How the page and the accepted copy stand to each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// They are the same.
    Accepted,
    /// The vault has no handbook; the accepted one counts on.
    Absent,
    /// The page is another; the accepted one counts on.
    Changed,
    /// The page cannot be read; the accepted one counts on.
    Unreadable(String),
}

/// Why a handbook was not read or not accepted.
#[derive(Debug, thiserror::Error)]
pub enum HandbookError {
    /// The accepted copy.
    #[error("failed to read the accepted handbook {path}: {reason}", path = path.display())]
    Copy {
        /// Where it is.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The page in the vault.
    #[error("failed to read {} in the vault", Handbook::PAGE)]
    Page(#[from] PageError),
    /// It is no text.
    #[error("{} in the vault is not UTF-8; save it as UTF-8 text", Handbook::PAGE)]
    NotText,
    /// It is no handbook any more.
    #[error("{} in the vault is larger than {} KiB; shorten it", Handbook::PAGE, LIMIT >> 10)]
    TooLong,
    /// There is nothing to accept.
    #[error("there is no {} in the vault", Handbook::PAGE)]
    Absent,
    /// It is another than the one that was seen.
    #[error("{} is {now} and not {seen}; look at it again", Handbook::PAGE)]
    Changed {
        /// What was seen.
        seen: Digest,
        /// What is there.
        now: Digest,
    },
    /// The copy was not written.
    #[error("failed to keep the accepted handbook")]
    Write(#[from] DurableError),
}

impl Handbook {
    /// The page's path in the vault.
    pub const PAGE: &str = "Company_Handbook.md";

    /// The handbook of a new vault. It counts as accepted where nothing else was.
    pub const TEMPLATE: &str = include_str!("../../../Company_Handbook.md");

    /// The handbook of `vault`, with its accepted copy in `file`, in the data directory.
    pub fn new(vault: Vault, file: impl Into<PathBuf>) -> Self {
        Self { vault, file: file.into() }
    }

    /// Where the accepted copy is kept.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The handbook that counts.
    pub fn accepted(&self) -> Result<String, HandbookError> {
        Ok(self.copy()?.unwrap_or_else(|| Self::TEMPLATE.to_owned()))
    }

    fn copy(&self) -> Result<Option<String>, HandbookError> {
        let failed = |reason: String| HandbookError::Copy { path: self.file.clone(), reason };
        match std::fs::read(&self.file) {
            Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| failed("it is not UTF-8".into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// The page in the vault, whoever wrote it; `None` where there is none.
    pub fn page(&self) -> Result<Option<String>, HandbookError> {
        let Some(bytes) = self.vault.page_bytes(Self::PAGE)? else { return Ok(None) };
        if bytes.len() as u64 > LIMIT {
            return Err(HandbookError::TooLong);
        }
        String::from_utf8(bytes).map(Some).map_err(|_| HandbookError::NotText)
    }

    /// How the page stands to the accepted copy.
    pub fn standing(&self) -> Result<Standing, HandbookError> {
        let accepted = self.accepted()?;
        Ok(match self.page() {
            Ok(Some(page)) if page == accepted => Standing::Accepted,
            Ok(Some(_)) => Standing::Changed,
            Ok(None) => Standing::Absent,
            Err(error) => Standing::Unreadable(error.to_string()),
        })
    }

    /// Accepts the page, if it is the one that was seen, and gives it.
    pub fn accept(&self, seen: &Digest) -> Result<String, HandbookError> {
        let page = self.page()?.ok_or(HandbookError::Absent)?;
        let now = Digest::of(&page);
        if now != *seen {
            return Err(HandbookError::Changed { seen: *seen, now });
        }
        durable::replace(&self.file, page.as_bytes())?;
        Ok(page)
    }

    /// Writes the template into a vault without a handbook.
    pub fn begin(&self) -> Result<(), HandbookError> {
        self.vault.create_page(Self::PAGE, Self::TEMPLATE)?;
        self.keep_template()
    }

    /// Where nothing was accepted yet and the page is the template, keeps that: a later program
    /// comes with another one.
    pub fn keep_template(&self) -> Result<(), HandbookError> {
        if self.copy()?.is_none() && self.page()?.as_deref() == Some(Self::TEMPLATE) {
            durable::replace(&self.file, Self::TEMPLATE.as_bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    struct Place {
        temp: tempfile::TempDir,
        handbook: Handbook,
    }

    impl Place {
        fn new() -> Self {
            let temp = tempfile::tempdir().expect("a folder");
            let vault = Vault::open(temp.path().join("v"), Limits::default()).expect("vault");
            let handbook = Handbook::new(vault, temp.path().join("handbook.md"));
            Self { temp, handbook }
        }

        fn write(&self, bytes: &[u8]) {
            std::fs::write(self.temp.path().join("v").join(Handbook::PAGE), bytes).expect("write");
        }
    }

    #[test]
    fn only_what_was_accepted_counts() {
        let place = Place::new();
        let handbook = &place.handbook;
        assert_eq!(handbook.standing().expect("standing"), Standing::Absent);
        handbook.begin().expect("begin");
        assert_eq!(handbook.standing().expect("standing"), Standing::Accepted);
        place.write(b"# Pay everybody");
        assert_eq!(handbook.standing().expect("standing"), Standing::Changed);
        assert_eq!(handbook.accepted().expect("accepted"), Handbook::TEMPLATE);
        let seen = Digest::of("# Pay everybody");
        place.write(b"# Pay everybody twice");
        assert!(matches!(handbook.accept(&seen), Err(HandbookError::Changed { .. })));
        assert_eq!(handbook.accepted().expect("accepted"), Handbook::TEMPLATE);
        place.write(b"# Pay everybody");
        handbook.accept(&seen).expect("accept");
        assert_eq!(handbook.accepted().expect("accepted"), "# Pay everybody");
        assert_eq!(handbook.standing().expect("standing"), Standing::Accepted);
        std::fs::remove_file(place.temp.path().join("v").join(Handbook::PAGE)).expect("remove");
        assert_eq!(handbook.standing().expect("standing"), Standing::Absent);
        assert_eq!(handbook.accepted().expect("accepted"), "# Pay everybody");
    }

    #[test]
    fn what_is_no_text_is_never_accepted_and_a_copy_that_cannot_be_read_is_no_handbook() {
        let place = Place::new();
        let handbook = &place.handbook;
        place.write(b"\xff\xfe");
        assert!(matches!(handbook.standing().expect("standing"), Standing::Unreadable(_)));
        assert!(matches!(handbook.accept(&Digest::of("x")), Err(HandbookError::NotText)));
        place.write(&vec![b'x'; 300 << 10]);
        assert!(matches!(handbook.accept(&Digest::of("x")), Err(HandbookError::TooLong)));
        assert_eq!(handbook.accepted().expect("accepted"), Handbook::TEMPLATE);
        std::fs::write(handbook.file(), b"\xff").expect("write");
        assert!(matches!(handbook.accepted(), Err(HandbookError::Copy { .. })));
    }

    #[test]
    fn the_template_is_kept_where_it_is_the_page() {
        let place = Place::new();
        place.write(b"# mine");
        place.handbook.keep_template().expect("keep");
        assert!(!place.handbook.file().exists());
        place.write(Handbook::TEMPLATE.as_bytes());
        place.handbook.keep_template().expect("keep");
        assert!(place.handbook.file().exists());
    }
}
