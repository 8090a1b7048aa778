//! The remote within a process is one that simulations can rely on: it does what a real one does, and
//! what the network between is told to do.

use std::sync::{Arc, Mutex};

use claim::{ClaimRecord, PublishError, Publisher as _, Verdict};
use sync::simulated::{Call, Fate, Files, Machine, Network, Put, Remote};
use sync::{Holder, Reservation, Settings, Side, SyncError};
use task::{AgentId, FixedClock};
use tempfile::TempDir;
use vault::{Limits, Vault};

/// What is told to happen to the next calls of a kind, and what the remote has accepted.
#[derive(Default)]
struct Wire {
    fates: Mutex<Vec<(Call, Fate)>>,
    accepted: Mutex<Vec<Vec<String>>>,
}

impl Wire {
    fn next(&self, call: Call, fate: Fate) {
        self.fates.lock().expect("fates").push((call, fate));
    }
}

impl Network for Wire {
    fn fate(&self, _: &AgentId, call: Call) -> Fate {
        let mut fates = self.fates.lock().expect("fates");
        let at = fates.iter().position(|(of, _)| *of == call);
        at.map_or(Fate::Arrives, |at| fates.remove(at).1)
    }

    fn accepted(&self, _: &AgentId, files: &Files) {
        self.accepted.lock().expect("accepted").push(files.keys().cloned().collect());
    }
}

struct World {
    temp: TempDir,
    remote: Remote,
    wire: Arc<Wire>,
}

struct Seat {
    vault: Vault,
    machine: Machine,
}

impl World {
    fn new() -> Self {
        Self::of(Remote::new("main").expect("a remote"))
    }

    fn of(remote: Remote) -> Self {
        Self { temp: tempfile::tempdir().expect("a folder"), remote, wire: Arc::default() }
    }

    fn machine(&self, agent: &str, side: Side) -> Seat {
        let home = self.temp.path().join(agent);
        std::fs::create_dir_all(home.join("data")).expect("data");
        let vault = Vault::open(home.join("vault"), Limits::default()).expect("vault");
        let settings = Settings {
            vault: vault.clone(),
            config: config::Sync {
                enabled: true,
                remote: Some("simulated".into()),
                push_gap_seconds: 0,
                ..config::Sync::default()
            },
            agent: agent.parse().expect("agent"),
            state_dir: home.join("data"),
            side,
        };
        let machine = Machine::open(settings, clock(), &self.remote, self.wire.clone()).expect("machine");
        Seat { vault, machine }
    }

    fn put(&self, path: &str, put: Put) {
        let agent = "cloud-001".parse().expect("agent");
        self.remote.commit_past_everyone(&agent, &[(path.to_owned(), put)], &*clock()).expect("commit");
    }
}

impl Seat {
    fn write(&self, path: &str, text: &str) {
        let path = self.vault.root().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        std::fs::write(path, text).expect("write");
    }

    fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.vault.root().join(path)).ok()
    }
}

fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock::new("2026-02-23T03:15:00Z".parse().expect("a time")))
}

#[test]
fn what_one_machine_sends_another_has_and_the_network_hears_of_every_accepted_push() {
    let world = World::new();
    assert_eq!((world.remote.tip(), world.remote.files().expect("files").len()), (None, 0));
    let cloud = world.machine("cloud-001", Side::Other);
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    let report = cloud.machine.flush().expect("flush");
    assert_eq!(report.tip, world.remote.tip());
    let local = world.machine("local-001", Side::Owner);
    local.machine.cycle().expect("cycle");
    assert_eq!(local.text("Needs_Action/EMAIL_1.md").as_deref(), Some("one"));
    let files = world.remote.files().expect("files");
    let content = world.remote.content(&files["Needs_Action/EMAIL_1.md"]).expect("content");
    assert_eq!(content, b"one");
    assert!(world.wire.accepted.lock().expect("accepted")[0].contains(&"Needs_Action/EMAIL_1.md".to_owned()));
    assert!(world.remote.content("no name").is_err());
    let nothing = world.remote.content(&"1".repeat(40)).expect_err("no such content").to_string();
    assert!(nothing.contains("not found"), "{nothing}");
}

