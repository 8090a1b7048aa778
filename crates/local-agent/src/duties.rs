//! What the owner's machine does beside the shared cycle: it carries signed orders out, and
//! writes the dashboard.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use daemon::{Failure, Setup};
use executor::{End, Entry, Executor, OpenError, SeatError};
use health::Heartbeat;
use mcp_client::{IDLE, ToolCaller};
use reports::briefing::Pages;
use reports::{AgentSign, Given, Reporter};
use sync::Sync;
use task::{AgentId, AuditEvent, Clock, Mode};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use vault::{Folder, Vault};
use worker::{Duties, Found, Vitals};

use crate::arbiter::Remote;
use crate::errors::ErrorDesk;

/// The owner's machine's own work.
pub struct OwnersDuties {
    vault: Vault,
    vitals: Vitals,
    /// Absent until `init` has been run: then nothing can have been signed either.
    executor: Option<Arc<Executor>>,
    /// Orders that are being carried out beside the loop: a call may take as long as its time limit,
    /// and neither heartbeat nor sync wait for it.
    running: Option<JoinHandle<executor::Report>>,
    /// Whether there was a reason to look again while they were.
    again: bool,
    tools: Arc<dyn ToolCaller>,
    reporter: Reporter,
    errors: ErrorDesk,
    pages: Pages,
    agent: AgentId,
    limits: config::Health,
    clock: Arc<dyn Clock>,
    entries: Vec<Entry>,
    /// When the next order may be carried out that waits for its time to be taken back.
    due: Option<DateTime<Utc>>,
    /// When the next one is tried again that something kept from being carried out.
    again_at: Option<DateTime<Utc>>,
    /// How long one round waits for such orders.
    patience: Duration,
    ending: CancellationToken,
}

/// How long `--once` waits for orders that can still be taken back; later ones are left to the
/// next round.
const PATIENCE: Duration = Duration::from_secs(60);

impl OwnersDuties {
    /// For a setup; what is signed is asked of `tools`.
    pub fn open(
        setup: &Setup,
        vault: Vault,
        vitals: Vitals,
        sync: Option<Arc<Sync>>,
        tools: Arc<dyn ToolCaller>,
        clock: Arc<dyn Clock>,
        ending: CancellationToken,
    ) -> Result<Self, Failure> {
        // One that a person changed stays as it is.
        if let Err(error) = vault.create_page(reports::TASK_TEMPLATE_PATH, reports::TASK_TEMPLATE) {
            tracing::warn!("cannot write the template of a task: {error}");
        }
        let executor = match approval::read_vault_id(&setup.data.vault_id()) {
            Err(error) if setup.data.vault_id().exists() || setup.data.approvers().exists() => {
                return Err(Failure::failed("cannot tell which vault this is").because(error));
            }
            Err(_) => None,
            Ok(vault_id) => {
                let settings = executor::Settings {
                    vault: vault.clone(),
                    vault_id,
                    agent: setup.agent.clone(),
                    role: setup.role,
                    mode: mode(setup),
                    data: setup.data.root().to_owned(),
                    approval: setup.config.approval.clone(),
                    approvers: setup.data.approvers(),
                    limits: setup.config.limits.clone(),
                    handbook: worker::handbook(setup, &vault),
                    stop_file: setup.data.stopped(),
                    machine: daemon::machine_name(),
                    clock: Arc::clone(&clock),
                };
                let executor =
                    Executor::open(settings, Arc::clone(&tools)).map_err(not_seated)?.until(ending.clone());
                Some(Arc::new(match sync {
                    Some(sync) => {
                        executor.arbitrated_by(Arc::new(Remote(sync)), setup.config.sync.orders_offline)
                    }
                    None => executor,
                }))
            }
        };
        Ok(Self {
            pages: Pages::new(vault.clone(), setup.data.suggestions()),
            errors: ErrorDesk::new(setup, vault.clone(), Arc::clone(&clock)),
            vault,
            vitals,
            executor,
            running: None,
            again: false,
            tools,
            reporter: Reporter::new(),
            agent: setup.agent.clone(),
            limits: setup.config.health.clone(),
            clock,
            entries: Vec::new(),
            due: None,
            again_at: None,
            patience: Duration::ZERO,
            ending,
        })
    }

    /// The same for one round, which waits for what it may carry out soon.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.patience = PATIENCE;
        self
    }

    /// Before one round: what is due in Errors comes back, so that the round has it.
    pub async fn see_to_errors(&self) {
        self.errors.look().await;
    }

    /// Every order that was looked at, with how far it came.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many drafts wait for the owner.
    pub fn waiting(&self) -> usize {
        self.vault.list(&Folder::PendingApproval).map(|listing| listing.tasks.len()).unwrap_or_default()
    }

    /// Ends the tool servers.
    pub async fn close(&self) {
        self.tools.end().await;
    }
}

/// Live or rehearsal, as the switches say.
pub fn mode(setup: &Setup) -> Mode {
    if setup.modes.dry_run { Mode::Dry } else { Mode::Live }
}

/// Starting again does not help against a seat that is not this machine's.
fn not_seated(error: OpenError) -> Failure {
    let seat = matches!(error, OpenError::Seat(SeatError::Copied { .. }));
    match seat {
        true => Failure::usage("this machine may not carry orders out").because(error).hint(
            "if the other machine is gone, or will never run again: local-agent take-seat. If this is to be a machine \
             of its own: an empty data directory and local-agent init",
        ),
        false => Failure::failed("cannot open the journal").because(error),
    }
}

