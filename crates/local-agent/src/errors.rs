//! What lies in Errors, on the owner's machine: a note beside each task, the owner's ticks on them,
//! and what comes back by itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use daemon::Setup;
use executor::{Journal, JournalError, Settlement, SettlementError, returning};
use reports::{Choice, Notes};
use task::{AgentId, Clock, TaskId};
use vault::{KillSwitch, Vault};

/// Sees to Errors. Only the owner's machine does: what another one takes out of there is refused.
#[derive(Clone)]
pub(crate) struct ErrorDesk {
    vault: Vault,
    journal: PathBuf,
    agent: AgentId,
    notes: Notes,
    /// Ticks that could not be done, and why: they stay on their notes until the next one.
    refused: Arc<Mutex<BTreeMap<TaskId, String>>>,
    kill_switch: KillSwitch,
    clock: Arc<dyn Clock>,
}

/// Why Errors could not be seen to.
type DeskError = Box<dyn std::error::Error + Send + Sync>;

impl ErrorDesk {
    pub(crate) fn new(setup: &Setup, vault: Vault, clock: Arc<dyn Clock>) -> Self {
        Self {
            kill_switch: KillSwitch::new(vault.clone(), setup.data.stopped()),
            notes: Notes::new(vault.clone(), setup.data.error_notes()),
            refused: Arc::default(),
            vault,
            journal: setup.data.journal(),
            agent: setup.agent.clone(),
            clock,
        }
    }

    /// Does what was ticked, gives back what is due, and brings the notes up to date; whether the
    /// vault changed by it.
    pub(crate) async fn look(&self) -> bool {
        let desk = self.clone();
        match tokio::task::spawn_blocking(move || desk.see_to_all()).await {
            Ok(Ok(changed)) => changed,
            Ok(Err(error)) => {
                tracing::warn!("cannot see to Errors: {error}");
                false
            }
            // The runtime is going down.
            Err(_) => false,
        }
    }

    fn see_to_all(&self) -> Result<bool, DeskError> {
        if self.kill_switch.engaged().is_some() {
            return Ok(false);
        }
        let answered = self.take_ticks()?;
        let back = self.give_back()?;
        let mut answers: BTreeMap<TaskId, Option<String>> =
            answered.iter().map(|id| (id.clone(), None)).collect();
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|id, _| self.vault.path_of(&format!("Errors/{id}.md")).exists());
        answers.extend(refused.iter().map(|(id, why)| (id.clone(), Some(why.clone()))));
        std::mem::drop(refused);
        let noted = self.notes.refresh(&answers)?;
        Ok(!answered.is_empty() || back || noted)
    }

    /// Does what was ticked; the tasks concerned. What cannot be done is said on the note.
    fn take_ticks(&self) -> Result<Vec<TaskId>, DeskError> {
        let ticked = self.notes.ticked()?;
        if ticked.is_empty() {
            return Ok(Vec::new());
        }
        let settlement = self.settlement()?;
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, choice) in &ticked {
            match decide(&settlement, id, *choice) {
                Ok(()) => {
                    tracing::info!(task = %id, ?choice, "ticked on its note");
                    refused.remove(id);
                }
                Err(error) => {
                    tracing::warn!(task = %id, "what was ticked on its note could not be done: {error}");
                    refused.insert(id.clone(), error.to_string());
                }
            }
        }
        Ok(ticked.into_iter().map(|(id, _)| id).collect())
    }

    fn give_back(&self) -> Result<bool, DeskError> {
        let due = returning(&self.vault, self.clock.now())?;
        if due.is_empty() {
            return Ok(false);
        }
        let returned = self.settlement()?.give_back(&due);
        for id in &returned.tasks {
            tracing::info!(task = %id, "back from Errors for another try");
        }
        returned.problems.iter().for_each(|problem| tracing::warn!("{problem}"));
        Ok(!returned.tasks.is_empty())
    }

    fn settlement(&self) -> Result<Settlement, JournalError> {
        Ok(Settlement {
            vault: self.vault.clone(),
            journal: Journal::open(&self.journal)?,
            agent: self.agent.clone(),
            clock: Arc::clone(&self.clock),
        })
    }
}

fn decide(settlement: &Settlement, id: &TaskId, choice: Choice) -> Result<(), SettlementError> {
    match choice {
        Choice::Retry => settlement.retry(id).map(drop),
        Choice::Drop => settlement.drop(id).map(drop),
        Choice::Later => settlement.ask_later(id, TimeDelta::days(1)).map(drop),
    }
}
