//! From what changed here and there to what shall be: the tree to publish, and the steps that
//! bring this machine's folder in line with it.
//!
//! The new tree is the local one plus what was accepted of the remote's, so that whatever was
//! refused is not in it, and the next push takes it back.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use git2::{ObjectType, Oid, Repository};
use task::{AgentId, TaskId};

use crate::integrate::{Side, State, Winner, live, normalised, settle, settle_path};
use crate::place::{Place, twin_key};
use crate::report::Refusal;
use crate::rights::Rights;
use crate::scan::{Scanner, split};
use crate::tree::{Change, Changes, Diff, Edit, FILE, Strange, TreeError, Trees};
use crate::worktree::Step;

/// How many refused contents of one tip are kept; the others are in its history.
const MAX_KEPT: usize = 50;

/// Why a content cannot be taken, whoever sent it.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("its content is missing")]
    Missing,
    #[error("its content is no file")]
    NoFile,
    #[error("it has {len} bytes; at most {limit} are taken (sync.max_file_bytes)")]
    Large { len: usize, limit: u64 },
    #[error("the vault would have more than {0} files (sync.max_files)")]
    Many(u64),
    #[error("{0:?} differs from it in capitals or accents only")]
    Twin(String),
}

/// What the decision is made from.
pub(crate) struct Intake<'a> {
    pub(crate) repo: &'a Repository,
    pub(crate) scanner: &'a Scanner,
    pub(crate) me: &'a AgentId,
    pub(crate) side: Side,
    pub(crate) max_file_bytes: u64,
    pub(crate) max_files: u64,
    /// The last common tree.
    pub(crate) base: Option<Oid>,
    /// From there to this machine's.
    pub(crate) local: Changes,
    /// The owner has taken over everything that stands there: a first checkout, or a tip that was
    /// vouched for.
    pub(crate) vouched: bool,
}

/// What shall be.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// On this machine.
    pub(crate) steps: Vec<Step>,
    /// Relative to the local tree.
    pub(crate) edits: BTreeMap<String, Edit>,
    /// Content of every path that the steps touch.
    pub(crate) contents: BTreeMap<String, Option<Oid>>,
    /// Where losing versions go.
    pub(crate) conflicts: Vec<String>,
    /// What was not taken.
    pub(crate) refused: Vec<Refusal>,
    /// What stands in the tree and is left out on this machine.
    pub(crate) large: BTreeSet<String>,
}