impl Duties for OwnersDuties {
    async fn after_cycle(&mut self, found: &mut Found) {
        self.vitals.count(found);
        self.begin();
        self.take_suggestions(found);
        self.write_dashboard(found);
    }

    async fn ended(&mut self) -> Found {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let report = running.await;
        self.running = None;
        let mut found = Found::default();
        self.note(report, &mut found);
        if std::mem::take(&mut self.again) && !self.ending.is_cancelled() {
            self.begin();
        }
        if found.changed() {
            self.write_dashboard(&mut found);
        }
        found
    }

    async fn finish(&mut self) -> Found {
        let mut found = Found::default();
        let end = Instant::now() + self.patience;
        while self.running.is_some() {
            found.add(self.ended().await);
            if self.running.is_some() {
                continue;
            }
            // What could not be carried out now is left to the next round.
            let Some(wait) = self.until(self.due).filter(|wait| Instant::now() + *wait < end) else { break };
            tokio::select! {
                () = tokio::time::sleep(wait) => self.begin(),
                () = self.ending.cancelled() => break,
            }
        }
        found
    }

    fn due(&self) -> Option<Duration> {
        // What runs is waited for first.
        let due = self.due.into_iter().chain(self.again_at).min().filter(|_| self.running.is_none());
        self.until(due)
    }

    async fn beat(&mut self) -> bool {
        self.tools.rest(IDLE).await;
        let seen_to = self.errors.look().await;
        self.vitals.beat().await || seen_to
    }
}

impl OwnersDuties {
    /// From now until `due`, a little more, so that the clock is past it.
    fn until(&self, due: Option<DateTime<Utc>>) -> Option<Duration> {
        let wait = (due? - self.clock.now()).to_std();
        Some(wait.unwrap_or_default() + Duration::from_millis(50))
    }

    /// Has the executor look, unless it is at work.
    fn begin(&mut self) {
        self.again = self.running.is_some();
        if let Some(executor) = self.executor.clone().filter(|_| self.running.is_none()) {
            self.running = Some(tokio::spawn(async move { executor.run_cycle().await }));
        }
    }

    /// Takes in what the executor reports.
    fn note(&mut self, report: Result<executor::Report, JoinError>, found: &mut Found) {
        let report = match report {
            Ok(report) => report,
            Err(error) => return found.trouble(format!("carrying orders out ended early: {error}")),
        };
        for entry in &report.entries {
            match entry.end {
                End::Waiting => {}
                End::Failed | End::Unknown | End::Refused => {
                    self.vitals.count_order(true);
                    tracing::warn!(task = %entry.id, "{}", sentence(entry));
                }
                End::Done | End::Dry | End::Returned => {
                    self.vitals.count_order(false);
                    tracing::info!(task = %entry.id, "{}", sentence(entry));
                }
            }
        }
        found.orders += report.entries.iter().filter(|entry| entry.end != End::Waiting).count();
        for problem in report.problems {
            found.trouble(problem);
        }
        // What waited before is told by how it ended.
        self.entries
            .retain(|old| old.end != End::Waiting || report.entries.iter().all(|new| new.id != old.id));
        self.entries.extend(report.entries);
        // Only the newest are of interest, and only to `--once`.
        let surplus = self.entries.len().saturating_sub(200);
        self.entries.drain(..surplus);
        self.due = report.due;
        self.again_at = report.again;
    }

    /// What the owner ticked on a briefing becomes a task.
    fn take_suggestions(&self, found: &mut Found) {
        let (taken, wrong) = self.pages.take(self.clock.now());
        for ticked in taken {
            tracing::info!(task = %ticked.task, "a suggestion was ticked");
            let mut event =
                AuditEvent::new("suggestion", Some(ticked.task.clone())).with("page", ticked.page);
            event.actor = "owner".into();
            if let Err(error) = self.vault.log(&self.agent, event, self.clock.now()) {
                found.trouble(format!("cannot write the audit log: {error}"));
            }
            found.scheduled.push(ticked.task);
        }
        for error in wrong {
            tracing::warn!("{error}");
        }
    }

    fn write_dashboard(&mut self, found: &mut Found) {
        let here = Heartbeat::read_all(&self.vault).unwrap_or_default();
        let mut signs: Vec<AgentSign> = here.into_iter().map(|beat| AgentSign::from(&beat)).collect();
        for peer in self.vitals.peers().iter() {
            signs.push(AgentSign::remote(peer.agent.clone(), &peer.note, peer.last_sign));
        }
        let given = Given {
            now: self.clock.now(),
            agent: &self.agent,
            health: &self.limits,
            signs: &signs,
            warnings: &self.vitals.warnings(),
        };
        match self.reporter.refresh(&self.vault, &given) {
            Ok(written) => found.page_written |= written,
            Err(error) => found.trouble(format!("cannot write the dashboard: {error}")),
        }
    }
}

/// What became of an order, in a line.
pub fn sentence(entry: &Entry) -> String {
    let what = match entry.end {
        End::Done => "carried out",
        End::Dry => "rehearsed, nothing was sent",
        End::Failed => "not carried out",
        End::Unknown => "nobody knows whether it was carried out; settle it with local-agent resolve",
        End::Refused => "refused",
        End::Returned => "back to you",
        End::Waiting => "waits",
    };
    if entry.message.is_empty() { what.to_owned() } else { format!("{what}: {}", entry.message) }
}
