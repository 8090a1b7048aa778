//! What lies in Errors, on the owner's machine: what is due there comes back by itself.

use std::path::PathBuf;
use std::sync::Arc;

use daemon::Setup;
use executor::{Journal, Returned, Settlement, returning};
use task::{AgentId, Clock};
use vault::{KillSwitch, Vault};

/// Sees to Errors. Only the owner's machine does: what another one takes out of there is refused.
#[derive(Clone)]
pub(crate) struct ErrorDesk {
    vault: Vault,
    journal: PathBuf,
    agent: AgentId,
    kill_switch: KillSwitch,
    clock: Arc<dyn Clock>,
}

impl ErrorDesk {
    pub(crate) fn new(setup: &Setup, vault: Vault, clock: Arc<dyn Clock>) -> Self {
        Self {
            kill_switch: KillSwitch::new(vault.clone(), setup.data.stopped()),
            vault,
            journal: setup.data.journal(),
            agent: setup.agent.clone(),
            clock,
        }
    }

    /// Gives back to the agents what is due; whether there was any.
    pub(crate) async fn give_back(&self) -> bool {
        let desk = self.clone();
        match tokio::task::spawn_blocking(move || desk.look()).await {
            Ok(Ok(Returned { tasks, problems })) => {
                for id in &tasks {
                    tracing::info!(task = %id, "back from Errors for another try");
                }
                problems.iter().for_each(|problem| tracing::warn!("{problem}"));
                !tasks.is_empty()
            }
            Ok(Err(error)) => {
                tracing::warn!("cannot look into Errors: {error}");
                false
            }
            // The runtime is going down.
            Err(_) => false,
        }
    }

    fn look(&self) -> Result<Returned, Box<dyn std::error::Error + Send + Sync>> {
        if self.kill_switch.engaged().is_some() {
            return Ok(Returned::default());
        }
        let due = returning(&self.vault, self.clock.now())?;
        if due.is_empty() {
            return Ok(Returned::default());
        }
        Ok(self.settlement()?.give_back(&due))
    }

    fn settlement(&self) -> Result<Settlement, executor::JournalError> {
        Ok(Settlement {
            vault: self.vault.clone(),
            journal: Journal::open(&self.journal)?,
            agent: self.agent.clone(),
            clock: Arc::clone(&self.clock),
        })
    }
}