impl Intake<'_> {
    /// Decides about everything that `remote` changed.
    pub(crate) fn plan(&self, remote: Diff) -> Result<Plan, TreeError> {
        let mut plan = Plan::default();
        let mut changes = remote.changes;
        let (unfit, yielding) = self.unfit(&changes);
        for (path, why) in &unfit {
            plan.refuse(path, &why.to_string());
        }
        let (left_out, refused): (BTreeMap<_, _>, BTreeMap<_, _>) =
            unfit.into_iter().partition(|(_, why)| self.may_leave_out(why));
        let bad_ids: HashSet<TaskId> =
            refused.keys().filter_map(|path| changes.get(path)?.place.task().cloned()).collect();
        changes.retain(|path, change| {
            !refused.contains_key(path) && !change.place.task().is_some_and(|id| bad_ids.contains(id))
        });
        plan.large = left_out.into_keys().collect();
        for path in yielding {
            if let Some(old) = self.scanner.on_disk(&path) {
                plan.keep(&path, old, false);
                plan.steps.push(Step::Remove { path: path.clone(), old });
                plan.set(&path, None);
            }
        }
        self.strange(remote.strange, &mut plan);
        self.tasks(&changes, &mut plan)?;
        self.paths(&changes, &mut plan);
        Ok(plan)
    }

    /// Away from the owner's machine a file that is too large for this one is left where it is:
    /// taking it out of the tree would take it from everybody.
    fn may_leave_out(&self, why: &Unfit) -> bool {
        self.side == Side::Other && matches!(why, Unfit::Large { .. })
    }

    /// Paths whose new content cannot be taken, whoever sent it.
    /// With them come files of this machine that nobody has seen yet and that give way to twins
    /// from the remote.
    fn unfit(&self, changes: &Changes) -> (BTreeMap<String, Unfit>, Vec<String>) {
        let mut unfit = BTreeMap::new();
        let mut yielding = Vec::new();
        let mut names: HashMap<&str, HashMap<String, String>> = HashMap::new();
        let mut count = self.scanner.count();
        let odb = self.repo.odb().ok();
        for (path, change) in changes {
            let Some(new) = change.new else { continue };
            if self.scanner.on_disk(path) == Some(new) {
                continue;
            }
            let header = odb.as_ref().and_then(|odb| odb.read_header(new).ok());
            let reason = match header {
                None => Some(Unfit::Missing),
                Some((_, kind)) if kind != ObjectType::Blob => Some(Unfit::NoFile),
                Some((len, _)) if u64::try_from(len).is_ok_and(|len| len > self.max_file_bytes) => {
                    Some(Unfit::Large { len, limit: self.max_file_bytes })
                }
                Some(_) => None,
            };
            let (folder, name) = split(path);
            let reason = reason.or_else(|| {
                if self.scanner.on_disk(path).is_some() {
                    return None;
                }
                count += 1;
                if u64::try_from(count).is_ok_and(|count| count > self.max_files) {
                    return Some(Unfit::Many(self.max_files));
                }
                let keys = names.entry(folder).or_insert_with(|| self.keys(folder, changes));
                match keys.get(&twin_key(name)) {
                    Some(other) if other != name => {
                        let twin = path.strip_suffix(name).map(|folder| format!("{folder}{other}"));
                        let unseen = |twin: &String| self.local.get(twin).is_some_and(|c| c.old.is_none());
                        match twin.filter(|twin| self.side == Side::Other && unseen(twin)) {
                            Some(twin) => {
                                yielding.push(twin);
                                None
                            }
                            None => Some(Unfit::Twin(other.clone())),
                        }
                    }
                    _ => {
                        keys.insert(twin_key(name), name.to_owned());
                        None
                    }
                }
            });
            if let Some(reason) = reason {
                unfit.insert(path.clone(), reason);
            }
        }
        (unfit, yielding)
    }

    /// The names that a folder has and keeps.
    fn keys(&self, folder: &str, changes: &Changes) -> HashMap<String, String> {
        let leaves = |name: &str| {
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            changes.get(&path).is_some_and(|change| change.new.is_none())
        };
        let names = self.scanner.names(folder).filter(|name| !leaves(name));
        names.map(|name| (twin_key(name), name.to_owned())).collect()
    }

    fn strange(&self, strange: Vec<Strange>, plan: &mut Plan) {
        for item in strange {
            // What means nothing to this program may be a newer one's, and stays in the tree.
            // On the owner's machine it goes, once the vault has been taken over.
            if item.may_stay && (self.side == Side::Other || self.vouched) {
                plan.edits.insert(item.path.clone(), item.entry);
            }
            if item.entry.is_some() {
                plan.refuse(&item.path, &item.reason);
            }
        }
    }

    fn tasks(&self, changes: &Changes, plan: &mut Plan) -> Result<(), TreeError> {
        let (ours, theirs) = (by_id(&self.local), by_id(changes));
        if theirs.is_empty() {
            return Ok(());
        }
        let ids: BTreeSet<&TaskId> = theirs.keys().copied().collect();
        let mut bases = self.bases(&ids)?;
        let read: &dyn Fn(Oid) -> Vec<u8> = &|id| contents(self.repo, id);
        for (id, theirs) in &theirs {
            let ours = ours.get(id).map(Vec::as_slice).unwrap_or_default();
            let mut base = bases.remove(*id).unwrap_or_default();
            // What the changes themselves say of the base: they were made from it.
            set(&mut base, ours.iter().chain(theirs), |change| change.old);
            let (mut local, mut remote) = (base.clone(), base.clone());
            set(&mut local, ours.iter(), |change| change.new);
            set(&mut remote, theirs.iter(), |change| change.new);
            if remote == base || remote == local {
                continue;
            }
            if self.scanner.holds(id) {
                let path = live(&remote).or(live(&base)).map_or(id.as_str(), |version| version.path);
                let reason = "its version on this machine is held back, so this one is not taken";
                plan.refused.push(Refusal {
                    path: path.to_owned(),
                    reason: reason.to_owned(),
                    incoming: false,
                });
                keep_texts(&remote, &[&base], true, plan);
                continue;
            }
            if self.side == Side::Owner
                && !self.vouched
                && let Err(reason) = self.rights(read).task(id, &base, &remote)
            {
                let path = live(&remote).or(live(&base)).map_or(id.as_str(), |version| version.path);
                plan.refuse(path, &reason);
                keep_texts(&remote, &[&base], true, plan);
                continue;
            }
            let winner = match local == base {
                true => Winner::Remote,
                false => settle(id, self.me, self.side, &base, &local, &remote),
            };
            let (target, loser) = match winner {
                Winner::Local => (local.clone(), &remote),
                Winner::Remote => (normalised(&remote), &local),
            };
            keep_texts(loser, &[&target, &base], false, plan);
            self.towards(&local, &target, plan);
        }
        Ok(())
    }

    fn rights<'r>(&'r self, read: &'r dyn Fn(Oid) -> Vec<u8>) -> Rights<'r> {
        Rights { me: self.me, read }
    }

    fn paths(&self, changes: &Changes, plan: &mut Plan) {
        let read: &dyn Fn(Oid) -> Vec<u8> = &|id| contents(self.repo, id);
        let arrived = changes.iter().filter(|(_, change)| {
            change.old.is_none() && change.new.is_some() && matches!(change.place, Place::Task(_))
        });
        // A file that another machine took in is gone from Inbox and is a new task.
        let mut taken_in = arrived.count();
        let mut paths: BTreeSet<&String> = changes.keys().collect();
        paths.extend(self.local.keys());
        for path in paths {
            let (mine, theirs) = (self.local.get(path), changes.get(path));
            let Some(place) = theirs.or(mine).map(|change| &change.place) else { continue };
            if place.task().is_some() {
                continue;
            }
            let base = mine.or(theirs).and_then(|change| change.old);
            let local = mine.map_or(base, |change| change.new);
            let mut remote = theirs.map_or(base, |change| change.new);
            if self.side == Side::Owner && !self.vouched && remote != base && remote != local {
                let mut verdict = self.rights(read).path(place, base, remote);
                if verdict.is_ok() && *place == Place::Inbox && remote.is_none() {
                    verdict = match taken_in.checked_sub(1) {
                        Some(rest) => {
                            taken_in = rest;
                            Ok(())
                        }
                        None => Err("it deletes a file in Inbox".to_owned()),
                    };
                }
                if let Err(reason) = verdict {
                    plan.refuse(path, &reason);
                    if let Some(blob) = remote {
                        plan.keep(path, blob, true);
                    }
                    remote = base;
                }
            }
            let winner = settle_path(place, self.me, self.side, base, local, remote);
            let (target, loser) = match winner {
                None => continue,
                Some(Winner::Local) => (local, remote),
                Some(Winner::Remote) => (remote, local),
            };
            if let Some(blob) = loser.filter(|blob| Some(*blob) != base && Some(*blob) != target) {
                plan.keep(path, blob, false);
            }
            if local != target {
                let here = local.filter(|_| !self.scanner.is_left_out(path));
                let wanted = target.filter(|_| !plan.large.contains(path));
                plan.steps.extend(match (here, wanted) {
                    (None, Some(new)) => Some(Step::Create { path: path.clone(), new }),
                    (Some(old), Some(new)) => Some(Step::Replace { path: path.clone(), old, new }),
                    (Some(old), None) => Some(Step::Remove { path: path.clone(), old }),
                    (None, None) => None,
                });
                plan.set(path, target);
            }
        }
    }

    /// Goes from one state of a task to another.
    fn towards(&self, local: &State, target: &State, plan: &mut Plan) {
        let paths: BTreeSet<&String> = local.keys().chain(target.keys()).collect();
        for path in paths {
            let content = |state: &State| state.get(path).map(|(_, blob)| *blob);
            if content(local) != content(target) {
                plan.set(path, content(target));
            }
        }
        if fault::flaw("sync.leaves_a_copy") {
            let steps = steps(local, target);
            plan.steps.extend(steps.into_iter().map(|step| match step {
                Step::Move { from: _, to } => Step::Create { new: target[&to].1, path: to },
                step => step,
            }));
            return;
        }
        let only = |state: &State, keeps: &dyn Fn(&String) -> bool| -> State {
            state.iter().filter(|(path, _)| keeps(path)).map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        let here = only(local, &|path| !self.scanner.is_left_out(path));
        let wanted = only(target, &|path| !plan.large.contains(path));
        plan.steps.extend(steps(&here, &wanted));
    }

    /// Where the ids are in the base tree: all live folders are looked through once, `Done` by
    /// what the scan knows.
    fn bases(&self, ids: &BTreeSet<&TaskId>) -> Result<HashMap<TaskId, State>, TreeError> {
        let trees = Trees::of(self.repo);
        let mut folders: Vec<String> =
            ["Needs_Action", "Pending_Approval", "Rejected", "Errors"].map(str::to_owned).to_vec();
        let agents = trees.folders(self.base, "In_Progress")?;
        folders.extend(agents.iter().map(|agent| format!("In_Progress/{agent}")));
        let mut bases: HashMap<TaskId, State> = HashMap::new();
        for folder in folders {
            for (name, blob) in trees.folder(self.base, &folder)? {
                let path = format!("{folder}/{name}");
                let Ok(place) = Place::parse(&path) else { continue };
                if let Some(id) = place.task().filter(|id| ids.contains(id)) {
                    bases.entry(id.clone()).or_default().insert(path, (place, blob));
                }
            }
        }
        for id in ids {
            for path in self.scanner.done(id) {
                let Ok(place) = Place::parse(&path) else { continue };
                let blob = match self.local.get(&path) {
                    Some(change) => change.old,
                    None => self.scanner.on_disk(&path),
                };
                if let Some(blob) = blob {
                    bases.entry((*id).clone()).or_default().insert(path, (place, blob));
                }
            }
        }
        Ok(bases)
    }
}

