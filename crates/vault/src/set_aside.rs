//! Setting aside without losing: `Errors/` for what cannot be worked with, `Conflicts/` for the
//! version that lost.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use task::{Digest, FileName, slug};

use crate::durable::{Dir, DurableError, FileError, Kind};
use crate::{LockError, Vault};

/// Why something could not be set aside.
#[derive(Debug, thiserror::Error)]
pub enum SetAsideError {
    /// Not a path below the vault.
    #[error("{} is no path below the vault", .0.display())]
    Path(PathBuf),
    /// It is not there (any more).
    #[error("{} is not there", .0.display())]
    Gone(PathBuf),
    /// Every name that was tried is taken.
    #[error("no free name for {0} in Errors; clear that folder")]
    Crowded(String),
    /// The lock was not had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file system.
    #[error(transparent)]
    Durable(#[from] DurableError),
}

impl Vault {
    /// Moves a file, whatever it is, to `Errors/` under a safe name, with the reason beside it in
    /// `<name>.reason.md`; returns its new path, relative to the vault. A symbolic link is
    /// removed instead, and what it said is written into the reason.
    pub fn quarantine(&self, path: &Path, reason: &str) -> Result<String, SetAsideError> {
        let _guard = self.lock_shared()?;
        let (source, name) = self.split(path)?;
        let meta = source.meta(&name)?.ok_or_else(|| SetAsideError::Gone(path.to_owned()))?;
        let errors = self.dir_created("Errors")?;
        let shown = path.to_string_lossy();
        if meta.kind == Kind::Symlink {
            let target = rustix::fs::readlinkat(source.fd(), &*name, Vec::new())
                .map_err(|e| FileError::new("read link", source.path().join(&name), e))?;
            let target = target.to_string_lossy().into_owned();
            let safe = self.free_name(&errors, &self.safe_name(&name, path)?)?;
            let note = format!("{reason}\n\nIt was a symbolic link to {target:?} and was removed.");
            self.write_reason(&errors, &safe, &shown, &note)?;
            source.remove(&name)?;
            source.sync()?;
            return Ok(format!("Errors/{safe}.reason.md"));
        }
        if source.same_as(&errors) && name.to_str().is_some_and(|n| safe(n) == n) {
            let safe = name.to_string_lossy().into_owned();
            self.write_reason(&errors, &safe, &shown, reason)?;
            return Ok(format!("Errors/{safe}"));
        }
        let wanted = self.safe_name(&name, path)?;
        for _ in 0..3 {
            let safe = self.free_name(&errors, &wanted)?;
            match source.rename_noreplace(&*name, &errors, &safe) {
                Ok(()) => {
                    self.write_reason(&errors, &safe, &shown, reason)?;
                    return Ok(format!("Errors/{safe}"));
                }
                Err(DurableError::Gone(_)) => return Err(SetAsideError::Gone(path.to_owned())),
                Err(DurableError::Exists(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(SetAsideError::Crowded(wanted))
    }

    /// Why something is in `Errors/`; `None` where no reason stands beside it.
    pub fn read_reason(&self, name: &str) -> Option<String> {
        let bytes = self.dir("Errors").ok()?.read(format!("{name}.reason.md"), 64 << 10).ok()?.bytes;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Keeps bytes that lost against others under `Conflicts/`, durably; returns the path,
    /// relative to the vault. The same bytes under the same name are kept once.
    pub fn keep_conflict(&self, name: &str, bytes: &[u8]) -> Result<String, SetAsideError> {
        let _guard = self.lock_shared()?;
        let conflicts = self.dir_created("Conflicts")?;
        let name = safe(name);
        let (stem, ending) = match name.rsplit_once('.') {
            Some((stem, ending)) if !stem.is_empty() && ending.len() <= 8 => (stem, ending),
            _ => (name.as_str(), "md"),
        };
        let kept = format!("{stem}_{}.{ending}", &Digest::of(bytes).hex()[..12]);
        match self.staging().stage(bytes)?.publish_new(&conflicts, &kept) {
            Ok(()) | Err(DurableError::Exists(_)) => Ok(format!("Conflicts/{kept}")),
            Err(e) => Err(e.into()),
        }
    }

    fn write_reason(&self, errors: &Dir, name: &str, shown: &str, reason: &str) -> Result<(), FileError> {
        let was: String = shown.chars().take(300).collect();
        let text = format!(
            "# Set aside\n\n- what: {}\n- why: {}\n- next: mend it and put it \
             into Inbox, or delete both files\n",
            task::inert(&was),
            lines(reason)
        );
        self.staging().stage(text.as_bytes())?.publish_over(errors, &format!("{name}.reason.md"))
    }

    /// Opens the folder of a path relative to the vault, whatever bytes its last name has.
    fn split(&self, path: &Path) -> Result<(std::sync::Arc<Dir>, std::ffi::OsString), SetAsideError> {
        let bad = || SetAsideError::Path(path.to_owned());
        if !path.components().all(|c| matches!(c, Component::Normal(_))) {
            return Err(bad());
        }
        let name = path.file_name().ok_or_else(bad)?.to_owned();
        let folder = path.parent().and_then(Path::to_str).filter(|p| !p.is_empty()).ok_or_else(bad)?;
        let dir = match self.dir(folder) {
            Err(e) if e.is_missing() => return Err(SetAsideError::Gone(path.to_owned())),
            other => other?,
        };
        Ok((dir, name))
    }

    /// A name fit for `Errors/`. A task's own name is kept, unless its id lives elsewhere: then
    /// there must not be a second file that looks like that task.
    fn safe_name(&self, name: &OsStr, path: &Path) -> Result<String, SetAsideError> {
        let text = name.to_string_lossy();
        let Ok(file) = text.parse::<FileName>() else { return Ok(safe(&text)) };
        let elsewhere = self.find(&file.id)?.is_some_and(|found| Path::new(&found.path()) != path);
        if !elsewhere {
            return Ok(format!("{}.md", file.id));
        }
        let stem: String = file.id.as_str().chars().take(80).collect();
        let name = format!("{stem}_{}.md", &Digest::of(path.as_os_str().as_bytes()).hex()[..8]);
        Ok(name)
    }

    /// The first of `name`, `name-2`, … that is taken neither by a file nor by a reason.
    fn free_name(&self, errors: &Dir, name: &str) -> Result<String, SetAsideError> {
        let (stem, ending) =
            name.rsplit_once('.').map_or((name, String::new()), |(s, e)| (s, format!(".{e}")));
        for n in 1..1000 {
            let candidate = if n == 1 { name.to_owned() } else { format!("{stem}-{n}{ending}") };
            let taken = errors.meta(&candidate)?.is_some()
                || errors.meta(format!("{candidate}.reason.md"))?.is_some();
            if !taken {
                return Ok(candidate);
            }
        }
        Err(SetAsideError::Crowded(name.to_owned()))
    }
}

/// A name of at most 110 harmless characters that keeps what it can of the given one.
pub(crate) fn safe(name: &str) -> String {
    let harmless = name.len() <= 110
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !name.ends_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if harmless && !name.ends_with(".reason.md") && !name.ends_with(".claim.json") {
        return name.to_owned();
    }
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if (1..=8).contains(&ending.len()) => (stem, slug(ending, 8)),
        _ => (name, "bin".to_owned()),
    };
    format!("{}.{ending}", slug(stem, 90))
}

fn lines(reason: &str) -> String {
    reason.lines().map(task::inert).collect::<Vec<_>>().join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Folder, Limits};

    fn vault() -> (tempfile::TempDir, Vault) {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path(), Limits::default()).expect("open");
        (temp, vault)
    }

    fn text(temp: &tempfile::TempDir, path: &str) -> String {
        std::fs::read_to_string(temp.path().join(path)).expect(path)
    }

    #[test]
    fn bad_files_go_to_errors_with_the_reason_beside_them() {
        let (temp, vault) = vault();
        let check = |path: &str, to: &str| {
            std::fs::write(temp.path().join(path), path).expect("write");
            assert_eq!(vault.quarantine(Path::new(path), "it is *bad*").expect("quarantine"), to);
            assert_eq!(text(&temp, to), path);
            let reason = text(&temp, &format!("{to}.reason.md"));
            assert!(reason.contains("it is \\*bad\\*"), "{reason}");
            assert!(!temp.path().join(path).exists());
        };
        check("Needs_Action/EMAIL_1.md", "Errors/EMAIL_1.md");
        check("Needs_Action/APPROVE_EMAIL_2.md", "Errors/EMAIL_2.md");
        check("Needs_Action/böse datei\n.md", "Errors/bose-datei.md");
        check("Needs_Action/note.txt", "Errors/note.txt");
        check("Inbox/note.txt", "Errors/note-2.txt");
        check("Inbox/EMAIL_9.md.reason.md", "Errors/email-9-md-reason.md");
        // They stay listed: the tasks as tasks, the rest as strangers.
        let listing = vault.list(&Folder::Errors).expect("list");
        assert_eq!((listing.tasks.len(), listing.strangers.len()), (4, 2));
        assert!(vault.quarantine(Path::new("../x"), "x").is_err());
        assert!(matches!(vault.quarantine(Path::new("Inbox/none"), "x"), Err(SetAsideError::Gone(_))));
    }

    #[test]
    fn a_second_file_of_a_living_task_never_looks_like_the_task() {
        let (temp, vault) = vault();
        std::fs::write(temp.path().join("Pending_Approval/APPROVE_EMAIL_1.md"), "live").expect("write");
        std::fs::write(temp.path().join("Rejected/EXECUTE_EMAIL_1.md"), "dragged").expect("write");
        let to = vault.quarantine(Path::new("Rejected/EXECUTE_EMAIL_1.md"), "x").expect("quarantine");
        assert_ne!(to, "Errors/EMAIL_1.md");
        assert_eq!(text(&temp, &to), "dragged");
        let found = vault.find(&"EMAIL_1".parse().expect("id")).expect("find").expect("found");
        assert_eq!(found.path(), "Pending_Approval/APPROVE_EMAIL_1.md");
    }

    #[test]
    fn a_symlink_is_never_kept() {
        let (temp, vault) = vault();
        std::os::unix::fs::symlink("/etc/passwd", temp.path().join("Needs_Action/EMAIL_1.md")).expect("link");
        let to = vault.quarantine(Path::new("Needs_Action/EMAIL_1.md"), "a link").expect("quarantine");
        assert_eq!(to, "Errors/EMAIL_1.md.reason.md");
        assert!(text(&temp, &to).contains("/etc/passwd"));
        assert!(temp.path().join("Needs_Action/EMAIL_1.md").symlink_metadata().is_err());
    }

    #[test]
    fn conflicts_are_kept_once_and_never_overwritten() {
        let (temp, vault) = vault();
        let one = vault.keep_conflict("APPROVE_EMAIL_1.md", b"one").expect("keep");
        let two = vault.keep_conflict("APPROVE_EMAIL_1.md", b"two").expect("keep");
        assert_eq!(vault.keep_conflict("APPROVE_EMAIL_1.md", b"one").expect("keep"), one);
        assert_eq!((text(&temp, &one), text(&temp, &two)), ("one".to_owned(), "two".to_owned()));
        let evil = vault.keep_conflict("../../x\u{202e}/y", b"evil").expect("keep");
        assert!(temp.path().join(&evil).exists() && evil.starts_with("Conflicts/"), "{evil}");
    }
}
