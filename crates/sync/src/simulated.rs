//! A remote within this process, for simulations of many machines: its refs are a map under a lock,
//! its objects are shared by everybody in memory, and a [`Network`] decides how each call goes.
//!
//! Nothing that is configured leads here: [`Machine::open`] is the only way in. What runs on top is
//! the same engine that runs on the `git` program; only [`crate::Sync`]'s thread is missing, so that
//! whoever simulates says when which machine does what.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use claim::{ClaimRecord, PublishError, Publisher, Verdict};
use git2::build::TreeUpdateBuilder;
use git2::{FileMode, ObjectType, Odb, Oid, Repository, Tree};
use task::{AgentId, Clock};
use tokio::sync::watch;

use crate::cycle::Purpose;
use crate::engine::{Engine, signature};
use crate::heartbeat::check_note;
use crate::open::open_with;
use crate::reserve::Wish;
use crate::{Holder, OpenError, RemoteBeat, Report, Reservation, Settings, Status, SyncError};

mod link;

use link::Link;

/// What a machine asks of the remote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// Which refs there are.
    List,
    /// The branch's tip.
    Fetch,
    /// Compare and swap.
    Push,
    /// A sign of life.
    Beat,
}

/// How a call goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// As asked.
    Arrives,
    /// It does not get there, and the machine knows.
    Unreachable,
    /// It gets there, its effect happens, and the machine hears nothing.
    ReplyLost,
    /// The remote's rules do not want it (pushes only).
    Declined(String),
}

/// Files of a commit: path, and name of the content.
pub type Files = BTreeMap<String, String>;

/// What is between the machines and the remote. No lock is held while it is asked, so that it may
/// have other machines do something first.
pub trait Network: Send + Sync {
    /// How `agent`'s next call goes.
    fn fate(&self, agent: &AgentId, call: Call) -> Fate;

    /// The remote has accepted a push of `agent`, and has these files from now on.
    fn accepted(&self, agent: &AgentId, files: &Files);
}

/// Why a simulated remote could not do something: a mistake in the simulation.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct RemoteError(String);

impl From<git2::Error> for RemoteError {
    fn from(error: git2::Error) -> Self {
        Self(error.message().to_owned())
    }
}

/// A content that somebody puts at the remote past every agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Put {
    /// A plain file.
    File(Vec<u8>),
    /// A symbolic link.
    Link(String),
    /// Nothing any more.
    Nothing,
}

/// The remote. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct Remote {
    shared: Arc<Shared>,
}

struct Shared {
    branch: String,
    fence: bool,
    /// Without refs of its own: it is the door to the objects.
    objects: Mutex<Repository>,
    refs: Mutex<Refs>,
}

#[derive(Default)]
struct Refs {
    all: BTreeMap<String, Oid>,
    /// The branch's tips, oldest first.
    tips: Vec<Oid>,
    /// What is shown instead of the last tip, while pushes are refused.
    shown: Option<Oid>,
}

impl Remote {
    /// An empty remote with one branch.
    pub fn new(branch: &str) -> Result<Self, RemoteError> {
        Self::made(branch, true)
    }

    /// A remote that takes any push whatever was expected of it: a broken one, to see that a
    /// simulation notices.
    pub fn without_fence(branch: &str) -> Result<Self, RemoteError> {
        Self::made(branch, false)
    }

    fn made(branch: &str, fence: bool) -> Result<Self, RemoteError> {
        let objects = Odb::new()?;
        objects.add_new_mempack_backend(1)?;
        let objects = Mutex::new(Repository::from_odb(objects)?);
        let branch = format!("refs/heads/{branch}");
        Ok(Self { shared: Arc::new(Shared { branch, fence, objects, refs: Mutex::default() }) })
    }

    fn objects(&self) -> MutexGuard<'_, Repository> {
        self.shared.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refs(&self) -> MutexGuard<'_, Refs> {
        self.shared.refs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last tip that was accepted; none while it is empty.
    pub fn tip(&self) -> Option<String> {
        self.refs().all.get(&self.shared.branch).map(Oid::to_string)
    }

    /// The files at the tip.
    pub fn files(&self) -> Result<Files, RemoteError> {
        let tip = self.refs().all.get(&self.shared.branch).copied();
        tip.map_or_else(|| Ok(Files::new()), |tip| self.files_of(tip))
    }

    fn files_of(&self, commit: Oid) -> Result<Files, RemoteError> {
        let objects = self.objects();
        let mut files = Files::new();
        walk(&objects, &objects.find_commit(commit)?.tree()?, "", &mut files)?;
        Ok(files)
    }

    /// A content by its name in [`Files`].
    pub fn content(&self, name: &str) -> Result<Vec<u8>, RemoteError> {
        Ok(self.objects().find_blob(Oid::from_str(name)?)?.content().to_vec())
    }

