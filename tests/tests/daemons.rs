//! The programs as a supervisor and a person at a shell see them: started, signalled, stopped.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::{Machine, World, eventually, programs};

/// So that nothing but a notice of the change itself can wake the daemon within this test.
fn without_polling(machine: &Machine) {
    machine.reconfigure("quiet_seconds: 0", "quiet_seconds: 3600");
    machine.reconfigure("mock_channels: []", "mock_channels: [], poll_seconds: 3600");
}

#[test]
fn a_second_instance_is_refused_and_named_the_first() {
    let world = World::quiet();
    for machine in [world.cloud(), world.owner()] {
        let mut first = machine.start(&[]);
        first.until_said("ready");
        for arguments in [&[][..], &["--once"]] {
            let mut second = machine.start(arguments);
            assert_eq!(second.end().code(), Some(1));
            let said = second.said();
            assert!(
                said.contains("already running") && said.contains(&format!("pid {}", first.pid())),
                "{said}"
            );
        }
        // Killed without a word, it leaves nothing that would hold up the next.
        first.kill();
        machine.ok(&["--once"]);
    }
}

#[test]
fn the_owners_commands_work_beside_the_daemon() {
    let world = World::quiet();
    let machine = world.gold();
    let mut daemon = machine.start(&[]);
    daemon.until_said("ready");
    machine.bring("EMAIL_1");
    eventually("a draft", || !machine.waiting().is_empty());
    machine.ok(&["status"]);
    machine.ok(&["show", "EMAIL_1"]);
    machine.ok(&["reject", "EMAIL_1", "--reason", "no"]);
    assert_eq!(machine.place("EMAIL_1"), "Rejected/EMAIL_1.md");
}

#[test]
fn either_signal_drains_within_five_seconds() {
    let world = World::quiet();
    for (machine, signal) in [(world.cloud(), Signal::TERM), (world.owner(), Signal::INT)] {
        for signal in [signal, Signal::TERM] {
            let mut daemon = machine.start(&[]);
            daemon.until_said("ready");
            let asked = Instant::now();
            daemon.signal(signal);
            let status = daemon.end();
            assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
            assert_eq!(status.code(), Some(0), "{}", daemon.said());
            assert!(daemon.said().contains("nothing was cut off"), "{}", daemon.said());
        }
    }
}

#[test]
fn what_is_in_hand_when_the_signal_comes_is_finished_or_given_back() {
    let world = World::quiet();
    let machine = world.gold();
    let ids: Vec<String> = (0..30).map(|n| format!("EMAIL_{n:02}")).collect();
    let mut daemon = machine.start(&[]);
    daemon.until_said("ready");
    ids.iter().for_each(|id| machine.bring(id));
    eventually("a first draft", || machine.tasks().keys().any(|path| path.starts_with("Pending_Approval/")));
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().code(), Some(0), "{}", daemon.said());
    for id in &ids {
        let place = machine.place(id);
        assert!(!place.starts_with("In_Progress/"), "{place}");
    }
    // The next start takes up the rest.
    machine.ok(&["--once"]);
    assert_eq!(machine.waiting().len(), ids.len());
}

#[test]
fn a_dropped_file_is_drafted_and_an_order_carried_out_without_waiting_for_a_poll() {
    let world = World::quiet();
    let machine = world.gold();
    without_polling(&machine);
    let mut daemon = machine.start(&[]);
    daemon.until_said("ready");
    // Its first cycle is over when the dashboard is there.
    eventually("a dashboard", || machine.vault().join("Dashboard.md").exists());
    machine.bring("EMAIL_dropped");
    eventually("a draft", || machine.vault().join("Pending_Approval/APPROVE_EMAIL_dropped.md").exists());
    machine.approve("EMAIL_dropped");
    eventually("the mail", || machine.mails_sent() == 1);
    eventually("its end", || machine.place("EMAIL_dropped").starts_with("Done/"));
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().code(), Some(0));
    assert_eq!(machine.mails_sent(), 1);
}

