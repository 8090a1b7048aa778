//! Git's index, kept so that `git status` tells the truth within a minute. It is one file however
//! little changes, so it is not rewritten in every cycle.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use git2::{Index, IndexEntry, IndexTime, Oid, Repository};
use rustix::fs::Stat;

use crate::scan::Scanner;
use crate::stamp::{Stamp, nanoseconds};
use crate::tree::FILE;

/// How long the index of a large vault may lag behind.
const LAG: Duration = Duration::from_secs(55);

/// Up to so many files it is written at once: that takes a few milliseconds.
const SMALL: usize = 4096;

/// Which entries are out of date.
#[derive(Debug)]
pub(crate) struct IndexKeeper {
    pending: BTreeSet<String>,
    since: Option<Instant>,
}

/// Git's own mark for a file that is not checked out on purpose (`git update-index
/// --skip-worktree`), and the one that says that there are such marks.
const SKIP_WORKTREE: u16 = 1 << 14;
const EXTENDED: u16 = 0x4000;

impl IndexKeeper {
    /// Reads the index once, for what need not be read from disk; what it says wrongly of the last
    /// commit is put down for the next write.
    pub(crate) fn open(repo: &Repository, scanner: &mut Scanner) -> Self {
        // An index that cannot be read costs reading every file once, no more.
        let path = repo.path().join("index");
        let index = Index::open(&path).ok();
        if index.is_none() {
            start_over(&path);
        }
        let written = std::fs::metadata(&path).and_then(|m| m.modified()).ok();
        let written = written
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_nanos()).ok())
            .unwrap_or(i64::MIN);
        let mut pending = BTreeSet::new();
        for entry in index.iter().flat_map(Index::iter) {
            let stamp = Stamp {
                inode: entry.ino,
                size: entry.file_size,
                modified: of_index(entry.mtime),
                changed: of_index(entry.ctime),
            };
            // A file as young as the index itself may have changed since without showing.
            let stamp = Some(stamp).filter(|stamp| stamp.modified < written && stamp.inode != 0);
            match String::from_utf8(entry.path) {
                Ok(path) if !scanner.add_index(&path, entry.id, stamp) => {
                    pending.insert(path);
                }
                Ok(path) if entry.flags_extended & SKIP_WORKTREE != 0 => scanner.leave_out(&path),
                _ => {}
            }
        }
        pending.extend(scanner.unstamped());
        let since = (!pending.is_empty()).then(Instant::now);
        Self { pending, since }
    }

    /// These paths' entries are out of date.
    pub(crate) fn note<'a>(&mut self, paths: impl IntoIterator<Item = &'a String>) {
        self.pending.extend(paths.into_iter().cloned());
        if !self.pending.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    /// How long until the index should be written; none when it is up to date.
    pub(crate) fn due(&self, files: usize) -> Option<Duration> {
        let lag = if files <= SMALL { Duration::ZERO } else { LAG };
        self.since.map(|since| lag.saturating_sub(since.elapsed()))
    }

    /// Writes what is out of date.
    pub(crate) fn flush(&mut self, repo: &Repository, scanner: &Scanner) -> Result<(), git2::Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut index = Index::open(&repo.path().join("index"))?;
        for path in &self.pending {
            match scanner.in_head(path) {
                Some(id) => {
                    let mut entry = entry(path, id, scanner.stat_for_index(path));
                    if scanner.is_left_out(path) {
                        entry.flags |= EXTENDED;
                        entry.flags_extended |= SKIP_WORKTREE;
                    }
                    index.add(&entry)?;
                }
                None if index.get_path(Path::new(path), 0).is_some() => index.remove_path(Path::new(path))?,
                None => {}
            }
        }
        index.write()?;
        self.pending.clear();
        self.since = None;
        Ok(())
    }
}

/// Removes an index that cannot be read, so that a whole one is written. It is only a memory of
/// what is elsewhere: a power cut may well leave half of it, and git itself then refuses to work.
fn start_over(path: &Path) {
    match std::fs::remove_file(path) {
        Ok(()) => tracing::warn!("git's index {} could not be read; it is written anew", path.display()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!("git's index {} can be neither read nor removed: {error}", path.display());
        }
    }
}

fn of_index(time: IndexTime) -> i64 {
    nanoseconds(i64::from(time.seconds()), i64::from(time.nanoseconds()))
}

/// Without `stat` git will look into the file by itself.
fn entry(path: &str, id: Oid, stat: Option<Stat>) -> IndexEntry {
    let zero = IndexTime::new(0, 0);
    let mut entry = IndexEntry {
        ctime: zero,
        mtime: zero,
        dev: 0,
        ino: 0,
        mode: FILE,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    };
    if let Some(stat) = stat {
        fill(&mut entry, &stat);
    }
    entry
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "git's index keeps the low 32 bits"
)]
fn fill(entry: &mut IndexEntry, stat: &Stat) {
    entry.ctime = IndexTime::new(stat.st_ctime as i32, stat.st_ctime_nsec as u32);
    entry.mtime = IndexTime::new(stat.st_mtime as i32, stat.st_mtime_nsec as u32);
    entry.dev = stat.st_dev as u32;
    entry.ino = stat.st_ino as u32;
    entry.uid = stat.st_uid;
    entry.gid = stat.st_gid;
    entry.file_size = stat.st_size as u32;
}
