//! The rights of another machine, held at the remote itself: what the owner's machine would refuse
//! when it fetches does not get into the repository. The rule is [`Rights`], here as there.
//!
//! A push is judged before git takes it, by what it changes between the old tip and the new one.
//! Whoever pushes with the owner's key is not judged; whom that is, the caller knows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid, Repository};
use task::{AgentId, TaskId};

use crate::heartbeat::{BRANCHES, REFS};
use crate::incoming::contents;
use crate::integrate::State;
use crate::place::{Place, twin_key};
use crate::rights::Rights;
use crate::scan::split;
use crate::tree::{Changes, TreeError, Trees};

/// A bare repository that a vault is synchronised through.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Its folder.
    pub repository: PathBuf,
    /// Where git keeps the objects of a push until it is taken (`GIT_OBJECT_DIRECTORY`).
    pub incoming: Option<PathBuf>,
    /// The agent on the owner's machine.
    pub owner: AgentId,
    /// The vault's branch.
    pub branch: String,
    /// The largest file that is taken, in bytes.
    pub max_file_bytes: u64,
}

/// Why a push cannot be judged, and so is not taken.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The repository or what was pushed cannot be read.
    #[error("failed to read what is pushed: {0}")]
    Git(#[from] git2::Error),
    /// A folder's listing cannot be read.
    #[error("failed to read what is pushed: {0}")]
    Tree(String),
    /// What git says of a push has another form.
    #[error("{0:?} is no line of a pre-receive hook")]
    Line(String),
}

impl From<TreeError> for GateError {
    fn from(error: TreeError) -> Self {
        GateError::Tree(error.to_string())
    }
}

impl Gate {
    /// Why a push is not taken, one sentence each with the path or ref; empty where it is.
    /// `updates` is what git writes to a pre-receive hook: old object, new object and ref per line.
    pub fn judge(&self, updates: &str) -> Result<Vec<String>, GateError> {
        let repo = Repository::open_bare(&self.repository)?;
        if let Some(incoming) = &self.incoming {
            let path = incoming
                .to_str()
                .ok_or_else(|| GateError::Tree("the folder of new objects has no name in UTF-8".into()))?;
            repo.odb()?.add_disk_alternate(path)?;
        }
        let mut said = Vec::new();
        for line in updates.lines().filter(|line| !line.trim().is_empty()) {
            let bad = || GateError::Line(line.chars().take(200).collect());
            let parts: Vec<&str> = line.splitn(3, ' ').collect();
            let [old, new, name] = parts.as_slice() else { return Err(bad()) };
            let oid = |text: &str| Oid::from_str(text).map_err(|_| bad());
            let (old, new) = (oid(old)?, oid(new)?);
            match self.refusals(&repo, old, new, name)? {
                found if found.is_empty() => {}
                found => said.extend(found),
            }
        }
        Ok(said)
    }

    fn refusals(&self, repo: &Repository, old: Oid, new: Oid, name: &str) -> Result<Vec<String>, GateError> {
        let no = |why: &str| Ok(vec![format!("{name}: {why}")]);
        let beat = name.strip_prefix(REFS).or_else(|| name.strip_prefix(BRANCHES));
        if let Some(rest) = beat {
            let agent = rest.split('/').next().and_then(|agent| AgentId::new(agent).ok());
            return match agent {
                Some(agent) if agent != self.owner => Ok(Vec::new()),
                _ => no("it is no heartbeat of this machine's"),
            };
        }
        if name != format!("refs/heads/{}", self.branch) {
            return no("a vault has no such branch or tag");
        }
        if new.is_zero() {
            return no("it deletes the vault");
        }
        if !old.is_zero() && !repo.graph_descendant_of(new, old)? {
            return no("it takes back what was published before");
        }
        let tree = |commit: Oid| -> Result<Oid, git2::Error> { Ok(repo.find_commit(commit)?.tree_id()) };
        let before = if old.is_zero() { None } else { Some(tree(old)?) };
        self.differences(repo, before, tree(new)?)
    }

