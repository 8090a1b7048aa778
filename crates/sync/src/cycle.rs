//! One cycle: what changed here, what changed there, what shall be, and who has it.
//!
//! With changes here the push comes first, because it is a compare-and-swap that tells at once
//! whether anything changed there; without, one listing of the remote's refs does. So an
//! undisturbed cycle costs one network round.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use git2::Oid;
use task::TaskId;

use crate::engine::{Engine, Warm, of_tree};
use crate::heartbeat::Beats;
use crate::incoming::Intake;
use crate::place::Place;
use crate::report::{Refusal, Report, SyncError};
use crate::state::Memory;
use crate::transport::Pushed;
use crate::tree::{Change, Changes, Trees};
use crate::worktree::ApplyError;

/// How often a cycle that others overtake tries again.
const ATTEMPTS: u32 = 12;

/// So many attempts of other machines are remembered; what comes on top is in the log.
const MAX_FOREIGN: usize = 100;

/// What a cycle is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// Ordinary changes, which are gathered.
    Paced,
    /// Everything out, now.
    Now,
    /// Claims: nothing of them may stay in a local commit when the remote was not reached.
    Claims,
}

impl Engine {
    /// Runs one cycle under the lock of synchronisation.
    pub(crate) fn cycle(&mut self, purpose: Purpose) -> Result<Report, SyncError> {
        let _turn = self.turn()?;
        let mut warm = self.refresh()?;
        let mut report = Report::default();
        let mut outcome = self.exchange(&mut warm, purpose, &mut report);
        if outcome.as_ref().is_err_and(SyncError::is_out_of_reach) && purpose != Purpose::Claims {
            // What is said of the remote weighs more than what may go wrong here on top.
            outcome = self.commit_here(&mut warm).and(outcome);
        }
        self.say_skipped(&warm, &mut report);
        self.keep(warm);
        self.flush_index(false);
        report.tip = self.memory.seen.map(|id| id.to_string());
        outcome.map(|()| report)
    }

    fn exchange(&mut self, warm: &mut Warm, purpose: Purpose, report: &mut Report) -> Result<(), SyncError> {
        let mut local_tree = self.snapshot(warm)?;
        if self.purge(warm, report)? {
            local_tree = self.local_tree(warm)?;
        }
        // Commits from before this cycle, made while the remote was out of reach or by hand.
        let offline = warm.head.commit.filter(|commit| Some(*commit) != self.memory.seen);
        let mut wants_push = local_tree != warm.head.tree || offline.is_some();
        if wants_push && purpose == Purpose::Paced {
            report.held = self.last_push.is_some_and(|at| at.elapsed() < self.push_gap());
            wants_push = !report.held;
        }
        let fresh_look = self.last_look.is_some_and(|at| at.elapsed() < self.look_gap());
        if let (true, true, Some(tree), Some(seen)) = (wants_push, fresh_look, local_tree, self.memory.seen) {
            if self.push_local(warm, tree, seen, report)? {
                return Ok(());
            }
        } else {
            match self.look()? {
                None if self.memory.seen.is_some() => return Err(self.gone()),
                None => return self.begin(warm, local_tree, report),
                // What was seen and is not in the last commit here has yet to be taken in: a clone
                // that was made anew, or set back by hand.
                Some(tip)
                    if warm.head.commit.is_some_and(|head| self.holds(head, tip))
                        && Some(tip) == self.memory.seen =>
                {
                    if let (true, Some(tree), Some(seen)) = (wants_push, local_tree, self.memory.seen) {
                        if self.push_local(warm, tree, seen, report)? {
                            return Ok(());
                        }
                    } else {
                        return Ok(());
                    }
                }
                Some(_) => {}
            }
        }
        self.integrate_and_push(warm, offline, purpose, report)
    }

    /// Looks at the disk under the vault's lock.
    fn snapshot(&self, warm: &mut Warm) -> Result<Option<Oid>, SyncError> {
        let _guard = self.settings.vault.lock_exclusive()?;
        self.scan(warm)?;
        self.local_tree(warm)
    }

