//! A simulated week: both agents composed in this process as their programs compose them, a bare
//! repository between them, a clock that is set, an owner who approves, rejects, modifies and
//! forgets, restarts and sleeps. Events and answers are literal rules; what must come of them too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use approval::{Desk, KeyFiles, NewKey, Signer};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use config::Duty;
use daemon::{CommonArgs, Flags, Program, Setup, Surroundings};
use executor::Executor;
use mcp_client::{Call, CallError, Reply, ToolCaller};
use reports::Standing;
use reports::briefing::{Activity, Briefing, Had, Orders, Pages, Period};
use serde_json::{Value, json};
use signature::{Approvers, Register};
use task::{
    Automated, Body, Clock, FixedClock, FrontMatter, Location, Mode, Order, Stage, Task, TaskId, TaskKind,
};
use tokio_util::sync::CancellationToken;
use vault::{Folder, Vault};
use worker::{Clerk, ClerkError, Composed, Performed, Worker, compose, open_vault};

const START: &str = "2026-11-23T00:00:00Z";
const TICK: i64 = 2;
/// Until Monday, 30 November, 10:00.
const TICKS: i64 = (7 * 24 + 10) / TICK;
const EVENTS: usize = 500;

fn start() -> DateTime<Utc> {
    START.parse().expect("time")
}

/// The world behind the tool servers: it counts effects by approval.
#[derive(Default)]
struct Counter(Mutex<BTreeMap<String, u32>>);

#[async_trait]
impl ToolCaller for Counter {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        let order =
            call.meta.get(Order::META_TEXT).and_then(Value::as_str).and_then(|text| Order::parse(text).ok());
        let Some(order) = order else {
            return Ok(Reply { text: String::new(), content: json!({"found": false, "messages": []}) });
        };
        *self.0.lock().expect("effects").entry(order.approval.clone()).or_default() += 1;
        Ok(Reply { text: "accepted".into(), content: json!({"effect": "done", "message": "accepted"}) })
    }
}

/// Does the duties as the owner's agent does, without books and pages; or scans alone.
struct TestClerk {
    vault: Vault,
    taken: PathBuf,
    clock: Arc<FixedClock>,
    all: bool,
}

impl TestClerk {
    fn briefing(&self, due: DateTime<Utc>) -> Briefing {
        let (now, period) = (self.clock.now(), Period::of(due, &Utc));
        Briefing {
            period,
            now,
            sample: true,
            activity: Activity::count(&self.vault, &period, &Utc).expect("count"),
            standing: Standing::look(&self.vault, now).expect("look"),
            orders: Had::Yes(Orders::default()),
            books: Had::No("no books in this test".into()),
            social: Had::No("no pages in this test".into()),
            spending: Had::Yes(Vec::new()),
            suggestions: Vec::new(),
        }
    }
}

#[async_trait]
impl Clerk for TestClerk {
    fn does(&self, duty: Duty) -> bool {
        duty == Duty::Scan || self.all
    }

    async fn perform(&self, duty: Duty, due: DateTime<Utc>) -> Result<Performed, ClerkError> {
        if duty != Duty::Scan {
            Pages::new(self.vault.clone(), &self.taken).write(&self.briefing(due))?;
        }
        let standing = Standing::look(&self.vault, self.clock.now())?;
        Ok(Performed { summary: standing.summary(), notes: standing.markdown() })
    }
}

/// One agent on its machine.
struct Agent {
    setup: Setup,
    clock: Arc<FixedClock>,
    vault: Vault,
    worker: Worker,
    cancel: CancellationToken,
}

impl Agent {
    fn setup(root: &Path, remote: &Path, program: Program, id: &str) -> Setup {
        let folder = root.join(id);
        std::fs::create_dir_all(&folder).expect("folder");
        let config = folder.join("config.yaml");
        let text = format!(
            "agent: {{ id: {id}, executor: local-001 }}\nowner: {{ name: Jane Doe }}\nmodes: {{ dry_run: false, mock_data: true }}\n\
             vault: {{ path: {:?}, quiet_seconds: 0 }}\nclaims: {{ per_cycle: 100 }}\n\
             approval: {{ undo_seconds: {{ send_email: 0, post_invoice: 0, post_facebook: 0, post_instagram: 0, post_twitter: 0, \
             post_linkedin: 0, send_whatsapp: 0, initiate_payment: 0 }} }}\n\
             limits: {{ per_recipient_per_day: 1000, first_contacts_per_day: 1000, tool_per_hour: 1000, tool_per_day: 1000 }}\n\
             sync: {{ enabled: true, push_gap_seconds: 0, remote: {remote:?} }}\n",
            folder.join("vault")
        );
        std::fs::write(&config, text).expect("config.yaml");
        let surroundings = Surroundings {
            variables: std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME").collect(),
            directory: folder.clone(),
        };
        let args =
            CommonArgs { config: Some(config), vault: None, data: Some(folder.join("data")), verbose: 0 };
        daemon::load_in(&surroundings, program, &args, &Flags::default()).expect("setup")
    }

