//! Two machines come to one vault, whatever each did while the other was away.

use sync::{Side, SyncError};

use crate::world::{World, git};

#[tokio::test]
async fn an_empty_remote_is_begun_by_the_first_push_and_the_second_machine_gets_it_all() {
    let world = World::new();
    let cloud = world.machine("cloud-001", Side::Other);
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    cloud.write("Done/2026/01/EMAIL_0.md", "old");
    let report = cloud.cycle().await;
    assert!(report.pushed >= 2, "{report:?}");
    let local = world.machine("local-001", Side::Owner);
    let report = local.cycle().await;
    assert!(report.refused.is_empty(), "{report:?}");
    assert_eq!(local.files(), cloud.files());
    assert!(local.text("Done/2026/01/EMAIL_0.md").is_some());
}

#[tokio::test]
async fn an_idle_pair_makes_no_commits_and_writes_nothing() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    let (commits, objects) = (world.commits(), world.objects());
    for _ in 0..3 {
        assert!(!cloud.cycle().await.changed());
        assert!(!local.cycle().await.changed());
    }
    assert_eq!((world.commits(), world.objects()), (commits, objects));
}

#[tokio::test]
async fn edits_made_apart_converge() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    cloud.write("Needs_Action/EMAIL_2.md", "two");
    cloud.cycle().await;
    local.cycle().await;
    // Now nobody hears of the other for a while.
    local.rename("Needs_Action/EMAIL_1.md", "Rejected/EMAIL_1.md");
    local.write("Inbox/call Bob.md", "call Bob");
    local.write("Dashboard.md", "# all well");
    cloud.rename("Needs_Action/EMAIL_2.md", "Done/2026/02/EMAIL_2.md");
    cloud.write("Logs/2026-02-23_cloud-001.jsonl", "{}\n");
    cloud.write("Needs_Action/EMAIL_3.md", "three");
    local.cycle().await;
    cloud.cycle().await;
    local.cycle().await;
    assert_eq!(local.files(), cloud.files());
    let paths: Vec<_> = local.files().into_keys().collect();
    assert_eq!(
        paths,
        [
            "Dashboard.md",
            "Done/2026/02/EMAIL_2.md",
            "Inbox/call Bob.md",
            "Logs/2026-02-23_cloud-001.jsonl",
            "Needs_Action/EMAIL_3.md",
            "Rejected/EMAIL_1.md",
        ]
    );
}

#[tokio::test]
async fn both_changed_the_same_task_the_owner_wins_and_no_word_is_lost() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    cloud.write("Needs_Action/EMAIL_1.md", "as it came");
    cloud.cycle().await;
    local.cycle().await;
    local.write("Needs_Action/EMAIL_1.md", "the owner's words");
    cloud.rename("Needs_Action/EMAIL_1.md", "Pending_Approval/APPROVE_EMAIL_1.md");
    cloud.write("Pending_Approval/APPROVE_EMAIL_1.md", "the cloud's draft");
    for order in [[&cloud, &local], [&local, &cloud]] {
        for machine in order {
            machine.cycle().await;
        }
    }
    assert_eq!(local.files(), cloud.files());
    assert_eq!(local.text("Needs_Action/EMAIL_1.md").as_deref(), Some("the owner's words"));
    assert_eq!(local.text("Pending_Approval/APPROVE_EMAIL_1.md"), None);
    assert_eq!(local.kept(), ["the cloud's draft"]);
}

#[tokio::test]
async fn work_offline_is_committed_here_and_goes_out_later() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    let away = world.temp.path().join("away.git");
    std::fs::rename(world.remote(), &away).expect("unplug");
    for n in 0..3 {
        local.write(&format!("Inbox/note {n}.md"), "words");
        let error = local.sync.cycle().await.expect_err("no remote");
        let message = error.to_string();
        assert!(matches!(error, SyncError::Missing { .. }), "{message}");
        assert!(message.contains("remote.git") && !message.contains('\n'), "{message}");
    }
    assert_eq!(local.git(&["status", "--porcelain", "--untracked-files=no"]), "");
    assert!(local.sync.status().unpushed);
    assert_eq!(local.git(&["rev-list", "--count", "origin/main..main"]), "3");
    std::fs::rename(&away, world.remote()).expect("plug in");
    cloud.write("Needs_Action/EMAIL_1.md", "meanwhile");
    cloud.cycle().await;
    local.cycle().await;
    cloud.cycle().await;
    assert_eq!(local.files(), cloud.files());
    assert!(!local.sync.status().unpushed);
    // The commits made offline are in the history.
    assert!(world.git(&["log", "--oneline", "main"]).lines().count() >= 5);
    assert_eq!(cloud.text("Inbox/note 2.md").as_deref(), Some("words"));
}