#[test]
fn two_daemons_bring_a_mail_from_the_cloud_to_the_owner_and_back() {
    let world = World::quiet();
    let (cloud, owner) = (world.cloud(), world.owner());
    for machine in [&cloud, &owner] {
        machine.reconfigure("push_gap_seconds: 0", "push_gap_seconds: 0, interval_seconds: 1");
    }
    let (mut one, mut other) = (cloud.start(&[]), owner.start(&[]));
    one.until_said("ready");
    other.until_said("ready");
    cloud.bring("EMAIL_1");
    eventually("the draft at the owner's", || {
        owner.vault().join("Pending_Approval/APPROVE_EMAIL_1.md").exists()
    });
    owner.approve("EMAIL_1");
    eventually("the mail", || owner.mails_sent() == 1);
    eventually("its record on the cloud", || {
        cloud.tasks().keys().any(|path| path.starts_with("Done/") && path.ends_with("/EMAIL_1.md"))
    });
    // The remote goes away and comes back under running daemons.
    let away = world.path().join("away.git");
    std::fs::rename(world.remote(), &away).expect("the remote goes away");
    owner.bring("WHATSAPP_2");
    eventually("a draft without the remote", || {
        owner.vault().join("Pending_Approval/APPROVE_WHATSAPP_2.md").exists()
    });
    eventually("a word of it", || other.said().contains("cannot synchronise"));
    std::fs::rename(&away, world.remote()).expect("the remote comes back");
    eventually("the draft on the cloud", || {
        cloud.vault().join("Pending_Approval/APPROVE_WHATSAPP_2.md").exists()
    });
    for daemon in [&mut one, &mut other] {
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.end().code(), Some(0), "{}", daemon.said());
    }
    assert_eq!(other.said().matches("cannot synchronise").count(), 1, "said once: {}", other.said());
    assert_eq!(owner.mails_sent(), 1);
}

#[test]
fn the_kill_switch_stops_both_machines_and_only_resume_lifts_it() {
    let world = World::quiet();
    let (cloud, owner) = (world.cloud(), world.owner());
    cloud.bring("EMAIL_before");
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    owner.approve("EMAIL_before");
    // Somebody with a telephone puts a file into the vault.
    owner.write("STOP", "");
    let account = owner.ok(&["--once"]);
    assert!(account.contains("stopped by the kill switch"), "{account}");
    assert_eq!(owner.mails_sent(), 0);
    cloud.bring("EMAIL_after");
    let account = cloud.ok(&["--once"]);
    assert!(account.contains("stopped by the kill switch"), "it travels: {account}");
    assert_eq!(cloud.place("EMAIL_after"), "Needs_Action/EMAIL_after.md");
    assert!(owner.ok(&["status"]).contains("STOPPED"));
    // Taking the file away again does not lift it where orders are carried out.
    std::fs::remove_file(owner.vault().join("STOP")).expect("removed");
    let account = owner.ok(&["--once"]);
    assert!(account.contains("stopped by the kill switch"), "{account}");
    assert_eq!(owner.mails_sent(), 0);
    // Lifted on the owner's machine, it is lifted on the other one once that has pulled.
    owner.ok(&["resume"]);
    owner.ok(&["--once"]);
    cloud.ok(&["--once"]);
    assert_eq!(owner.mails_sent(), 1);
    assert!(cloud.place("EMAIL_after").starts_with("Pending_Approval/"));
}

