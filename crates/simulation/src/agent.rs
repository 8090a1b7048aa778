//! One machine: a vault, a data directory, and the process that may be running there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use claim::Claims;
use executor::{Executor, State};
use fault::{Effect, Plan};
use sync::Side;
use sync::simulated::Machine;
use task::{AgentId, FixedClock, FrontMatter, Location, Mode, Role, Stage, Task, TaskId};
use tokio_util::sync::CancellationToken;
use vault::{Handbook, KillSwitch, Limits, Vault};
use worker::{Parts, Worker};

use crate::Office;
use crate::pen::Pen;
use crate::process::{Ended, block_on, step};
use crate::services::Services;
use crate::world::World;

/// Who carries orders out.
pub(crate) const EXECUTOR: &str = "local-001";

pub(crate) struct Agent {
    pub(crate) id: AgentId,
    pub(crate) role: Role,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) vault: Vault,
    pub(crate) data: PathBuf,
    process: Option<Process>,
}

struct Process {
    incarnation: u32,
    machine: Machine,
    worker: Worker,
    executor: Option<Executor>,
}

/// The vault id and the approvers that an executor works with.
pub(crate) struct Trust {
    pub(crate) vault_id: String,
    pub(crate) approvers_file: PathBuf,
    pub(crate) approvers: signature::Approvers,
}

impl Trust {
    pub(crate) fn of(office: &Office) -> Self {
        Self {
            vault_id: office.vault_id.clone(),
            approvers_file: office.files.approvers.clone(),
            approvers: office.approvers.clone(),
        }
    }
}

