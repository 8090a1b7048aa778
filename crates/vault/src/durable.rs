//! Writing so that what was acknowledged survives `kill -9` and power loss.
//!
//! A file is written under a temporary name on the same file system, fsynced, renamed, and the
//! folder is fsynced: without the last step ext4 and xfs forgot the new name in every power cut
//! that was tried. A failed fsync aborts; the same file is never fsynced again, because the
//! kernel may have dropped its dirty pages. Everything here works beneath a [`Dir`] handle and
//! follows no symbolic link below it.
//!
//! This module is also the only place where platforms differ: macOS has `renameatx_np` behind
//! the same flags, and `F_FULLFSYNC` where Linux has `fsync`.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use task::Digest;

mod temporaries;

use temporaries::temporary_name;
pub(crate) use temporaries::{swap_name, sweep};

/// A file operation that failed: one whole message, with what was tried, on what, and why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what} {}: {cause}", path.display())]
pub struct FileError {
    /// What was tried, reading on after "failed to".
    pub what: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the system said.
    pub cause: Errno,
}

impl FileError {
    /// `what` reads on after "failed to".
    pub fn new(what: &'static str, path: impl Into<PathBuf>, cause: Errno) -> Self {
        Self { what, path: path.into(), cause }
    }

    pub(crate) fn from_io(what: &'static str, path: impl Into<PathBuf>, error: &io::Error) -> Self {
        Self::new(what, path, Errno::from_io_error(error).unwrap_or(Errno::IO))
    }

    /// The file or folder is not there.
    pub fn is_missing(&self) -> bool {
        self.cause == Errno::NOENT
    }

    /// The disk or the quota is full.
    pub fn is_full(&self) -> bool {
        matches!(self.cause, Errno::NOSPC | Errno::DQUOT)
    }
}

/// Why a durable write did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DurableError {
    /// The name is taken.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// The name that should be replaced or moved is not there.
    #[error("{} is not there", .0.display())]
    Gone(PathBuf),
    /// Anything else.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A file's bytes with what the system says of it.
#[derive(Clone, Debug)]
pub struct Contents {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Last change, seconds since 1970.
    pub modified: i64,
}

/// An open folder. Names given to it are single names; what they lead to is never a symlink.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    path: PathBuf,
    stat: Stat,
}

/// What a name in a folder leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A regular file with one name.
    File,
    /// A regular file that has other names too (hard links).
    Linked,
    /// A symbolic link.
    Symlink,
    /// A folder.
    Folder,
    /// A socket, pipe or device.
    Special,
}

/// A name's entry, without following links.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// What it is.
    pub kind: Kind,
    /// Size in bytes.
    pub len: u64,
    /// Last change, seconds since 1970.
    pub modified: i64,
}

impl Meta {
    fn of(stat: &Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if stat.st_nlink == 1 => Kind::File,
            FileType::RegularFile => Kind::Linked,
            FileType::Symlink => Kind::Symlink,
            FileType::Directory => Kind::Folder,
            _ => Kind::Special,
        };
        Self { kind, len: u64::try_from(stat.st_size).unwrap_or_default(), modified: stat.st_mtime }
    }
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const NEW_FILE: Mode = Mode::from_raw_mode(0o644);
const NEW_FOLDER: Mode = Mode::from_raw_mode(0o755);

