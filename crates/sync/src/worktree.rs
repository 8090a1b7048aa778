//! Bringing files of another machine onto this one: beneath folder handles, never through a link,
//! never over words that nobody has seen.
//!
//! All new contents are written first and made durable together; only then do names change. A
//! task that is rewritten and moved is rewritten in place and then renamed, so that a crash at
//! any point leaves one whole file. What was not finished is found as a local change by the next
//! scan, equal to the remote's, and integrates to the same end.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;

use git2::{ObjectType, Oid, Repository};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use vault::{Dir, FileError, SetAsideError, Vault};

use crate::scan::split;

/// One step. The contents are blobs that the repository has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// A new file.
    Create {
        /// Where.
        path: String,
        /// What.
        new: Oid,
    },
    /// Other content.
    Replace {
        /// Where.
        path: String,
        /// What is expected there.
        old: Oid,
        /// What shall be there.
        new: Oid,
    },
    /// Another name; the bytes are not touched.
    Move {
        /// From where.
        from: String,
        /// To where.
        to: String,
    },
    /// No file any more.
    Remove {
        /// Where.
        path: String,
        /// What is expected there.
        old: Oid,
    },
}

impl Step {
    fn new_content(&self) -> Option<Oid> {
        match self {
            Step::Create { new, .. } | Step::Replace { new, .. } => Some(*new),
            Step::Move { .. } | Step::Remove { .. } => None,
        }
    }
}

/// Why the steps were not all made.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Somebody changed the folder meanwhile; a new scan will see it.
    #[error("{0} was changed at the same moment")]
    Raced(String),
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file system.
    #[error("{what} {path}: {cause}")]
    System {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: String,
        /// What the system said.
        cause: Errno,
    },
    /// A content is missing in the repository.
    #[error("read {path} from the vault's git: {}", cause.message())]
    Object {
        /// For which file.
        path: String,
        /// What libgit2 said.
        cause: git2::Error,
    },
    /// Words that nobody had seen could not be kept.
    #[error(transparent)]
    Keep(#[from] SetAsideError),
}

impl ApplyError {
    /// The disk or the quota is full.
    pub fn is_full(&self) -> bool {
        match self {
            ApplyError::File(e) => e.is_full(),
            ApplyError::System { cause, .. } => matches!(*cause, Errno::NOSPC | Errno::DQUOT),
            _ => false,
        }
    }
}

const AREA: &str = "ai-employee-incoming";
/// Names of contents that have not got their name yet.
const FRESH: &str = "new.";
/// Names under which words may be that somebody wrote.
const DISPLACED: &str = "old.";

/// Where steps are made.
#[derive(Debug)]
pub(crate) struct Worktree {
    vault: Vault,
    root: Dir,
    /// Beside the objects, on the same file system as the vault, and out of everybody's sight.
    area: Dir,
    count: Cell<u64>,
}

impl Worktree {
    /// Opens it and looks after what a crash left. The caller holds the lock of synchronisation.
    pub(crate) fn open(vault: &Vault, repo: &Repository) -> Result<Self, ApplyError> {
        let root = Dir::open(vault.root())?;
        let area = Dir::open(repo.path())?.below(AREA, true)?;
        let worktree = Self { vault: vault.clone(), root, area, count: Cell::new(0) };
        worktree.rescue(repo)?;
        Ok(worktree)
    }

    /// A crash may have come between an exchange and the look at what came out.
    fn rescue(&self, repo: &Repository) -> Result<(), ApplyError> {
        for name in self.area.names()? {
            let shown = name.to_string_lossy();
            // Contents that got no name yet are in the repository, all of them.
            if let Some(displaced) = shown.strip_prefix(DISPLACED) {
                let bytes = self.area.read(&name, u64::MAX)?.bytes;
                let known = Oid::hash_object(ObjectType::Blob, &bytes)
                    .and_then(|id| Ok(repo.odb()?.exists(id)))
                    .unwrap_or(false);
                if !known {
                    let path = displaced.split_once('.').map_or(displaced, |(_, name)| name);
                    let kept = self.vault.keep_conflict(path, &bytes)?;
                    tracing::warn!(kept, "a crash interrupted a synchronisation; words it replaced are kept");
                }
            }
            self.area.remove(&name)?;
        }
        Ok(())
    }

