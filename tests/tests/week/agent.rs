//! One agent on its machine, composed as its program composes it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use config::Duty;
use daemon::{CommonArgs, Flags, Program, Setup, Surroundings};
use local_agent::{OwnersDuties, Staff, staff};
use policy::Class;
use reports::Standing;
use serde_json::Value;
use task::{Clock, FixedClock, Role, Step};
use tokio_util::sync::CancellationToken;
use vault::Vault;
use watchers::Watchers;
use worker::{Clerk, ClerkError, Composed, Duties as _, Found, Performed, Worker, compose, sources};

use crate::servers::Servers;

/// What both machines have in their config.yaml; the hour in a schedule names its task.
const CONFIG: &str = "\
owner: { name: Jane Doe }
modes: { dry_run: false, mock_data: true }
claims: { per_cycle: 100 }
approval: { undo_seconds: { send_email: 0, post_invoice: 0, post_facebook: 0, post_instagram: 0, post_twitter: 0,
  post_linkedin: 0, send_whatsapp: 0, initiate_payment: 0 } }
limits: { per_recipient_per_day: 1000, first_contacts_per_day: 1000, tool_per_hour: 1000, tool_per_day: 1000 }
schedules:
  entries:
    daily-scan: { cron: '0 9 * * *', duty: scan }
    monday-briefing: { cron: '0 8 * * MON', duty: briefing }
    weekly-audit: { cron: '0 23 * * SUN', duty: audit }
    linkedin-post:
      cron: '0 16 * * FRI'
      duty: task
      kind: salespost
      subject: This week's LinkedIn post
      text: \"product: Website check-up\\nbenefit: You learn what slows your site down.\\nprice: 290 EUR\"
";

/// A machine's configuration, read as its program reads it.
pub(crate) fn setup(root: &Path, remote: &Path, script: &Path, program: Program, id: &str) -> Setup {
    let folder = root.join(id);
    std::fs::create_dir_all(&folder).expect("folder");
    let config = folder.join("config.yaml");
    let text = format!(
        "agent: {{ id: {id}, executor: local-001 }}\nvault: {{ path: {:?}, quiet_seconds: 0 }}\n\
         watchers: {{ max_per_poll: 1000, mock_script: {script:?} }}\n\
         sync: {{ enabled: true, push_gap_seconds: 0, remote: {remote:?} }}\n{CONFIG}",
        folder.join("vault")
    );
    std::fs::write(&config, text).expect("config.yaml");
    let surroundings = Surroundings {
        variables: std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME").collect(),
        directory: folder.clone(),
    };
    let args = CommonArgs { config: Some(config), vault: None, data: Some(folder.join("data")), verbose: 0 };
    daemon::load_in(&surroundings, program, &args, &Flags::default()).expect("setup")
}

/// An agent that runs.
pub(crate) struct Agent {
    setup: Setup,
    world: PathBuf,
    clock: Arc<FixedClock>,
    vault: Vault,
    worker: Worker,
    watchers: Watchers,
    /// The owner's machine alone has some.
    duties: Option<OwnersDuties>,
    cancel: CancellationToken,
}

impl Agent {
    /// What its program does at a start, up to its loop.
    pub(crate) async fn start(setup: &Setup, world: &Path, clock: &Arc<FixedClock>) -> Self {
        let time = Arc::clone(clock) as Arc<dyn Clock>;
        let cancel = CancellationToken::new();
        let mut composed = compose(setup, Arc::clone(&time)).await.expect("compose");
        composed.worker.equip(Servers::toolbox(setup, world, clock));
        let (vault, mut worker, watchers, duties) = match setup.role {
            Role::Cloud => {
                let Composed { vault, mut worker, watchers, agenda, .. } = composed;
                worker.keep(agenda.done_by(Arc::new(Scanner(vault.clone(), time))));
                (vault, worker, watchers, None)
            }
            _ => {
                let tools = Arc::new(Servers::new(setup, world, Class::Dangerous, clock));
                let staffed = staff(setup, composed, tools, time, cancel.clone()).expect("staff");
                let Staff { vault, worker, watchers, duties } = staffed;
                (vault, worker, watchers, Some(duties))
            }
        };
        worker.flush().await;
        worker.resume().await;
        let (setup, world, clock) = (setup.clone(), world.to_owned(), Arc::clone(clock));
        Self { setup, world, clock, vault, worker, watchers, duties, cancel }
    }

    /// The program is gone, as after `kill -9`, and comes back.
    pub(crate) async fn restart(self) -> Self {
        let Self { setup, world, clock, worker, vault, duties, watchers, .. } = self;
        drop((worker, vault, duties, watchers));
        Self::start(&setup, &world, &clock).await
    }

    /// The sources' memory is that of one look before, or none; how many events are offered again.
    pub(crate) fn forget(&self, all: bool) -> usize {
        let (memory, before) = (self.setup.data.watch(), self.before());
        let known = fired(&memory);
        if all {
            std::fs::remove_dir_all(&before).expect("forgotten");
            std::fs::create_dir(&before).expect("nothing");
        }
        copy(&before, &memory);
        known - fired(&memory)
    }

    fn before(&self) -> PathBuf {
        self.setup.data.root().join("watch-before")
    }

    /// A round of what the program's loop does.
    pub(crate) async fn round(&mut self) {
        copy(&self.setup.data.watch(), &self.before());
        let mut found = self.worker.flush().await;
        for state in self.watchers.poll_once(sources(&self.setup), &self.cancel).await {
            assert_eq!(state.last_error, None, "{}", state.source);
        }
        loop {
            let step = self.worker.cycle(&self.cancel).await;
            let progressed = !step.worked.is_empty() || self.worker.has_work_in_hand();
            found.add(step);
            if !progressed {
                break;
            }
        }
        found.add(self.worker.flush().await);
        assert!(found.troubles.is_empty(), "{:#?}", found.troubles);
    }

    /// Carries out what is signed, takes what is ticked, and writes the dashboard.
    pub(crate) async fn carry_out(&mut self) {
        let duties = self.duties.as_mut().expect("the owner's machine");
        let mut found = Found::default();
        duties.after_cycle(&mut found).await;
        found.add(duties.finish().await);
        found.add(self.worker.flush().await);
        assert!(found.troubles.is_empty(), "{:#?}", found.troubles);
    }

    pub(crate) fn root(&self) -> &Path {
        self.vault.root()
    }
}

/// How many events of a script the sources in a folder have offered, by what they remember.
fn fired(memory: &Path) -> usize {
    let entries = std::fs::read_dir(memory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let state: Value = serde_json::from_slice(&std::fs::read(entry.path()).ok()?).ok()?;
            usize::try_from(state["cursor"]["fired"].as_u64()?).ok()
        })
        .sum()
}

/// Makes `to` what `from` is: files of a folder.
fn copy(from: &Path, to: &Path) {
    std::fs::remove_dir_all(to).ok();
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).into_iter().flatten().flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}

/// Of the duties, the cloud machine does the daily scan.
struct Scanner(Vault, Arc<dyn Clock>);

#[async_trait]
impl Clerk for Scanner {
    fn does(&self, duty: Duty) -> bool {
        duty == Duty::Scan
    }

    async fn perform(&self, _: Duty, _: DateTime<Utc>, _: &[Step]) -> Result<Performed, ClerkError> {
        let standing = Standing::look(&self.0, self.1.now())?;
        Ok(Performed { summary: standing.summary(), notes: standing.markdown() })
    }
}