    /// Somebody with access to the remote commits on its tip in `agent`'s name, past every
    /// program of ours.
    pub fn commit_past_everyone(
        &self,
        agent: &AgentId,
        puts: &[(String, Put)],
        clock: &dyn Clock,
    ) -> Result<(), RemoteError> {
        let tip = self.refs().all.get(&self.shared.branch).copied();
        let Some(tip) = tip else { return Ok(()) };
        let commit = {
            let objects = self.objects();
            let parent = objects.find_commit(tip)?;
            let mut update = TreeUpdateBuilder::new();
            for (path, put) in puts {
                match put {
                    Put::File(bytes) => update.upsert(path.as_str(), objects.blob(bytes)?, FileMode::Blob),
                    Put::Link(to) => {
                        update.upsert(path.as_str(), objects.blob(to.as_bytes())?, FileMode::Link)
                    }
                    Put::Nothing => update.remove(path.as_str()),
                };
            }
            let tree = update.create_updated(&objects, &parent.tree()?)?;
            let who = signature(agent, clock.now())?;
            objects.commit(None, &who, &who, "past everyone", &objects.find_tree(tree)?, &[&parent])?
        };
        self.refs().move_to(&self.shared.branch, commit);
        Ok(())
    }

    /// Shows the tip from `back` tips ago and refuses pushes, as a host does that was restored
    /// from a copy; 0 ends that. What was accepted is not lost.
    pub fn show_earlier(&self, back: usize) {
        let mut refs = self.refs();
        let at = refs.tips.len().checked_sub(back + 1);
        refs.shown = at.filter(|_| back > 0).and_then(|at| refs.tips.get(at).copied());
    }
}

impl Refs {
    fn move_to(&mut self, branch: &str, commit: Oid) {
        self.all.insert(branch.to_owned(), commit);
        self.tips.push(commit);
    }
}

fn walk(repo: &Repository, tree: &Tree<'_>, folder: &str, files: &mut Files) -> Result<(), git2::Error> {
    for entry in tree {
        let name = entry.name().unwrap_or_default();
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        if entry.kind() == Some(ObjectType::Tree) {
            walk(repo, &repo.find_tree(entry.id())?, &path, files)?;
        } else {
            files.insert(path, entry.id().to_string());
        }
    }
    Ok(())
}

/// One machine's synchronisation with a simulated remote. Cheap to clone. Its calls block; a
/// machine that crashed is dropped and opened anew.
#[derive(Clone)]
pub struct Machine {
    engine: Arc<Mutex<Engine>>,
    told: watch::Sender<Status>,
}

impl Machine {
    /// Like [`crate::Sync::open`], with a simulated remote.
    pub fn open(
        settings: Settings,
        clock: Arc<dyn Clock>,
        remote: &Remote,
        network: Arc<dyn Network>,
    ) -> Result<Self, OpenError> {
        let agent = settings.agent.clone();
        let engine = open_with(settings, clock, &|repo, timeout, _| {
            repo.set_odb(&remote.objects().odb()?)?;
            Ok(Box::new(Link::new(repo, remote.clone(), network.clone(), agent.clone(), timeout)?))
        })?;
        Ok(Self { engine: Arc::new(Mutex::new(engine)), told: watch::Sender::default() })
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, purpose: Purpose) -> Result<Report, SyncError> {
        let mut engine = self.engine();
        let result = engine.cycle(purpose);
        crate::handle::tell(&engine, &self.told, &result);
        result
    }

    /// [`crate::Sync::cycle`].
    pub fn cycle(&self) -> Result<Report, SyncError> {
        self.run(Purpose::Paced)
    }

    /// [`crate::Sync::flush`].
    pub fn flush(&self) -> Result<Report, SyncError> {
        self.run(Purpose::Now)
    }

    /// [`crate::Sync::beat`].
    pub fn beat(&self, note: &str) -> Result<bool, SyncError> {
        check_note(note)?;
        self.engine().beat(note)
    }

    /// [`crate::Sync::beats`].
    pub fn beats(&self) -> Vec<RemoteBeat> {
        self.engine().beats.others()
    }

    /// [`crate::Sync::sit`].
    pub fn sit(&self, seat: &str) -> Result<Holder, SyncError> {
        self.engine().grant(&Wish::Sit(seat.to_owned()))
    }

    /// [`crate::Sync::reserve`].
    pub fn reserve(&self, reservation: Reservation) -> Result<Holder, SyncError> {
        self.engine().grant(&Wish::Reserve(reservation))
    }

    /// [`crate::Sync::status`].
    pub fn status(&self) -> Status {
        self.told.borrow().clone()
    }
}

#[async_trait]
impl Publisher for Machine {
    async fn publish(&self, claims: &[ClaimRecord]) -> Result<Vec<Verdict>, PublishError> {
        let (machine, records) = (self.clone(), claims.to_vec());
        let published = tokio::task::spawn_blocking(move || {
            let cycled = machine.run(Purpose::Claims);
            cycled.and_then(|_| machine.engine().verdicts(&records))
        });
        crate::handle::of_publication(published.await.unwrap_or(Err(SyncError::Ended)))
    }
}
