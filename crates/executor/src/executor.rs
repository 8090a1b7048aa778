//! The executor: one cycle after another.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use futures::future::join_all;
use mcp_client::ToolCaller;
use signature::Register;
use task::{AgentId, Clock, Mode, Role};
use tokio_util::sync::CancellationToken;
use vault::{Handbook, KillSwitch, Vault};

use crate::admit::Work;
use crate::carry::{blocking, carry};
use crate::core::{Core, Problem, explain};
use crate::reserve::{Arbiter, Court};
use crate::{Journal, JournalError, Report, Seat, SeatError, Settlement};

/// What an executor is told.
pub struct Settings {
    /// The vault.
    pub vault: Vault,
    /// Its id; an order for another vault counts for nothing.
    pub vault_id: String,
    /// This agent, which an order must name.
    pub agent: AgentId,
    /// Its role.
    pub role: Role,
    /// Which orders are finished: live ones or dry ones.
    pub mode: Mode,
    /// The data directory: journal, lock files, and what the owner's reviews wrote down.
    pub data: PathBuf,
    /// What an approval needs, from this machine's own configuration.
    pub approval: config::Approval,
    /// The approvers list.
    pub approvers: PathBuf,
    /// How much may leave.
    pub limits: config::Limits,
    /// The handbook; what of it was accepted may lower the limits.
    pub handbook: Handbook,
    /// The kill switch's file in the data directory.
    pub stop_file: PathBuf,
    /// What tells this machine from others, where that is known.
    pub machine: Option<String>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Why an executor cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Without a journal nothing is carried out.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// This data directory has no right to.
    #[error(transparent)]
    Seat(#[from] SeatError),
}

/// Carries orders out.
pub struct Executor {
    core: Arc<Core>,
    caller: Arc<dyn ToolCaller>,
    ending: CancellationToken,
}

impl Executor {
    /// Opens the journal in the data directory (`journal.sqlite`) and sits down in its seat
    /// (`seat.json`). Blocks for a moment.
    pub fn open(settings: Settings, caller: Arc<dyn ToolCaller>) -> Result<Self, OpenError> {
        let journal = Journal::open(settings.data.join("journal.sqlite"))?;
        let seat = Seat::open(&settings.data, settings.machine.as_deref())?;
        let core = Core {
            kill_switch: KillSwitch::new(settings.vault.clone(), settings.stop_file),
            vault: settings.vault,
            vault_id: settings.vault_id,
            journal,
            agent: settings.agent,
            role: settings.role,
            mode: settings.mode,
            approvers: settings.approvers,
            limits: settings.limits,
            handbook: settings.handbook,
            register: Register::new(&settings.data),
            rules: settings.approval,
            locks: settings.data,
            clock: settings.clock,
            seat,
            court: None,
            sat: OnceLock::new(),
        };
        Ok(Self { core: Arc::new(core), caller, ending: CancellationToken::new() })
    }

    /// Has every order reserved before it is called. While the arbiter is out of reach, a seat that it
    /// confirmed before acts without it if `offline`.
    #[must_use]
    pub fn arbitrated_by(mut self, arbiter: Arc<dyn Arbiter>, offline: bool) -> Self {
        // Nobody else has it before the first cycle.
        if let Some(core) = Arc::get_mut(&mut self.core) {
            core.court = Some(Court { arbiter, offline, away: Mutex::default() });
        }
        self
    }

    /// Begins no further call once `ending` is cancelled; the one in hand is seen through.
    #[must_use]
    pub fn until(mut self, ending: CancellationToken) -> Self {
        self.ending = ending;
        self
    }

    /// Settles what a crash left behind and carries out what is approved. The orders of one server
    /// go one after another, those of different servers side by side. What goes wrong with one
    /// task is in the report and stops no other.
    ///
    /// Dropping the future in the middle of a call is a crash like any other: the next cycle
    /// finds out what came of it.
    pub async fn run_cycle(&self) -> Report {
        self.cycle()
            .await
            .unwrap_or_else(|problem| Report { problems: vec![explain(&problem)], ..Report::default() })
    }

    pub(crate) async fn cycle(&self) -> Result<Report, Problem> {
        let mut unseated = Report::default();
        if !self.core.may_sit(&mut unseated).await? {
            return Ok(unseated);
        }
        let core = self.core.clone();
        let (mut report, plan) = blocking(move || core.plan()).await?;
        for done in join_all(plan.into_values().map(|works| self.carry_all(works))).await {
            report.merge(done?);
        }
        for entry in &report.entries {
            tracing::debug!(task = %entry.id, end = ?entry.end, message = %entry.message, "order");
        }
        Ok(report)
    }

    /// One server's orders, one after another.
    async fn carry_all(&self, works: Vec<Work>) -> Result<Report, Problem> {
        let mut report = Report::default();
        for work in works {
            if self.ending.is_cancelled() {
                break;
            }
            let id = work.row.order.id.clone();
            match carry(&self.core, self.caller.as_ref(), work).await {
                Ok(done) => report.merge(done),
                Err(problem) if problem.is_fatal() => return Err(problem),
                Err(problem) => report.problems.push(format!("{id}: {}", explain(&problem))),
            }
            if report.stopped.is_some() {
                break;
            }
        }
        Ok(report)
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.core.journal
    }

    #[cfg(test)]
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// The kill switch.
    pub fn kill_switch(&self) -> &KillSwitch {
        &self.core.kill_switch
    }

    /// For the owner's word on what nobody knows.
    pub fn settlement(&self) -> Settlement {
        Settlement {
            vault: self.core.vault.clone(),
            journal: self.core.journal.clone(),
            agent: self.core.agent.clone(),
            clock: self.core.clock.clone(),
        }
    }
}