    /// Lists the remote: its tip and the others' signs of life, in one round.
    fn look(&mut self) -> Result<Option<Oid>, SyncError> {
        let branch = self.branch_ref();
        let patterns = [&[branch.clone()][..], &Beats::patterns()].concat();
        let refs = self.transport.ls_remote(&patterns).map_err(|t| self.trouble(t))?;
        self.beats.saw(&refs, &self.repo, self.transport.as_ref(), self.clock.now());
        self.last_look = Some(Instant::now());
        Ok(refs.into_iter().find(|(_, name)| *name == branch).map(|(id, _)| id))
    }

    /// Pushes what is here onto the tip that was seen last. False: the remote has moved.
    fn push_local(
        &mut self,
        warm: &mut Warm,
        tree: Oid,
        seen: Oid,
        report: &mut Report,
    ) -> Result<bool, SyncError> {
        let fooled = fault::flaw("sync.believes_a_fetch");
        let on_top = fooled || warm.head.commit.is_some_and(|head| self.holds(head, seen));
        if !on_top || self.has_foreign_edits(warm) {
            return Ok(false);
        }
        let contents = warm.scanner.changed().clone();
        let commit = match warm.head.commit {
            Some(head) if warm.head.tree == Some(tree) => head,
            head => self.commit(tree, head.as_slice())?,
        };
        if !self.offer(commit, Some(seen))? {
            return Ok(false);
        }
        self.move_head(warm, commit, tree, &contents)?;
        report.pushed = contents.len().max(1);
        self.pushed(warm, commit, report.pushed)?;
        Ok(true)
    }

    /// Asks the remote to go from `expected` to `commit`, which continues it. False: it has moved,
    /// or is busy.
    fn offer(&mut self, commit: Oid, expected: Option<Oid>) -> Result<bool, SyncError> {
        // The push names what it replaces and would replace it whatever it is: what does not
        // continue it never gets as far.
        if expected.is_some_and(|expected| !self.holds(commit, expected))
            && !fault::flaw("sync.believes_a_fetch")
        {
            return Ok(false);
        }
        self.vet(commit, expected)?;
        self.reach("sync.push", "push")?;
        self.locked = None;
        match self.marked(|| self.transport.push(commit, &self.branch_ref(), expected)) {
            Ok(Pushed::Accepted) => Ok(true),
            Ok(Pushed::Moved) => Ok(false),
            Ok(Pushed::Locked(said)) => {
                self.locked = Some(said);
                Ok(false)
            }
            Ok(Pushed::Declined(said)) => Err(SyncError::Declined { remote: self.remote(), said }),
            Err(trouble) => Err(self.trouble(trouble)),
        }
    }

    /// Without the remote, changes are committed here.
    fn commit_here(&self, warm: &mut Warm) -> Result<(), SyncError> {
        let contents = warm.scanner.changed().clone();
        let Some(tree) = self.local_tree(warm)?.filter(|_| !contents.is_empty()) else { return Ok(()) };
        let commit = self.commit(tree, warm.head.commit.as_slice())?;
        self.move_head(warm, commit, tree, &contents)?;
        Ok(warm.worktree.sync()?)
    }

    /// The first push into an empty remote.
    fn begin(&mut self, warm: &mut Warm, tree: Option<Oid>, report: &mut Report) -> Result<(), SyncError> {
        let Some(tree) = tree else { return Ok(()) };
        let contents = warm.scanner.changed().clone();
        let commit = match warm.head.commit {
            Some(head) if warm.head.tree == Some(tree) => head,
            head => self.commit(tree, head.as_slice())?,
        };
        if !self.offer(commit, None)? {
            // Somebody else founded it this very moment.
            return self.integrate_and_push(warm, warm.head.commit, Purpose::Now, report);
        }
        self.move_head(warm, commit, tree, &contents)?;
        report.pushed = contents.len().max(1);
        self.pushed(warm, commit, report.pushed)
    }