    async fn start(setup: &Setup, clock: &Arc<FixedClock>) -> Self {
        let Composed { vault, mut worker, agenda, .. } =
            compose(setup, Arc::clone(clock) as Arc<dyn Clock>).await.expect("compose");
        let clerk = TestClerk {
            vault: vault.clone(),
            taken: setup.data.suggestions(),
            clock: Arc::clone(clock),
            all: setup.agent.as_str() == "local-001",
        };
        worker.keep(agenda.done_by(Arc::new(clerk)));
        worker.flush().await;
        worker.resume().await;
        Self {
            setup: setup.clone(),
            clock: Arc::clone(clock),
            vault,
            worker,
            cancel: CancellationToken::new(),
        }
    }

    /// The program is gone, as after `kill -9`, and comes back.
    async fn restart(self) -> Self {
        let Self { setup, clock, worker, vault, .. } = self;
        drop((worker, vault));
        Self::start(&setup, &clock).await
    }

    /// A round of what the program's loop does.
    async fn round(&mut self) {
        self.worker.flush().await;
        self.worker.cycle(&self.cancel).await;
        while self.worker.has_work_in_hand() {
            self.worker.cycle(&self.cancel).await;
        }
        self.worker.flush().await;
    }

    fn arrives(&self, n: usize) -> TaskId {
        let (id, subject, text, automated) = event(n);
        let mut front = FrontMatter::new(id.clone(), self.clock.now());
        front.subject = Some(subject.into());
        front.from = Some("alice@example.com".into());
        front.message_id = Some(format!("<{n}@example.com>"));
        front.source_id = Some(format!("{n}"));
        front.automated = automated;
        let task = Task::new(front, Body::of_original(text).to_markdown());
        self.vault.create(&Location::new(Stage::NeedsAction, id.clone()), &task).expect("create");
        id
    }
}

/// The event number `n`: of every kind that the sources bring.
fn event(n: usize) -> (TaskId, &'static str, &'static str, Option<Automated>) {
    let (kind, subject, text, automated) = match n % 10 {
        0 => (TaskKind::Email, "Newsletter", "News of the week.", Some(Automated::List)),
        1 | 2 => (TaskKind::Email, "Question", "Could you send me an offer for ten hours?", None),
        3 => (TaskKind::Email, "Meeting", "Can we meet on Thursday at ten?", None),
        4 => (TaskKind::Linkedin, "A comment", "Great post! Do you take new clients?", None),
        5 => (TaskKind::Facebook, "A comment", "When do you open on Saturday?", None),
        6 => (TaskKind::Twitter, "A mention", "Does it run on a Raspberry Pi?", None),
        7 => (TaskKind::Odoo, "Invoice", "Please invoice Alice for ten hours.", None),
        8 => (TaskKind::Whatsapp, "A message", "Are you at the office?", None),
        _ => (TaskKind::Payment, "A bill", "Please pay our invoice.", None),
    };
    let id = format!("{}20261123_{n:04}", kind.prefix()).parse().expect("id");
    (id, subject, text, automated)
}

/// What the owner makes of a draft: decided by the number in the task's name.
fn temper(id: &TaskId) -> u32 {
    id.as_str().bytes().fold(7_u32, |sum, b| sum.wrapping_mul(31).wrapping_add(u32::from(b))) % 10
}

/// Looks through what waits: approves most, changes some first, rejects some, and forgets the rest.
fn decide(desk: &Desk, signer: &Signer, modified: &mut BTreeSet<TaskId>) {
    for entry in desk.vault.list(&Folder::PendingApproval).expect("list").tasks {
        let id = entry.location.id;
        let file = desk.open(&id).expect("open");
        let review = desk.review(&file.task).expect("review");
        let action = file.task.front.action.clone();
        let payment = TaskKind::of(&id) == TaskKind::Payment;
        match (temper(&id), review.digest, action) {
            (5, Some(digest), Some(action)) if !payment && action.call.text().is_some() => {
                if modified.insert(id.clone()) {
                    let words = "Dear Alice,\n\nwith pleasure.\n\nJane Doe";
                    let call = action.call.with_text(words).expect("words").expect("fits");
                    desk.modify(&id, None, task::Action { call, ..action }).expect("modify");
                } else {
                    desk.approve(&id, &digest, signer).expect("approve");
                }
            }
            (0..=5, Some(digest), Some(_)) if !payment => {
                desk.approve(&id, &digest, signer).expect("approve");
            }
            (8 | 9, ..) => {}
            _ => {
                desk.reject(&id, "not this time").expect("reject");
            }
        }
    }
}

