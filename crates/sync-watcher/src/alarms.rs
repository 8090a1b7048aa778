//! What synchronisation did not let through becomes an incident for the owner, also while no agent
//! runs. Its state is apart from the agent's, which keeps its own.

use std::sync::Arc;

use daemon::{Failure, OrFailure as _, Setup};
use health::Incidents;
use sync::Sync;
use task::{AgentId, Clock, SystemClock};
use vault::Vault;

pub(crate) struct Alarms {
    agent: AgentId,
    vault: Vault,
    sync: Sync,
    /// Away only while they are being brought up to date.
    incidents: Option<Incidents>,
    clock: Arc<dyn Clock>,
}

impl Alarms {
    pub(crate) fn open(setup: &Setup, vault: Vault, sync: Sync) -> Result<Self, Failure> {
        let incidents = Incidents::open(setup.data.root().join("watcher-incidents.json"))
            .or_failed("cannot read what is known of incidents")?;
        let (agent, clock) = (setup.agent.clone(), Arc::new(SystemClock));
        Ok(Self { agent, vault, sync, incidents: Some(incidents), clock })
    }

    /// Brings the incidents in line with how synchronisation stands; says whether that made or
    /// changed a task.
    pub(crate) async fn raise(mut self) -> (Self, bool) {
        let status = self.sync.status();
        let mut alarms = health::withheld(&self.agent, &status.withheld);
        alarms.extend(health::foreign(&self.agent, &status.foreign));
        let Some(mut incidents) = self.incidents.take() else { return (self, false) };
        let (vault, agent, now) = (self.vault.clone(), self.agent.clone(), self.clock.now());
        let updated = tokio::task::spawn_blocking(move || {
            let changes = incidents.update(&vault, &agent, &alarms, now);
            for error in &changes.failed {
                tracing::warn!("{error}");
            }
            (incidents, !changes.opened.is_empty() || !changes.recovered.is_empty())
        });
        match updated.await {
            Ok((incidents, changed)) => {
                self.incidents = Some(incidents);
                (self, changed)
            }
            // It has panicked, which has been said, or the runtime is ending.
            Err(_) => (self, false),
        }
    }
}