    fn integrate_and_push(
        &mut self,
        warm: &mut Warm,
        offline: Option<Oid>,
        purpose: Purpose,
        report: &mut Report,
    ) -> Result<(), SyncError> {
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                self.transport.overtaken(attempt);
            }
            let (branch, tracking) = (self.branch_ref(), self.tracking_ref());
            self.reach("sync.fetch", "fetch")?;
            self.marked(|| self.transport.fetch(&[format!("+{branch}:{tracking}")]))
                .map_err(|t| self.trouble(t))?;
            let tip = self.resolve(&tracking)?.ok_or_else(|| self.gone())?;
            let mut refused = Vec::new();
            let integrated = self
                .begin_anew(warm, tip, report, &mut refused)
                .and_then(|()| self.integrate(warm, tip, offline, report, &mut refused));
            for refusal in refused {
                self.say(refusal, report);
            }
            match integrated {
                Err(SyncError::Apply(ApplyError::Raced(path))) if attempt + 1 < ATTEMPTS => {
                    tracing::debug!(path, "changed while it was being integrated; looking again");
                    continue;
                }
                other => other?,
            }
            if warm.head.commit == Some(tip) {
                warm.worktree.sync()?;
                return Ok(());
            }
            if purpose == Purpose::Paced && self.last_push.is_some_and(|at| at.elapsed() < self.push_gap()) {
                report.held = true;
                return Ok(());
            }
            let (Some(commit), Some(tree)) = (warm.head.commit, warm.head.tree) else { return Ok(()) };
            if self.offer(commit, Some(tip))? {
                let theirs = self.tree_of(tip)?;
                let diff = Trees::of(&self.repo).diff(Some(theirs), Some(tree));
                report.pushed = diff.map_or(1, |diff| diff.changes.len() + diff.strange.len()).max(1);
                return self.pushed(warm, commit, report.pushed);
            }
        }
        if let Some(said) = self.locked.take() {
            return Err(SyncError::Locked { remote: self.remote(), said });
        }
        Err(SyncError::Contended { remote: self.remote(), attempts: ATTEMPTS })
    }

    /// A clone without a commit on a machine that has seen the remote before takes over what it
    /// had seen, which the owner's machine need not judge again; only then what came since.
    fn begin_anew(
        &mut self,
        warm: &mut Warm,
        tip: Oid,
        report: &mut Report,
        refused: &mut Vec<Refusal>,
    ) -> Result<(), SyncError> {
        match self.memory.seen {
            Some(seen) if warm.head.commit.is_none() && seen != tip && self.holds(tip, seen) => {
                self.integrate(warm, seen, None, report, refused)
            }
            _ => Ok(()),
        }
    }

    /// Brings this machine in line with `tip`, and commits on top of it what is ours.
    fn integrate(
        &mut self,
        warm: &mut Warm,
        tip: Oid,
        offline: Option<Oid>,
        report: &mut Report,
        refused: &mut Vec<Refusal>,
    ) -> Result<(), SyncError> {
        let grafted = !self.descends(tip)?;
        let base = self.base(warm, tip, grafted)?;
        // Looked at by the owner, met for the first time, or taken over once before.
        let vouched = (grafted && self.memory.trusted == Some(tip))
            || (base.is_none() && self.memory.seen.is_none_or(|seen| seen == tip));
        let theirs = self.tree_of(tip)?;

        let guard = self.settings.vault.lock_exclusive()?;
        self.scan(warm)?;
        let local_tree = self.local_tree(warm)?;
        let trees = Trees::of(&self.repo);
        let read = |what| SyncError::repository(what);
        let remote = trees.diff(base, Some(theirs)).map_err(read("read the remote's commit"))?;
        report.conflicts.extend(self.give_way(warm, &remote.changes)?);
        self.clear_the_way(warm, &remote.changes)?;
        let local = match base == warm.head.tree {
            true => changes_on_disk(warm),
            false => trees.diff(base, local_tree).map_err(read("read the vault's last commit"))?.changes,
        };
        let intake = Intake {
            repo: &self.repo,
            scanner: &warm.scanner,
            me: &self.settings.agent,
            side: self.settings.side,
            max_file_bytes: self.settings.config.max_file_bytes,
            max_files: self.settings.config.max_files,
            base,
            local,
            vouched,
        };
        let mut plan = intake.plan(remote).map_err(of_tree("compare with the remote"))?;
        plan.drop_known(|path| warm.scanner.on_disk(path).is_some());
        let merged = self.edited(local_tree, &plan.edits)?;

        let displaced = warm.worktree.apply(&self.repo, &plan.steps)?;
        for (path, content) in &plan.contents {
            if plan.large.contains(path) {
                warm.scanner.leave_out(path);
            } else {
                warm.scanner.wrote(path, *content);
            }
        }
        report.pulled += plan.steps.len();
        report.conflicts.extend(plan.conflicts);
        report.conflicts.extend(displaced);
        refused.extend(plan.refused);

        let mut contents = warm.scanner.changed().clone();
        for (path, content) in &plan.contents {
            contents.insert(path.clone(), *content);
        }
        let (commit, tree) = if merged == theirs {
            (tip, theirs)
        } else {
            let offline = offline.filter(|commit| !grafted && *commit != tip);
            let offline =
                offline.filter(|commit| !self.repo.graph_descendant_of(tip, *commit).unwrap_or(false));
            let parents: Vec<Oid> = std::iter::once(tip).chain(offline).collect();
            (self.commit(merged, &parents)?, merged)
        };
        // Where the last commit differs from the one before it: what was changed here, what came
        // in, and where the two had drifted apart in commits of our own.
        if warm.head.tree != base {
            let drift =
                trees.diff(warm.head.tree, Some(tree)).map_err(read("read the vault's last commit"))?;
            contents = drift.changes.into_iter().map(|(path, change)| (path, change.new)).collect();
        }
        self.move_head(warm, commit, tree, &contents)?;
        drop(guard);
        let memory = Memory { seen: Some(tip), trusted: None, ..self.memory.clone() };
        warm.worktree.sync()?;
        self.remember(memory)
    }

    /// Whether `tip` continues what was seen last; an error, if it does not and nobody vouched.
    fn descends(&self, tip: Oid) -> Result<bool, SyncError> {
        let Some(seen) = self.memory.seen.filter(|seen| *seen != tip) else { return Ok(true) };
        if self.holds(tip, seen) {
            return Ok(true);
        }
        match self.memory.trusted {
            Some(trusted) if self.holds(tip, trusted) => Ok(false),
            _ => Err(SyncError::Rewound { seen: seen.to_string(), found: tip.to_string() }),
        }
    }

    /// The tree from which both sides set out.
    fn base(&self, warm: &Warm, tip: Oid, grafted: bool) -> Result<Option<Oid>, SyncError> {
        let common = match warm.head.commit {
            None => None,
            Some(head) if !grafted => match self.repo.merge_base(head, tip) {
                Ok(id) => Some(id),
                Err(e) if e.code() == git2::ErrorCode::NotFound => None,
                Err(cause) => {
                    return Err(SyncError::Repository { what: "find the last common commit", cause });
                }
            },
            // After a purge the old history must not come back: what is gone there is gone.
            _ => self.memory.seen.filter(|seen| self.repo.find_commit(*seen).is_ok()),
        };
        common.map(|commit| self.tree_of(commit)).transpose()
    }

    /// What stands where a file of the remote belongs and is none of ours to send is set aside.
    fn clear_the_way(&self, warm: &Warm, changes: &Changes) -> Result<(), SyncError> {
        for (path, change) in changes {
            let obstacle = match warm.scanner.skipped().get(path) {
                // Settled with the task.
                Some(_) if warm.scanner.is_held(path) && change.place.task().is_some() => None,
                Some(reason) => Some(reason.clone()),
                None if change.new.is_some()
                    && warm.scanner.on_disk(path).is_none()
                    && warm.worktree.is_taken(path) =>
                {
                    Some("it is no plain file".to_owned())
                }
                None => None,
            };
            if let Some(reason) = obstacle {
                let reason = format!("it stood in the way of a file from the other machine: {reason}");
                self.settings.vault.quarantine(path.as_ref(), &reason).map_err(ApplyError::from)?;
            }
        }
        Ok(())
    }

    /// Whether something was edited here that is the other side's to write; integration restores
    /// it and keeps the edit.
    fn has_foreign_edits(&self, warm: &Warm) -> bool {
        let owner_side = self.settings.side == crate::Side::Owner;
        warm.scanner.changed().keys().any(|path| {
            let place = Place::parse(path).ok();
            let belongs = place.and_then(|place| place.belongs(&self.settings.agent, owner_side));
            belongs == Some(false) && warm.scanner.in_head(path).is_some()
        })
    }

    /// The remote has `commit`.
    fn pushed(&mut self, warm: &Warm, commit: Oid, files: usize) -> Result<(), SyncError> {
        self.last_push = Some(Instant::now());
        // Loose objects: a blob each, and some trees.
        self.loose_objects += files + 8;
        let memory = Memory { seen: Some(commit), ..self.memory.clone() };
        warm.worktree.sync()?;
        self.remember(memory)
    }

    fn push_gap(&self) -> Duration {
        Duration::from_secs(self.settings.config.push_gap_seconds)
    }

    /// How long the others' signs of life may go unread while pushes tell that nothing came in.
    fn look_gap(&self) -> Duration {
        Duration::from_secs(self.settings.config.heartbeat_seconds.max(30))
    }

    pub(crate) fn say(&mut self, refusal: Refusal, report: &mut Report) {
        if self.said.len() > 10_000 {
            self.said.clear();
        }
        if self.said.insert((refusal.path.clone(), refusal.reason.clone())) {
            tracing::warn!(path = ?refusal.path, reason = refusal.reason, incoming = refusal.incoming, "not synchronised");
            if refusal.incoming {
                self.foreign.push_back((self.clock.now(), refusal.clone()));
                self.foreign.truncate(MAX_FOREIGN);
            }
            report.refused.push(refusal);
        }
    }

    fn say_skipped(&mut self, warm: &Warm, report: &mut Report) {
        let skipped: Vec<Refusal> = warm
            .scanner
            .skipped()
            .iter()
            .filter(|(path, _)| !warm.scanner.is_held(path))
            .map(|(path, reason)| (path.clone(), reason.clone()))
            .chain(self.held_back(warm))
            .map(|(path, reason)| Refusal { path, reason, incoming: false })
            .collect();
        for refusal in skipped {
            self.say(refusal, report);
        }
    }
}

fn changes_on_disk(warm: &Warm) -> Changes {
    let change = |(path, new): (&String, &Option<Oid>)| {
        let place = Place::parse(path).ok()?;
        Some((path.clone(), Change { place, old: warm.scanner.in_head(path), new: *new }))
    };
    warm.scanner.changed().iter().filter_map(change).collect()
}

/// Whether a task has gone without turning up elsewhere, or turned up without going.
pub(crate) fn is_torn(changed: &BTreeMap<String, Option<Oid>>) -> bool {
    let mut gone: BTreeSet<TaskId> = BTreeSet::new();
    let mut come: BTreeSet<TaskId> = BTreeSet::new();
    let mut twice = false;
    for (path, content) in changed {
        let Ok(Place::Task(location)) = Place::parse(path) else { continue };
        match content {
            None => {
                gone.insert(location.id);
            }
            Some(_) => twice |= !come.insert(location.id),
        }
    }
    twice || !gone.is_subset(&come)
}
