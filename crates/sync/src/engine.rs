//! One vault and its remote. Everything here blocks and runs on the thread that owns it.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use git2::{Oid, Repository, Signature};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use task::{AgentId, Clock};
use vault::{FileError, Vault};

use crate::Side;
use crate::guard::Guard;
use crate::heartbeat::Beats;
use crate::index::IndexKeeper;
use crate::report::{Refusal, SyncError};
use crate::scan::Scanner;
use crate::state::{Memory, MemoryFile};
use crate::transport::{Transport, Trouble, TroubleKind};
use crate::tree::{Edit, FILE, TreeError, Trees};
use crate::worktree::Worktree;

/// Stands in `.git` while this program may hold git's locks.
const MARK: &str = "ai-employee-writing";

/// What synchronisation works with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder.
    pub vault: Vault,
    /// The `sync:` section.
    pub config: config::Sync,
    /// Who this is, in commits and in what belongs to it.
    pub agent: AgentId,
    /// Where the last tip seen is kept: outside of the vault.
    pub state_dir: PathBuf,
    /// Whose machine this is.
    pub side: Side,
}

/// The state of one vault's synchronisation.
pub(crate) struct Engine {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) repo: Repository,
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) beats: Beats,
    pub(crate) memory: Memory,
    memory_file: MemoryFile,
    pub(crate) last_push: Option<Instant>,
    pub(crate) last_look: Option<Instant>,
    /// How many were written since they were last packed, roughly.
    pub(crate) loose_objects: usize,
    /// Refusals that were said already.
    pub(crate) said: std::collections::BTreeSet<(String, String)>,
    /// What must not be sent.
    pub(crate) guard: Arc<Guard>,
    /// What another machine tried and may not, and when it was noticed.
    pub(crate) foreign: VecDeque<(DateTime<Utc>, Refusal)>,
    /// A commit up to which everything was looked through.
    pub(crate) vetted: Option<Oid>,
    /// Files outside of the vault's folders that were committed by hand and held a secret.
    pub(crate) stripped: BTreeMap<String, String>,
    /// What the remote said when its ref was locked, until the next push.
    pub(crate) locked: Option<String>,
    warm: Option<Warm>,
}

/// What a first cycle finds out and the following ones keep.
pub(crate) struct Warm {
    pub(crate) scanner: Scanner,
    pub(crate) worktree: Worktree,
    pub(crate) index: IndexKeeper,
    pub(crate) head: Head,
}

/// The last commit here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Head {
    /// None before the first one.
    pub(crate) commit: Option<Oid>,
    /// Its tree.
    pub(crate) tree: Option<Oid>,
}

/// Only its holder synchronises this vault; other processes wait.
pub(crate) struct Turn {
    _lock: File,
}

impl Engine {
    pub(crate) fn new(
        settings: Settings,
        clock: Arc<dyn Clock>,
        repo: Repository,
        transport: Box<dyn Transport>,
    ) -> Result<Self, SyncError> {
        let memory_file = MemoryFile::new(&settings.state_dir, &settings.agent);
        let beats = Beats::new(settings.agent.clone()).map_err(SyncError::Randomness)?;
        Ok(Self {
            settings,
            clock,
            repo,
            transport,
            beats,
            memory: Memory::default(),
            memory_file,
            last_push: None,
            last_look: None,
            loose_objects: 0,
            said: std::collections::BTreeSet::new(),
            guard: Arc::new(Guard::new(crate::guard::shapes()?)),
            foreign: VecDeque::new(),
            vetted: None,
            stripped: BTreeMap::new(),
            locked: None,
            warm: None,
        })
    }

    /// A fault point of this repository.
    pub(crate) fn reach(&self, point: &str, what: &'static str) -> Result<(), SyncError> {
        let path = || self.repo.path().to_owned();
        fault::reach(point).map_err(|cause| SyncError::File(FileError { what, path: path(), cause }))
    }

    /// The remote's address for messages.
    pub(crate) fn remote(&self) -> String {
        crate::git::clean(self.settings.config.remote.as_deref().unwrap_or_default())
    }

    pub(crate) fn branch_ref(&self) -> String {
        format!("refs/heads/{}", self.settings.config.branch)
    }

    pub(crate) fn tracking_ref(&self) -> String {
        format!("refs/remotes/origin/{}", self.settings.config.branch)
    }

    pub(crate) fn trouble(&self, trouble: Trouble) -> SyncError {
        match trouble.kind {
            TroubleKind::NoBranch => self.gone(),
            _ => SyncError::of(trouble, &self.remote(), &self.settings.vault.root().display().to_string()),
        }
    }