impl Plan {
    fn refuse(&mut self, path: &str, reason: &str) {
        let path = path.chars().take(300).collect();
        self.refused.push(Refusal { path, reason: reason.to_owned(), incoming: true });
    }

    fn set(&mut self, path: &str, content: Option<Oid>) {
        self.edits.insert(path.to_owned(), content.map(|blob| (FILE, blob)));
        self.contents.insert(path.to_owned(), content);
    }

    /// Puts a content under `Conflicts/`, under a name that follows from it: the same words are
    /// kept once, whoever keeps them.
    fn keep(&mut self, path: &str, blob: Oid, refused: bool) {
        if refused && self.conflicts.len() >= MAX_KEPT {
            return;
        }
        let name = split(path).1;
        let (stem, ending) = match name.rsplit_once('.') {
            Some((stem, ending)) if !stem.is_empty() && ending.len() <= 8 => (stem, ending),
            _ => (name, "md"),
        };
        let stem: String = stem.chars().take(40).collect();
        if fault::flaw("sync.forgets_the_loser") {
            return;
        }
        let digits = &blob.to_string()[..12];
        let kept = format!("Conflicts/{stem}_{digits}.{ending}");
        if Place::parse(&kept).is_err() || self.contents.contains_key(&kept) {
            return;
        }
        self.steps.push(Step::Create { path: kept.clone(), new: blob });
        self.set(&kept, Some(blob));
        self.conflicts.push(kept);
    }

