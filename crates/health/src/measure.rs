//! Measuring the machine, cheaply enough to do it all the time.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// Free bytes for this user on the file system that holds `path`.
pub fn disk_free(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The memory that this process holds, in bytes; 0 where the system does not say.
pub fn resident_memory() -> u64 {
    let Ok(pid) = sysinfo::get_current_pid() else { return 0 };
    let Ok(mut system) = System::new() else { return 0 };
    let what = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
    system.process(pid).map_or(0, sysinfo::Process::memory)
}

/// A folder's own files and its folders, as of a change of its names.
#[derive(Debug)]
struct Known {
    changed: SystemTime,
    bytes: u64,
    folders: Vec<PathBuf>,
}

/// The size of everything below a folder, Git's objects included. Measured at most once an hour,
/// and then only folders are read whose names have changed: files in the vault and in Git's store
/// are replaced by renames, which touch the folder; only logs grow in place.
#[derive(Debug)]
pub struct VaultSize {
    root: PathBuf,
    every: TimeDelta,
    last: Option<(DateTime<Utc>, u64)>,
    known: HashMap<PathBuf, Known>,
}

impl VaultSize {
    /// Nothing is measured yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), every: TimeDelta::hours(1), last: None, known: HashMap::new() }
    }

    /// The size in bytes, at most an hour old.
    pub fn bytes(&mut self, now: DateTime<Utc>) -> io::Result<u64> {
        if let Some((at, bytes)) = self.last
            && (now - at).abs() < self.every
        {
            return Ok(bytes);
        }
        let mut total = 0_u64;
        let mut met = HashMap::new();
        let mut open = vec![self.root.clone()];
        while let Some(folder) = open.pop() {
            let known = match self.measure(&folder) {
                Ok(known) => known,
                // Gone meanwhile, or not ours to read.
                Err(e) if folder != self.root => {
                    tracing::debug!(folder = %folder.display(), error = %e, "a folder was not measured");
                    continue;
                }
                Err(e) => return Err(e),
            };
            total = total.saturating_add(known.bytes);
            open.extend(known.folders.iter().cloned());
            met.insert(folder, known);
        }
        self.known = met;
        self.last = Some((now, total));
        Ok(total)
    }

    fn measure(&mut self, folder: &Path) -> io::Result<Known> {
        let changed = std::fs::symlink_metadata(folder)?.modified()?;
        let grows_in_place = folder.ends_with("Logs") || folder == self.root;
        if let Some(known) = self.known.remove(folder)
            && known.changed == changed
            && !grows_in_place
        {
            return Ok(known);
        }
        let mut known = Known { changed, bytes: 0, folders: Vec::new() };
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            // Without following links; what has gone meanwhile weighs nothing.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                known.folders.push(entry.path());
            } else if metadata.is_file() {
                known.bytes = known.bytes.saturating_add(metadata.len());
            }
        }
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vaults_size_is_remeasured_hourly_where_something_changed() {
        let temp = tempfile::tempdir().expect("a folder");
        let write = |path: &str, len: usize| {
            let path = temp.path().join(path);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            std::fs::write(path, vec![0; len]).expect("write");
        };
        write("Done/2026/02/a.md", 10);
        write("Logs/x.jsonl", 5);
        std::os::unix::fs::symlink("/", temp.path().join("Done/loop")).expect("link");
        let start: DateTime<Utc> = "2026-02-23T03:15:00Z".parse().expect("time");
        let mut size = VaultSize::new(temp.path());
        let mut check = |minutes: i64, expected: u64| {
            assert_eq!(size.bytes(start + TimeDelta::minutes(minutes)).expect("size"), expected);
        };
        check(0, 15);
        write("Logs/x.jsonl", 7);
        write("Done/2026/02/b.md", 100);
        check(59, 15);
        check(60, 117);
        std::fs::remove_dir_all(temp.path().join("Done")).expect("remove");
        check(120, 7);
    }

    #[test]
    fn the_machine_answers() {
        assert!(disk_free(Path::new("/")).expect("disk") > 0);
        assert!(disk_free(Path::new("/nowhere/at/all")).is_err());
        assert!(resident_memory() > 0);
    }
}
