//! One of many agents, each with a vault of its own, that claim the same tasks at one remote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use claim::{Claims, Observation, Owned, Publisher};
use sync::{Side, Sync};
use task::{Clock, Location, Stage};
use vault::{Folder, Limits, Vault};

use super::{Place, Witness, runtime, wait_for_go};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The bare repository.
    #[arg(long)]
    remote: PathBuf,
    /// What this agent remembers outside of the vault.
    #[arg(long)]
    data: PathBuf,
    /// A file with the minutes by which the clock is ahead.
    #[arg(long)]
    clock: PathBuf,
    /// How many tasks there are; when all are done, so is this.
    #[arg(long)]
    tasks: usize,
    /// Of a hundred answers of the remote to a push, so many are lost.
    #[arg(long, default_value_t = 0)]
    lost: u8,
}

/// The machine's clock, moved by what a file says.
struct MovedClock(PathBuf);

impl Clock for MovedClock {
    fn now(&self) -> DateTime<Utc> {
        let minutes = std::fs::read_to_string(&self.0).ok().and_then(|text| text.trim().parse().ok());
        Utc::now() + TimeDelta::minutes(minutes.unwrap_or_default())
    }
}

struct Agent {
    vault: Vault,
    sync: Sync,
    claims: Claims,
    clock: Arc<dyn Clock>,
    witness: Witness,
    me: task::AgentId,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let mut agent = Agent::new(arguments)?;
    let mut random = fastrand::Rng::with_seed(arguments.place.seed);
    let (runtime, per_cycle) = (runtime()?, arguments.place.per_cycle);
    wait_for_go()?;
    runtime.block_on(async {
        agent.synchronise().await;
        let resumed = agent.claims.resume_own().await.map_err(|e| format!("failed to resume: {e}"))?;
        agent.work_on(resumed.owned).await?;
        loop {
            agent.take_back().await?;
            let mut candidates = agent.waiting()?;
            random.shuffle(&mut candidates);
            candidates.truncate(per_cycle);
            if candidates.is_empty() && !agent.claims.has_unsettled() {
                let agrees = agent.synchronise().await;
                if agrees && agent.done()? == arguments.tasks {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(random.u64(10..60))).await;
                continue;
            }
            let taken = agent.claims.take(candidates).await;
            if let Some((id, error)) = taken.failed.first() {
                return Err(format!("failed to claim {id}: {error}"));
            }
            let progress = !taken.owned.is_empty();
            agent.work_on(taken.owned).await?;
            if !progress {
                tokio::time::sleep(Duration::from_millis(random.u64(0..20))).await;
            }
        }
        agent.sync.close().await;
        Ok(())
    })
}

impl Agent {
    fn new(arguments: &Arguments) -> Result<Self, String> {
        let Place { vault, agent, witness, .. } = &arguments.place;
        let clock: Arc<dyn Clock> = Arc::new(MovedClock(arguments.clock.clone()));
        std::fs::create_dir_all(&arguments.data)
            .map_err(|e| format!("failed to make {}: {e}", arguments.data.display()))?;
        let root = vault;
        let vault =
            Vault::open(vault, Limits::default()).map_err(|e| format!("failed to open the vault: {e}"))?;
        let settings = sync::Settings {
            vault: vault.clone(),
            config: config::Sync {
                enabled: true,
                remote: Some(arguments.remote.display().to_string()),
                push_gap_seconds: 0,
                timeout_seconds: 30,
                ..Default::default()
            },
            agent: agent.clone(),
            state_dir: arguments.data.clone(),
            side: Side::Other,
        };
        let sync =
            Sync::open(settings, Arc::clone(&clock)).map_err(|e| format!("failed to open the clone: {e}"))?;
        if arguments.lost > 0 {
            lose_answers(root, arguments.lost)?;
        }
        let settings = claim::Settings {
            agent: agent.clone(),
            executor: "owner-001".parse().map_err(|e| format!("failed to name the executor: {e}"))?,
            state_file: arguments.data.join("claims.json"),
            stale_after: Duration::from_secs(3600),
        };
        let publisher: Arc<dyn Publisher> = Arc::new(sync.clone());
        let claims = Claims::new(vault.clone(), settings, Arc::clone(&clock)).published_by(publisher);
        Ok(Self { vault, sync, claims, clock, witness: Witness::open(witness)?, me: agent.clone() })
    }

    /// Whether there was nothing to exchange. What fails here is tried again: the remote loses
    /// answers and others are faster.
    async fn synchronise(&self) -> bool {
        match self.sync.flush().await {
            Ok(report) => !report.changed(),
            Err(error) => {
                eprintln!("  {}: {error}", self.me);
                false
            }
        }
    }

    fn waiting(&self) -> Result<Vec<Location>, String> {
        let listing =
            self.vault.list(&Folder::NeedsAction).map_err(|e| format!("failed to list the tasks: {e}"))?;
        Ok(listing.tasks.into_iter().map(|entry| entry.location).collect())
    }

    async fn take_back(&self) -> Result<(), String> {
        let Some(at) = self.sync.status().last_seen else { return Ok(()) };
        let observation = Observation { at, progress: BTreeMap::new() };
        let returned = self.claims.reclaim_stale(observation).await;
        returned.map(drop).map_err(|e| format!("failed to take back: {e}"))
    }

    /// Writes down what is owned, and does the work: the file says in the end who did it.
    async fn work_on(&mut self, owned: Vec<Owned>) -> Result<(), String> {
        self.witness.owns(owned.iter().map(claim::Claim::id))?;
        for claim in owned {
            let file = match self.vault.read(claim.location()) {
                Ok(file) => file,
                // Somebody took it back meanwhile.
                Err(vault::ReadError::Gone(_)) => continue,
                Err(error) => return Err(format!("failed to read {}: {error}", claim.id())),
            };
            let mut task = file.task.clone();
            task.front.drafted_by = Some(self.me.clone());
            match self.vault.finish(&file, &task, Stage::done(self.clock.now())) {
                Ok(_) | Err(vault::MoveError::Gone(_)) => {}
                Err(error) => return Err(format!("failed to finish {}: {error}", claim.id())),
            }
            self.claims.complete(claim).await.map_err(|e| format!("failed to end a claim: {e}"))?;
        }
        Ok(())
    }

    /// How much is done, as far as is known here.
    fn done(&self) -> Result<usize, String> {
        let fail = |e: vault::FileError| format!("failed to list what is done: {e}");
        let mut done = 0;
        for (year, month) in self.vault.months_done().map_err(fail)? {
            done += self.vault.list(&Folder::Done { year, month }).map_err(fail)?.tasks.len();
        }
        Ok(done)
    }
}

/// Has git push through [`super::lossy`].
fn lose_answers(vault: &Path, lost: u8) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|e| format!("failed to find this program: {e}"))?;
    let way = format!("'{}' contestant receive-pack --lost {lost}", program.display());
    let status = Command::new("git")
        .arg("-C")
        .arg(vault)
        .args(["config", "remote.origin.receivepack", &way])
        .status()
        .map_err(|e| format!("failed to start git: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("git config ended with {status}")) }
}
