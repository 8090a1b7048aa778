//! The way from one simulated machine to the remote.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use git2::{Oid, Repository};
use task::AgentId;

use super::{Call, Fate, Network, Remote};
use crate::transport::{Pushed, Transport, Trouble, TroubleKind};

/// One machine's end.
pub(super) struct Link {
    remote: Remote,
    network: Arc<dyn Network>,
    agent: AgentId,
    /// The machine's own repository, for the refs that a fetch moves.
    repo: Repository,
    timeout: Duration,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("agent", &self.agent).finish_non_exhaustive()
    }
}

fn trouble(said: &str, may_have_happened: bool) -> Trouble {
    Trouble { kind: TroubleKind::Unreachable, said: said.to_owned(), may_have_happened }
}

fn broken(error: &git2::Error) -> Trouble {
    Trouble { kind: TroubleKind::Other, said: error.message().to_owned(), may_have_happened: false }
}

/// `refs/hb/*` and whole names.
fn fits(name: &str, pattern: &str) -> bool {
    pattern.strip_suffix('*').map_or(name == pattern, |start| name.starts_with(start))
}

impl Link {
    pub(super) fn new(
        repo: &Repository,
        remote: Remote,
        network: Arc<dyn Network>,
        agent: AgentId,
        timeout: Duration,
    ) -> Result<Self, git2::Error> {
        let own = Repository::open(repo.path())?;
        own.set_odb(&repo.odb()?)?;
        Ok(Self { remote, network, agent, repo: own, timeout })
    }

    /// The network's word, for calls that change nothing at the remote.
    fn get_there(&self, call: Call) -> Result<(), Trouble> {
        match self.network.fate(&self.agent, call) {
            Fate::Arrives | Fate::Declined(_) => Ok(()),
            Fate::Unreachable | Fate::ReplyLost => Err(trouble("there is no network", false)),
        }
    }

    /// Asks the network, lets `change` happen at the remote, and loses the answer if it must.
    fn change(&self, call: Call, change: impl FnOnce() -> Pushed) -> Result<Pushed, Trouble> {
        match self.network.fate(&self.agent, call) {
            Fate::Arrives => Ok(change()),
            Fate::Unreachable => Err(trouble("there is no network", false)),
            Fate::ReplyLost => {
                change();
                Err(trouble("the connection was cut", true))
            }
            Fate::Declined(said) => Ok(Pushed::Declined(said)),
        }
    }
}

impl Transport for Link {
    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn ls_remote(&self, patterns: &[String]) -> Result<Vec<(Oid, String)>, Trouble> {
        self.get_there(Call::List)?;
        let refs = self.remote.refs();
        let mut found = Vec::new();
        for (name, id) in &refs.all {
            if patterns.iter().any(|pattern| fits(name, pattern)) {
                let shown = refs.shown.filter(|_| *name == self.remote.shared.branch);
                found.push((shown.unwrap_or(*id), name.clone()));
            }
        }
        Ok(found)
    }

    fn fetch(&self, wanted: &[String]) -> Result<(), Trouble> {
        self.get_there(Call::Fetch)?;
        for refspec in wanted {
            let Some((from, to)) = refspec.trim_start_matches('+').split_once(':') else { continue };
            let tip = {
                let refs = self.remote.refs();
                let shown = refs.shown.filter(|_| from == self.remote.shared.branch);
                shown.or_else(|| refs.all.get(from).copied())
            };
            let none =
                || Trouble { kind: TroubleKind::NoBranch, ..trouble("there is no such branch", false) };
            let tip = tip.ok_or_else(none)?;
            self.repo.reference(to, tip, true, "fetch").map_err(|e| broken(&e))?;
        }
        Ok(())
    }

    fn push(&self, commit: Oid, target: &str, expected: Option<Oid>) -> Result<Pushed, Trouble> {
        let pushed = self.change(Call::Push, || {
            let shared = &self.remote.shared;
            let mut refs = self.remote.refs();
            if shared.fence
                && ((refs.shown.is_some() && target == shared.branch)
                    || refs.all.get(target).copied() != expected)
            {
                return Pushed::Moved;
            }
            if target != shared.branch {
                refs.all.insert(target.to_owned(), commit);
                return Pushed::Accepted;
            }
            refs.move_to(target, commit);
            drop(refs);
            // Said also when the machine will not hear of it.
            if let Ok(files) = self.remote.files_of(commit) {
                self.network.accepted(&self.agent, &files);
            }
            Pushed::Accepted
        })?;
        if pushed == Pushed::Accepted && target == self.remote.shared.branch {
            // As git does after a push.
            let tracking = target.replacen("refs/heads/", "refs/remotes/origin/", 1);
            self.repo
                .reference(&tracking, commit, true, "push")
                .map_err(|e| Trouble { may_have_happened: true, ..broken(&e) })?;
        }
        Ok(pushed)
    }

    fn push_refs(&self, refspecs: &[String], _force: bool) -> Result<Pushed, Trouble> {
        self.change(Call::Beat, || {
            let mut refs = self.remote.refs();
            let pairs = refspecs.iter().filter_map(|spec| spec.split_once(':'));
            for (from, to) in pairs {
                match Oid::from_str(from) {
                    Ok(id) => drop(refs.all.insert(to.to_owned(), id)),
                    Err(_) => drop(refs.all.remove(to)),
                }
            }
            Pushed::Accepted
        })
    }

    fn maintain(&self) -> Result<(), Trouble> {
        Ok(())
    }

    fn overtaken(&self, _attempt: u32) {}
}