impl Agent {
    pub(crate) fn new(id: &str, role: Role, home: &Path, now: DateTime<Utc>) -> Result<Self, String> {
        let data = home.join("data");
        std::fs::create_dir_all(&data).map_err(|error| format!("make {}: {error}", data.display()))?;
        let vault = Vault::open(home.join("vault"), Limits::default()).map_err(|error| error.to_string())?;
        let id = id.parse().map_err(|error| format!("{id}: {error}"))?;
        Ok(Self { id, role, clock: Arc::new(FixedClock::new(now)), vault, data, process: None })
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// The process ends, as by a kill.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    /// Begins a process, and takes in hand what the last one left.
    pub(crate) fn start(&mut self, world: &World, trust: &Trust) {
        let (plan, dies) = world.shared.plan();
        let incarnation = world.shared.incarnation();
        let (begun, struck) = step(plan, incarnation, || self.begin(world, trust, incarnation));
        let ended = match begun {
            Ended::With(Ok(process)) => {
                self.process = Some(process);
                Ended::With(String::new())
            }
            Ended::With(Err(error)) => Ended::With(error),
            Ended::Crashed => Ended::Crashed,
            Ended::Panicked(words) => Ended::Panicked(words),
        };
        self.told(world, "starts", struck, dies, ended);
    }

    fn begin(&self, world: &World, trust: &Trust, incarnation: u32) -> Result<Process, String> {
        let settings = sync::Settings {
            vault: self.vault.clone(),
            config: config::Sync {
                enabled: true,
                remote: Some("simulated".into()),
                push_gap_seconds: 0,
                ..config::Sync::default()
            },
            agent: self.id.clone(),
            state_dir: self.data.clone(),
            side: if self.role == Role::Local { Side::Owner } else { Side::Other },
        };
        let machine = Machine::open(settings, self.clock.clone(), &world.remote, world.wires.clone())
            .map_err(|error| error.to_string())?;
        let claims = claim::Settings {
            agent: self.id.clone(),
            executor: EXECUTOR.parse().map_err(|_| "the executor's name".to_owned())?,
            state_file: self.data.join("claims.json"),
            stale_after: Duration::from_secs(3600),
        };
        let claims = Claims::new(self.vault.clone(), claims, self.clock.clone())
            .published_by(Arc::new(machine.clone()));
        let handbook = Handbook::new(self.vault.clone(), self.data.join("handbook.md"));
        let mut worker = Worker::new(Parts {
            vault: self.vault.clone(),
            claims,
            sync: None,
            drafter: Box::new(Pen { agent: self.id.clone(), shared: world.shared.clone() }),
            tools: None,
            agent: self.id.clone(),
            role: self.role,
            owner_name: "Owner".into(),
            accounts: drafter::Accounts::default(),
            allowance: config::Limits::default(),
            limits: config::Claims::default(),
            quiet: Duration::from_secs(30),
            handbook: handbook.clone(),
            in_work: self.data.join("in-work"),
            kill_switch: KillSwitch::new(self.vault.clone(), self.data.join("stopped")),
            clock: self.clock.clone(),
        });
        let executor = match self.role {
            Role::Local => Some(self.executor(world, trust, handbook)?),
            _ => None,
        };
        block_on(worker.resume());
        Ok(Process { incarnation, machine, worker, executor })
    }

    fn executor(&self, world: &World, trust: &Trust, handbook: Handbook) -> Result<Executor, String> {
        let settings = executor::Settings {
            vault: self.vault.clone(),
            vault_id: trust.vault_id.clone(),
            agent: self.id.clone(),
            role: Role::Local,
            mode: Mode::Live,
            data: self.data.clone(),
            approval: crate::owner::rules(),
            approvers: trust.approvers_file.clone(),
            limits: crate::owner::limits(),
            handbook,
            stop_file: self.data.join("stopped"),
            machine: None,
            clock: self.clock.clone(),
        };
        let services = Services {
            shared: world.shared.clone(),
            approvers: trust.approvers.clone(),
            clock: self.clock.clone(),
        };
        Executor::open(settings, Arc::new(services)).map_err(|error| error.to_string())
    }

    /// Brings the vault and the remote together.
    pub(crate) fn sync(&mut self, world: &World) {
        self.act(world, "synchronises", |process| match process.machine.flush() {
            Ok(report) if report.changed() => {
                format!("{} in, {} out, kept {:?}", report.pulled, report.pushed, report.conflicts)
            }
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        });
    }

    /// Synchronises, and dies half-way.
    pub(crate) fn sync_cut_off(&mut self, world: &World) {
        let nth = 2 + world.shared.draw(7);
        let plan = world.shared.flawed(Plan::at("sync.", nth, Effect::Unwind));
        let Some(process) = &mut self.process else { return };
        let (ended, struck) = step(plan, process.incarnation, || match process.machine.flush() {
            Ok(report) => format!("{} in, {} out", report.pulled, report.pushed),
            Err(error) => error.to_string(),
        });
        self.told(world, "synchronises, to be cut off,", struck, true, ended);
    }

    /// Claims and drafts.
    pub(crate) fn cycle(&mut self, world: &World) {
        self.act(world, "works", |process| {
            let found = block_on(process.worker.cycle(&CancellationToken::new()));
            if found.worked.is_empty() && found.troubles.is_empty() {
                return String::new();
            }
            format!("{:?} {:?}", found.worked, found.troubles)
        });
    }

    /// Looks for claims of agents that are gone.
    pub(crate) fn reclaim(&mut self, world: &World) {
        let (shared, id) = (world.shared.clone(), self.id.clone());
        self.act(world, "looks for stale claims", |process| {
            let found = block_on(process.worker.reclaim());
            for task in &found.reclaimed {
                shared.model().takes_back(&id, task);
            }
            if found.reclaimed.is_empty() { String::new() } else { format!("{:?}", found.reclaimed) }
        });
    }

    /// Carries out what is approved.
    pub(crate) fn execute(&mut self, world: &World) {
        self.act(world, "executes", |process| {
            let Some(executor) = &process.executor else { return String::new() };
            let report = block_on(executor.run_cycle());
            let ends: Vec<String> = report
                .entries
                .iter()
                .map(|entry| format!("{} {:?}: {}", entry.id, entry.end, entry.message))
                .collect();
            if ends.is_empty() && report.problems.is_empty() {
                return String::new();
            }
            format!("{} {:?}", ends.join("; "), report.problems)
        });
    }

    /// The owner says what came of the orders of which nobody knows.
    pub(crate) fn settle(&mut self, world: &World) {
        let shared = world.shared.clone();
        self.act(world, "asks the owner", |process| {
            let Some(executor) = &process.executor else { return String::new() };
            let settlement = executor.settlement();
            let mut said = Vec::new();
            for row in executor.journal().in_state(State::Unknown).unwrap_or_default() {
                let id = &row.order.id;
                let happened = shared.model().has_happened(id);
                let verdict = if happened { executor::Verdict::Sent } else { executor::Verdict::NotSent };
                said.push(match settlement.resolve(id, verdict) {
                    Ok(_) => format!("{id}: {verdict:?}"),
                    Err(error) => format!("{id}: {error}"),
                });
            }
            said.join("; ")
        });
    }

    /// A source brings a new task.
    pub(crate) fn arrive(&mut self, world: &World, id: TaskId) {
        let (vault, now) = (self.vault.clone(), chrono_now(&self.clock));
        let word = format!("mail-{id}");
        let (plan, dies) = world.shared.plan();
        let incarnation = world.shared.incarnation();
        let (created, struck) = step(plan, incarnation, || {
            let front = FrontMatter::new(id.clone(), now);
            let body = task::Body::of_original(&word).to_markdown();
            vault.create(&Location::new(Stage::NeedsAction, id.clone()), &Task::new(front, body))
        });
        let acknowledged = matches!(created, Ended::With(Ok(_)));
        if acknowledged {
            let mut model = world.shared.model();
            model.created.insert(id.clone());
            model.words.push(word);
        }
        let ended = match created {
            Ended::With(Ok(_)) => Ended::With(id.to_string()),
            Ended::With(Err(error)) => Ended::With(error.to_string()),
            Ended::Crashed => Ended::Crashed,
            Ended::Panicked(words) => Ended::Panicked(words),
        };
        // A watcher's end is not the agent's here: what it shares with it is the vault.
        self.told(world, "receives", struck, dies && !acknowledged, ended);
    }

    fn act(&mut self, world: &World, what: &str, work: impl FnOnce(&mut Process) -> String + Send) {
        let Some(process) = &mut self.process else { return };
        let (plan, dies) = world.shared.plan();
        let (ended, struck) = step(plan, process.incarnation, || work(process));
        self.told(world, what, struck, dies, ended);
    }

    fn told(&mut self, world: &World, what: &str, struck: bool, dies: bool, ended: Ended<String>) {
        let mut model = world.shared.model();
        let id = &self.id;
        match ended {
            Ended::Panicked(words) => model.violated(format!("{id} {what} and panics: {words}")),
            _ if struck && dies => {
                model.crashes += 1;
                model.note(format!("{id} {what} and crashes"));
                drop(model);
                self.process = None;
            }
            Ended::With(said) => {
                model.failures += u32::from(struck);
                let fault = if struck { " (a step fails)" } else { "" };
                model.note(format!("{id} {what}{fault} {said}"));
            }
            Ended::Crashed => model.violated(format!("{id} {what} and unwinds without a plan")),
        }
    }

    /// How synchronisation stands, in words, if it does not stand well.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.process.as_ref().and_then(|process| process.machine.status().trouble)
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }
}

pub(crate) fn chrono_now(clock: &FixedClock) -> DateTime<Utc> {
    use task::Clock as _;
    clock.now()
}
