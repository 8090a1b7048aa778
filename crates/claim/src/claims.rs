//! Taking, resuming, releasing and completing.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use task::{AgentId, Clock, Location, Stage, TaskId, TaskKind};
use vault::{FileError, Folder, LockError, MoveError, Vault, WriteError};

use crate::{ClaimRecord, NonceError, PublishError, Publisher, Verdict};

/// A claim that stands on this machine only.
#[derive(Debug)]
pub struct Reserved(());

/// A claim that counts: the remote has it, or no other machine may take the task.
#[derive(Debug)]
pub struct Published(());

/// A task taken up by this agent. It cannot be copied: whoever has it does the work.
#[derive(Debug)]
#[must_use = "a claim that is dropped stays in In_Progress until the next start"]
pub struct Claim<State> {
    location: Location,
    record: Option<ClaimRecord>,
    state: PhantomData<State>,
}

/// A claim on which work may begin.
pub type Owned = Claim<Published>;

impl<State> Claim<State> {
    /// Where the task is now: in `In_Progress/<me>/`.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Which task.
    pub fn id(&self) -> &TaskId {
        &self.location.id
    }
}

impl Claim<Reserved> {
    fn counts(self) -> Owned {
        Claim { location: self.location, record: self.record, state: PhantomData }
    }
}

/// What [`Claims`] works with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who claims.
    pub agent: AgentId,
    /// The one agent that takes signed orders, WhatsApp and payment tasks.
    pub executor: AgentId,
    /// Where it is written down how long each foreign claim has been seen unchanged.
    pub state_file: PathBuf,
    /// After how long it is taken back.
    pub stale_after: Duration,
}