/// Awake from 07:00 to 21:00, and not at all on Wednesday.
fn is_awake(now: DateTime<Utc>) -> bool {
    (7..21).contains(&now.hour()) && now.date_naive().to_string() != "2026-11-25"
}

/// Every `.md` below a folder of tasks, by task id.
fn places(root: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut open: Vec<PathBuf> =
        ["Inbox", "Needs_Action", "In_Progress", "Pending_Approval", "Rejected", "Done", "Errors"]
            .iter()
            .map(|folder| root.join(folder))
            .collect();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("folder").flatten() {
            let (path, name) = (entry.path(), entry.file_name().into_string().expect("a name"));
            if path.is_dir() {
                open.push(path);
            } else if let Some(stem) = name.strip_suffix(".md").filter(|stem| !stem.ends_with(".reason")) {
                let id = stem.trim_start_matches("APPROVE_").trim_start_matches("EXECUTE_").to_owned();
                let place = folder.strip_prefix(root).expect("below").display().to_string();
                found.entry(id).or_default().push(place);
            }
        }
    }
    found
}

/// Counts tasks per kind and column from the lines of the logs alone.
fn counted(
    root: &Path,
    from: &str,
    until: &str,
) -> BTreeMap<String, BTreeMap<&'static str, BTreeSet<String>>> {
    let mut counts: BTreeMap<String, BTreeMap<&'static str, BTreeSet<String>>> = BTreeMap::new();
    for entry in std::fs::read_dir(root.join("Logs")).expect("Logs").flatten() {
        for line in std::fs::read_to_string(entry.path()).expect("log").lines() {
            let record: Value = serde_json::from_str(line).expect("a record");
            let time = record["timestamp"].as_str().expect("time");
            if time < from || time >= until {
                continue;
            }
            let closed = record["params"]["stage"].as_str().is_some_and(|stage| stage.starts_with("Done"));
            let column = match (record["action_type"].as_str().expect("action"), record["result"].as_str()) {
                ("draft", Some("ok")) if closed => "closed",
                ("draft", Some("ok")) => "drafted",
                ("approve", Some("ok")) => "approved",
                ("reject", _) => "rejected",
                ("execute", Some("ok")) => "done",
                ("execute", Some("failed" | "unknown")) => "failed",
                _ => continue,
            };
            let task = record["task"].as_str().expect("task");
            let kind = task.split('_').next().expect("prefix").to_lowercase();
            counts.entry(kind).or_default().entry(column).or_default().insert(task.to_owned());
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_week_with_sleeps_restarts_and_a_forgetful_owner_loses_nothing_and_counts_right() {
    let temp = tempfile::tempdir().expect("a folder");
    // A folder that is kept, for whoever wants to see such a week: docs/screens.sh does.
    let kept = std::env::var_os("AIE_WEEK").map(PathBuf::from);
    let folder = kept.as_deref().unwrap_or(temp.path());
    let remote = folder.join("remote.git");
    let made = Command::new("git")
        .args(["init", "--quiet", "--bare", "--initial-branch=main"])
        .arg(&remote)
        .status();
    assert!(made.expect("git").success());
    let clock = Arc::new(FixedClock::new(start()));
    let cloud = Agent::setup(folder, &remote, Program::CloudAgent, "cloud-001");
    let local = Agent::setup(folder, &remote, Program::LocalAgent, "local-001");
    let files = KeyFiles::in_data(local.data.root());
    let owner = approval::init(&files, "owner", || Ok(NewKey::Unprotected)).expect("init");
    let world = Arc::new(Counter::default());
    let desk = Desk {
        vault: open_vault(&local).expect("vault"),
        vault_id: owner.vault_id.clone(),
        agent: local.agent.clone(),
        executor: local.agent.clone(),
        mode: Mode::Live,
        limits: local.config.approval.clone(),
        approvers: Approvers::load(&files.approvers).expect("approvers"),
        register: Register::new(local.data.root()),
        paid: Arc::new(|_| Ok(Vec::new())),
        own: approval::Own::default(),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
    };
    let signer = Signer::key_file(&files.key, None);
    let executor = Executor::open(
        executor::Settings {
            vault: desk.vault.clone(),
            vault_id: owner.vault_id,
            agent: local.agent.clone(),
            role: local.role,
            mode: Mode::Live,
            data: local.data.root().to_owned(),
            approval: local.config.approval.clone(),
            approvers: local.data.approvers(),
            limits: local.config.limits.clone(),
            handbook: worker::handbook(&local, &desk.vault),
            stop_file: local.data.stopped(),
            machine: None,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
        },
        Arc::clone(&world) as Arc<dyn ToolCaller>,
    )
    .expect("executor");
    let mut cloud = Agent::start(&cloud, &clock).await;
    let mut local = Agent::start(&local, &clock).await;
    let (mut events, mut modified) = (BTreeSet::new(), BTreeSet::new());
    let mut arrived = 0;

    for tick in 0..TICKS {
        clock.advance(TimeDelta::hours(TICK));
        let due = EVENTS * usize::try_from(tick + 1).expect("small") / usize::try_from(TICKS).expect("small");
        let awake = is_awake(clock.now());
        for n in arrived..due {
            // WhatsApp and bills come to the owner's machine, also the ones that came while it slept.
            let own = matches!(n % 10, 8 | 9);
            events.insert(if own { local.arrives(n) } else { cloud.arrives(n) }.to_string());
        }
        arrived = due;
        if tick % 17 == 5 {
            cloud = cloud.restart().await;
        }
        cloud.round().await;
        if awake {
            if tick % 13 == 5 {
                local = local.restart().await;
            }
            local.round().await;
            decide(&desk, &signer, &mut modified);
            let report = executor.run_cycle().await;
            assert!(report.problems.is_empty(), "{:?}", report.problems);
            local.worker.flush().await;
        }
    }
    // The end of the week: both are awake, until nothing moves any more.
    for _ in 0..3 {
        cloud.round().await;
        local.round().await;
        executor.run_cycle().await;
        local.worker.flush().await;
    }
    assert_eq!(events.len(), EVENTS);

    // Every event is in exactly one place, the same one on both machines, and none is in work.
    let (here, there) = (places(local.vault.root()), places(cloud.vault.root()));
    assert_eq!(here, there, "the machines agree");
    for id in &events {
        let at = here.get(id).unwrap_or_else(|| panic!("{id} is lost"));
        assert_eq!(at.len(), 1, "{id} is in {at:?}");
        let ended = ["Pending_Approval", "Rejected", "Done/2026/11"].contains(&at[0].as_str());
        assert!(ended, "{id} is in {}", at[0]);
    }

    // Every schedule was met once.
    let due = |prefix: &str| here.keys().filter(|id| id.starts_with(prefix)).cloned().collect::<Vec<_>>();
    let scans: Vec<String> = (23..=30).map(|day| format!("SCHEDULE_daily-scan_202611{day}T0900Z")).collect();
    assert_eq!(due("SCHEDULE_daily-scan_"), scans);
    assert_eq!(
        due("SCHEDULE_monday-briefing_"),
        ["SCHEDULE_monday-briefing_20261123T0800Z", "SCHEDULE_monday-briefing_20261130T0800Z"]
    );
    assert_eq!(due("AUDIT_"), ["AUDIT_weekly-audit_20261129T2300Z"]);
    assert_eq!(due("SALESPOST_"), ["SALESPOST_linkedin-post_20261127T1600Z"]);
    for id in due("SCHEDULE_").iter().chain(&due("AUDIT_")) {
        assert_eq!(here[id], ["Done/2026/11"], "{id}");
    }

    // No order had its effect twice, and each that says so had it.
    let effects = world.0.lock().expect("effects").clone();
    assert!(effects.values().all(|count| *count == 1), "{effects:?}");
    let whole = counted(local.vault.root(), "2026-11-23T00:00:00", "2026-12-01T00:00:00");
    let done: usize = whole.values().filter_map(|columns| columns.get("done")).map(BTreeSet::len).sum();
    assert_eq!(effects.len(), done);
    assert!(done > 100, "the owner approved much: {done}");

    // The briefing's figures are those of the logs, counted by other means.
    let period = Period::of("2026-11-30T08:00:00Z".parse().expect("time"), &Utc);
    let activity = Activity::count(&local.vault, &period, &Utc).expect("count");
    let raw = counted(local.vault.root(), "2026-11-23T00:00:00", "2026-11-30T00:00:00");
    let mut kinds = 0;
    for (kind, columns) in &raw {
        let found = TaskKind::PREFIXED.into_iter().find(|known| known.name() == kind).expect("a kind");
        let line = activity.kinds.get(&found).copied().unwrap_or_default();
        let n = |column: &str| columns.get(column).map_or(0, BTreeSet::len);
        let expected = ["drafted", "closed", "approved", "rejected", "done", "failed"].map(n);
        let counted = [line.drafted, line.closed, line.approved, line.rejected, line.done, line.failed];
        assert_eq!(counted, expected, "{kind}");
        kinds += 1;
    }
    assert_eq!(activity.kinds.len(), kinds);
    let page = local.vault.read_page("Briefings/2026-11-30_Monday_Briefing.md").expect("read").expect("page");
    let total = activity.total();
    assert!(page.contains(&format!(
        "| **all** | {} | {} | {} | {} | {} | 0 | {} |",
        total.drafted, total.closed, total.approved, total.rejected, total.done, total.failed
    )));
    assert!(page.contains("tasks have waited for more than 48 h"), "what was forgotten is a bottleneck");
}