impl Dir {
    /// Opens a folder by path. The path itself may lead through symlinks: whoever names it to
    /// the program chose it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let fd = rustix::fs::open(path, FOLDER, Mode::empty())
            .map_err(|e| FileError::new("open folder", path, e))?;
        Self::from_fd(fd, path.to_owned())
    }

    fn from_fd(fd: OwnedFd, path: PathBuf) -> Result<Self, FileError> {
        let stat = rustix::fs::fstat(&fd).map_err(|e| FileError::new("examine", &path, e))?;
        Ok(Self { fd, path, stat })
    }

    /// Opens the folder `relative` (with `/`) below this one, name by name, following no link.
    /// With `create`, missing folders are made, durably.
    pub fn below(&self, relative: &str, create: bool) -> Result<Self, FileError> {
        let mut current: Option<Self> = None;
        for name in relative.split('/') {
            let parent = current.as_ref().unwrap_or(self);
            let path = parent.path.join(name);
            if name.is_empty() || name == "." || name == ".." {
                return Err(FileError::new("open folder", path, Errno::INVAL));
            }
            let open = || rustix::fs::openat(&parent.fd, name, FOLDER | OFlags::NOFOLLOW, Mode::empty());
            let fd = match open() {
                Err(Errno::NOENT) if create => {
                    let made = fault::reach("vault.mkdir")
                        .and_then(|()| rustix::fs::mkdirat(&parent.fd, name, NEW_FOLDER));
                    match made {
                        Ok(()) => parent.sync()?,
                        Err(Errno::EXIST) => {}
                        Err(e) => return Err(FileError::new("create folder", path, e)),
                    }
                    open()
                }
                other => other,
            };
            current =
                Some(Self::from_fd(fd.map_err(|e| FileError::new("open folder", &path, e))?, path.clone())?);
        }
        current.ok_or_else(|| FileError::new("open folder", &self.path, Errno::INVAL))
    }

    /// The path under which it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The handle, for calls that this module does not have.
    pub fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Whether the path `relative` below `base` still leads to this very folder.
    pub(crate) fn is_at(&self, base: &Dir, relative: &str) -> bool {
        rustix::fs::statat(&base.fd, relative, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| same(&stat, &self.stat))
    }

    pub(crate) fn same_as(&self, other: &Dir) -> bool {
        same(&self.stat, &other.stat)
    }

    /// When a name was last added or removed: seconds and nanoseconds.
    pub(crate) fn changed(&self) -> Result<(i64, i128), FileError> {
        let stat = rustix::fs::fstat(&self.fd).map_err(|e| FileError::new("examine", &self.path, e))?;
        #[cfg_attr(target_os = "linux", expect(clippy::useless_conversion, reason = "other types elsewhere"))]
        Ok((stat.st_mtime.into(), stat.st_mtime_nsec.into()))
    }

    /// The names in it, unsorted, without `.` and `..`.
    pub fn names(&self) -> Result<Vec<OsString>, FileError> {
        let fail = |e| FileError::new("read folder", &self.path, e);
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name: &CStr = entry.file_name();
            if name != c"." && name != c".." {
                names.push(OsStr::from_bytes(name.to_bytes()).to_owned());
            }
        }
        Ok(names)
    }

    /// What a name leads to; `None` where there is nothing.
    pub fn meta(&self, name: impl AsRef<OsStr>) -> Result<Option<Meta>, FileError> {
        let name = name.as_ref();
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Meta::of(&stat))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(FileError::new("examine", self.path.join(name), e)),
        }
    }

    /// Reads a regular file of at most `limit` bytes; a larger one fails with `EFBIG`.
    pub fn read(&self, name: impl AsRef<OsStr>, limit: u64) -> Result<Contents, FileError> {
        let name = name.as_ref();
        let path = || self.path.join(name);
        // NONBLOCK: a pipe in the place of a file must not hold the program up.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty())
            .map_err(|e| FileError::new("read", path(), e))?;
        let stat = rustix::fs::fstat(&fd).map_err(|e| FileError::new("examine", path(), e))?;
        let meta = Meta::of(&stat);
        if !matches!(meta.kind, Kind::File | Kind::Linked) {
            return Err(FileError::new("read", path(), Errno::INVAL));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(meta.len.min(limit)).unwrap_or_default() + 1);
        File::from(fd)
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|e| FileError::from_io("read", path(), &e))?;
        if u64::try_from(bytes.len()).is_ok_and(|len| len > limit) {
            return Err(FileError::new("read", path(), Errno::FBIG));
        }
        Ok(Contents { bytes, modified: meta.modified })
    }

    /// Makes the folder's names durable.
    pub fn sync(&self) -> Result<(), FileError> {
        fault::reach("vault.fsync_dir")
            .and_then(|()| sync_fd(&self.fd))
            .map_err(|e| FileError::new("make durable", &self.path, e))
    }

    /// Removes a file's name; missing is fine.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> Result<(), FileError> {
        let name = name.as_ref();
        let removed = fault::reach("vault.unlink")
            .and_then(|()| rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()));
        match removed {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(FileError::new("remove", self.path.join(name), e)),
        }
    }

    /// Writes a file under a temporary name in this folder and fsyncs it. It goes with the
    /// returned value unless that is published.
    pub fn stage(&self, bytes: &[u8]) -> Result<Staged<'_>, FileError> {
        self.stage_as(bytes, temporary_name())
    }

    /// Like [`Dir::stage`], for an exchange: the name says which bytes are expected in return,
    /// so that a sweep after a crash knows whether they are a person's.
    pub(crate) fn stage_swap(
        &self,
        bytes: &[u8],
        expected: Digest,
        name: &str,
    ) -> Result<Staged<'_>, FileError> {
        self.stage_as(bytes, swap_name(expected, Digest::of(bytes), name))
    }

    fn stage_as(&self, bytes: &[u8], name: String) -> Result<Staged<'_>, FileError> {
        let (staged, file) = self.create_as(name, bytes)?;
        fault::reach("vault.fsync")
            .and_then(|()| sync_fd(&file))
            .map_err(|e| FileError::new("make durable", self.path.join(&staged.name), e))?;
        Ok(staged)
    }

    fn create_as(&self, name: String, bytes: &[u8]) -> Result<(Staged<'_>, File), FileError> {
        let path = self.path.join(&name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = fault::reach("vault.create")
            .and_then(|()| rustix::fs::openat(&self.fd, name.as_str(), flags, NEW_FILE))
            .map_err(|e| FileError::new("create", &path, e))?;
        // From here on an early return removes the file.
        let staged = Staged { dir: self, name, live: true };
        let mut file = File::from(fd);
        fault::reach("vault.write").map_err(|e| FileError::new("write", &path, e))?;
        file.write_all(bytes).map_err(|e| FileError::from_io("write", &path, &e))?;
        Ok((staged, file))
    }

    /// Creates `name` with `bytes`, durably; it must not exist.
    pub fn write_new(&self, name: &str, bytes: &[u8]) -> Result<(), DurableError> {
        self.stage(bytes)?.publish_new(self, name)
    }

    /// Creates or replaces `name`, durably.
    pub fn write_over(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.stage(bytes)?.publish_over(self, name)
    }

    /// Creates or replaces `target`'s `name` in one step, but not durably.
    pub(crate) fn write_volatile(&self, bytes: &[u8], target: &Dir, name: &str) -> Result<(), FileError> {
        let staged = self.create_as(temporary_name(), bytes)?.0;
        staged.give_name(target, name)
    }

    /// Renames a file into `target` under `new`, which must not exist, and fsyncs both folders.
    pub fn rename_noreplace(
        &self,
        name: impl AsRef<OsStr>,
        target: &Dir,
        new: &str,
    ) -> Result<(), DurableError> {
        self.rename_undurably(name.as_ref(), target, new)?;
        target.sync()?;
        if !self.same_as(target) {
            self.sync()?;
        }
        Ok(())
    }

    /// The rename alone; both folders have yet to be fsynced.
    pub(crate) fn rename_undurably(
        &self,
        name: impl AsRef<OsStr>,
        target: &Dir,
        new: &str,
    ) -> Result<(), DurableError> {
        let name = name.as_ref();
        let flags = RenameFlags::NOREPLACE;
        fault::reach("vault.rename")
            .and_then(|()| rustix::fs::renameat_with(&self.fd, name, &target.fd, new, flags))
            .map_err(|e| match e {
                Errno::NOENT => DurableError::Gone(self.path.join(name)),
                Errno::EXIST => DurableError::Exists(target.path.join(new)),
                e => rename_error("move", self.path.join(name), e).into(),
            })
    }
}

