//! Signs of life at the remote, which leave nothing behind.
//!
//! A beat is a ref whose name carries it all, `refs/hb/<agent>/<boot>-<n>-<note>`, and which
//! points to a commit that is there anyway. Creating it and deleting the one before is one atomic
//! push: no object, no history. Where a host takes no such refs, one branch of the agent's own is
//! overwritten instead.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use git2::{ObjectType, Oid, Repository};
use task::AgentId;

use crate::transport::{Pushed, Transport, Trouble, TroubleKind};

/// Where the refs are.
pub(crate) const REFS: &str = "refs/hb/";
/// Where the branches are, for hosts that take branches only.
pub(crate) const BRANCHES: &str = "refs/heads/heartbeats/";

/// Another agent's latest sign of life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoteBeat {
    /// Whose.
    pub agent: AgentId,
    /// Tells one run of it from the next.
    pub boot: String,
    /// Counts up within a run.
    pub counter: u64,
    /// What it said of itself.
    pub note: String,
    /// When this machine first saw this beat, by its own clock.
    pub changed_at: DateTime<Utc>,
}

/// Why a note cannot be carried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a heartbeat's note has at most 200 of A-Z, a-z, 0-9, '_', '.', '=' and '-', no two full stops in a row, and ends in neither '.' nor '.lock'; this is {0:?}"
)]
pub struct BadNote(pub(crate) String);

/// This agent's beats and the others'.
#[derive(Debug)]
pub(crate) struct Beats {
    me: AgentId,
    boot: String,
    counter: u64,
    /// Own refs at the remote, of this run or an earlier one.
    own: Vec<String>,
    others: BTreeMap<AgentId, RemoteBeat>,
    /// Tips of branches whose message has been read.
    read: BTreeMap<String, Oid>,
    branches_only: bool,
}

pub(crate) fn check_note(note: &str) -> Result<(), BadNote> {
    let fits = note.len() <= 200
        && note.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'=' | b'-'))
        && !note.contains("..")
        && !note.ends_with('.')
        && !note.ends_with(".lock");
    if fits { Ok(()) } else { Err(BadNote(note.chars().take(200).collect())) }
}

impl Beats {
    pub(crate) fn new(me: AgentId) -> Result<Self, getrandom::Error> {
        Ok(Self {
            me,
            boot: format!("{:08x}", getrandom::u32()?),
            counter: 0,
            own: Vec::new(),
            others: BTreeMap::new(),
            read: BTreeMap::new(),
            branches_only: false,
        })
    }

    /// What is to be listed at the remote.
    pub(crate) fn patterns() -> [String; 2] {
        [format!("{REFS}*"), format!("{BRANCHES}*")]
    }

    /// Takes in what the remote lists.
    pub(crate) fn saw(
        &mut self,
        refs: &[(Oid, String)],
        repo: &Repository,
        transport: &dyn Transport,
        now: DateTime<Utc>,
    ) {
        let mut own = Vec::new();
        let mut newest: BTreeMap<AgentId, RemoteBeat> = BTreeMap::new();
        let mut unread = Vec::new();
        for (id, name) in refs {
            if let Some(agent) = name.strip_prefix(BRANCHES).and_then(|rest| AgentId::new(rest).ok()) {
                if agent != self.me && self.read.get(name) != Some(id) {
                    unread.push((agent, name.clone(), *id));
                }
                continue;
            }
            let Some((agent, text)) = name.strip_prefix(REFS).and_then(|rest| rest.split_once('/')) else {
                continue;
            };
            let Ok(agent) = AgentId::new(agent) else { continue };
            if agent == self.me {
                own.push(name.clone());
            } else if let Some(beat) = parse(agent.clone(), text, now) {
                let known = newest.entry(agent).or_insert_with(|| beat.clone());
                if beat.counter > known.counter {
                    *known = beat;
                }
            }
        }
        self.own = own;
        for (agent, name, id) in unread {
            // One more round, for such hosts only, and only when something changed.
            match read_branch(repo, transport, &name, id) {
                Ok(text) => {
                    self.read.insert(name, id);
                    if let Some(beat) = parse(agent.clone(), &text, now) {
                        newest.insert(agent, beat);
                    }
                }
                Err(reason) => tracing::debug!(%agent, reason, "cannot read a heartbeat"),
            }
        }
        for (agent, beat) in newest {
            let same = self.others.get(&agent).is_some_and(|known| {
                (&known.boot, known.counter, &known.note) == (&beat.boot, beat.counter, &beat.note)
            });
            if !same {
                self.others.insert(agent, beat);
            }
        }
    }