/// Why one task was not taken up. The others were not affected.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The move.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// The claim file.
    #[error("write the claim file: {0}")]
    Write(#[from] WriteError),
    /// The claim file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The nonce.
    #[error(transparent)]
    Nonce(#[from] NonceError),
    /// The runtime is going down.
    #[error("cut off by shutdown")]
    Shutdown,
}

/// What [`Claims::take`] came to.
#[derive(Debug, Default)]
pub struct Taken {
    /// Work may begin on these.
    pub owned: Vec<Owned>,
    /// Another agent or process has these.
    pub lost: Vec<TaskId>,
    /// These could not be moved or written.
    pub failed: Vec<(TaskId, ClaimError)>,
    /// Why none of the claims that need the remote counts; they were put back, or wait for the
    /// next [`Claims::take`] when the outcome is unknown.
    pub unpublished: Option<PublishError>,
}

/// This agent's claims.
pub struct Claims {
    pub(crate) vault: Vault,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    publisher: Option<Arc<dyn Publisher>>,
    /// Claims of which nobody knows whether the remote has them.
    unknown: Mutex<Vec<Claim<Reserved>>>,
    /// What could not be put back; tried again before anything new is taken.
    returning: Mutex<Vec<Returning>>,
}

/// A claim that does not count, or whose owner gave it up, and that is still in `In_Progress/<me>`.
#[derive(Clone, Debug)]
struct Returning {
    location: Location,
    record: Option<ClaimRecord>,
}

impl<State> From<Claim<State>> for Returning {
    fn from(claim: Claim<State>) -> Self {
        Self { location: claim.location, record: claim.record }
    }
}

impl Claims {
    /// Claims on one machine alone: a local claim counts.
    pub fn new(vault: Vault, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self {
            vault,
            settings,
            clock,
            publisher: None,
            unknown: Mutex::default(),
            returning: Mutex::default(),
        }
    }

    /// With another machine: a shared task counts when `publisher` says so.
    #[must_use]
    pub fn published_by(mut self, publisher: Arc<dyn Publisher>) -> Self {
        self.publisher = Some(publisher);
        self
    }

    /// Whether this agent may claim `location` at all: orders and the one-claimant kinds are the
    /// executor's; tasks of other stages are nobody's to claim.
    pub fn may_take(&self, location: &Location) -> bool {
        let executor = self.settings.agent == self.settings.executor;
        match location.stage {
            Stage::Approved => executor,
            Stage::NeedsAction => executor || !router::one_claimant(TaskKind::of(&location.id)),
            _ => false,
        }
    }

    /// Takes up what it can of `candidates`, with one push for all that need one. Losing is a
    /// normal outcome; what this agent may not take is passed over. First, what could not be put
    /// back before is.
    pub async fn take(&self, candidates: Vec<Location>) -> Taken {
        let mut taken = Taken::default();
        let returning = std::mem::take(&mut *self.returning());
        self.put_back_all(returning, &mut taken.failed).await;
        let unknown = self.take_unknown();
        let mut reserved = Vec::new();
        let wanted: Vec<Location> = candidates.into_iter().filter(|c| self.may_take(c)).collect();
        let (vault, agent, shared) =
            (self.vault.clone(), self.settings.agent.clone(), self.publisher.is_some());
        let moved =
            tokio::task::spawn_blocking(fault::inherit(move || reserve(&vault, &agent, wanted, shared)))
                .await;
        let moved = match moved {
            Ok((moved, adrift)) => {
                self.returning().extend(adrift);
                moved
            }
            Err(_) => {
                self.keep_unknown(unknown);
                return taken;
            }
        };
        for (id, outcome) in moved {
            match outcome {
                Ok(claim) if claim.record.is_none() => taken.owned.push(claim.counts()),
                Ok(claim) => reserved.push(claim),
                Err(ClaimError::Move(MoveError::Gone(_) | MoveError::Exists(_))) => taken.lost.push(id),
                Err(error) => taken.failed.push((id, error)),
            }
        }
        self.publish(unknown, reserved, &mut taken).await;
        taken
    }

    /// At start, before anything new: what this agent had in work when it ended. Each is owned
    /// again, to be continued or released; the ones that need the remote only if it agrees.
    /// Orders in execution are not among them: their journal decides.
    pub async fn resume_own(&self) -> Result<Taken, ClaimError> {
        let mut taken = Taken::default();
        let (vault, agent, shared) =
            (self.vault.clone(), self.settings.agent.clone(), self.publisher.is_some());
        let known = tokio::task::spawn_blocking(fault::inherit(move || own(&vault, &agent, shared)))
            .await
            .map_err(|_| ClaimError::Shutdown)??;
        let mut reserved = self.take_unknown();
        // They are among those that were found.
        self.returning().clear();
        for claim in known {
            if claim.record.is_none() {
                taken.owned.push(claim.counts());
            } else if reserved.iter().all(|other| other.id() != claim.id()) {
                reserved.push(claim);
            }
        }
        self.publish(reserved, Vec::new(), &mut taken).await;
        Ok(taken)
    }

    /// Puts a task back for anybody to take, untouched since it was claimed or rewritten by its
    /// owner. Where that fails, the next [`Claims::take`] tries again.
    pub async fn release(&self, claim: Owned) -> Result<(), ClaimError> {
        let mut failed = Vec::new();
        self.put_back_all(vec![claim.into()], &mut failed).await;
        failed.pop().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Ends a claim whose task has moved on.
    pub async fn complete(&self, claim: Owned) -> Result<(), ClaimError> {
        if claim.record.is_none() {
            return Ok(());
        }
        let vault = self.vault.clone();
        let agent = self.settings.agent.clone();
        let ended = move || -> Result<(), ClaimError> {
            fault::reach("claim.complete")
                .map_err(|e| FileError::new("end the claim of", claim.location.path(), e))?;
            Ok(vault.remove_claim(&agent, &claim.location.id)?)
        };
        tokio::task::spawn_blocking(fault::inherit(ended)).await.map_err(|_| ClaimError::Shutdown)?
    }

    /// Has the remote decide about claims that it may have accepted already (`earlier`) and about
    /// new ones.
    async fn publish(&self, mut earlier: Vec<Claim<Reserved>>, new: Vec<Claim<Reserved>>, taken: &mut Taken) {
        let asked_before = earlier.len();
        earlier.extend(new);
        let mut reserved = earlier;
        let Some(publisher) = self.publisher.as_ref().filter(|_| !reserved.is_empty()) else {
            taken.owned.extend(reserved.into_iter().map(Claim::counts));
            return;
        };
        let records: Vec<ClaimRecord> = reserved.iter().filter_map(|c| c.record.clone()).collect();
        let verdicts = match publisher.publish(&records).await {
            Ok(verdicts) => verdicts,
            Err(error @ PublishError::Unknown(_)) => {
                taken.unpublished = Some(error);
                self.keep_unknown(reserved);
                return;
            }
            Err(_) if fault::flaw("claim.any_verdict") => {
                taken.owned.extend(reserved.into_iter().map(Claim::counts));
                return;
            }
            Err(error) => {
                taken.unpublished = Some(error);
                // That nothing arrived now says nothing of what arrived before: putting those back
                // would give away what this agent may own and have begun.
                let new = reserved.split_off(asked_before);
                self.keep_unknown(reserved);
                self.put_back_all(new.into_iter().map(Returning::from).collect(), &mut taken.failed).await;
                return;
            }
        };
        let mut lost = Vec::new();
        for (claim, verdict) in reserved.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Owned => taken.owned.push(claim.counts()),
                Verdict::Lost => {
                    taken.lost.push(claim.id().clone());
                    lost.push(Returning::from(claim));
                }
            }
        }
        self.put_back_all(lost, &mut taken.failed).await;
    }

    /// Puts back what is still here by our own nonce; what cannot be is kept for another try.
    async fn put_back_all(&self, claims: Vec<Returning>, failed: &mut Vec<(TaskId, ClaimError)>) {
        if claims.is_empty() {
            return;
        }
        let (vault, agent) = (self.vault.clone(), self.settings.agent.clone());
        let work = move || -> Vec<(Returning, ClaimError)> {
            let put = |claim: Returning| withdraw(&vault, &agent, &claim).err().map(|error| (claim, error));
            claims.into_iter().filter_map(put).collect()
        };
        // Cut off by shutdown: they are in In_Progress/<me> and the next start resumes them.
        for (claim, error) in tokio::task::spawn_blocking(fault::inherit(work)).await.unwrap_or_default() {
            failed.push((claim.location.id.clone(), error));
            self.returning().push(claim);
        }
    }

    /// Whether there are claims of which nobody knows whether the remote has them, or that could
    /// not be put back; the next [`Claims::take`] sees to them.
    pub fn has_unsettled(&self) -> bool {
        !self.unknown.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
            || !self.returning().is_empty()
    }

    fn returning(&self) -> MutexGuard<'_, Vec<Returning>> {
        self.returning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_unknown(&self) -> Vec<Claim<Reserved>> {
        std::mem::take(&mut self.unknown.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep_unknown(&self, claims: Vec<Claim<Reserved>>) {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner).extend(claims);
    }
}

/// Whether a task needs the remote's word.
pub(crate) fn is_shared(location: &Location) -> bool {
    let order = matches!(location.stage, Stage::Approved | Stage::Executing(_));
    !order && !router::one_claimant(TaskKind::of(&location.id))
}

/// What became of each task that was to be reserved.
type Reservations = Vec<(TaskId, Result<Claim<Reserved>, ClaimError>)>;

/// Moves the tasks to this agent, with one fsync of each folder for all of them, and puts the claim
/// files beside those that need one.
///
/// Beside them: where a task may be that was moved and is not known to be durable there.
fn reserve(
    vault: &Vault,
    agent: &AgentId,
    wanted: Vec<Location>,
    published: bool,
) -> (Reservations, Vec<Returning>) {
    let (mut reservations, mut adrift) = (Reservations::new(), Vec::new());
    let (orders, tasks): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|from| from.stage == Stage::Approved);
    for (group, to) in [(orders, Stage::Executing(agent.clone())), (tasks, Stage::InProgress(agent.clone()))]
    {
        let Some(first) = group.first().map(|from| from.id.clone()) else { continue };
        // No snapshot comes between the moves and the claim files.
        let moved = vault.lock_shared().map_err(ClaimError::from).and_then(|guard| {
            fault::reach("claim.take").map_err(|e| FileError::new("claim", vault.root(), e))?;
            let moved = vault.advance_all(&group, &to)?;
            Ok((guard, moved))
        });
        match moved {
            Ok((_guard, moved)) => {
                let claimed = group.iter().zip(moved).map(|(from, moved)| {
                    let claim = moved.map_err(ClaimError::from);
                    (from.id.clone(), claim.and_then(|location| accompany(vault, agent, location, published)))
                });
                reservations.extend(claimed);
            }
            Err(error) => {
                reservations.push((first, Err(error)));
                // An order is found again by its executor.
                if matches!(to, Stage::InProgress(_)) {
                    let moved = group.into_iter().map(|from| Location::new(to.clone(), from.id));
                    adrift.extend(moved.map(|location| Returning { location, record: None }));
                }
            }
        }
    }
    (reservations, adrift)
}

