//! A machine that begins, or begins again: whatever it finds at the remote stays there.

use std::time::{Duration, SystemTime};

use sync::{Side, SyncError};

use crate::world::World;

/// A first sync that ended after its fetch took the record of that fetch for what it had taken in,
/// and pushed its own few files in place of the remote's.
#[tokio::test]
async fn a_first_sync_that_was_cut_off_after_its_fetch_overwrites_nothing() {
    let world = World::new();
    let cloud = world.machine("cloud-001", Side::Other);
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    cloud.cycle().await;
    let local = world.machine("local-001", Side::Owner);
    local.write("Inbox/note.md", "words");
    // All that is left of a first sync that was killed there.
    local.git(&["fetch", "--quiet", "origin", "+refs/heads/main:refs/remotes/origin/main"]);
    local.cycle().await;
    assert_eq!(local.text("Needs_Action/EMAIL_1.md").as_deref(), Some("one"));
    cloud.cycle().await;
    assert_eq!(cloud.text("Needs_Action/EMAIL_1.md").as_deref(), Some("one"));
    assert_eq!(cloud.text("Inbox/note.md").as_deref(), Some("words"));
}

/// The data directory outlived the vault: what it had seen there was taken for deleted here.
#[tokio::test]
async fn a_vault_that_is_gone_comes_back_from_the_remote_and_deletes_nothing_there() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    local.write("Done/2026/01/EMAIL_0.md", "finished");
    local.write("Company_Handbook.md", "rules");
    local.cycle().await;
    for came_since in [false, true] {
        if came_since {
            cloud.write("Needs_Action/EMAIL_1.md", "one");
            cloud.write("Rejected/EMAIL_2.md", "not the other machine's to bring");
            cloud.cycle().await;
        }
        local.sync.clone().close().await;
        std::fs::remove_dir_all(local.vault.root()).expect("remove");
        let again = world.machine("local-001", Side::Owner);
        again.cycle().await;
        assert_eq!(again.text("Done/2026/01/EMAIL_0.md").as_deref(), Some("finished"));
        assert_eq!(again.text("Company_Handbook.md").as_deref(), Some("rules"));
        assert_eq!(again.text("Needs_Action/EMAIL_1.md").is_some(), came_since);
        assert_eq!(again.text("Rejected/EMAIL_2.md"), None, "what came since is judged");
        assert!(world.git(&["show", "main:Company_Handbook.md"]).contains("rules"));
        again.sync.close().await;
    }
}

#[tokio::test]
async fn a_branch_that_was_set_back_by_hand_sets_nothing_back_at_the_remote() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    local.write("Inbox/first.md", "first");
    local.cycle().await;
    let earlier = local.git(&["rev-parse", "HEAD"]);
    cloud.cycle().await;
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    cloud.cycle().await;
    local.cycle().await;
    local.git(&["reset", "--quiet", "--hard", &earlier]);
    local.write("Inbox/second.md", "second");
    local.cycle().await;
    cloud.cycle().await;
    assert_eq!(cloud.text("Needs_Action/EMAIL_1.md").as_deref(), Some("one"));
    assert_eq!(local.files(), cloud.files());
    assert_eq!(local.files().len(), 3);
}

/// It was reported as other machines that were faster.
#[tokio::test]
async fn a_lock_that_a_dead_push_left_at_the_remote_is_said_with_what_to_do() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    for lock in ["refs/heads/main.lock", "HEAD.lock"] {
        let path = world.remote().join(lock);
        std::fs::write(&path, "").expect("lock");
        cloud.write("Needs_Action/EMAIL_1.md", lock);
        let error = cloud.sync.cycle().await.expect_err("locked");
        assert!(matches!(error, SyncError::Locked { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains(lock) && message.contains("remove the .lock file"), "{message}");
        std::fs::remove_file(&path).expect("remove");
        cloud.cycle().await;
        local.cycle().await;
        assert_eq!(local.text("Needs_Action/EMAIL_1.md").as_deref(), Some(lock));
    }
}

#[tokio::test]
async fn another_push_that_holds_the_lock_for_a_moment_is_waited_for() {
    let world = World::new();
    let (cloud, _local) = world.pair().await;
    let path = world.remote().join("refs/heads/main.lock");
    std::fs::write(&path, "").expect("lock");
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    let began = SystemTime::now();
    let holder = tokio::task::spawn_blocking(move || {
        // Until the first refused push has written its objects there.
        let objects = path.ancestors().nth(3).map(|remote| remote.join("objects")).expect("objects");
        while std::fs::metadata(&objects).and_then(|meta| meta.modified()).is_ok_and(|time| time < began) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::fs::remove_file(&path).expect("remove");
    });
    cloud.cycle().await;
    holder.await.expect("holder");
    assert!(world.git(&["show", "main:Needs_Action/EMAIL_1.md"]).contains("one"));
}
