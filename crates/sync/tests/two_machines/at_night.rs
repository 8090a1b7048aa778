//! What a person reads in the morning when synchronisation did not work at night: what failed, on
//! what, what to do next; and what was written meanwhile is there once it works again.

use std::path::Path;
use std::process::Command;

use sync::{Side, SyncError};

use crate::world::{Machine, World, git};

/// What comes of a cycle that cannot work, and stands in the status too.
async fn error(machine: &Machine) -> (SyncError, String) {
    let error = machine.sync.cycle().await.expect_err("it cannot work");
    let message = error.to_string();
    assert_eq!(machine.sync.status().trouble.as_deref(), Some(&*message));
    (error, message)
}

#[track_caller]
fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

/// Where the object of that name lies, as long as it is not packed.
fn object(repository: &Path, id: &str) -> std::path::PathBuf {
    let (shard, rest) = id.split_at(2);
    repository.join("objects").join(shard).join(rest)
}

/// It was called rewound, and the advice was to trust a tip called `nothing`.
#[tokio::test]
async fn a_branch_that_is_gone_from_the_remote_is_put_back_by_what_the_message_says() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    local.write("Inbox/first.md", "first");
    local.cycle().await;
    let tip = world.tip();
    world.git(&["update-ref", "-d", "refs/heads/main"]);
    for to_send in [false, true] {
        if to_send {
            local.write("Inbox/second.md", "second");
        }
        let (error, message) = error(&local).await;
        assert!(matches!(error, SyncError::Gone { .. }) && error.needs_owner(), "{error}");
        assert!(local.sync.status().stopped);
        says(&message, &["remote.git has no branch main any more", "sync.remote", &tip]);
    }
    let (_, message) = error(&local).await;
    let advice = message.split('`').nth(1).expect("a command");
    assert!(Command::new("sh").args(["-c", advice]).output().expect("sh").status.success(), "{advice}");
    local.cycle().await;
    cloud.cycle().await;
    assert!(!local.sync.status().stopped);
    assert_eq!(cloud.text("Inbox/second.md").as_deref(), Some("second"));
}

#[tokio::test]
async fn a_remote_that_moved_away_is_named_and_work_goes_out_when_it_is_back() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    let elsewhere = world.temp.path().join("elsewhere.git");
    std::fs::rename(world.remote(), &elsewhere).expect("move");
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    let (error, message) = error(&cloud).await;
    assert!(matches!(error, SyncError::Missing { .. }) && error.is_unreachable() && !error.needs_owner());
    says(&message, &["find the remote", "remote.git", "check sync.remote"]);
    assert!(cloud.sync.status().unpushed, "it is committed here");
    std::fs::rename(&elsewhere, world.remote()).expect("move back");
    cloud.cycle().await;
    local.cycle().await;
    assert_eq!(local.text("Needs_Action/EMAIL_1.md").as_deref(), Some("one"));
}

/// Nothing listens on port 1 of this machine.
#[tokio::test]
async fn a_host_that_does_not_answer_is_unreachable_and_work_is_kept_here() {
    let world = World::new();
    let cloud = world.machine_with("cloud-001", Side::Other, |config| {
        config.remote = Some("http://me:secret@127.0.0.1:1/vault.git".to_owned());
    });
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    let (error, message) = error(&cloud).await;
    assert!(matches!(error, SyncError::Unreachable { may_have_happened: false, .. }), "{error:?}");
    says(
        &message,
        &["reach the remote http://127.0.0.1:1/vault.git", "Failed to connect", "go out when it is back"],
    );
    assert!(!message.contains("secret"), "{message}");
    assert!(cloud.git(&["show", "HEAD:Needs_Action/EMAIL_1.md"]).contains("one"));
}

#[tokio::test]
async fn a_remote_that_cannot_store_what_is_pushed_says_so_and_how_to_try_by_hand() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    // Where the remote keeps what comes in, there is no room for it.
    let objects = world.remote().join("objects");
    let hidden = world.remote().join("hidden");
    std::fs::rename(&objects, &hidden).expect("move");
    std::fs::write(&objects, "").expect("write");
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    let (_, message) = error(&cloud).await;
    says(&message, &["remote.git"]);
    std::fs::remove_file(&objects).expect("remove");
    std::fs::rename(&hidden, &objects).expect("move back");
    cloud.cycle().await;
    local.cycle().await;
    assert_eq!(local.text("Needs_Action/EMAIL_1.md").as_deref(), Some("one"));
}