    /// What is under `Conflicts/` already need not be put there again.
    pub(crate) fn drop_known(&mut self, known: impl Fn(&str) -> bool) {
        let twice: Vec<String> = self.conflicts.iter().filter(|path| known(path)).cloned().collect();
        for path in twice {
            self.steps.retain(|step| !matches!(step, Step::Create { path: at, .. } if *at == path));
            self.edits.remove(&path);
            self.contents.remove(&path);
        }
    }
}

/// The steps from one state of a task's files to another: a task that is rewritten and moved is
/// rewritten first, so that there is one whole file at every moment.
fn steps(here: &State, wanted: &State) -> Vec<Step> {
    let is_task = |(_, (place, _)): &(&String, &(Place, Oid))| matches!(place, Place::Task(_));
    let missing_in = |a: &State, b: &State| -> Vec<(String, Oid, bool)> {
        let missing = a.iter().filter(|(path, _)| !b.contains_key(*path));
        missing.map(|entry| (entry.0.clone(), entry.1.1, is_task(&entry))).collect()
    };
    let (mut gone, mut come) = (missing_in(here, wanted), missing_in(wanted, here));
    let mut steps = Vec::new();
    for (path, (_, new)) in wanted {
        if let Some((_, old)) = here.get(path).filter(|(_, old)| old != new) {
            steps.push(Step::Replace { path: path.clone(), old: *old, new: *new });
        }
    }
    let tasks = |list: &[(String, Oid, bool)]| list.iter().filter(|(_, _, task)| *task).count();
    if tasks(&gone) == 1 && tasks(&come) == 1 {
        let take = |list: &mut Vec<(String, Oid, bool)>| {
            list.iter().position(|(_, _, task)| *task).map(|at| list.swap_remove(at))
        };
        if let (Some((from, old, _)), Some((to, new, _))) = (take(&mut gone), take(&mut come)) {
            if old != new {
                steps.push(Step::Replace { path: from.clone(), old, new });
            }
            steps.push(Step::Move { from, to });
        }
    }
    steps.extend(gone.into_iter().map(|(path, old, _)| Step::Remove { path, old }));
    steps.extend(come.into_iter().map(|(path, new, _)| Step::Create { path, new }));
    steps
}

