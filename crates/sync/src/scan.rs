//! What is on disk, compared with the last commit, at a cost that follows what changed.
//!
//! In folders where work goes on every file is looked at in every scan: one `stat`, and a hash
//! only where that shows a change. Of the months of `Done/`, only those are listed whose folder
//! has changed since, plus a slice of all their files in turn: an edit of a finished task is
//! noticed too, though not in the same minute.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use std::sync::Arc;

use git2::{ObjectType, Oid, Repository};
use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;
use vault::{Dir, FileError, Vault};

use crate::guard::{Guard, Hold};
use crate::place::{Place, is_folder, twin_key};
use crate::stamp::{Stamp, now};

mod held;
mod known;

/// How many finished files are looked at in turn in one scan.
const TURN: usize = 1024;

/// The folders whose files are all looked at in every scan; `In_Progress/*` come on top.
const WARM: [&str; 10] = [
    "Inbox",
    "Needs_Action",
    "Pending_Approval",
    "Rejected",
    "Errors",
    "Conflicts",
    "Logs",
    "Briefings",
    "Accounting",
    "Templates",
];

/// The files of the root that travel.
const ROOT: [&str; 4] = ["Company_Handbook.md", "Dashboard.md", "STOP", ".gitignore"];

/// Why the vault could not be scanned.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// A file or folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file or folder.
    #[error("examine {path}: {cause}")]
    Stat {
        /// Relative to the vault.
        path: String,
        /// What the system said.
        cause: Errno,
    },
    /// An object could not be written.
    #[error("store {path} in the vault's git: {}", cause.message())]
    Store {
        /// Relative to the vault.
        path: String,
        /// What libgit2 said.
        cause: git2::Error,
    },
}

/// One file that the last commit or the disk has. Its content on disk is `head`, unless
/// [`Scanner::changed`] says otherwise.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    head: Option<Oid>,
    /// Of the content that is known; none when it must be read again.
    stamp: Option<Stamp>,
}

#[derive(Debug, Default)]
struct Folder {
    /// Of the folder itself, if nothing can have changed since without showing.
    stamp: Option<Stamp>,
    files: BTreeMap<Box<str>, Known>,
}

/// The vault as it was last seen.
#[derive(Debug)]
pub(crate) struct Scanner {
    vault: Vault,
    root: Dir,
    max_file_bytes: u64,
    folders: BTreeMap<String, Folder>,
    /// Content on disk where it is not what the last commit has.
    changed: BTreeMap<String, Option<Oid>>,
    /// What is on disk and does not travel, though its name would.
    skipped: BTreeMap<String, String>,
    /// Which of these hold a secret, and the stamp of what was looked through.
    held: BTreeMap<String, (Hold, Option<Stamp>)>,
    /// Changes of the tasks that these belong to, out of sight until the next scan.
    aside: BTreeMap<String, Option<Oid>>,
    guard: Arc<Guard>,
    /// What the last commit has and this machine leaves out.
    absent: BTreeSet<String>,
    /// Same content, other stamp: git's index should know.
    restamped: BTreeSet<String>,
    /// Whether every file was looked at once.
    warm: bool,
    cursor: (String, String),
}

impl Scanner {
    /// Knows nothing yet.
    pub(crate) fn new(vault: &Vault, max_file_bytes: u64, guard: Arc<Guard>) -> Result<Self, FileError> {
        Ok(Self {
            vault: vault.clone(),
            root: Dir::open(vault.root())?,
            max_file_bytes,
            folders: BTreeMap::new(),
            changed: BTreeMap::new(),
            skipped: BTreeMap::new(),
            held: BTreeMap::new(),
            aside: BTreeMap::new(),
            guard,
            absent: BTreeSet::new(),
            restamped: BTreeSet::new(),
            warm: false,
            cursor: (String::new(), String::new()),
        })
    }

    /// Looks at the disk. The caller holds the vault's lock.
    pub(crate) fn scan(&mut self, repo: &Repository) -> Result<(), ScanError> {
        self.take_up_again();
        self.scan_root(repo)?;
        let mut present: BTreeSet<String> = WARM.iter().map(|folder| (*folder).to_owned()).collect();
        present.extend(self.below("In_Progress")?);
        for folder in &present {
            self.scan_folder(repo, folder, true)?;
        }
        for year in self.below("Done")? {
            present.extend(self.below(&year)?);
        }
        let looked_at = now();
        let months: Vec<String> = present.iter().filter(|f| f.starts_with("Done/")).cloned().collect();
        for month in &months {
            let stamp = self.stat(month)?.map(|stat| Stamp::of(&stat));
            let known = self.folders.get(month).and_then(|folder| folder.stamp);
            if !self.warm || stamp.is_none() || stamp != known {
                self.scan_folder(repo, month, !self.warm)?;
                let stamp = stamp.filter(|stamp| stamp.is_settled(looked_at));
                self.folders.entry(month.clone()).or_default().stamp = stamp;
            }
        }
        let gone: Vec<String> = self
            .folders
            .keys()
            .filter(|folder| !folder.is_empty() && !present.contains(*folder))
            .cloned()
            .collect();
        for folder in gone {
            self.vanish(&folder, &BTreeSet::new());
        }
        if self.warm {
            self.take_turn(repo)?;
        }
        self.warm = true;
        self.withhold();
        Ok(())
    }