#[tokio::test]
async fn a_damaged_object_is_said_and_a_clone_that_is_made_anew_has_everything() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    local.write("Inbox/note.md", "words");
    local.cycle().await;
    let git_folder = local.path(".git");
    local.sync.clone().close().await;
    let broken = object(&git_folder, &local.git(&["rev-parse", "HEAD"]));
    std::fs::remove_file(&broken).expect("remove");
    std::fs::write(&broken, "").expect("a torn object");
    local.write("Inbox/later.md", "later words");
    let again = world.machine("local-001", Side::Owner);
    let (failed, message) = error(&again).await;
    assert!(matches!(failed, SyncError::Repository { .. }), "{failed:?}");
    says(&message, &["read a commit", "`git fsck`", "move the vault's .git away"]);
    again.sync.close().await;

    std::fs::rename(&git_folder, world.temp.path().join("broken.git")).expect("move away");
    let anew = world.machine("local-001", Side::Owner);
    anew.cycle().await;
    cloud.cycle().await;
    assert_eq!(anew.text("Inbox/note.md").as_deref(), Some("words"));
    assert_eq!(cloud.text("Inbox/later.md").as_deref(), Some("later words"));
    assert_eq!(anew.files(), cloud.files());
    assert!(anew.kept().is_empty(), "what was the same on both sides is no conflict");
}

#[tokio::test]
async fn a_lock_that_a_dead_git_left_in_the_vault_is_named_with_what_to_do() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    let lock = cloud.path(".git/refs/heads/main.lock");
    std::fs::write(&lock, "").expect("lock");
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    let (_, message) = error(&cloud).await;
    says(&message, &["move the vault's branch", "main.lock", "remove the .lock file that is named"]);
    assert!(lock.exists(), "it may be somebody's who is at work");
    std::fs::remove_file(&lock).expect("remove");
    cloud.cycle().await;
    local.cycle().await;
    assert_eq!(local.text("Needs_Action/EMAIL_1.md").as_deref(), Some("one"));
}

#[tokio::test]
async fn another_branch_or_a_commit_that_somebody_checked_out_is_left_alone_and_said() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    let wanted = [
        (&["switch", "--quiet", "--create", "mine"][..], "refs/heads/mine"),
        (&["switch", "--quiet", "--detach"][..], "a detached HEAD"),
    ];
    for (n, (by_hand, found)) in wanted.into_iter().enumerate() {
        cloud.git(by_hand);
        let path = format!("Needs_Action/EMAIL_{n}.md");
        cloud.write(&path, "words");
        let (error, message) = error(&cloud).await;
        assert!(matches!(error, SyncError::HeadElsewhere { .. }), "{error:?}");
        let vault = cloud.vault.root().display().to_string();
        says(&message, &[found, &format!("`git -C {vault} switch main`")]);
        git(cloud.vault.root(), &["switch", "--quiet", "main"]);
        cloud.cycle().await;
        local.cycle().await;
        assert_eq!(local.text(&path).as_deref(), Some("words"));
    }
}

#[tokio::test]
async fn another_process_that_does_not_let_go_is_named_by_the_lock_it_holds() {
    let world = World::new();
    let cloud = world.machine_with("cloud-001", Side::Other, |config| config.timeout_seconds = 1);
    cloud.cycle().await;
    let path = cloud.path(".git/ai-employee-sync.lock");
    let held = std::fs::File::open(&path).expect("the lock");
    held.lock().expect("locked");
    let (error, message) = error(&cloud).await;
    assert!(matches!(error, SyncError::Busy { seconds: 2, .. }), "{error:?}");
    says(&message, &["another process", &format!("`fuser -v {}`", path.display())]);
    held.unlock().expect("unlocked");
    cloud.cycle().await;
}

#[tokio::test]
async fn a_tip_is_trusted_by_all_of_its_digits_and_nothing_else() {
    let world = World::new();
    let (_cloud, local) = world.pair().await;
    let tip = world.tip();
    for text in ["nonsense", &tip[..12], &"g".repeat(40), ""] {
        let error = local.sync.trust_tip(text).await.expect_err(text);
        assert_eq!(
            error.to_string(),
            format!("{text:?} names no commit; give all 40 digits as they were shown")
        );
    }
    local.sync.trust_tip(&format!(" {} \n", tip.to_uppercase())).await.expect("copied from a screen");
}