    /// Makes all steps, durably. Returns the paths under `Conflicts/` of words that were displaced
    /// without being expected. The caller holds the vault's lock exclusively.
    pub(crate) fn apply(&self, repo: &Repository, steps: &[Step]) -> Result<Vec<String>, ApplyError> {
        let mut kept = Vec::new();
        if steps.is_empty() {
            return Ok(kept);
        }
        let staged = steps
            .iter()
            .map(|step| match (step.new_content(), step) {
                (Some(new), Step::Create { path, .. } | Step::Replace { path, .. }) => {
                    self.stage(repo, path, new).map(Some)
                }
                _ => Ok(None),
            })
            .collect::<Result<Vec<_>, _>>();
        let outcome = staged.and_then(|staged| {
            self.sync()?;
            for (step, name) in steps.iter().zip(&staged) {
                kept.extend(self.make(step, name.as_deref())?);
            }
            self.sync()
        });
        if outcome.is_err() {
            // The first error is the one to tell; what stays here is looked at by the next start.
            if let Err(error) = self.rescue(repo) {
                tracing::warn!(%error, "could not tidy up after an interrupted synchronisation");
            }
        }
        outcome.map(|()| kept)
    }

    /// Makes everything durable that was written on the vault's file system.
    pub(crate) fn sync(&self) -> Result<(), ApplyError> {
        let synced = fault::reach("sync.settle").and_then(|()| sync_file_system(&self.root));
        synced.map_err(|cause| ApplyError::System {
            what: "make durable",
            path: self.root.path().display().to_string(),
            cause,
        })
    }

    fn stage(&self, repo: &Repository, path: &str, content: Oid) -> Result<String, ApplyError> {
        let object = |cause| ApplyError::Object { path: path.to_owned(), cause };
        let odb = repo.odb().map_err(object)?;
        let blob = odb.read(content).map_err(object)?;
        if blob.kind() != ObjectType::Blob {
            return Err(object(git2::Error::from_str("it is no file")));
        }
        let name = format!("{FRESH}{}.{}", self.next(), split(path).1);
        let system = |cause| ApplyError::System { what: "write", path: path.to_owned(), cause };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        fault::reach("sync.stage").map_err(system)?;
        let fd =
            rustix::fs::openat(self.area.fd(), &*name, flags, Mode::from_raw_mode(0o644)).map_err(system)?;
        File::from(fd)
            .write_all(blob.data())
            .map_err(|e| system(Errno::from_io_error(&e).unwrap_or(Errno::IO)))?;
        Ok(name)
    }

    fn make(&self, step: &Step, staged: Option<&str>) -> Result<Option<String>, ApplyError> {
        match (step, staged) {
            (Step::Create { path, .. }, Some(staged)) => {
                let (dir, name) = self.place(path, true)?;
                self.rename(&self.area, staged, &dir, name, RenameFlags::NOREPLACE, path)?;
                Ok(None)
            }
            (Step::Replace { path, old, .. }, Some(staged)) => {
                let (dir, name) = self.place(path, false)?;
                self.refuse_what_is_no_file(&dir, name, path)?;
                let aside = self.aside(name);
                self.rename(&self.area, staged, &self.area, &aside, RenameFlags::NOREPLACE, path)?;
                self.rename(&self.area, &aside, &dir, name, RenameFlags::EXCHANGE, path)?;
                self.look_at_displaced(&aside, path, *old)
            }
            (Step::Move { from, to }, _) => {
                let (source, old) = self.place(from, false)?;
                let (target, new) = self.place(to, true)?;
                self.rename(&source, old, &target, new, RenameFlags::NOREPLACE, to)?;
                Ok(None)
            }
            (Step::Remove { path, old }, _) => {
                let (dir, name) = self.place(path, false)?;
                self.refuse_what_is_no_file(&dir, name, path)?;
                let aside = self.aside(name);
                // Out of the way first, looked at afterwards: in between somebody could write.
                self.rename(&dir, name, &self.area, &aside, RenameFlags::NOREPLACE, path)?;
                self.look_at_displaced(&aside, path, *old)
            }
            (Step::Create { path, .. } | Step::Replace { path, .. }, None) => {
                Err(ApplyError::Raced(path.clone()))
            }
        }
    }