/// Keeps what `loser` says that stands nowhere else.
fn keep_texts(loser: &State, known: &[&State], refused: bool, plan: &mut Plan) {
    let known: HashSet<Oid> = known.iter().flat_map(|state| state.values().map(|(_, blob)| *blob)).collect();
    for (path, (place, blob)) in loser {
        if matches!(place, Place::Task(_)) && !known.contains(blob) {
            plan.keep(path, *blob, refused);
        }
    }
}

/// A content; whether it is there and small enough was looked at before.
pub(crate) fn contents(repo: &Repository, id: Oid) -> Vec<u8> {
    repo.find_blob(id).map(|blob| blob.content().to_vec()).unwrap_or_default()
}

pub(crate) fn by_id(changes: &Changes) -> BTreeMap<&TaskId, Vec<(&String, &Change)>> {
    let mut found: BTreeMap<&TaskId, Vec<(&String, &Change)>> = BTreeMap::new();
    for (path, change) in changes {
        if let Some(id) = change.place.task() {
            found.entry(id).or_default().push((path, change));
        }
    }
    found
}

pub(crate) fn set<'a>(
    state: &mut State,
    changes: impl Iterator<Item = &'a (&'a String, &'a Change)>,
    content: impl Fn(&Change) -> Option<Oid>,
) {
    for (path, change) in changes {
        match content(change) {
            Some(blob) => state.insert((*path).clone(), (change.place.clone(), blob)),
            None => state.remove(*path),
        };
    }
}