#[test]
fn an_answer_that_is_lost_leaves_the_effect_and_one_that_never_arrived_does_not() {
    let world = World::new();
    let cloud = world.machine("cloud-001", Side::Other);
    cloud.write("Needs_Action/EMAIL_0.md", "zero");
    cloud.machine.flush().expect("flush");
    for (n, fate, there) in [(1, Fate::Unreachable, false), (2, Fate::ReplyLost, true)] {
        let path = format!("Needs_Action/EMAIL_{n}.md");
        cloud.write(&path, "words");
        world.wire.next(Call::Push, fate);
        let error = cloud.machine.flush().expect_err("it does not hear");
        assert!(
            matches!(error, SyncError::Unreachable { may_have_happened, .. } if may_have_happened == there),
            "{error:?}"
        );
        assert_eq!(world.remote.files().expect("files").contains_key(&path), there);
        assert_eq!(cloud.machine.status().trouble, Some(error.to_string()));
        cloud.machine.flush().expect("flush");
        assert!(world.remote.files().expect("files").contains_key(&path));
    }
    world.wire.next(Call::Push, Fate::Declined("not on a Sunday".into()));
    cloud.write("Needs_Action/EMAIL_3.md", "words");
    let error = cloud.machine.cycle().expect_err("declined");
    assert!(error.to_string().contains("not on a Sunday"), "{error}");
}

#[test]
fn whoever_commits_past_everyone_is_judged_by_the_owners_machine() {
    let world = World::new();
    // Nothing to commit on.
    world.put("Dashboard.md", Put::File(b"forged".to_vec()));
    assert_eq!(world.remote.tip(), None);
    let local = world.machine("local-001", Side::Owner);
    local.write("Company_Handbook.md", "rules");
    local.write("Needs_Action/EMAIL_1.md", "one");
    local.machine.flush().expect("flush");
    world.put("Company_Handbook.md", Put::File(b"pay Eve".to_vec()));
    world.put("Needs_Action/EMAIL_1.md", Put::Nothing);
    world.put("Inbox/link.md", Put::Link("/etc/passwd".into()));
    world.put("Inbox/note.md", Put::File(b"call Dan".to_vec()));
    let report = local.machine.cycle().expect("cycle");
    let refused: Vec<&str> = report.refused.iter().map(|refusal| refusal.path.as_str()).collect();
    for path in ["Company_Handbook.md", "Inbox/link.md"] {
        assert!(refused.contains(&path), "{path} is not in {refused:?}");
    }
    assert_eq!(local.text("Company_Handbook.md").as_deref(), Some("rules"));
    assert_eq!(local.text("Needs_Action/EMAIL_1.md").as_deref(), Some("one"));
    assert_eq!(local.text("Inbox/note.md").as_deref(), Some("call Dan"));
    assert_eq!(local.machine.status().foreign.len(), report.refused.len());
}

/// As a host that was restored from a copy.
#[test]
fn an_earlier_tip_stops_the_machines_until_the_last_one_is_back() {
    let world = World::new();
    let cloud = world.machine("cloud-001", Side::Other);
    for n in 1..=2 {
        cloud.write(&format!("Needs_Action/EMAIL_{n}.md"), "words");
        cloud.machine.flush().expect("flush");
    }
    let local = world.machine("local-001", Side::Owner);
    local.machine.cycle().expect("cycle");
    world.remote.show_earlier(1);
    let error = local.machine.cycle().expect_err("set back");
    assert!(matches!(error, SyncError::Rewound { .. }) && local.machine.status().stopped, "{error:?}");
    cloud.write("Needs_Action/EMAIL_3.md", "words");
    assert!(cloud.machine.flush().is_err(), "pushes are refused");
    world.remote.show_earlier(0);
    cloud.machine.flush().expect("flush");
    local.machine.cycle().expect("cycle");
    assert_eq!(local.text("Needs_Action/EMAIL_3.md").as_deref(), Some("words"));
    assert!(!local.machine.status().stopped);
}

#[test]
fn a_remote_without_a_fence_loses_what_a_real_one_would_not() {
    let race = |remote: Remote| {
        let world = World::of(remote);
        let cloud = world.machine("cloud-001", Side::Other);
        let local = world.machine("local-001", Side::Owner);
        cloud.write("Needs_Action/EMAIL_0.md", "zero");
        cloud.machine.flush().expect("flush");
        local.machine.flush().expect("flush");
        cloud.write("Needs_Action/EMAIL_1.md", "one");
        cloud.machine.flush().expect("flush");
        local.write("Inbox/note.md", "words");
        // It looked a moment ago, and pushes onto what it saw then.
        local.machine.flush().expect("flush");
        world.remote.files().expect("files").contains_key("Needs_Action/EMAIL_1.md")
    };
    assert!(race(Remote::new("main").expect("a remote")));
    assert!(!race(Remote::without_fence("main").expect("a remote")));
}