    fn next(&self) -> u64 {
        self.count.set(self.count.get() + 1);
        self.count.get()
    }

    fn aside(&self, name: &str) -> String {
        format!("{DISPLACED}{}.{name}", self.next())
    }

    fn look_at_displaced(&self, name: &str, path: &str, expected: Oid) -> Result<Option<String>, ApplyError> {
        reach("sync.look", path)?;
        let bytes = self.area.read(name, u64::MAX)?.bytes;
        let found = Oid::hash_object(ObjectType::Blob, &bytes)
            .map_err(|cause| ApplyError::Object { path: path.to_owned(), cause })?;
        let kept = match found == expected {
            true => None,
            false => Some(self.vault.keep_conflict(split(path).1, &bytes)?),
        };
        reach("sync.forget", path)?;
        self.area.remove(name)?;
        Ok(kept)
    }

    fn refuse_what_is_no_file(&self, dir: &Dir, name: &str, path: &str) -> Result<(), ApplyError> {
        match dir.meta(name)?.map(|meta| meta.kind) {
            Some(vault::durable::Kind::File | vault::durable::Kind::Linked) => Ok(()),
            _ => Err(ApplyError::Raced(path.to_owned())),
        }
    }

    fn place<'a>(&self, path: &'a str, create: bool) -> Result<(Place<'_>, &'a str), ApplyError> {
        let (folder, name) = split(path);
        if folder.is_empty() {
            return Ok((Place::Root(&self.root), name));
        }
        let dir = if create { self.vault.dir_created(folder) } else { self.vault.dir(folder) };
        match dir {
            Err(e) if e.is_missing() => Err(ApplyError::Raced(path.to_owned())),
            other => Ok((Place::Folder(other?), name)),
        }
    }

    fn rename(
        &self,
        from: &Dir,
        old: &str,
        to: &Dir,
        new: &str,
        flags: RenameFlags,
        path: &str,
    ) -> Result<(), ApplyError> {
        let (old, new) = (OsStr::from_bytes(old.as_bytes()), OsStr::from_bytes(new.as_bytes()));
        reach("sync.rename", path)?;
        match rustix::fs::renameat_with(from.fd(), old, to.fd(), new, flags) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST | Errno::NOENT) => Err(ApplyError::Raced(path.to_owned())),
            Err(cause) => Err(ApplyError::System { what: "put in place", path: path.to_owned(), cause }),
        }
    }

    /// Whether anything at all stands at `path`.
    pub(crate) fn is_taken(&self, path: &str) -> bool {
        rustix::fs::statat(self.root.fd(), path, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }
}

fn reach(point: &str, path: &str) -> Result<(), ApplyError> {
    let fail = |cause| ApplyError::System { what: "change", path: path.to_owned(), cause };
    fault::reach(point).map_err(fail)
}

enum Place<'a> {
    Root(&'a Dir),
    Folder(std::sync::Arc<Dir>),
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

#[cfg(target_os = "linux")]
fn sync_file_system(root: &Dir) -> Result<(), Errno> {
    rustix::fs::syncfs(root.fd())
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(_root: &Dir) -> Result<(), Errno> {
    rustix::fs::sync();
    Ok(())
}