    pub(crate) fn others(&self) -> Vec<RemoteBeat> {
        self.others.values().cloned().collect()
    }

    /// Sends one; `tip` is a commit that the remote has.
    pub(crate) fn send(
        &mut self,
        repo: &Repository,
        transport: &dyn Transport,
        tip: Oid,
        note: &str,
        now: DateTime<Utc>,
    ) -> Result<Pushed, Trouble> {
        self.counter += 1;
        let gap = if note.is_empty() { "" } else { "-" };
        let text = format!("{}-{}{gap}{note}", self.boot, self.counter);
        if !self.branches_only {
            let name = format!("{REFS}{}/{text}", self.me);
            let mut refspecs = vec![format!("{tip}:{name}")];
            refspecs.extend(self.own.iter().map(|old| format!(":{old}")));
            match transport.push_refs(&refspecs, false)? {
                Pushed::Accepted => {
                    self.own = vec![name];
                    return Ok(Pushed::Accepted);
                }
                // Somebody tidied up our old ref: the list is read again by the next look.
                Pushed::Declined(said) if said.contains("does not exist") => {
                    self.own.clear();
                    return Ok(Pushed::Moved);
                }
                other => {
                    tracing::info!(?other, "the remote takes no heartbeat refs; a branch is used instead");
                    self.branches_only = true;
                }
            }
        }
        let commit = orphan(repo, &self.me, &text, now).map_err(|e| Trouble {
            kind: TroubleKind::Other,
            said: format!("write a heartbeat: {}", e.message()),
            may_have_happened: false,
        })?;
        transport.push_refs(&[format!("{commit}:{BRANCHES}{}", self.me)], true)
    }
}

fn parse(agent: AgentId, text: &str, now: DateTime<Utc>) -> Option<RemoteBeat> {
    let (boot, rest) = text.split_once('-')?;
    let (counter, note) = rest.split_once('-').unwrap_or((rest, ""));
    let hex = (1..=16).contains(&boot.len()) && boot.bytes().all(|b| b.is_ascii_hexdigit());
    let counter = counter.parse().ok().filter(|_| hex && check_note(note).is_ok())?;
    Some(RemoteBeat { agent, boot: boot.to_owned(), counter, note: note.to_owned(), changed_at: now })
}

fn orphan(repo: &Repository, me: &AgentId, text: &str, now: DateTime<Utc>) -> Result<Oid, git2::Error> {
    let tree = repo.odb()?.write(ObjectType::Tree, b"")?;
    let who = crate::engine::signature(me, now)?;
    repo.commit(None, &who, &who, text, &repo.find_tree(tree)?, &[])
}

fn read_branch(repo: &Repository, transport: &dyn Transport, name: &str, id: Oid) -> Result<String, String> {
    if !repo.odb().is_ok_and(|odb| odb.exists(id)) {
        let local = name.replacen("refs/heads/", "refs/remotes/origin/", 1);
        transport.fetch(&[format!("+{name}:{local}")]).map_err(|t| t.said)?;
    }
    let commit = repo.find_commit(id).map_err(|e| e.message().to_owned())?;
    Ok(commit.message().unwrap_or_default().trim().chars().take(300).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_must_fit_into_a_refs_name() {
        for good in ["", "ok", "disk=512.wm=20260223T031500"] {
            check_note(good).expect(good);
        }
        for bad in ["a b", "a..b", "a.", "x.lock", "a/b", "~", "ü", &"x".repeat(201)] {
            assert!(check_note(bad).is_err(), "{bad}");
        }
        let now = DateTime::UNIX_EPOCH;
        let agent: AgentId = "cloud-001".parse().expect("agent");
        let beat = parse(agent.clone(), "0a1b2c3d-17-disk=5-x", now).expect("a beat");
        assert_eq!((beat.counter, &*beat.note), (17, "disk=5-x"));
        for bad in ["", "x", "0a1b2c3d", "0a1b2c3d-x", "zz-1", "0a1b2c3d-1-a b"] {
            assert_eq!(parse(agent.clone(), bad, now), None, "{bad}");
        }
    }
}
