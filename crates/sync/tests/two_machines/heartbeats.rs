//! Signs of life that leave nothing behind.

use chrono::TimeDelta;
use sync::{Side, SyncError};

use crate::world::World;

#[tokio::test]
async fn a_heartbeat_adds_no_object_and_no_history() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    let (objects, commits) = (world.objects(), world.commits());
    for n in 0..5 {
        assert!(cloud.sync.beat(&format!("disk={n}")).await.expect("beat"));
    }
    assert_eq!((world.objects(), world.commits()), (objects, commits));
    let refs = world.git(&["for-each-ref", "--format=%(refname)"]);
    let beats: Vec<_> = refs.lines().filter(|name| name.starts_with("refs/hb/")).collect();
    assert_eq!(beats.len(), 1, "{refs}");
    assert!(beats[0].starts_with("refs/hb/cloud-001/") && beats[0].ends_with("-5-disk=4"), "{refs}");

    local.cycle().await;
    let seen = local.sync.beats().await;
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].agent.as_str(), seen[0].counter, &*seen[0].note), ("cloud-001", 5, "disk=4"));
    assert!(cloud.sync.beats().await.is_empty(), "an agent does not listen to itself");
}

#[tokio::test]
async fn a_beat_is_dated_by_the_observers_clock_when_it_changes() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    cloud.sync.beat("").await.expect("beat");
    local.cycle().await;
    let first = local.sync.beats().await.remove(0).changed_at;
    local.clock.advance(TimeDelta::minutes(7));
    local.cycle().await;
    assert_eq!(local.sync.beats().await[0].changed_at, first);
    cloud.sync.beat("").await.expect("beat");
    local.cycle().await;
    assert_eq!(local.sync.beats().await[0].changed_at, first + TimeDelta::minutes(7));
}

#[tokio::test]
async fn a_restarted_agent_removes_the_beat_of_its_last_run() {
    let world = World::new();
    let (cloud, _local) = world.pair().await;
    cloud.sync.beat("one").await.expect("beat");
    cloud.sync.clone().close().await;
    let cloud = world.machine("cloud-001", Side::Other);
    cloud.cycle().await;
    assert!(cloud.sync.beat("two").await.expect("beat"));
    let refs = world.git(&["for-each-ref", "--format=%(refname)", "refs/hb/"]);
    assert!(refs.ends_with("-1-two") && refs.lines().count() == 1, "{refs}");
}

#[tokio::test]
async fn a_host_that_takes_branches_only_gets_one_branch_without_history() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    let hook = world.remote().join("hooks/update");
    std::fs::write(&hook, "#!/bin/sh\ncase $1 in refs/heads/*) exit 0;; esac\nexit 1\n").expect("hook");
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("mode");
    for note in ["one", "two"] {
        assert!(cloud.sync.beat(note).await.expect("beat"));
    }
    assert_eq!(world.git(&["rev-list", "--count", "heartbeats/cloud-001"]), "1");
    local.cycle().await;
    let seen = local.sync.beats().await;
    assert_eq!((seen.len(), &*seen[0].note, seen[0].counter), (1, "two", 2));
    assert!(!local.cycle().await.changed());
}

#[tokio::test]
async fn a_note_that_no_ref_can_carry_is_refused() {
    let world = World::new();
    let (cloud, _local) = world.pair().await;
    assert!(matches!(cloud.sync.beat("two words").await, Err(SyncError::Note(_))));
}