/// Some network and overlay file systems have no rename with a condition.
fn rename_error(what: &'static str, path: PathBuf, cause: Errno) -> FileError {
    let what = match cause {
        Errno::INVAL | Errno::NOSYS | Errno::NOTSUP => {
            "rename without overwriting (keep the vault on ext4, xfs, btrfs, tmpfs or APFS)"
        }
        _ => what,
    };
    FileError::new(what, path, cause)
}

fn same(a: &Stat, b: &Stat) -> bool {
    a.st_dev == b.st_dev && a.st_ino == b.st_ino
}

/// A written and fsynced file that has no final name yet. Dropping it removes it.
#[derive(Debug)]
pub struct Staged<'a> {
    dir: &'a Dir,
    name: String,
    live: bool,
}

impl Staged<'_> {
    /// Gives it a name that must be new, durably.
    pub fn publish_new(mut self, target: &Dir, name: &str) -> Result<(), DurableError> {
        let flags = RenameFlags::NOREPLACE;
        fault::reach("vault.publish")
            .and_then(|()| {
                rustix::fs::renameat_with(&self.dir.fd, self.name.as_str(), &target.fd, name, flags)
            })
            .map_err(|e| match e {
                Errno::EXIST => DurableError::Exists(target.path.join(name)),
                e => rename_error("create", target.path.join(name), e).into(),
            })?;
        self.live = false;
        Ok(target.sync()?)
    }

    /// Gives it a name, durably; what had it before is gone.
    pub fn publish_over(self, target: &Dir, name: &str) -> Result<(), FileError> {
        self.give_name(target, name)?;
        target.sync()
    }

    fn give_name(mut self, target: &Dir, name: &str) -> Result<(), FileError> {
        fault::reach("vault.publish")
            .and_then(|()| rustix::fs::renameat(&self.dir.fd, self.name.as_str(), &target.fd, name))
            .map_err(|e| FileError::new("replace", target.path.join(name), e))?;
        self.live = false;
        Ok(())
    }

    /// Swaps it with an existing file, durably, and returns that file's bytes, of which at most
    /// `limit` are read. `keep` decides with them in hand; only when it is through are they
    /// removed.
    pub(crate) fn exchange<T, E: From<FileError> + From<DurableError>>(
        mut self,
        target: &Dir,
        name: &str,
        limit: u64,
        keep: impl FnOnce(Vec<u8>) -> Result<T, E>,
    ) -> Result<T, E> {
        let flags = RenameFlags::EXCHANGE;
        fault::reach("vault.exchange")
            .and_then(|()| {
                rustix::fs::renameat_with(&self.dir.fd, self.name.as_str(), &target.fd, name, flags)
            })
            .map_err(|e| match e {
                Errno::NOENT => DurableError::Gone(target.path.join(name)),
                e => rename_error("replace", target.path.join(name), e).into(),
            })?;
        // What is under the temporary name now may be a person's: a failure leaves it there for
        // the next sweep.
        self.live = false;
        target.sync()?;
        let old = self.dir.read(&self.name, limit)?.bytes;
        let kept = keep(old)?;
        self.dir.remove(&self.name)?;
        Ok(kept)
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if self.live {
            // It failed on the way already, and a sweep removes what stays.
            let _ = self.dir.remove(&self.name);
        }
    }
}