#[test]
fn a_stop_reaches_a_running_daemon_before_its_next_deed() {
    let world = World::quiet();
    let machine = world.gold();
    let mut daemon = machine.start(&[]);
    daemon.until_said("ready");
    machine.bring("EMAIL_1");
    eventually("a draft", || machine.vault().join("Pending_Approval/APPROVE_EMAIL_1.md").exists());
    machine.ok(&["stop", "--reason", "lunch"]);
    eventually("the stop on the page", || machine.read("Dashboard.md").contains("lunch"));
    machine.approve("EMAIL_1");
    machine.bring("EMAIL_2");
    // The page goes on being written, which shows that the daemon has seen the order.
    eventually("a new page", || !machine.read("Dashboard.md").contains("[[APPROVE_EMAIL_1"));
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().code(), Some(0));
    assert!(machine.ok(&["--once"]).contains("stopped by the kill switch"));
    assert_eq!(machine.mails_sent(), 0);
    assert_eq!(machine.place("EMAIL_2"), "Needs_Action/EMAIL_2.md");
    assert!(machine.ok(&["status"]).contains("lunch"));
    machine.ok(&["resume"]);
    machine.ok(&["--once"]);
    assert_eq!(machine.mails_sent(), 1);
    assert!(machine.place("EMAIL_2").starts_with("Pending_Approval/"));
}

#[test]
fn a_fresh_clone_rehearses_without_init() {
    let temp = tempfile::tempdir().expect("a folder");
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::copy(project.join("config.yaml"), temp.path().join("config.yaml")).expect("config.yaml");
    std::fs::create_dir(temp.path().join("vault")).expect("vault");
    for entry in std::fs::read_dir(project.join("vault")).expect("vault") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("a type").is_dir() {
            std::fs::create_dir(temp.path().join("vault").join(entry.file_name())).expect("a folder");
        }
    }
    let run = |arguments: &[&str]| {
        let output = Command::new(programs().join("local-agent"))
            .args(arguments)
            .env_clear()
            .env("HOME", temp.path())
            .current_dir(temp.path())
            .output()
            .expect("local-agent");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && err.is_empty(), "{err}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let account = run(&["--dry-run", "--once"]);
    assert!((3..=15).contains(&account.lines().count()), "a few lines: {account}");
    for words in ["dry run", "3 new events", "WHATSAPP_", "drafted, waits for the owner", "3 waiting for you"]
    {
        assert!(account.contains(words), "{words}: {account}");
    }
    assert!(!run(&["list"]).contains("sent"), "and they can be looked at");
    let again = run(&["--dry-run", "--once"]);
    assert!(again.contains("3 waiting for you: local-agent review"), "{again}");
}

#[test]
fn exit_codes_tell_misuse_from_failure() {
    let world = World::quiet();
    let gold = world.gold();
    let cloud = world.cloud();
    let check = |machine: &Machine, status: i32, arguments: &[&str], part: &str| {
        let said = machine.fails(status, arguments);
        assert!(said.contains(part), "{arguments:?}: {said}");
    };
    gold.ok(&["--once"]);
    gold.ok(&["--version"]);
    gold.ok(&["--help"]);
    gold.ok(&["doctor"]);
    check(&gold, 2, &["--no-such-flag"], "--no-such-flag");
    check(&gold, 2, &["--dry-run=perhaps", "--once"], "perhaps");
    check(&gold, 2, &["show", "../etc/passwd"], "task id");
    check(&gold, 2, &["approve", "EMAIL_1", "--digest", "abc"], "abc");
    check(&gold, 2, &["--role", "cloud", "--once"], "local or gold");
    check(
        &gold,
        1,
        &["approve", "EMAIL_none", "--digest", &format!("sha256:{}", "0".repeat(64))],
        "EMAIL_none",
    );
    check(&gold, 1, &["retry", "EMAIL_none"], "EMAIL_none");
    check(&gold, 1, &["resolve", "EMAIL_none", "--sent"], "EMAIL_none");
    check(&gold, 2, &["trust-tip", &"0".repeat(40)], "sync is off");
    check(&cloud, 2, &["review"], "review");
    let broken = world.machine("broken", "local-agent", "local-001", "sync: { enabled: true }\n");
    check(&broken, 2, &["--once"], "sync.remote");
    let gone = gold.run(&["--config", "/nonexistent/config.yaml", "--once"]);
    assert_eq!(gone.status.code(), Some(2));
}
