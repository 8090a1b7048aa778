//! Which of two versions stands. Pure: states in, decisions out.
//!
//! Tasks are settled by id, each as a whole: where its one live file is, what it says, and whose
//! claim stands beside it. Everything else is settled path by path. The same two versions have
//! the same winner on either machine.

use std::collections::BTreeMap;

use git2::Oid;
use task::{AgentId, Stage, StageName, TaskId, TaskKind};

use crate::place::Place;

/// Whose machine this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The owner's: its edits and decisions win, and what it fetches has limited rights.
    Owner,
    /// Any other.
    Other,
}

/// Everything about one id, by path: the task's file (one, as a rule) and claim files.
pub(crate) type State = BTreeMap<String, (Place, Oid)>;

/// Who wins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Winner {
    Local,
    Remote,
}

/// A task's file within a [`State`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Version<'a> {
    pub(crate) path: &'a str,
    pub(crate) stage: &'a Stage,
    pub(crate) blob: Oid,
}

/// The task's live file; of several, the one that wins.
pub(crate) fn live(state: &State) -> Option<Version<'_>> {
    let versions = state.iter().filter_map(|(path, (place, blob))| match place {
        Place::Task(location) => Some(Version { path, stage: &location.stage, blob: *blob }),
        _ => None,
    });
    versions.max_by_key(|version| (version.stage.name().rank(), version.path))
}

/// One live file, and no claim but that of the agent in whose folder it is.
pub(crate) fn normalised(state: &State) -> State {
    let Some(live) = live(state).map(|version| (version.path.to_owned(), version.stage.clone())) else {
        return State::new();
    };
    let (path, stage) = live;
    let keeps = |at: &str, place: &Place| match (place, &stage) {
        (Place::Task(_), _) => at == path,
        (Place::Claim { agent, .. }, Stage::InProgress(owner) | Stage::Executing(owner)) => agent == owner,
        _ => false,
    };
    state.iter().filter(|(at, (place, _))| keeps(at, place)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Decides between two versions of a task that both differ from `base` and from each other.
pub(crate) fn settle(
    id: &TaskId,
    me: &AgentId,
    side: Side,
    base: &State,
    local: &State,
    remote: &State,
) -> Winner {
    let owners = if side == Side::Owner { Winner::Local } else { Winner::Remote };
    let (local, remote) = match (live(local), live(remote)) {
        // A deletion against a change: the words win.
        (None, _) => return Winner::Remote,
        (_, None) => return Winner::Local,
        (Some(local), Some(remote)) => (local, remote),
    };
    let base = live(base);
    let base_stage = base.as_ref().map(|version| version.stage);
    let is_order = |stage: &Stage| matches!(stage.name(), StageName::Approved | StageName::Executing);
    let order = [base_stage, Some(local.stage), Some(remote.stage)].into_iter().flatten().any(is_order);
    // Orders and the one-claimant kinds are in the hands of the owner's machine from beginning to
    // end; their outcomes always stand.
    if order || router::one_claimant(TaskKind::of(id)) {
        return owners;
    }
    let mine = Stage::InProgress(me.clone());
    // A claim that the remote has not accepted loses against anything that it has.
    let unpublished = *local.stage == mine && base_stage != Some(&mine);
    // A claim of ours that no longer stands there: what we did on it since does not count.
    let fenced = base_stage == Some(&mine) && *remote.stage != mine;
    if unpublished || fenced {
        let rebased = fault::flaw("sync.claims_rebased");
        return if rebased { Winner::Local } else { Winner::Remote };
    }
    // Whoever left off working has ended the claim. An edit of the file in work does not bring it
    // back: nobody holds it, and its agent, being alive, would never be taken for silent.
    let in_work = |stage: &Stage| matches!(stage, Stage::InProgress(_)) && base_stage == Some(stage);
    match (in_work(local.stage), in_work(remote.stage)) {
        (true, false) => return Winner::Remote,
        (false, true) => return Winner::Local,
        _ => {}
    }
    // Only its own agent makes a claim. One that this machine has from nowhere else came with a tip
    // that was taken in by half, and is no edit of anybody's.
    let taken_by_half = |stage: &Stage, mine_counts: bool| {
        matches!(stage, Stage::InProgress(agent) if (agent == me) == mine_counts) && base_stage != Some(stage)
    };
    if taken_by_half(local.stage, false) {
        return Winner::Remote;
    }
    if taken_by_half(remote.stage, true) {
        return Winner::Local;
    }
    if let Some(winner) = only(local.stage.name(), remote.stage.name(), |s| s == StageName::Done) {
        return winner;
    }
    if let Some(winner) = only(local.stage.name(), remote.stage.name(), |s| s == StageName::Rejected) {
        return winner;
    }
    let edited = match owners {
        Winner::Local => &local,
        Winner::Remote => &remote,
    };
    let base_blob = base.as_ref().map(|version| version.blob);
    let is_edit = local.blob != remote.blob
        && Some(edited.blob) != base_blob
        && base_stage.is_none_or(|stage| stage == edited.stage);
    if local.stage == remote.stage || is_edit {
        return owners;
    }
    match local.stage.name().rank().cmp(&remote.stage.name().rank()) {
        std::cmp::Ordering::Greater => Winner::Local,
        // Of two that are equally far the published one stands.
        std::cmp::Ordering::Less | std::cmp::Ordering::Equal => Winner::Remote,
    }
}

fn only(local: StageName, remote: StageName, what: impl Fn(StageName) -> bool) -> Option<Winner> {
    match (what(local), what(remote)) {
        (true, false) => Some(Winner::Local),
        (false, true) => Some(Winner::Remote),
        _ => None,
    }
}

/// Decides about a path that is no task's. `None`: both have the same.
pub(crate) fn settle_path(
    place: &Place,
    me: &AgentId,
    side: Side,
    base: Option<Oid>,
    local: Option<Oid>,
    remote: Option<Oid>,
) -> Option<Winner> {
    if local == remote {
        return None;
    }
    let owners = if side == Side::Owner { Winner::Local } else { Winner::Remote };
    match place.belongs(me, side == Side::Owner) {
        Some(true) if local != base => return Some(Winner::Local),
        // What belongs to the other side is as it says, once it has said something.
        Some(false) if remote.is_some() => return Some(Winner::Remote),
        _ => {}
    }
    Some(match (local == base, remote == base) {
        (true, _) => Winner::Remote,
        (_, true) => Winner::Local,
        _ if remote.is_none() => Winner::Local,
        _ if local.is_none() => Winner::Remote,
        _ => owners,
    })
}

#[cfg(test)]
mod tests;