/// Creates a file by path, durably; it must not exist.
pub fn write_new(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), DurableError> {
    let (dir, name) = parent(path.as_ref())?;
    dir.write_new(&name, bytes)
}

/// Creates or replaces a file by path, durably.
pub fn replace(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), DurableError> {
    let (dir, name) = parent(path.as_ref())?;
    Ok(dir.write_over(&name, bytes)?)
}

/// Renames by path; the target must not exist. Both folders are fsynced.
pub fn rename_noreplace(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), DurableError> {
    let (source, old) = parent(from.as_ref())?;
    let (target, new) = parent(to.as_ref())?;
    source.rename_noreplace(&old, &target, &new)
}

/// Makes a folder's names durable.
pub fn fsync_dir(path: impl AsRef<Path>) -> Result<(), FileError> {
    Dir::open(path)?.sync()
}

fn parent(path: &Path) -> Result<(Dir, String), FileError> {
    let name = path
        .file_name()
        .and_then(OsStr::to_str)
        .ok_or_else(|| FileError::new("write", path, Errno::INVAL))?
        .to_owned();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((Dir::open(folder)?, name))
}

#[cfg(not(target_vendor = "apple"))]
pub(crate) fn sync_fd(fd: &impl AsFd) -> Result<(), Errno> {
    rustix::fs::fsync(fd)
}

#[cfg(target_vendor = "apple")]
pub(crate) fn sync_fd(fd: &impl AsFd) -> Result<(), Errno> {
    rustix::fs::fcntl_fullfsync(fd)
}

#[cfg(test)]
mod tests;
