//! Tries that failed: counted in the task, so that neither a restart nor the other agent begins to
//! count anew, and ended in `Errors`.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use claim::{Owned, Taken};
use task::{AuditEvent, AuditOutcome, Location, Stage, TaskId, retry_pause, return_pause};
use vault::{ReadError, Vault};

use crate::cycle::blocking;
use crate::error::Hope;
use crate::{Found, Worker, WorkerError};

/// What follows on a failure.
pub(crate) enum Next {
    /// Another try, not before.
    Again(DateTime<Utc>),
    /// It is in `Errors`; it comes back by itself at this time, or not at all.
    Aside(Option<DateTime<Utc>>),
}

/// A failure, in words and numbers.
pub(crate) struct Counted {
    tries: u32,
    next: Next,
}

/// Why a failure could not be counted.
type CountError = Box<dyn std::error::Error + Send + Sync>;

/// The property that says what the owner can do about a task in Errors.
const NEXT: &str = "next";

/// Writes a failure into a task in work; after the last try it goes to Errors with its reason, one
/// that does not parse as it is.
fn count(
    vault: &Vault,
    location: &Location,
    (reason, hope): (&str, Hope),
    limits: &config::Claims,
    now: DateTime<Utc>,
) -> Result<Counted, CountError> {
    let file = match vault.read(location) {
        Ok(file) => file,
        Err(error @ (ReadError::File(_) | ReadError::Gone(_))) => return Err(error.into()),
        Err(_) => {
            vault.quarantine(Path::new(&location.path()), reason)?;
            return Ok(Counted { tries: 1, next: Next::Aside(None) });
        }
    };
    let mut task = file.task.clone();
    let front = &mut task.front;
    let tries = front.attempts.saturating_add(1);
    if tries < limits.max_attempts && hope != Hope::None {
        let base = chrono::TimeDelta::seconds(limits.retry_seconds.into());
        let at = now + retry_pause(base, &location.id, tries);
        front.failed(reason, Some(at));
        vault.replace(&file, &task)?;
        return Ok(Counted { tries, next: Next::Again(at) });
    }
    let base = chrono::TimeDelta::minutes(limits.return_minutes.into());
    let returns = front.returns;
    let back = (hope == Hope::Passing && returns < limits.returns)
        .then(|| now + return_pause(base, &location.id, returns));
    front.failed(reason, back);
    // What the owner can do, where Obsidian shows it; a retry takes it out again.
    front.extra.insert(NEXT.to_owned(), format!("local-agent retry {}", location.id).into());
    vault.finish(&file, &task, Stage::Errors)?;
    Ok(Counted { tries, next: Next::Aside(back) })
}

/// The file in the data directory that names the task in work. It outlives the program, not a
/// power cut: a task that ends the program is to be known, and no other.
#[derive(Clone, Debug)]
pub(crate) struct InWork(PathBuf);

impl InWork {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Notes that work on a task begins. What could not be noted is no reason not to begin.
    pub(crate) fn begin(&self, id: &TaskId) {
        if let Err(error) = std::fs::write(&self.0, id.as_str()) {
            tracing::warn!("cannot note in {} which task is in work: {error}", self.0.display());
        }
    }

    /// The task on which work began last.
    fn last(&self) -> Option<TaskId> {
        std::fs::read_to_string(&self.0).ok()?.trim().parse().ok()
    }
}

impl Worker {
    /// Counts a failure: the task is released for another try, or set aside after the last.
    pub(crate) async fn failed(&mut self, claim: Owned, error: WorkerError, found: &mut Found) {
        let id = claim.id().clone();
        let (reason, hope) = (error.to_string(), error.hope());
        let Some(counted) = self.count(&claim, reason.clone(), hope).await else { return };
        let tries = counted.as_ref().map_or(1, |counted| counted.tries);
        let event = AuditEvent::new("draft", Some(id.clone()))
            .with("reason", reason.clone())
            .with("attempt", tries)
            .result(AuditOutcome::Failed);
        self.log(event).await;
        match counted.map(|counted| counted.next) {
            Ok(Next::Again(at)) => {
                let wait = (at - self.parts.clock.now()).num_seconds();
                found.trouble(format!("{id}: {reason}; it is tried again in {wait} s"));
                self.give_back(claim, found).await;
            }
            Ok(Next::Aside(back)) => {
                let back = back.map_or_else(String::new, |at| {
                    format!("; it comes back by itself at {}", at.format("%Y-%m-%d %H:%M UTC"))
                });
                found.set_aside.push((id.to_string(), format!("{reason}{back}")));
                if let Err(error) = self.parts.claims.complete(claim).await {
                    found.trouble(format!("cannot remove the claim file of {id}: {error}"));
                }
            }
            // A full disk, say. In work it would stay until the next start.
            Err(error) => {
                found.trouble(format!("cannot note that {id} failed ({reason}): {error}"));
                self.leave_alone(id);
                self.give_back(claim, found).await;
            }
        }
    }

    /// Of what this agent had in work when it ended: the task on which it was at work is taken to
    /// have ended it. The first time it goes on all the same, for a power cut ends programs too;
    /// from the second time on that counts like any failure, and the others come first.
    pub(crate) async fn struck(&mut self, taken: &mut Taken, found: &mut Found) {
        let in_work = self.parts.in_work.clone();
        let Some(Some(last)) = blocking(move || InWork::new(in_work).last()).await else { return };
        let Some(at) = taken.owned.iter().position(|claim| *claim.id() == last) else { return };
        let claim = taken.owned.swap_remove(at);
        let (vault, location) = (self.parts.vault.clone(), claim.location().clone());
        let first = move || {
            let file = vault.read(&location)?;
            if file.task.front.attempts > 0 {
                return Ok::<_, CountError>(false);
            }
            let mut task = file.task.clone();
            task.front.failed(&WorkerError::CutOff.to_string(), None);
            vault.replace(&file, &task)?;
            Ok(true)
        };
        match blocking(first).await {
            Some(Ok(false)) => self.failed(claim, WorkerError::CutOff, found).await,
            // What cannot be written is said when it is worked on.
            Some(Ok(true) | Err(_)) | None => taken.owned.push(claim),
        }
    }

    async fn count(&self, claim: &Owned, reason: String, hope: Hope) -> Option<Result<Counted, CountError>> {
        let (vault, location) = (self.parts.vault.clone(), claim.location().clone());
        let (limits, now) = (self.parts.limits.clone(), self.parts.clock.now());
        blocking(move || count(&vault, &location, (&reason, hope), &limits, now)).await
    }
}