    /// The remote has no longer what was seen there.
    pub(crate) fn gone(&self) -> SyncError {
        SyncError::Gone {
            remote: self.remote(),
            branch: self.settings.config.branch.clone(),
            seen: self.memory.seen.map(|id| id.to_string()).unwrap_or_default(),
            vault: self.settings.vault.root().display().to_string(),
        }
    }

    /// Waits until no other process synchronises this vault.
    pub(crate) fn turn(&self) -> Result<Turn, SyncError> {
        let path = self.repo.path().join("ai-employee-sync.lock");
        let fail = |what, cause| SyncError::File(FileError { what, path: path.clone(), cause });
        let file = File::options().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|e| fail("open", Errno::from_io_error(&e).unwrap_or(Errno::IO)))?;
        let (start, patience) = (Instant::now(), self.transport.timeout() * 2);
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    self.remove_own_locks();
                    return Ok(Turn { _lock: file });
                }
                Err(Errno::WOULDBLOCK) if start.elapsed() >= patience => {
                    return Err(SyncError::Busy {
                        lock: path.display().to_string(),
                        seconds: patience.as_secs(),
                    });
                }
                // Whoever has it may be waiting for a network.
                Err(Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(5)),
                Err(Errno::INTR) => {}
                Err(cause) => return Err(fail("lock", cause)),
            }
        }
    }

    /// Git's lock files that an earlier process of ours left when it was killed; only then is the
    /// mark there that [`Engine::marked`] makes. Whoever else holds one is left alone.
    fn remove_own_locks(&self) {
        let git = self.repo.path();
        if !git.join(MARK).exists() {
            return;
        }
        let (branch, tracking) = (self.branch_ref(), self.tracking_ref());
        let of_library = ["index", "HEAD", branch.as_str()].map(|name| (name, Duration::ZERO));
        // A git program that we started may outlive us for as long as it may take.
        let of_program = [tracking.as_str(), "packed-refs"].map(|name| (name, self.transport.timeout() * 2));
        for (name, age) in of_library.into_iter().chain(of_program) {
            let lock = git.join(format!("{name}.lock"));
            let modified = std::fs::metadata(&lock).and_then(|meta| meta.modified());
            let old = modified.is_ok_and(|time| time.elapsed().unwrap_or_default() >= age);
            if old && std::fs::remove_file(&lock).is_ok() {
                tracing::info!(lock = %lock.display(), "removed a lock that an interrupted run had left");
            }
        }
        // Without it the next start would do the same once more.
        let _ = std::fs::remove_file(git.join(MARK));
    }

    /// Does what takes git's own locks, with a mark beside it that says they are ours.
    pub(crate) fn marked<T>(&self, work: impl FnOnce() -> T) -> T {
        let mark = self.repo.path().join(MARK);
        // Without the mark a lock that is left over has to be removed by hand, nothing worse.
        if fault::reach("sync.mark").is_ok() {
            let _ = std::fs::write(&mark, std::process::id().to_string());
        }
        let done = work();
        if fault::reach("sync.unmark").is_ok() {
            let _ = std::fs::remove_file(&mark);
        }
        done
    }

    /// Brings what is kept in memory up to date with what other processes and people did.
    pub(crate) fn refresh(&mut self) -> Result<Warm, SyncError> {
        self.recall()?;
        // A tip that is not here yet says nothing.
        self.guard.saw(self.memory.seen.and_then(|seen| self.tree_of(seen).ok()));
        let head = self.read_head()?;
        let trees = Trees::of(&self.repo);
        if let Some(mut warm) = self.warm.take() {
            if warm.head != head {
                let diff = trees
                    .diff(warm.head.tree, head.tree)
                    .map_err(SyncError::repository("read the vault's last commit"))?;
                let contents: BTreeMap<_, _> =
                    diff.changes.into_iter().map(|(path, change)| (path, change.new)).collect();
                warm.scanner.head_moved(&contents);
                warm.index.note(contents.keys());
                warm.head = head;
            }
            return Ok(warm);
        }
        let mut scanner =
            Scanner::new(&self.settings.vault, self.settings.config.max_file_bytes, Arc::clone(&self.guard))?;
        trees
            .each_file(head.tree, &mut |folder, name, content| scanner.add_head(folder, name, content))
            .map_err(of_tree("read the vault's last commit"))?;
        let index = IndexKeeper::open(&self.repo, &mut scanner);
        let worktree = Worktree::open(&self.settings.vault, &self.repo)?;
        Ok(Warm { scanner, worktree, index, head })
    }

    /// Keeps it for the next cycle.
    pub(crate) fn keep(&mut self, warm: Warm) {
        self.warm = Some(warm);
    }

    fn read_head(&self) -> Result<Head, SyncError> {
        let wanted = self.branch_ref();
        let at = self.repo.find_reference("HEAD").map_err(SyncError::repository("read the vault's HEAD"))?;
        let found = at.symbolic_target().ok().flatten().unwrap_or("a detached HEAD").to_owned();
        if found != wanted {
            return Err(SyncError::HeadElsewhere {
                found,
                wanted: self.settings.config.branch.clone(),
                vault: self.settings.vault.root().display().to_string(),
            });
        }
        let Some(commit) = self.resolve(&wanted)? else { return Ok(Head::default()) };
        Ok(Head { commit: Some(commit), tree: Some(self.tree_of(commit)?) })
    }

    pub(crate) fn resolve(&self, name: &str) -> Result<Option<Oid>, SyncError> {
        match self.repo.refname_to_id(name) {
            Ok(id) => Ok(Some(id)),
            Err(e) if e.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(cause) => Err(SyncError::Repository { what: "read a ref of the vault's git", cause }),
        }
    }

    pub(crate) fn tree_of(&self, commit: Oid) -> Result<Oid, SyncError> {
        let commit = self.repo.find_commit(commit).map_err(SyncError::repository("read a commit"))?;
        Ok(commit.tree_id())
    }

    /// The data directory decides what was seen last; where it says nothing, the clone's own
    /// record does, as far as the clone's last commit holds it: a fetch that was cut off has moved
    /// the record, and nothing of it is here yet.
    fn recall(&mut self) -> Result<(), SyncError> {
        let remote = self.settings.config.remote.clone().unwrap_or_default();
        self.memory = match self.memory_file.load() {
            Some(memory) if memory.remote == remote => memory,
            // Another repository was configured: it is met for the first time.
            Some(_) => Memory { remote, ..Memory::default() },
            None => {
                let (tracked, head) =
                    (self.resolve(&self.tracking_ref())?, self.resolve(&self.branch_ref())?);
                let fooled = fault::flaw("sync.believes_a_fetch");
                let seen = tracked.filter(|tip| fooled || head.is_some_and(|head| self.holds(head, *tip)));
                Memory { remote, seen, trusted: None }
            }
        };
        Ok(())
    }

    /// Whether `commit` is `ancestor` or was made on top of it.
    pub(crate) fn holds(&self, commit: Oid, ancestor: Oid) -> bool {
        // An ancestor that is not even here cannot be one.
        commit == ancestor || self.repo.graph_descendant_of(commit, ancestor).unwrap_or(false)
    }

    pub(crate) fn remember(&mut self, memory: Memory) -> Result<(), SyncError> {
        if self.memory != memory || self.memory_file.load().as_ref() != Some(&memory) {
            self.reach("sync.memory", "write down the last tip seen")?;
            self.memory_file.store(&memory)?;
            self.memory = memory;
        }
        Ok(())
    }

    /// The owner vouches for a tip.
    pub(crate) fn trust(&mut self, text: &str) -> Result<(), SyncError> {
        let _turn = self.turn()?;
        let id = Oid::from_str(text).ok().filter(|_| text.len() == 40);
        let id = id.ok_or_else(|| SyncError::NoCommit(text.chars().take(80).collect()))?;
        self.recall()?;
        let memory = Memory { trusted: Some(id), ..self.memory.clone() };
        self.remember(memory)
    }

    /// Looks at the disk; a task that seems to be nowhere or twice was moved by hand in this
    /// very moment, and a second look tells.
    pub(crate) fn scan(&self, warm: &mut Warm) -> Result<(), SyncError> {
        warm.scanner.scan(&self.repo)?;
        if crate::cycle::is_torn(warm.scanner.changed()) {
            warm.scanner.scan(&self.repo)?;
        }
        Ok(())
    }

    /// The tree of what is on disk.
    pub(crate) fn local_tree(&self, warm: &Warm) -> Result<Option<Oid>, SyncError> {
        let changed = warm.scanner.changed();
        if changed.is_empty() {
            return Ok(warm.head.tree);
        }
        let edits: BTreeMap<String, Edit> =
            changed.iter().map(|(path, content)| (path.clone(), content.map(|id| (FILE, id)))).collect();
        self.edited(warm.head.tree, &edits).map(Some)
    }

    pub(crate) fn edited(&self, tree: Option<Oid>, edits: &BTreeMap<String, Edit>) -> Result<Oid, SyncError> {
        self.reach("sync.tree", "write a tree")?;
        Trees::of(&self.repo).edit(tree, edits).map_err(of_tree("write a tree"))
    }

    pub(crate) fn commit(&self, tree: Oid, parents: &[Oid]) -> Result<Oid, SyncError> {
        self.reach("sync.commit", "write a commit")?;
        let now = self.clock.now();
        let write = || {
            let who = signature(&self.settings.agent, now)?;
            let tree = self.repo.find_tree(tree)?;
            let parents =
                parents.iter().map(|id| self.repo.find_commit(*id)).collect::<Result<Vec<_>, _>>()?;
            let parents: Vec<_> = parents.iter().collect();
            let message =
                format!("[{}] Auto-sync {}\n", self.settings.agent, now.format("%Y-%m-%dT%H:%M:%SZ"));
            self.repo.commit(None, &who, &who, &message, &tree, &parents)
        };
        write().map_err(SyncError::repository("write a commit"))
    }

    /// Makes `commit` the last one here; `contents` is where its files differ from the one before.
    pub(crate) fn move_head(
        &self,
        warm: &mut Warm,
        commit: Oid,
        tree: Oid,
        contents: &BTreeMap<String, Option<Oid>>,
    ) -> Result<(), SyncError> {
        self.marked(|| {
            self.reach("sync.head", "move the vault's branch")?;
            let moved = self.repo.reference(&self.branch_ref(), commit, true, "auto-sync");
            moved.map_err(SyncError::repository("move the vault's branch"))
        })?;
        warm.scanner.head_moved(contents);
        warm.index.note(contents.keys());
        warm.head = Head { commit: Some(commit), tree: Some(tree) };
        Ok(())
    }

    /// Writes git's index if it is out of date for long enough, or `now`. The caller has the turn.
    pub(crate) fn flush_index(&mut self, now: bool) {
        let Some(mut warm) = self.warm.take() else { return };
        let restamped = warm.scanner.take_restamped();
        warm.index.note(restamped.iter());
        if warm.index.due(warm.scanner.count()).is_some_and(|due| now || due.is_zero()) {
            let written = self.marked(|| match fault::reach("sync.index") {
                Ok(()) => warm.index.flush(&self.repo, &warm.scanner),
                Err(cause) => Err(git2::Error::from_str(&cause.to_string())),
            });
            if let Err(error) = written {
                // `git status` by hand holds the same lock for a moment; the next cycle tries again.
                tracing::debug!(error = error.message(), "git's index was not written");
            }
        }
        self.warm = Some(warm);
    }

    /// [`Engine::flush_index`], outside of a cycle.
    pub(crate) fn flush_index_in_turn(&mut self) {
        if self.index_due().is_none() {
            return;
        }
        match self.turn() {
            Ok(_turn) => self.flush_index(true),
            Err(error) => tracing::debug!(%error, "git's index was not written"),
        }
    }

    /// See [`crate::Status::foreign`].
    pub(crate) fn foreign(&self) -> Vec<(String, String)> {
        let now = self.clock.now();
        let recent = self.foreign.iter().filter(|(at, _)| now - *at < TimeDelta::hours(1));
        recent.map(|(_, refusal)| (refusal.path.clone(), refusal.reason.clone())).collect()
    }

    /// See [`crate::Status::withheld`].
    pub(crate) fn withheld(&self) -> Vec<(String, String)> {
        self.warm.as_ref().map(|warm| self.held_back(warm)).unwrap_or_default()
    }

    /// How long until [`Engine::flush_index`] has something to do.
    pub(crate) fn index_due(&self) -> Option<Duration> {
        self.warm.as_ref().and_then(|warm| warm.index.due(warm.scanner.count()))
    }
}

pub(crate) fn of_tree(what: &'static str) -> impl FnOnce(TreeError) -> SyncError {
    move |error| match error {
        TreeError::Git(cause) => SyncError::Repository { what, cause },
        other => SyncError::Repository { what, cause: git2::Error::from_str(&other.to_string()) },
    }
}

pub(crate) fn signature(agent: &AgentId, now: DateTime<Utc>) -> Result<Signature<'static>, git2::Error> {
    // A domain that nobody can own (RFC 2606).
    let address = format!("{agent}@ai-employee.invalid");
    Signature::new(agent.as_str(), &address, &git2::Time::new(now.timestamp(), 0))
}