#[tokio::test]
async fn a_machine_that_began_offline_meets_a_vault_that_exists() {
    let world = World::new();
    let cloud = world.machine("cloud-001", Side::Other);
    cloud.write("Done/2026/01/EMAIL_0.md", "old");
    cloud.write("Company_Handbook.md", "# Rules");
    cloud.cycle().await;
    let away = world.temp.path().join("away.git");
    std::fs::rename(world.remote(), &away).expect("unplug");
    let local = world.machine("local-001", Side::Owner);
    local.write("Inbox/note.md", "words");
    local.sync.cycle().await.expect_err("no remote");
    assert_eq!(local.git(&["rev-list", "--count", "HEAD"]), "1", "committed here");
    std::fs::rename(&away, world.remote()).expect("plug in");
    assert!(local.cycle().await.refused.is_empty());
    cloud.cycle().await;
    assert_eq!(local.files(), cloud.files());
    assert_eq!(local.files().len(), 3);
}

#[tokio::test]
async fn the_vault_stays_an_ordinary_clone() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    cloud.write("Done/2026/01/EMAIL_0.md", "old");
    cloud.cycle().await;
    local.cycle().await;
    cloud.rename("Needs_Action/EMAIL_1.md", "Done/2026/02/EMAIL_1.md");
    cloud.cycle().await;
    local.cycle().await;
    for machine in [cloud, local] {
        let root = machine.vault.root().to_owned();
        machine.sync.close().await;
        assert_eq!(git(&root, &["status", "--porcelain"]), "", "{}", machine.agent);
        assert_eq!(git(&root, &["rev-parse", "HEAD"]), world.tip());
        assert_eq!(git(&root, &["diff", "--cached", "--name-only"]), "");
        assert_eq!(git(&root, &["fsck", "--no-dangling"]), "");
        assert!(git(&root, &["log", "-1", "--format=%s"]).starts_with("[cloud-001] Auto-sync 2026-02-23T"));
    }
}

/// `torture --only power`, xfs: after a power cut git refused to work in the vault, for good.
#[tokio::test]
async fn an_index_that_a_power_cut_has_torn_is_written_anew() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    cloud.write("Done/2026/01/EMAIL_0.md", "old");
    cloud.cycle().await;
    local.cycle().await;
    for length in [0, 5, 100] {
        let root = local.vault.root().to_owned();
        local.sync.clone().close().await;
        let index = std::fs::File::options().write(true).open(root.join(".git/index")).expect("the index");
        index.set_len(length).expect("torn");
        let again = world.machine("local-001", Side::Owner);
        again.cycle().await;
        again.sync.close().await;
        assert_eq!(git(&root, &["status", "--porcelain"]), "", "{length}");
        assert_eq!(git(&root, &["ls-files"]).lines().count(), local.files().len() + 1, "{length}");
    }
}

#[tokio::test]
async fn a_clone_that_a_person_worked_in_by_hand_is_followed() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    local.write("Inbox/by hand.md", "words");
    local.git(&["add", "Inbox"]);
    local.git(&["commit", "--quiet", "-m", "by hand"]);
    local.cycle().await;
    cloud.cycle().await;
    assert_eq!(cloud.text("Inbox/by hand.md").as_deref(), Some("words"));
    assert_eq!(local.git(&["rev-parse", "HEAD"]), world.tip());
    local.git(&["switch", "--quiet", "-c", "elsewhere"]);
    let error = local.sync.cycle().await.expect_err("another branch").to_string();
    assert!(error.contains("switch main"), "{error}");
}

#[tokio::test]
async fn a_restart_finds_what_changed_while_it_was_off() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    cloud.write("Done/2026/01/EMAIL_0.md", "old");
    cloud.write("Inbox/a.md", "a");
    cloud.cycle().await;
    local.cycle().await;
    local.sync.clone().close().await;
    local.write("Done/2026/01/EMAIL_0.md", "edited while it was off");
    std::fs::remove_file(local.path("Inbox/a.md")).expect("remove");
    let local = world.machine("local-001", Side::Owner);
    assert_eq!(local.cycle().await.pushed, 2);
    cloud.cycle().await;
    assert_eq!(cloud.text("Done/2026/01/EMAIL_0.md").as_deref(), Some("edited while it was off"));
    assert_eq!(cloud.text("Inbox/a.md"), None);
}

#[tokio::test]
async fn an_edit_of_a_finished_task_is_noticed_although_its_folder_looks_the_same() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    cloud.write("Done/2026/01/EMAIL_0.md", "old");
    cloud.write("Done/2026/01/EMAIL_1.md", "old");
    cloud.cycle().await;
    local.cycle().await;
    // In place, as Obsidian writes: the folder itself does not change.
    local.write("Done/2026/01/EMAIL_0.md", "with a remark");
    local.cycle().await;
    cloud.cycle().await;
    assert_eq!(cloud.text("Done/2026/01/EMAIL_0.md").as_deref(), Some("with a remark"));
}

