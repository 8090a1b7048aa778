//! Commits are looked through before they are pushed. Those made here hold clean contents, because
//! the scan holds back the others; one made by a person in the clone may hold anything. A commit
//! with a secret is not pushed: its clean changes go out in a commit of their own, and what it
//! said stays in the reflog and on the disk.

use std::collections::{BTreeMap, BTreeSet};

use git2::{ObjectType, Oid};
use task::TaskId;

use crate::Side;
use crate::engine::{Engine, Warm};
use crate::guard::Hold;
use crate::place::{Place, is_folder};
use crate::report::{Refusal, Report, SyncError};
use crate::tree::{Changes, Edit, FOLDER, Trees};
use crate::worktree::Step;

/// Larger contents of commits made by hand are not looked through, and not pushed either.
const MAX_BYTES: usize = 64 << 20;

/// One file that differs between two trees.
struct Outgoing {
    /// Any bytes; a slash between folders.
    path: Vec<u8>,
    before: Edit,
    after: Edit,
}

impl Engine {
    /// Makes sure that no commit between what the remote has and `commit` holds a secret.
    pub(crate) fn vet(&mut self, commit: Oid, remote: Option<Oid>) -> Result<(), SyncError> {
        let read = |cause| SyncError::Repository { what: "look for secrets in what is sent", cause };
        self.guard.saw(remote.map(|tip| self.tree_of(tip)).transpose()?);
        match self.suspect(commit, remote).map_err(read)? {
            None => {
                self.vetted = Some(commit);
                Ok(())
            }
            Some((commit, hold)) => {
                Err(SyncError::Secret { commit: commit.to_string(), reason: hold.reason })
            }
        }
    }

    /// Replaces the commits here that the remote lacks by one without their secrets, if they have
    /// any; says whether it did. What is on the disk stays as it is.
    pub(crate) fn purge(&mut self, warm: &mut Warm, report: &mut Report) -> Result<bool, SyncError> {
        let seen = self.memory.seen.filter(|seen| self.repo.find_commit(*seen).is_ok());
        self.guard.saw(seen.map(|seen| self.tree_of(seen)).transpose()?);
        let Some(head) = warm.head.commit.filter(|head| Some(*head) != seen && Some(*head) != self.vetted)
        else {
            return Ok(false);
        };
        let read = |cause| SyncError::Repository { what: "look for secrets in the vault's commits", cause };
        // Where they parted: a branch that was set back by hand does not hold all that was seen.
        let seen = seen.and_then(|seen| self.repo.merge_base(head, seen).ok());
        let seen_tree = seen.map(|seen| self.tree_of(seen)).transpose()?;
        let Some((commit, hold)) = self.suspect(head, seen).map_err(read)? else {
            self.vetted = Some(head);
            return Ok(false);
        };
        let short: String = commit.to_string().chars().take(10).collect();
        let reason = format!("{}; its other changes go out in a commit of their own", hold.reason);
        self.withheld_commit(&short, &reason, report);

        let outgoing = self.outgoing(seen_tree, warm.head.tree).map_err(read)?;
        let mut held: BTreeMap<String, Hold> = BTreeMap::new();
        let mut nameless = false;
        for file in &outgoing {
            if let Some(hold) = self.hold(file).map_err(read)? {
                match String::from_utf8(file.path.clone()) {
                    Ok(path) => drop(held.insert(path, hold)),
                    Err(_) => nameless = true,
                }
            }
        }
        let ids: BTreeSet<TaskId> = held.keys().filter_map(|path| task_of(path)).collect();
        let back = |file: &Outgoing| {
            let path = std::str::from_utf8(&file.path).ok()?;
            let goes = held.contains_key(path) || task_of(path).is_some_and(|id| ids.contains(&id));
            goes.then(|| (path.to_owned(), file.before))
        };
        let edits: BTreeMap<String, Edit> = outgoing.iter().filter_map(back).collect();
        // A name that is no text cannot be told from its neighbours: then nothing of it goes out.
        let tree = match nameless {
            true => self.edited(seen_tree, &BTreeMap::new())?,
            false => self.edited(warm.head.tree, &edits)?,
        };
        let commit = match seen {
            Some(seen) if Some(tree) == seen_tree => seen,
            seen => self.commit(tree, seen.as_slice())?,
        };
        let diff = Trees::of(&self.repo).diff(warm.head.tree, Some(tree)).map_err(read)?;
        let contents = diff.changes.into_iter().map(|(path, change)| (path, change.new)).collect();
        self.move_head(warm, commit, tree, &contents)?;
        for (path, hold) in held {
            if Place::parse(&path).is_ok() {
                warm.scanner.hold(&path, hold, None);
            } else {
                let shown =
                    if hold.in_name { "a name outside of the vault's folders".to_owned() } else { path };
                self.stripped.insert(shown, hold.reason);
            }
        }
        warm.scanner.withhold();
        self.vetted = None;
        Ok(true)
    }

    /// On a machine whose versions do not win, a task that is held back gives way to what the
    /// remote says of it. Its words are kept in `Conflicts/`, whose paths are returned.
    pub(crate) fn give_way(&self, warm: &mut Warm, changes: &Changes) -> Result<Vec<String>, SyncError> {
        if self.settings.side == Side::Owner {
            return Ok(Vec::new());
        }
        let ids: BTreeSet<&TaskId> = changes.values().filter_map(|change| change.place.task()).collect();
        let held = ids.into_iter().filter(|id| warm.scanner.holds(id));
        let steps: Vec<Step> = held.flat_map(|id| warm.scanner.steps_back(id)).collect();
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let kept = warm.worktree.apply(&self.repo, &steps)?;
        self.scan(warm)?;
        Ok(kept)
    }

