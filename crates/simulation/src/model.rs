//! The reference model: what must be true, kept beside what the programs do.

use std::collections::{BTreeMap, BTreeSet};

use sync::simulated::Files;
use task::{AgentId, Digest, Location, TaskId};

/// A claim, as the remote has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    agent: AgentId,
    /// The content of its claim file.
    claim: String,
    /// In seconds of the schedule.
    since: i64,
}

/// How long a claim is left alone, in seconds.
pub(crate) const LEASE: i64 = 3600;

/// What has happened so far, as far as it binds anybody.
#[derive(Default)]
pub(crate) struct Model {
    /// Seconds since the beginning, by no machine's clock.
    pub(crate) now: i64,
    /// Tasks whose creation was acknowledged.
    pub(crate) created: BTreeSet<TaskId>,
    /// What people wrote, and with which task.
    pub(crate) words: Vec<String>,
    standing: BTreeMap<TaskId, Standing>,
    /// Tasks that the remote has had.
    published: BTreeSet<TaskId>,
    /// Claims on these may be void without their owners' knowing: they were taken back after the
    /// lease, or the owner's edit went before them.
    excused: BTreeSet<TaskId>,
    /// What the owner has put a signature under, or was about to.
    intended: BTreeSet<(TaskId, Digest)>,
    by_approval: BTreeMap<String, u32>,
    by_task: BTreeMap<TaskId, u32>,
    /// Message ids that left.
    pub(crate) sent: BTreeSet<String>,
    pub(crate) violations: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) crashes: u32,
    pub(crate) failures: u32,
}

impl Model {
    pub(crate) fn note(&mut self, line: impl Into<String>) {
        let line = format!("{:>7} s  {}", self.now, line.into());
        self.trace.push(line);
    }

    pub(crate) fn violated(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.note(format!("VIOLATED: {what}"));
        if !self.violations.contains(&what) {
            self.violations.push(what);
        }
    }

    /// The remote has these files from now on.
    pub(crate) fn accepted(&mut self, agent: &AgentId, files: &Files) {
        let mut places: BTreeMap<TaskId, Vec<&str>> = BTreeMap::new();
        let mut standing = BTreeMap::new();
        let mut robbed = Vec::new();
        for (path, content) in files {
            if let Ok(location) = Location::parse(path) {
                places.entry(location.id).or_default().push(path);
            }
            if let Some((agent, id)) = claimed(path) {
                let known =
                    self.standing.get(&id).filter(|known| known.agent == agent && known.claim == *content);
                let since = known.map_or(self.now, |known| known.since);
                standing.insert(id, Standing { agent, claim: content.clone(), since });
            }
        }
        for (id, old) in &self.standing {
            let new = standing.get(id).map(|new: &Standing| &new.agent);
            if new.is_some_and(|new| *new != old.agent) && !self.excused.contains(id) {
                let new = new.map(AgentId::to_string).unwrap_or_default();
                robbed.push(format!("{new} has {id}, which {} never gave back", old.agent));
            }
        }
        robbed.into_iter().for_each(|what| self.violated(what));
        for (id, paths) in &places {
            if paths.len() > 1 {
                self.violated(format!(
                    "{id} is in {} places at the remote: {}",
                    paths.len(),
                    paths.join(", ")
                ));
            }
        }
        let lost: Vec<String> =
            self.published.iter().filter(|id| !places.contains_key(*id)).map(TaskId::to_string).collect();
        if !lost.is_empty() {
            self.violated(format!("{agent} pushed, and {} is gone from the remote", lost.join(", ")));
        }
        self.published.extend(places.into_keys());
        self.standing = standing;
    }

    /// `agent` begins to work on a task that needs the remote's word.
    pub(crate) fn begins(&mut self, agent: &AgentId, id: &TaskId) {
        let owner = self.standing.get(id).map(|standing| standing.agent.clone());
        if owner.as_ref() != Some(agent) && !self.excused.contains(id) {
            let owner = owner.map_or("nobody's".to_owned(), |owner| format!("{owner}'s"));
            self.violated(format!("{agent} works on {id}, which is {owner}"));
        }
    }

    /// `agent` has taken a claim back.
    pub(crate) fn takes_back(&mut self, agent: &AgentId, id: &TaskId) {
        if let Some(standing) = self.standing.get(id)
            && self.now - standing.since < LEASE
        {
            let (age, of) = (self.now - standing.since, standing.agent.clone());
            self.violated(format!("{agent} took {id} from {of} after {age} s"));
        }
        self.excused.insert(id.clone());
    }

    /// The owner has written `word` into a task.
    pub(crate) fn edits(&mut self, id: &TaskId, word: String) {
        self.excused.insert(id.clone());
        self.words.push(word);
    }

    pub(crate) fn intends(&mut self, id: &TaskId, action: Digest) {
        self.intended.insert((id.clone(), action));
    }

    /// The world has seen an effect.
    pub(crate) fn effect(&mut self, id: &TaskId, approval: &str, action: Digest) {
        if !self.intended.contains(&(id.clone(), action)) {
            self.violated(format!("{id} had an effect that the owner never approved"));
        }
        let of_approval = self.by_approval.entry(approval.to_owned()).or_default();
        *of_approval += 1;
        let of_task = self.by_task.entry(id.clone()).or_default();
        *of_task += 1;
        let (once, twice) = (*of_approval, *of_task);
        if once > 1 || twice > 1 {
            self.violated(format!("{id} had its effect {twice} times, {once} of them by the same order"));
        }
    }

    /// Whether the task had its effect.
    pub(crate) fn has_happened(&self, id: &TaskId) -> bool {
        self.by_task.contains_key(id)
    }

    pub(crate) fn effects(&self) -> u32 {
        self.by_task.values().sum()
    }

    pub(crate) fn executed(&self) -> impl Iterator<Item = &TaskId> {
        self.by_task.keys()
    }
}

/// Agent and task of a claim file's path.
fn claimed(path: &str) -> Option<(AgentId, TaskId)> {
    let (agent, name) = path.strip_prefix("In_Progress/")?.split_once('/')?;
    Some((agent.parse().ok()?, name.strip_suffix(".claim.json")?.parse().ok()?))
}
