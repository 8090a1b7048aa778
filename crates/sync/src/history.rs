//! What was committed of the audit logs, for holding them against it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use git2::{ErrorCode, ObjectType, Oid, Repository, Sort};
use vault::CommittedLog;

use crate::SyncError;
use crate::engine::of_tree;
use crate::tree::{Entry, FOLDER, Trees};

/// The largest version that is read, in bytes.
const LARGEST: usize = 1 << 30;

/// Every version of every log in the history of a vault's branch: one path after the other, and
/// of each the older first. Contents are read as they are asked for.
pub struct LogHistory {
    repo: Repository,
    versions: std::vec::IntoIter<Version>,
}

struct Version {
    path: String,
    commit: Oid,
    /// `None` where the commit removed the file.
    blob: Option<Oid>,
}

impl LogHistory {
    /// The history of `branch` in the vault at `root`, merged commits included; `None` when the
    /// vault has no git or the branch no commit. Only reads, and touches no network.
    pub fn open(root: &Path, branch: &str) -> Result<Option<Self>, SyncError> {
        let fail = SyncError::repository("read the vault's history");
        if !root.join(".git").exists() {
            return Ok(None);
        }
        let repo = Repository::open(root).map_err(fail)?;
        let tip = match repo.refname_to_id(&format!("refs/heads/{branch}")) {
            Ok(tip) => tip,
            Err(e) if e.code() == ErrorCode::NotFound => return Ok(None),
            Err(cause) => return Err(SyncError::Repository { what: "read the vault's history", cause }),
        };
        let mut versions = versions(&repo, tip)?;
        // Stable: of one path the order of the history stays.
        versions.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Some(Self { repo, versions: versions.into_iter() }))
    }

    fn content(&self, blob: Oid) -> Result<Option<Vec<u8>>, git2::Error> {
        let odb = self.repo.odb()?;
        let (len, kind) = odb.read_header(blob)?;
        if kind != ObjectType::Blob {
            return Ok(None);
        }
        if len > LARGEST {
            return Err(git2::Error::from_str("a version of a log is larger than 1 GiB"));
        }
        Ok(Some(odb.read(blob)?.data().to_vec()))
    }
}

impl Iterator for LogHistory {
    type Item = Result<CommittedLog, SyncError>;

    fn next(&mut self) -> Option<Self::Item> {
        let version = self.versions.next()?;
        let commit = version.commit.to_string().chars().take(12).collect();
        let bytes = version.blob.map(|blob| self.content(blob)).transpose();
        let bytes = bytes.map_err(SyncError::repository("read a committed log"));
        Some(bytes.map(|bytes| CommittedLog { path: version.path, commit, bytes: bytes.flatten() }))
    }
}

/// What each commit changed in `Logs/`, the older commits first.
fn versions(repo: &Repository, tip: Oid) -> Result<Vec<Version>, SyncError> {
    let read = |what| SyncError::repository(what);
    let mut walk = repo.revwalk().map_err(read("read the vault's history"))?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE).map_err(read("read the vault's history"))?;
    walk.push(tip).map_err(read("read the vault's history"))?;
    let trees = Trees::of(repo);
    let entries = |tree| trees.read(tree).map_err(of_tree("read the folder of logs in a commit"));
    // Each commit's folder of logs, for its children.
    let mut folders: HashMap<Oid, Option<Oid>> = HashMap::new();
    let mut versions = Vec::new();
    for id in walk {
        let id = id.map_err(read("read the vault's history"))?;
        let commit = repo.find_commit(id).map_err(read("read a commit"))?;
        let root = entries(Some(commit.tree_id()))?;
        let logs = root.into_iter().find(|entry| entry.name == b"Logs" && entry.mode == FOLDER);
        let logs = logs.map(|entry| entry.id);
        folders.insert(id, logs);
        let parents: Vec<Option<Oid>> =
            commit.parent_ids().map(|parent| folders.get(&parent).copied().flatten()).collect();
        if parents.contains(&logs) && parents.iter().all(|parent| *parent == logs) {
            continue;
        }
        let parents: Vec<BTreeMap<Vec<u8>, Oid>> = parents
            .into_iter()
            .map(|parent| Ok(by_name(entries(parent)?)))
            .collect::<Result<_, SyncError>>()?;
        let now = by_name(entries(logs)?);
        let mut add = |name: &[u8], blob| {
            // Names that are no UTF-8 are no logs.
            let Ok(name) = std::str::from_utf8(name) else { return };
            versions.push(Version { path: format!("Logs/{name}"), commit: id, blob });
        };
        for (name, blob) in &now {
            if parents.iter().all(|parent| parent.get(name) != Some(blob)) {
                add(name, Some(*blob));
            }
        }
        let mut before: Vec<&Vec<u8>> = parents.iter().flat_map(BTreeMap::keys).collect();
        before.sort_unstable();
        before.dedup();
        before.into_iter().filter(|name| !now.contains_key(*name)).for_each(|name| add(name, None));
    }
    Ok(versions)
}

fn by_name(entries: Vec<Entry>) -> BTreeMap<Vec<u8>, Oid> {
    entries.into_iter().map(|entry| (entry.name, entry.id)).collect()
}