    /// What stays here because of a secret: what may be shown of the path, and why.
    pub(crate) fn held_back(&self, warm: &Warm) -> Vec<(String, String)> {
        let outside = self.stripped.iter().map(|(path, reason)| (path.clone(), reason.clone()));
        warm.scanner.held().into_iter().chain(outside).collect()
    }

    fn withheld_commit(&mut self, short: &str, reason: &str, report: &mut Report) {
        let refusal = Refusal { path: format!("commit {short}"), reason: reason.to_owned(), incoming: false };
        self.say(refusal, report);
    }

    /// The first commit behind `remote` up to `commit` that holds a secret.
    fn suspect(&self, commit: Oid, remote: Option<Oid>) -> Result<Option<(Oid, Hold)>, git2::Error> {
        let mut walk = self.repo.revwalk()?;
        walk.push(commit)?;
        for known in remote.into_iter().chain(self.vetted) {
            // A tip that is not here hides nothing.
            if self.repo.find_commit(known).is_ok() {
                walk.hide(known)?;
            }
        }
        let odb = self.repo.odb()?;
        for id in walk {
            let id = id?;
            // All of it: message, names and addresses.
            if let Some(reason) = self.guard.text(odb.read(id)?.data()) {
                let reason = format!("its message or author, {reason}");
                return Ok(Some((id, Hold { reason, in_name: false })));
            }
            let commit = self.repo.find_commit(id)?;
            let before = commit.parent(0).ok().map(|parent| parent.tree_id());
            for file in self.outgoing(before, Some(commit.tree_id()))? {
                if let Some(mut hold) = self.hold(&file)? {
                    if !hold.in_name {
                        let path = String::from_utf8_lossy(&file.path).into_owned();
                        hold.reason = format!("{path:?}, {}", hold.reason);
                    }
                    return Ok(Some((id, hold)));
                }
            }
        }
        Ok(None)
    }

    fn hold(&self, file: &Outgoing) -> Result<Option<Hold>, git2::Error> {
        let Some((_, id)) = file.after else { return Ok(None) };
        if file.before.is_none()
            && let Some(hold) = self.guard.name(&file.path)
        {
            return Ok(Some(hold));
        }
        let verdict = match self.guard.known(&self.repo, id) {
            Some(verdict) => verdict,
            None => {
                let odb = self.repo.odb()?;
                match odb.read_header(id) {
                    Ok((len, ObjectType::Blob)) if len > MAX_BYTES => {
                        Some(format!("it has {len} bytes, too many to look for secrets in them"))
                    }
                    Ok((_, ObjectType::Blob)) => self.guard.content(&self.repo, id, odb.read(id)?.data()),
                    // Another repository's commit: its content does not travel.
                    _ => None,
                }
            }
        };
        Ok(verdict.map(|reason| Hold { reason, in_name: false }))
    }

    /// Every file that differs and is sent, wherever it is, and what has gone from the vault's own
    /// folders. What has gone from elsewhere is not gone through: a tree that a stranger sent may
    /// name more files than fit into any memory.
    fn outgoing(&self, before: Option<Oid>, after: Option<Oid>) -> Result<Vec<Outgoing>, git2::Error> {
        let mut found = Vec::new();
        self.outgoing_below(&[], before, after, &mut found)?;
        Ok(found)
    }

    fn outgoing_below(
        &self,
        folder: &[u8],
        before: Option<Oid>,
        after: Option<Oid>,
        found: &mut Vec<Outgoing>,
    ) -> Result<(), git2::Error> {
        if before == after {
            return Ok(());
        }
        let trees = Trees::of(&self.repo);
        let sent = trees.read(after).map_err(|error| git2::Error::from_str(&error.to_string()))?;
        // What stood there and cannot be read is not sent.
        let stood = trees.read(before).unwrap_or_default();
        let mut stood: BTreeMap<Vec<u8>, (u32, Oid)> =
            stood.into_iter().map(|entry| (entry.name, (entry.mode, entry.id))).collect();
        let mut pairs: Vec<(Vec<u8>, Edit, Edit)> = Vec::new();
        for entry in sent {
            let was = stood.remove(&entry.name);
            pairs.push((entry.name, was, Some((entry.mode, entry.id))));
        }
        pairs.extend(stood.into_iter().map(|(name, was)| (name, Some(was), None)));
        for (name, was, is) in pairs.into_iter().filter(|(_, was, is)| was != is) {
            let mut path = folder.to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend(name);
            let tree = |edit: Edit| edit.filter(|(mode, _)| *mode == FOLDER).map(|(_, id)| id);
            let file = |edit: Edit| edit.filter(|(mode, _)| *mode != FOLDER);
            let ours = std::str::from_utf8(&path).is_ok_and(is_folder);
            if tree(is).is_some() || (tree(was).is_some() && ours) {
                self.outgoing_below(&path, tree(was), tree(is), found)?;
            }
            if file(was) != file(is) {
                found.push(Outgoing { path, before: file(was), after: file(is) });
            }
        }
        Ok(())
    }
}

fn task_of(path: &str) -> Option<TaskId> {
    Place::parse(path).ok().and_then(|place| place.task().cloned())
}