#[tokio::test]
async fn what_is_asked_of_a_synchronisation_that_has_ended_fails_and_waits_for_nothing() {
    let world = World::new();
    let (cloud, _local) = world.pair().await;
    cloud.sync.clone().close().await;
    assert_eq!(cloud.sync.cycle().await.expect_err("ended").to_string(), "synchronisation has ended");
    assert!(matches!(cloud.sync.beat("ok").await, Err(SyncError::Ended)));
    assert!(cloud.sync.beats().await.is_empty());
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    // Without an answer no work begins.
    let taken = cloud.claims().take(vec![crate::world::location("Needs_Action/EMAIL_1.md")]).await;
    let why = taken.unpublished.expect("not published").to_string();
    assert!(taken.owned.is_empty() && why.contains("synchronisation has ended"), "{why}");
    cloud.sync.close().await;
}

#[tokio::test]
async fn a_seat_that_cannot_be_taken_says_whether_the_remote_is_locked_or_does_not_want_it() {
    let world = World::new();
    let (_cloud, local) = world.pair().await;
    assert_eq!(local.sync.sit("a1").await.expect("sit"), sync::Holder::Us);
    let lock = world.remote().join("refs/seat/local-001.lock");
    std::fs::write(&lock, "").expect("lock");
    let error = local.sync.take_seat("b2").await.expect_err("locked");
    assert!(matches!(error, SyncError::Locked { .. }), "{error:?}");
    says(&error.to_string(), &["remote.git", "local-001.lock", "remove the .lock file that is named"]);
    std::fs::remove_file(&lock).expect("remove");

    let hook = world.remote().join("hooks/pre-receive");
    std::fs::write(&hook, "#!/bin/sh\necho not on a Sunday >&2\nexit 1\n").expect("hook");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&hook, executable).expect("chmod");
    let error = local.sync.take_seat("b2").await.expect_err("declined");
    says(&error.to_string(), &["push to", "remote.git", "not on a Sunday", "a protected branch, a hook"]);
    assert_eq!(local.sync.sit("b2").await.expect("sit"), sync::Holder::OtherSeat, "nothing changed");
    std::fs::remove_file(&hook).expect("remove");
    local.sync.take_seat("b2").await.expect("taken");
    assert_eq!(local.sync.sit("b2").await.expect("sit"), sync::Holder::Us);
}

#[tokio::test]
async fn what_was_set_aside_on_the_owners_machine_is_not_another_machines_to_change() {
    let world = World::new();
    let (_cloud, local) = world.pair().await;
    local.write("Errors/note.txt", "what a person wrote");
    local.cycle().await;
    world.meddle(|root| std::fs::write(root.join("Errors/note.txt"), "changed").expect("write"));
    let report = local.cycle().await;
    let refused: Vec<_> = report.refused.iter().map(|r| (r.path.as_str(), r.reason.as_str())).collect();
    assert_eq!(refused, [("Errors/note.txt", "it changes what was set aside")]);
    assert_eq!(local.text("Errors/note.txt").as_deref(), Some("what a person wrote"));
}

#[tokio::test]
async fn of_two_names_that_differ_in_capitals_only_one_goes_out_and_the_other_is_said() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    local.write("Inbox/Note.md", "one");
    local.write("Inbox/note.md", "other");
    let report = local.cycle().await;
    let refused: Vec<_> = report.refused.iter().map(|r| (r.path.as_str(), r.incoming)).collect();
    assert_eq!(refused, [("Inbox/note.md", false)]);
    says(&report.refused[0].reason, &["differs from it in capitals or accents only"]);
    cloud.cycle().await;
    assert_eq!(cloud.text("Inbox/Note.md").as_deref(), Some("one"));
    assert_eq!(local.text("Inbox/note.md").as_deref(), Some("other"), "it stays where it is");
}

/// It is only a memory of what is elsewhere.
#[tokio::test]
async fn an_index_that_can_be_neither_read_nor_removed_holds_no_synchronisation_up() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    cloud.sync.clone().close().await;
    let index = cloud.path(".git/index");
    std::fs::remove_file(&index).expect("remove");
    std::fs::create_dir(&index).expect("a folder in its place");
    let again = world.machine("cloud-001", Side::Other);
    again.write("Needs_Action/EMAIL_1.md", "one");
    again.cycle().await;
    local.cycle().await;
    assert_eq!(local.text("Needs_Action/EMAIL_1.md").as_deref(), Some("one"));
}