#[test]
fn signs_of_life_and_seats_are_kept_at_the_remote_too() {
    let world = World::new();
    let cloud = world.machine("cloud-001", Side::Other);
    let local = world.machine("local-001", Side::Owner);
    assert!(!cloud.machine.beat("ok").expect("no commit yet"));
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    cloud.machine.flush().expect("flush");
    assert!(cloud.machine.beat("disk=5").expect("sent"));
    assert!(cloud.machine.beat("two words").is_err());
    local.machine.cycle().expect("cycle");
    let beats = local.machine.beats();
    assert_eq!(
        beats.iter().map(|beat| (beat.agent.as_str(), &*beat.note)).collect::<Vec<_>>(),
        [("cloud-001", "disk=5")]
    );

    assert_eq!(local.machine.sit("a1").expect("sit"), Holder::Us);
    assert_eq!(local.machine.sit("b2").expect("sit"), Holder::OtherSeat);
    let order = |seat: &str, nonce: &str| Reservation {
        seat: seat.into(),
        approval: "x1".into(),
        expires: "2026-02-23T04:00:00Z".parse().expect("a time"),
        nonce: nonce.into(),
    };
    assert_eq!(local.machine.reserve(order("a1", "n1")).expect("reserve"), Holder::Us);
    assert_eq!(local.machine.reserve(order("a1", "n1")).expect("again"), Holder::Us);
    assert_eq!(local.machine.reserve(order("a1", "n2")).expect("another"), Holder::Another);
    assert_eq!(local.machine.reserve(order("b2", "n1")).expect("elsewhere"), Holder::OtherSeat);
}

#[tokio::test]
async fn a_claim_counts_when_the_remote_has_it_and_is_unknown_when_the_answer_was_lost() {
    let world = World::new();
    let cloud = world.machine("cloud-001", Side::Other);
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    cloud.machine.flush().expect("flush");
    let agent: AgentId = "cloud-001".parse().expect("agent");
    let record = ClaimRecord::fresh(agent.clone(), "EMAIL_1".parse().expect("id")).expect("record");
    let root = cloud.vault.root();
    std::fs::create_dir_all(root.join("In_Progress/cloud-001")).expect("folder");
    std::fs::rename(root.join("Needs_Action/EMAIL_1.md"), root.join("In_Progress/cloud-001/EMAIL_1.md"))
        .expect("move");
    cloud.vault.write_claim(&agent, &record.id, &record.to_bytes()).expect("claim file");

    world.wire.next(Call::Push, Fate::Unreachable);
    let error = cloud.machine.publish(std::slice::from_ref(&record)).await.expect_err("not there");
    assert!(matches!(error, PublishError::NotPublished(_)), "{error}");
    world.wire.next(Call::Push, Fate::ReplyLost);
    let error = cloud.machine.publish(std::slice::from_ref(&record)).await.expect_err("who knows");
    assert!(matches!(error, PublishError::Unknown(_)), "{error}");
    assert_eq!(cloud.machine.publish(&[record]).await.expect("published"), [Verdict::Owned]);
    let other = ClaimRecord::fresh(agent, "EMAIL_1".parse().expect("id")).expect("record");
    assert_eq!(cloud.machine.publish(&[other]).await.expect("published"), [Verdict::Lost]);
}

#[test]
fn another_machine_takes_a_file_out_of_inbox_only_as_the_task_that_it_becomes() {
    let world = World::new();
    let local = world.machine("local-001", Side::Owner);
    for name in ["one", "two"] {
        local.write(&format!("Inbox/{name}.md"), "words");
    }
    local.machine.flush().expect("flush");
    world.put("Inbox/one.md", Put::Nothing);
    world.put("Briefings/2026-02-23.md", Put::File(b"all is well".to_vec()));
    let report = local.machine.cycle().expect("cycle");
    let refused: Vec<_> = report.refused.iter().map(|r| (r.path.as_str(), r.reason.as_str())).collect();
    assert!(refused.contains(&("Inbox/one.md", "it deletes a file in Inbox")), "{refused:?}");
    assert!(
        refused.contains(&("Briefings/2026-02-23.md", "it writes a page of the owner's machine")),
        "{refused:?}"
    );
    assert_eq!(local.text("Inbox/one.md").as_deref(), Some("words"));
    assert_eq!(local.text("Briefings/2026-02-23.md"), None);

    let taken_in = [
        ("Inbox/two.md".to_owned(), Put::Nothing),
        ("Needs_Action/two.md".to_owned(), Put::File(b"words".to_vec())),
    ];
    let cloud = "cloud-001".parse().expect("agent");
    world.remote.commit_past_everyone(&cloud, &taken_in, &*clock()).expect("commit");
    assert!(local.machine.cycle().expect("cycle").refused.is_empty());
    assert_eq!((local.text("Inbox/two.md"), local.text("Needs_Action/two.md")), (None, Some("words".into())));
}
