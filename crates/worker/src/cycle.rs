//! One cycle: take in, set aside, claim, draft, put before the owner.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use claim::{Claims, Observation, Owned, Taken};
use drafter::{Accounts, Drafter};
use futures::FutureExt as _;
use policy::{House, HouseRules};
use router::Route;
use sync::Sync;
use task::{AgentId, AuditEvent, AuditOutcome, Clock, Location, Role, Stage, Task, TaskId, TaskKind};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vault::{Handbook, KillSwitch, ReadError, TaskFile, Vault};

use crate::agenda::Standing;
use crate::look::look;
use crate::{Agenda, Found, Toolbox, WorkerError};

/// What a worker is made of.
pub struct Parts {
    /// The folder.
    pub vault: Vault,
    /// Who owns what.
    pub claims: Claims,
    /// The other machine; absent without sync.
    pub sync: Option<Arc<Sync>>,
    /// Who writes.
    pub drafter: Box<dyn Drafter>,
    /// What may be called for a long task; without it, everything is proposed.
    pub tools: Option<Toolbox>,
    /// This agent.
    pub agent: AgentId,
    /// Its role.
    pub role: Role,
    /// How drafts are signed.
    pub owner_name: String,
    /// The owner's accounts, for tasks that name none.
    pub accounts: Accounts,
    /// Claims and retries.
    pub limits: config::Claims,
    /// How much may leave; what one payment may be is asked about before it is proposed.
    pub allowance: config::Limits,
    /// How long a half-written file is left alone.
    pub quiet: Duration,
    /// How the owner wants to be represented; what was accepted of it.
    pub handbook: Handbook,
    /// Where it is noted which task is in work: a file in the data directory.
    pub in_work: PathBuf,
    /// Whether anything may be done at all.
    pub kill_switch: KillSwitch,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Works through the vault, one cycle at a time.
pub struct Worker {
    pub(crate) parts: Parts,
    /// What is due by itself; absent in tests that need none.
    pub(crate) agenda: Option<Agenda>,
    /// Tasks that were not had, or whose file could not be written: when they may be tried again.
    pauses: HashMap<TaskId, DateTime<Utc>>,
    /// Owned, and not begun.
    in_hand: VecDeque<Owned>,
    /// While the remote cannot be reached, tasks that need its word are left alone until then.
    shared_after: DateTime<Utc>,
    /// What was said last of the remote, so that it is said once.
    said: Option<String>,
    /// What was said of a handbook that cannot be read, until it can.
    house_said: Option<String>,
}

/// How long tasks that need the remote's word wait after it could not be reached.
const REMOTE_PAUSE: TimeDelta = TimeDelta::seconds(30);
/// How long one cycle goes on beginning work: signed orders, the other machine and the owner's new
/// files wait no longer than this and the draft in hand.
const TURN: Duration = Duration::from_secs(60);
/// Before a task that was not had is claimed again.
const PAUSE: TimeDelta = TimeDelta::seconds(30);
/// Health incidents belong to the owner; agents leave them alone.
const INCIDENT: &str = "ERROR_HEALTH_";

impl Worker {
    /// A worker that has not begun.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            agenda: None,
            pauses: HashMap::new(),
            in_hand: VecDeque::new(),
            shared_after: DateTime::UNIX_EPOCH,
            said: None,
            house_said: None,
        }
    }

    /// Keeps an agenda: its tasks are made when they are due, and its duties are done.
    pub fn keep(&mut self, agenda: Agenda) {
        self.agenda = Some(agenda);
    }

    /// Calls other tools than those of the installed servers.
    pub fn equip(&mut self, tools: Toolbox) {
        self.parts.tools = Some(tools);
    }

    /// The vault's folder.
    pub fn root(&self) -> &Path {
        self.parts.vault.root()
    }

    /// At start, before anything new: what this agent had in work when it ended is taken in hand
    /// again; the next cycle goes on with it.
    pub async fn resume(&mut self) -> Found {
        let mut found = Found::default();
        match self.parts.claims.resume_own().await {
            Ok(mut taken) => {
                self.struck(&mut taken, &mut found).await;
                self.take_in_hand(taken, &mut found);
            }
            Err(error) => found.trouble(format!("cannot look for own claims: {error}")),
        }
        found
    }

    /// Whether the last cycle left owned work for the next one.
    pub fn has_work_in_hand(&self) -> bool {
        !self.in_hand.is_empty()
    }

    /// Gives back what is owned and not begun; whether there was any.
    pub async fn put_down(&mut self) -> bool {
        let mut found = Found::default();
        let any = self.has_work_in_hand();
        while let Some(claim) = self.in_hand.pop_front() {
            self.give_back(claim, &mut found).await;
        }
        any
    }

    /// Brings the vault and the remote together, gathering changes for `sync.push_gap_seconds`. A
    /// remote that cannot be reached is said once.
    pub async fn synchronise(&mut self) -> Found {
        let Some(sync) = self.parts.sync.clone() else { return Found::default() };
        let outcome = sync.cycle().await;
        self.synchronised(outcome)
    }

    /// The same without gathering: for one round, and before an end.
    pub async fn flush(&mut self) -> Found {
        let Some(sync) = self.parts.sync.clone() else { return Found::default() };
        let outcome = sync.flush().await;
        self.synchronised(outcome)
    }

    fn synchronised(&mut self, outcome: Result<sync::Report, sync::SyncError>) -> Found {
        let mut found = Found::default();
        match outcome {
            Ok(report) => {
                if self.said.take().is_some() {
                    tracing::info!("the remote can be reached again");
                }
                self.shared_after = DateTime::UNIX_EPOCH;
                found.pulled = report.pulled;
                found.pushed = report.pushed;
                found.held = report.held;
                for sync::Refusal { path, reason, incoming } in &report.refused {
                    let what = if *incoming { "not taken from the remote" } else { "not synchronised" };
                    found.trouble(format!("{what}: {path:?}: {reason}"));
                }
                for conflict in &report.conflicts {
                    found.trouble(format!("two edits met; the other version is in {conflict}"));
                }
            }
            Err(error) => self.remote_trouble(format!("cannot synchronise: {error}"), &mut found),
        }
        found
    }

    fn remote_trouble(&mut self, message: String, found: &mut Found) {
        found.remote_failed = true;
        self.shared_after = self.parts.clock.now() + REMOTE_PAUSE;
        if self.said.as_ref() != Some(&message) {
            found.trouble(message.clone());
        }
        self.said = Some(message);
    }

    /// Ends the tool servers that nobody has called for a while.
    pub async fn rest(&self) {
        if let Some(tools) = &self.parts.tools {
            tools.rest().await;
        }
    }

    /// Before an end: the tool servers are ended, and git's own index is brought up to date, so that `git status` tells the truth.
    pub async fn close(&self) {
        if let Some(tools) = &self.parts.tools {
            tools.close().await;
        }
        if let Some(sync) = &self.parts.sync {
            Sync::clone(sync).close().await;
        }
    }

    /// Puts back what an agent that gives no sign of life has left in work for too long.
    pub async fn reclaim(&mut self) -> Found {
        let mut found = Found::default();
        let mut observation = Observation { at: self.parts.clock.now(), progress: BTreeMap::new() };
        if let Some(sync) = &self.parts.sync {
            // While the remote is out of sight, nobody's time runs.
            let Some(last_seen) = sync.status().last_seen else { return found };
            observation.at = last_seen;
            let beats = sync.beats().await;
            observation.progress = beats
                .into_iter()
                .map(|beat| (beat.agent, format!("{}-{}", beat.boot, beat.counter)))
                .collect();
        }
        match self.parts.claims.reclaim_stale(observation).await {
            Ok(ids) => {
                for id in ids {
                    tracing::warn!(task = %id, "its agent has gone silent; the task is back in Needs_Action");
                    self.log(AuditEvent::new("reclaim", Some(id.clone()))).await;
                    found.reclaimed.push(id);
                }
            }
            Err(error) => found.trouble(error.to_string()),
        }
        found
    }

    /// One cycle. Errors concern single tasks and are in the result; nothing stops the rest.
    pub async fn cycle(&mut self, cancel: &CancellationToken) -> Found {
        let mut found = Found::default();
        if self.is_stopped().await {
            self.put_down().await;
            found.stopped = true;
            return found;
        }
        // Without the owner's rules nothing is drafted, and no task is to blame for it.
        let house = match self.house().await {
            Ok(house) => {
                if self.house_said.take().is_some() {
                    tracing::info!("the handbook can be read again");
                }
                house
            }
            Err(error) => {
                // Once, until it changes: cycles come every few seconds.
                let message = format!("nothing is drafted: {error}");
                if self.house_said.as_ref() != Some(&message) {
                    found.trouble(message.clone());
                }
                self.house_said = Some(message);
                return found;
            }
        };
        let now = self.parts.clock.now();
        if let Some(agenda) = self.agenda.clone() {
            self.make_due(agenda, now, &mut found).await;
        }
        let (vault, quiet) = (self.parts.vault.clone(), self.quiet());
        let looked = blocking(move || look(&vault, now, quiet, &house)).await;
        let Some(looked) = looked else { return found };
        for id in &looked.found.taken_in {
            self.log(AuditEvent::new("intake", Some(id.clone()))).await;
        }
        for (path, reason) in &looked.found.set_aside {
            let event =
                AuditEvent::new("set_aside", None).with("path", path.clone()).with("reason", reason.clone());
            self.log(event.result(AuditOutcome::Failed)).await;
        }
        found.add(looked.found);
        if !self.has_work_in_hand() && !cancel.is_cancelled() {
            // Whoever is no longer here needs no pause.
            self.pauses.retain(|id, _| looked.candidates.iter().any(|location| location.id == *id));
            let candidates: Vec<Location> = looked
                .candidates
                .into_iter()
                .filter(|location| self.wants(location, now))
                .take(self.parts.limits.per_cycle)
                .collect();
            // Claims of which the remote has not said whether they count are asked for again even
            // when there is nothing new.
            if !candidates.is_empty() || (self.parts.claims.has_unsettled() && now >= self.shared_after) {
                let taken = self.parts.claims.take(candidates).await;
                self.take_in_hand(taken, &mut found);
            }
        }
        self.work_on(cancel, &mut found).await;
        found
    }

    async fn house(&self) -> Result<House, WorkerError> {
        let handbook = self.parts.handbook.clone();
        let text = blocking(move || handbook.accepted()).await.ok_or(WorkerError::Ending)??;
        Ok(HouseRules::read(&text)?.house(&self.parts.allowance))
    }

    /// Makes the tasks that have become due.
    async fn make_due(&self, agenda: Agenda, now: DateTime<Utc>, found: &mut Found) {
        let vault = self.parts.vault.clone();
        match blocking(move || agenda.look(&vault, now)).await {
            Some(Ok(ids)) => {
                for id in &ids {
                    self.log(AuditEvent::new("schedule", Some(id.clone()))).await;
                }
                found.scheduled = ids;
            }
            Some(Err(error)) => found.trouble(error),
            None => {}
        }
    }

    pub(crate) fn standing(&self, id: &TaskId) -> Standing {
        self.agenda.as_ref().map_or(Standing::Draft, |agenda| agenda.standing(id))
    }

    fn quiet(&self) -> TimeDelta {
        TimeDelta::from_std(self.parts.quiet).unwrap_or(TimeDelta::MAX)
    }

    pub(crate) async fn is_stopped(&self) -> bool {
        let switch = self.parts.kill_switch.clone();
        blocking(move || switch.engaged().is_some()).await.unwrap_or(true)
    }

    fn wants(&self, location: &Location, now: DateTime<Utc>) -> bool {
        let kind = TaskKind::of(&location.id);
        let paused = self.parts.sync.is_some() && !router::one_claimant(kind) && now < self.shared_after;
        location.stage == Stage::NeedsAction
            && !location.id.as_str().starts_with(INCIDENT)
            && router::route(kind, self.parts.role) != Route::Skip
            && self.standing(&location.id) != Standing::Leave
            && self.parts.claims.may_take(location)
            && !paused
            && self.pauses.get(&location.id).is_none_or(|not_before| now >= *not_before)
    }

    fn take_in_hand(&mut self, taken: Taken, found: &mut Found) {
        found.lost += taken.lost.len();
        for id in taken.lost {
            self.leave_alone(id);
        }
        for (id, error) in taken.failed {
            found.trouble(format!("cannot claim {id}: {error}"));
            self.leave_alone(id);
        }
        if let Some(error) = taken.unpublished {
            self.remote_trouble(error.to_string(), found);
        }
        self.in_hand.extend(taken.owned);
    }

    /// A task that was put back, for whatever reason, is a change in the vault, which wakes the
    /// loop: without a pause it would be claimed and put back without end.
    pub(crate) fn leave_alone(&mut self, id: TaskId) {
        self.pauses.insert(id, self.parts.clock.now() + PAUSE);
    }

    /// Works on what is in hand, until the turn is over.
    async fn work_on(&mut self, cancel: &CancellationToken, found: &mut Found) {
        let begun = Instant::now();
        while let Some(claim) = self.in_hand.pop_front() {
            if cancel.is_cancelled() || self.is_stopped().await {
                self.give_back(claim, found).await;
                self.put_down().await;
                return;
            }
            self.work(claim, cancel, found).await;
            if begun.elapsed() >= TURN {
                return;
            }
        }
    }

    /// Works on one owned task and says where it ended.
    async fn work(&mut self, claim: Owned, cancel: &CancellationToken, found: &mut Found) {
        let id = claim.id().clone();
        let started = self.parts.clock.now();
        // One task that no draft can be made for stops no other, today or after a restart.
        let worked = AssertUnwindSafe(self.draft(&claim, cancel)).catch_unwind().await;
        let worked = worked.unwrap_or(Err(WorkerError::Panicked));
        let elapsed =
            u64::try_from((self.parts.clock.now() - started).num_milliseconds()).unwrap_or_default();
        match worked {
            Ok((stage, event)) => {
                self.pauses.remove(&id);
                self.log(AuditEvent { duration_ms: elapsed, ..event }).await;
                if let Err(error) = self.parts.claims.complete(claim).await {
                    found.trouble(format!("cannot remove the claim file of {id}: {error}"));
                }
                found.worked.push((id, stage));
            }
            Err(WorkerError::Ending) => self.give_back(claim, found).await,
            Err(WorkerError::Read(ReadError::Gone(_)) | WorkerError::Move(vault::MoveError::Gone(_))) => {
                // A person moved it while it was in work.
                tracing::info!(task = %id, "gone while in work");
                if let Err(error) = self.parts.claims.complete(claim).await {
                    found.trouble(format!("cannot remove the claim file of {id}: {error}"));
                }
            }
            Err(error) => self.failed(claim, error, found).await,
        }
    }

    pub(crate) async fn give_back(&self, claim: Owned, found: &mut Found) {
        let id = claim.id().clone();
        if let Err(error) = self.parts.claims.release(claim).await {
            found.trouble(format!("cannot release {id}: {error}; the next cycle tries again"));
        }
    }

    pub(crate) async fn log(&self, event: AuditEvent) {
        let (vault, agent, now) =
            (self.parts.vault.clone(), self.parts.agent.clone(), self.parts.clock.now());
        if let Some(Err(error)) = blocking(move || vault.log(&agent, event, now)).await {
            tracing::error!("cannot write the audit log: {error}");
        }
    }
}

/// Writes what was drafted, and moves the task on.
pub(crate) fn place(
    vault: &Vault,
    file: &TaskFile,
    task: &Task,
    to: Stage,
) -> Result<TaskFile, vault::MoveError> {
    fault::reach("draft.place")
        .map_err(|e| vault::FileError::new("write the draft", file.location.path(), e))?;
    vault.finish(file, task, to)
}

/// Runs file work off the runtime; `None` when the runtime is going down.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(fault::inherit(work)).await {
        Ok(value) => Some(value),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}