/// Writes the claim file of a task that was moved here, or puts the task back.
fn accompany(
    vault: &Vault,
    agent: &AgentId,
    location: Location,
    published: bool,
) -> Result<Claim<Reserved>, ClaimError> {
    if !published || !is_shared(&location) {
        return Ok(Claim { location, record: None, state: PhantomData });
    }
    let written =
        ClaimRecord::fresh(agent.clone(), location.id.clone()).map_err(ClaimError::from).and_then(|record| {
            fault::reach("claim.record")
                .map_err(|e| FileError::new("claim", vault.path_of(&location.path()), e))?;
            vault.write_claim(agent, &record.id, &record.to_bytes())?;
            Ok(record)
        });
    match written {
        Ok(record) => Ok(Claim { location, record: Some(record), state: PhantomData }),
        Err(error) => {
            vault.advance(&location, Stage::NeedsAction)?;
            Err(error)
        }
    }
}

/// What is in `In_Progress/<me>/`; claim files without a task are removed.
fn own(vault: &Vault, agent: &AgentId, published: bool) -> Result<Vec<Claim<Reserved>>, ClaimError> {
    let _guard = vault.lock_shared()?;
    let tasks = vault.list(&Folder::InProgress(agent.clone()))?.tasks;
    let mut claims = Vec::new();
    for entry in tasks {
        let location = entry.location;
        if !matches!(location.stage, Stage::InProgress(_)) {
            continue;
        }
        let mut record = None;
        if published && is_shared(&location) {
            let known = vault.read_claim(agent, &location.id)?.and_then(|b| ClaimRecord::parse(&b).ok());
            let known = known.filter(|r| r.agent == *agent && r.id == location.id);
            record = Some(match known {
                Some(record) => record,
                None => {
                    let record = ClaimRecord::fresh(agent.clone(), location.id.clone())?;
                    vault.write_claim(agent, &record.id, &record.to_bytes())?;
                    record
                }
            });
        }
        claims.push(Claim { location, record, state: PhantomData });
    }
    for id in vault.claim_files(agent)? {
        if claims.iter().all(|claim| claim.record.is_none() || *claim.id() != id) {
            vault.remove_claim(agent, &id)?;
        }
    }
    Ok(claims)
}