    fn differences(
        &self,
        repo: &Repository,
        before: Option<Oid>,
        after: Oid,
    ) -> Result<Vec<String>, GateError> {
        let trees = Trees::of(repo);
        let diff = trees.diff(before, Some(after))?;
        let mut said: Vec<String> = diff
            .strange
            .iter()
            .filter(|strange| strange.entry.is_some())
            .map(|strange| format!("{:?}: {}", strange.path, strange.reason))
            .collect();
        said.extend(self.unfit(repo, after, &diff.changes)?);
        let read: &dyn Fn(Oid) -> Vec<u8> = &|id| contents(repo, id);
        let rights = Rights { me: &self.owner, read };

        let ids: BTreeSet<&TaskId> = diff.changes.values().filter_map(|change| change.place.task()).collect();
        let (was, is) = (states(trees, before, &ids)?, states(trees, Some(after), &ids)?);
        let none = State::new();
        for id in &ids {
            let (was, is) = (was.get(*id).unwrap_or(&none), is.get(*id).unwrap_or(&none));
            if let Err(reason) = rights.task(id, was, is) {
                said.push(format!("{id}: {reason}"));
            }
        }
        let arrives = |(_, change): &(&String, &crate::tree::Change)| {
            change.old.is_none() && change.new.is_some() && matches!(change.place, Place::Task(_))
        };
        // A file that was taken in is gone from Inbox and is a new task.
        let mut taken_in = diff.changes.iter().filter(arrives).count();
        for (path, change) in &diff.changes {
            if change.place.task().is_some() {
                continue;
            }
            let mut verdict = rights.path(&change.place, change.old, change.new);
            if verdict.is_ok() && change.place == Place::Inbox && change.new.is_none() {
                verdict = match taken_in.checked_sub(1) {
                    Some(rest) => {
                        taken_in = rest;
                        Ok(())
                    }
                    None => Err("it deletes a file in Inbox".to_owned()),
                };
            }
            if let Err(reason) = verdict {
                said.push(format!("{path:?}: {reason}"));
            }
        }
        Ok(said)
    }

    /// New contents that no machine could take.
    fn unfit(&self, repo: &Repository, tree: Oid, changes: &Changes) -> Result<Vec<String>, GateError> {
        let odb = repo.odb()?;
        let mut said = Vec::new();
        let mut folders: BTreeMap<&str, HashMap<String, usize>> = BTreeMap::new();
        for (path, change) in changes {
            let Some(new) = change.new else { continue };
            match odb.read_header(new) {
                Ok((len, ObjectType::Blob)) if len as u64 > self.max_file_bytes => {
                    said.push(format!(
                        "{path:?}: it has {len} bytes; at most {} are taken",
                        self.max_file_bytes
                    ));
                }
                Ok((_, ObjectType::Blob)) => {}
                _ => said.push(format!("{path:?}: its content is missing or no file")),
            }
            let (folder, name) = split(path);
            if !folders.contains_key(folder) {
                let mut names: HashMap<String, usize> = HashMap::new();
                for (name, _) in Trees::of(repo).folder(Some(tree), folder)? {
                    *names.entry(twin_key(&name)).or_default() += 1;
                }
                folders.insert(folder, names);
            }
            let twins =
                folders.get(folder).and_then(|names| names.get(&twin_key(name))).is_some_and(|n| *n > 1);
            if change.old.is_none() && twins {
                said.push(format!(
                    "{path:?}: another name there differs from it in capitals or accents only"
                ));
            }
        }
        Ok(said)
    }
}

/// Everything that a tree has about some tasks.
fn states(
    trees: Trees<'_>,
    tree: Option<Oid>,
    ids: &BTreeSet<&TaskId>,
) -> Result<BTreeMap<TaskId, State>, TreeError> {
    let mut found: BTreeMap<TaskId, State> = BTreeMap::new();
    if ids.is_empty() {
        return Ok(found);
    }
    trees.each_file(tree, &mut |folder, name, blob| {
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        if let Ok(place) = Place::parse(&path)
            && let Some(id) = place.task().filter(|id| ids.contains(id))
        {
            found.entry(id.clone()).or_default().insert(path, (place, blob));
        }
    })?;
    Ok(found)
}

/// The text of a hook that has `program` (`sync-watcher`) judge every push that is not the owner's.
pub fn hook(program: &Path, owner: &AgentId, branch: &str, max_file_bytes: u64) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    format!(
        "#!/bin/sh\n# Every push but the owner's has another machine's rights; see sync-watcher pre-receive --help.\n\
         exec {} pre-receive --owner {} --branch {} --max-file-bytes {max_file_bytes}\n",
        quoted(&program.to_string_lossy()),
        quoted(owner.as_str()),
        quoted(branch),
    )
}