    fn known(&self, path: &str) -> Option<&Known> {
        let (folder, name) = split(path);
        self.folders.get(folder)?.files.get(name)
    }

    fn stat(&self, path: &str) -> Result<Option<Stat>, ScanError> {
        match rustix::fs::statat(self.root.fd(), path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(cause) => Err(ScanError::Stat { path: path.to_owned(), cause }),
        }
    }

    /// The folders of a vault directly below one.
    fn below(&self, folder: &str) -> Result<Vec<String>, ScanError> {
        let dir = match self.vault.dir(folder) {
            Err(e) if e.is_missing() => return Ok(Vec::new()),
            other => other?,
        };
        let names = dir.names()?.into_iter().filter_map(|name| name.into_string().ok());
        let mut found: Vec<String> =
            names.map(|name| format!("{folder}/{name}")).filter(|path| is_folder(path)).collect();
        // A link in the place of a folder is no folder.
        found.retain(|path| {
            let stat = self.stat(path).ok().flatten();
            stat.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
        });
        Ok(found)
    }

    fn scan_root(&mut self, repo: &Repository) -> Result<(), ScanError> {
        let mut present = BTreeSet::new();
        for name in ROOT {
            if let Some(stat) = self.stat(name)? {
                present.insert(name.to_owned());
                let looked_at = now();
                self.look(repo, "", name, &stat, looked_at)?;
            }
        }
        self.vanish("", &present);
        Ok(())
    }