/// Undoes a claim that does not count any more, unless the publisher has done so.
fn withdraw(vault: &Vault, agent: &AgentId, claim: &Returning) -> Result<(), ClaimError> {
    if fault::flaw("claim.not_put_back") {
        return Ok(());
    }
    let attempt = || -> Result<(), ClaimError> {
        let _guard = vault.lock_shared()?;
        let standing =
            vault.read_claim(agent, &claim.location.id)?.and_then(|bytes| ClaimRecord::parse(&bytes).ok());
        // The claim file goes first: none is what an earlier try may have left.
        if standing.is_none() || standing == claim.record {
            put_back(vault, agent, &claim.location)?;
        }
        Ok(())
    };
    match attempt() {
        // Somebody has moved it on: it is where the tip says, or where a person put it.
        Ok(()) | Err(ClaimError::Move(MoveError::Gone(_) | MoveError::Exists(_))) => Ok(()),
        Err(error) => Err(error),
    }
}

pub(crate) fn put_back(vault: &Vault, owner: &AgentId, location: &Location) -> Result<Location, ClaimError> {
    let _guard = vault.lock_shared()?;
    fault::reach("claim.put_back")
        .map_err(|e| FileError::new("put back", vault.path_of(&location.path()), e))?;
    // The claim file first: alone it would mean nothing, a task without one is only unpublished.
    vault.remove_claim(owner, &location.id)?;
    Ok(vault.advance(location, Stage::NeedsAction)?)
}

#[cfg(test)]
mod tests;