#[tokio::test]
async fn a_rewound_remote_stops_until_the_owner_vouches_for_it() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    let before = world.tip();
    cloud.write("Needs_Action/EMAIL_1.md", "a secret that should be purged");
    cloud.cycle().await;
    local.cycle().await;
    world.git(&["update-ref", "refs/heads/main", &before]);
    // Rewinding is noticed with nothing to send, and with something.
    let error = local.sync.cycle().await.expect_err("rewound");
    assert!(matches!(&error, SyncError::Rewound { found, .. } if *found == before), "{error}");
    local.write("Inbox/note.md", "words");
    assert!(matches!(local.sync.cycle().await, Err(SyncError::Rewound { .. })));
    assert!(local.sync.status().stopped);
    assert_eq!(world.tip(), before, "nothing was pushed over it");
    assert!(local.text("Needs_Action/EMAIL_1.md").is_some());

    assert!(local.sync.trust_tip("nonsense").await.is_err());
    local.sync.trust_tip(&before).await.expect("trust");
    local.cycle().await;
    assert_eq!(local.text("Needs_Action/EMAIL_1.md"), None, "what was purged stays purged");
    assert_eq!(local.text("Inbox/note.md").as_deref(), Some("words"));
    let history = world.git(&["log", "--format=%H", "--", "Needs_Action/EMAIL_1.md"]);
    assert_eq!(history, "", "the old history does not come back");
    assert!(!local.sync.status().stopped);
}

#[tokio::test]
async fn a_push_that_the_remotes_hook_declines_is_one_clear_message() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    let hook = world.remote().join("hooks/pre-receive");
    std::fs::write(&hook, "#!/bin/sh\necho not on a Sunday >&2\nexit 1\n").expect("hook");
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("mode");
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    let error = cloud.sync.cycle().await.expect_err("declined");
    assert!(matches!(error, SyncError::Declined { .. }));
    let message = error.to_string();
    assert!(message.contains("not on a Sunday") && message.contains("pre-receive"), "{message}");
    std::fs::remove_file(&hook).expect("remove");
    cloud.cycle().await;
    local.cycle().await;
    assert_eq!(local.text("Needs_Action/EMAIL_1.md").as_deref(), Some("one"));
}

#[tokio::test]
async fn ordinary_changes_are_gathered_and_a_flush_sends_them() {
    let world = World::new();
    let cloud = world.machine_with("cloud-001", Side::Other, |config| config.push_gap_seconds = 3600);
    cloud.cycle().await;
    let commits = world.commits();
    for n in 0..3 {
        cloud.write(&format!("Needs_Action/EMAIL_{n}.md"), "x");
        assert!(cloud.cycle().await.held);
    }
    assert_eq!(world.commits(), commits);
    assert!(!cloud.sync.flush().await.expect("flush").held);
    assert_eq!(world.commits(), commits + 1);
}

#[tokio::test]
async fn two_processes_of_one_machine_share_one_vault() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    // The sync-watcher beside the agent.
    let watcher = world.machine("local-001", Side::Owner);
    for n in 0..4 {
        cloud.write(&format!("Needs_Action/EMAIL_{n}.md"), "x");
        cloud.cycle().await;
        local.write(&format!("Inbox/note {n}.md"), "words");
        let (a, b) = tokio::join!(local.sync.cycle(), watcher.sync.cycle());
        a.expect("agent");
        b.expect("watcher");
    }
    cloud.cycle().await;
    assert_eq!(local.files(), cloud.files());
    assert_eq!(local.files().len(), 8);
}

#[tokio::test]
async fn git_locks_of_an_interrupted_run_are_removed_and_others_are_not() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    let lock = local.path(".git/refs/heads/main.lock");
    std::fs::write(&lock, "").expect("lock");
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    cloud.cycle().await;
    let error = local.sync.cycle().await.expect_err("somebody else's lock").to_string();
    assert!(error.contains("lock"), "{error}");
    assert!(lock.exists());
    // As a killed process of ours leaves it.
    std::fs::write(local.path(".git/ai-employee-writing"), "1").expect("mark");
    local.cycle().await;
    assert!(!lock.exists());
    assert_eq!(local.git(&["rev-parse", "HEAD"]), world.tip());
    assert_eq!(local.files(), cloud.files());
}

#[tokio::test]
async fn words_written_at_the_same_moment_as_a_crash_are_found_again() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    local.sync.clone().close().await;
    let area = local.path(".git/ai-employee-incoming");
    std::fs::create_dir_all(&area).expect("folder");
    std::fs::write(area.join("old.1.EMAIL_1.md"), "words that nobody has seen").expect("write");
    std::fs::write(area.join("new.2.EMAIL_2.md"), "half a cont").expect("write");
    let local = world.machine("local-001", Side::Owner);
    local.cycle().await;
    cloud.cycle().await;
    assert_eq!(cloud.kept(), ["words that nobody has seen"]);
    assert_eq!(std::fs::read_dir(&area).expect("folder").count(), 0);
}