    fn scan_folder(&mut self, repo: &Repository, folder: &str, every_file: bool) -> Result<(), ScanError> {
        let dir = match self.vault.dir(folder) {
            Err(e) if e.is_missing() => {
                self.vanish(folder, &BTreeSet::new());
                return Ok(());
            }
            other => other?,
        };
        let fail = |cause| ScanError::Stat { path: folder.to_owned(), cause };
        let mut present = BTreeSet::new();
        let mut fresh = Vec::new();
        let looked_at = now();
        for entry in rustix::fs::Dir::read_from(dir.fd()).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let known = self.folders.get(folder).and_then(|f| f.files.get(name)).copied();
            match known {
                Some(known) => {
                    present.insert(name.to_owned());
                    #[expect(clippy::cast_possible_truncation, reason = "as git's index has it")]
                    let same_file = known.stamp.is_some_and(|stamp| stamp.inode == entry.ino() as u32);
                    let path = format!("{folder}/{name}");
                    let settled = same_file && !matches!(self.changed.get(&path), Some(None));
                    if !every_file && settled {
                        continue;
                    }
                    if let Some(stat) = self.stat_in(&dir, &path, name)? {
                        self.look(repo, folder, name, &stat, looked_at)?;
                    }
                }
                None if name.starts_with('.') => {}
                None => fresh.push(name.to_owned()),
            }
        }
        fresh.sort();
        let mut keys: Option<BTreeSet<String>> = None;
        for name in fresh {
            let path = format!("{folder}/{name}");
            if Place::parse(&path).is_err() {
                continue;
            }
            let Some(stat) = self.stat_in(&dir, &path, &name)? else { continue };
            let keys = keys.get_or_insert_with(|| present.iter().map(|name| twin_key(name)).collect());
            if !keys.insert(twin_key(&name)) {
                let reason = "another name in this folder differs from it in capitals or accents only";
                self.skipped.insert(path, reason.to_owned());
                continue;
            }
            present.insert(name.clone());
            self.look(repo, folder, &name, &stat, looked_at)?;
        }
        self.vanish(folder, &present);
        Ok(())
    }

    fn stat_in(&self, dir: &Dir, path: &str, name: &str) -> Result<Option<Stat>, ScanError> {
        match rustix::fs::statat(dir.fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(cause) => Err(ScanError::Stat { path: path.to_owned(), cause }),
        }
    }

    /// Looks at one file that is there.
    fn look(
        &mut self,
        repo: &Repository,
        folder: &str,
        name: &str,
        stat: &Stat,
        looked_at: i64,
    ) -> Result<(), ScanError> {
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        let stamp = Stamp::of(stat);
        let known = self.known(&path).copied().unwrap_or_default();
        if known.stamp == Some(stamp) && !matches!(self.changed.get(&path), Some(None)) {
            return Ok(());
        }
        if self.is_still_held(&path, stamp) {
            return Ok(());
        }
        let len = u64::try_from(stat.st_size).unwrap_or_default();
        let refusal = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if len <= self.max_file_bytes => None,
            FileType::RegularFile => Some(format!(
                "it has {len} bytes; at most {} are synchronised (sync.max_file_bytes)",
                self.max_file_bytes
            )),
            _ => Some("it is no plain file".to_owned()),
        };
        if let Some(reason) = refusal {
            self.skip(&path, reason);
            return Ok(());
        }
        let dir;
        let read = if folder.is_empty() {
            self.root.read(name, self.max_file_bytes)
        } else {
            dir = self.vault.dir(folder)?;
            dir.read(name, self.max_file_bytes)
        };
        let bytes = match read {
            Ok(contents) => contents.bytes,
            // It went while we looked, or is being replaced by something else: next time.
            Err(e) if e.is_missing() || matches!(e.cause, Errno::INVAL | Errno::LOOP) => return Ok(()),
            Err(e) if matches!(e.cause, Errno::ACCESS | Errno::FBIG) => {
                self.skip(&path, e.to_string());
                return Ok(());
            }
            Err(e) => return Err(e.into()),
        };
        let store = |cause| ScanError::Store { path: path.clone(), cause };
        let id = Oid::hash_object(ObjectType::Blob, &bytes).map_err(store)?;
        if known.head != Some(id)
            && let Some(hold) = self.guard.file(repo, &path, known.head.is_none(), id, &bytes)
        {
            self.hold(&path, hold, Some(stamp).filter(|stamp| stamp.is_settled(looked_at)));
            return Ok(());
        }
        self.skipped.remove(&path);
        self.held.remove(&path);
        self.absent.remove(&path);
        if known.head == Some(id) {
            self.changed.remove(&path);
            self.restamped.insert(path.clone());
        } else if self.changed.get(&path) != Some(&Some(id)) {
            fault::reach("sync.blob").map_err(|cause| ScanError::Stat { path: path.clone(), cause })?;
            repo.odb().and_then(|odb| odb.write(ObjectType::Blob, &bytes)).map_err(store)?;
            self.changed.insert(path.clone(), Some(id));
        }
        let files = &mut self.folders.entry(folder.to_owned()).or_default().files;
        files.entry(name.into()).or_default().stamp = Some(stamp).filter(|s| s.is_settled(looked_at));
        Ok(())
    }

    /// Something stands there that does not travel: for the rest of the world nothing changed.
    fn skip(&mut self, path: &str, reason: String) {
        self.changed.remove(path);
        self.held.remove(path);
        let (folder, name) = split(path);
        if let Some(files) = self.folders.get_mut(folder).map(|folder| &mut folder.files) {
            match files.get_mut(name) {
                Some(known) if known.head.is_some() => known.stamp = None,
                Some(_) => {
                    files.remove(name);
                }
                None => {}
            }
        }
        self.skipped.insert(path.to_owned(), reason);
    }

    /// Of a folder's files, only `present` are still there.
    fn vanish(&mut self, folder: &str, present: &BTreeSet<String>) {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        if let Some(known) = self.folders.get_mut(folder) {
            let (changed, absent) = (&mut self.changed, &self.absent);
            known.files.retain(|name, known| {
                if present.contains(&**name) {
                    return true;
                }
                let path = format!("{prefix}{name}");
                if absent.contains(&path) {
                    return true;
                }
                if known.head.is_none() {
                    changed.remove(&path);
                    return false;
                }
                known.stamp = None;
                changed.insert(path, None);
                true
            });
        }
        let here = |path: &str| split(path).0 == folder;
        let (root, disk) = (&self.root, AtFlags::SYMLINK_NOFOLLOW);
        self.skipped.retain(|path, _| !here(path) || rustix::fs::statat(root.fd(), path, disk).is_ok());
        self.held.retain(|path, _| self.skipped.contains_key(path));
    }

    /// Looks at the next slice of finished files.
    fn take_turn(&mut self, repo: &Repository) -> Result<(), ScanError> {
        let mut slice: Vec<(String, String)> = Vec::new();
        let (folder, name) = self.cursor.clone();
        let from = self.folders.range::<str, _>((Bound::Included(folder.as_str()), Bound::Unbounded));
        for (path, known) in from.filter(|(path, _)| path.starts_with("Done/")) {
            let start = if *path == folder { Bound::Excluded(name.as_str()) } else { Bound::Unbounded };
            let names = known.files.range::<str, _>((start, Bound::Unbounded));
            slice.extend(names.take(TURN - slice.len()).map(|(name, _)| (path.clone(), name.to_string())));
            if slice.len() >= TURN {
                break;
            }
        }
        self.cursor = match slice.last() {
            Some(last) if slice.len() >= TURN => last.clone(),
            _ => (String::new(), String::new()),
        };
        let looked_at = now();
        for (folder, name) in slice {
            if let Some(stat) = self.stat(&format!("{folder}/{name}"))? {
                self.look(repo, &folder, &name, &stat, looked_at)?;
            }
        }
        Ok(())
    }
}

/// Folder and name; the root is "".
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
