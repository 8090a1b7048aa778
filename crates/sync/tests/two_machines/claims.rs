//! No task has two owners, whoever races whom.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use claim::{Observation, PublishError, Publisher, Verdict};
use sync::Side;
use task::{Location, Stage};

use crate::world::{Machine, World, location};

async fn machines(world: &World, count: usize) -> Vec<Machine> {
    let mut machines = Vec::new();
    for n in 0..count {
        let machine = world.machine(&format!("cloud-{n:03}"), Side::Other);
        machine.cycle().await;
        machines.push(machine);
    }
    machines
}

fn tasks(count: usize) -> Vec<Location> {
    (0..count).map(|n| location(&format!("Needs_Action/EMAIL_{n}.md"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_clones_that_race_for_the_same_tasks_each_task_has_one_owner() {
    let world = World::new();
    let machines = machines(&world, 5).await;
    let tasks = tasks(20);
    for task in &tasks {
        machines[0].write(&task.path(), &format!("text of {}", task.id));
    }
    machines[0].cycle().await;
    for machine in &machines {
        machine.cycle().await;
    }
    let runs: Vec<_> = machines
        .iter()
        .map(|machine| {
            let (claims, tasks) = (machine.claims(), tasks.clone());
            tokio::spawn(async move {
                let mut owned = Vec::new();
                // In portions, so that all of them get some.
                for portion in tasks.chunks(4) {
                    let taken = claims.take(portion.to_vec()).await;
                    assert!(taken.failed.is_empty(), "{:?}", taken.failed);
                    assert!(taken.unpublished.is_none(), "{:?}", taken.unpublished);
                    owned.extend(taken.owned.iter().map(|claim| claim.id().clone()));
                }
                owned
            })
        })
        .collect();
    let mut owners = BTreeMap::new();
    for (machine, run) in machines.iter().zip(runs) {
        for id in run.await.expect("run") {
            assert_eq!(owners.insert(id.clone(), machine.agent.clone()), None, "{id} has two owners");
        }
    }
    assert_eq!(owners.len(), tasks.len());
    for machine in &machines {
        machine.cycle().await;
    }
    for (id, owner) in owners {
        for machine in &machines {
            let path = format!("In_Progress/{owner}/{id}.md");
            assert_eq!(machine.text(&path), Some(format!("text of {id}")), "{} {path}", machine.agent);
        }
    }
    assert_eq!(machines[0].files(), machines[4].files());
    assert!(machines[0].kept().is_empty(), "losing a claim loses no words");
}

#[tokio::test]
async fn the_loser_puts_its_file_back_as_the_tip_says() {
    let world = World::new();
    let machines = machines(&world, 2).await;
    let (winner, loser) = (&machines[0], &machines[1]);
    winner.write("Needs_Action/EMAIL_1.md", "text");
    winner.cycle().await;
    loser.cycle().await;
    assert_eq!(winner.claims().take(tasks(2)).await.owned.len(), 1);
    let taken = loser.claims().take(tasks(2)).await;
    assert!(taken.owned.is_empty());
    // EMAIL_0 does not exist, EMAIL_1 was lost.
    assert_eq!(taken.lost.len(), 2);
    assert_eq!(loser.text("In_Progress/cloud-000/EMAIL_1.md").as_deref(), Some("text"));
    assert_eq!(loser.text("Needs_Action/EMAIL_1.md"), None);
    assert_eq!(loser.files().len(), winner.files().len());
    loser.cycle().await;
    assert_eq!(loser.files(), winner.files());
}

#[tokio::test]
async fn a_task_may_be_born_and_claimed_in_one_commit() {
    let world = World::new();
    let machines = machines(&world, 2).await;
    let commits = world.commits();
    machines[0].write("Needs_Action/EMAIL_0.md", "new");
    assert_eq!(machines[0].claims().take(tasks(1)).await.owned.len(), 1);
    assert_eq!(world.commits(), commits + 1);
    machines[1].cycle().await;
    assert_eq!(machines[1].files(), machines[0].files());
}

#[tokio::test]
async fn an_edited_task_is_no_longer_the_one_that_was_claimed() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    cloud.write("Needs_Action/EMAIL_0.md", "as it came");
    cloud.cycle().await;
    local.cycle().await;
    local.write("Needs_Action/EMAIL_0.md", "the owner's words");
    local.cycle().await;
    let taken = cloud.claims().take(tasks(1)).await;
    assert_eq!((taken.owned.len(), taken.lost.len()), (0, 1));
    assert_eq!(cloud.text("Needs_Action/EMAIL_0.md").as_deref(), Some("the owner's words"));
    assert_eq!(cloud.claims().take(tasks(1)).await.owned.len(), 1);
}

#[tokio::test]
async fn a_zombies_late_push_is_refused_and_its_words_are_kept() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    cloud.write("Needs_Action/EMAIL_0.md", "text");
    cloud.cycle().await;
    let zombie = cloud.claims().take(tasks(1)).await.owned.remove(0);
    local.cycle().await;
    // It falls asleep; the other machine takes the task back and works on it.
    let look =
        |machine: &Machine| Observation { at: task::Clock::now(&*machine.clock), ..Default::default() };
    let claims = local.claims();
    assert!(claims.reclaim_stale(look(&local)).await.expect("look").is_empty());
    local.clock.advance(TimeDelta::minutes(61));
    assert_eq!(claims.reclaim_stale(look(&local)).await.expect("look").len(), 1);
    local.cycle().await;
    let owned = claims.take(tasks(1)).await.owned.remove(0);
    let claim_file = local.text("In_Progress/local-001/EMAIL_0.claim.json");
    // It wakes up and finishes.
    cloud.write("In_Progress/cloud-001/EMAIL_0.md", "the zombie's draft");
    cloud.vault.advance(zombie.location(), Stage::PendingApproval).expect("advance");
    cloud.claims().complete(zombie).await.expect("complete");
    cloud.cycle().await;
    assert_eq!(cloud.text("Pending_Approval/APPROVE_EMAIL_0.md"), None);
    assert_eq!(cloud.text("In_Progress/local-001/EMAIL_0.md").as_deref(), Some("text"));
    assert_eq!(cloud.kept(), ["the zombie's draft"]);
    local.cycle().await;
    assert_eq!(local.text("In_Progress/local-001/EMAIL_0.claim.json"), claim_file);
    assert_eq!(local.files(), cloud.files());
    local.vault.advance(owned.location(), Stage::PendingApproval).expect("the owner goes on");
    claims.complete(owned).await.expect("complete");
}

#[tokio::test]
async fn a_reclaim_loses_against_an_owner_that_moved_on() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    cloud.write("Needs_Action/EMAIL_0.md", "text");
    cloud.cycle().await;
    let owned = cloud.claims().take(tasks(1)).await.owned.remove(0);
    local.cycle().await;
    cloud.vault.advance(owned.location(), Stage::PendingApproval).expect("advance");
    cloud.claims().complete(owned).await.expect("complete");
    cloud.cycle().await;
    local
        .vault
        .remove_claim(&"cloud-001".parse().expect("agent"), &"EMAIL_0".parse().expect("id"))
        .expect("remove");
    local.rename("In_Progress/cloud-001/EMAIL_0.md", "Needs_Action/EMAIL_0.md");
    local.cycle().await;
    assert_eq!(local.text("Pending_Approval/APPROVE_EMAIL_0.md").as_deref(), Some("text"));
    assert_eq!(local.text("Needs_Action/EMAIL_0.md"), None);
    assert_eq!(local.files(), cloud.files());
}

#[tokio::test]
async fn a_push_whose_answer_was_lost_is_recognised_by_its_nonce() {
    let world = World::new();
    let cloud = world.machine_with("cloud-001", Side::Other, |config| config.timeout_seconds = 2);
    cloud.write("Needs_Action/EMAIL_0.md", "text");
    cloud.cycle().await;
    // The remote takes the push and then falls silent.
    let hook = world.remote().join("hooks/post-receive");
    std::fs::write(&hook, "#!/bin/sh\nexec sleep 30\n").expect("hook");
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let claims = cloud.claims();
    let taken = claims.take(tasks(1)).await;
    assert!(matches!(taken.unpublished, Some(PublishError::Unknown(_))), "{:?}", taken.unpublished);
    assert!(taken.owned.is_empty(), "no work on a claim that nobody is sure of");
    assert!(cloud.text("In_Progress/cloud-001/EMAIL_0.md").is_some());
    std::fs::remove_file(&hook).expect("remove");
    let commits = world.commits();
    assert_eq!(claims.take(Vec::new()).await.owned.len(), 1);
    assert_eq!(world.commits(), commits, "it was there already");
}

#[tokio::test]
async fn an_unreachable_remote_leaves_no_claim_behind() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    cloud.write("Needs_Action/EMAIL_0.md", "text");
    cloud.cycle().await;
    let away = world.temp.path().join("away.git");
    std::fs::rename(world.remote(), &away).expect("unplug");
    let taken = cloud.claims().take(tasks(1)).await;
    assert!(taken.owned.is_empty() && matches!(taken.unpublished, Some(PublishError::NotPublished(_))));
    assert_eq!(cloud.text("Needs_Action/EMAIL_0.md").as_deref(), Some("text"));
    std::fs::rename(&away, world.remote()).expect("plug in");
    let commits = world.commits();
    cloud.cycle().await;
    assert_eq!(world.commits(), commits);
    local.cycle().await;
    assert_eq!(local.files(), cloud.files());
}

#[tokio::test]
async fn own_claims_are_owned_again_after_a_restart_unless_they_were_taken_back() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    for task in tasks(2) {
        cloud.write(&task.path(), "text");
    }
    cloud.cycle().await;
    assert_eq!(cloud.claims().take(tasks(2)).await.owned.len(), 2);
    local.cycle().await;
    local
        .vault
        .remove_claim(&"cloud-001".parse().expect("agent"), &"EMAIL_1".parse().expect("id"))
        .expect("remove");
    local.rename("In_Progress/cloud-001/EMAIL_1.md", "Needs_Action/EMAIL_1.md");
    local.cycle().await;

    cloud.sync.clone().close().await;
    let cloud = world.machine("cloud-001", Side::Other);
    let resumed = cloud.claims().resume_own().await.expect("resume");
    let owned: Vec<_> = resumed.owned.iter().map(|claim| claim.id().to_string()).collect();
    assert_eq!(owned, ["EMAIL_0"]);
    assert_eq!(cloud.text("Needs_Action/EMAIL_1.md").as_deref(), Some("text"));
}

#[tokio::test]
async fn publishing_twice_owns_once() {
    let world = World::new();
    let (cloud, _local) = world.pair().await;
    cloud.write("Needs_Action/EMAIL_0.md", "text");
    let owned = cloud.claims().take(tasks(1)).await.owned.remove(0);
    let bytes = cloud.vault.read_claim(&"cloud-001".parse().expect("agent"), owned.id()).expect("read");
    let record = claim::ClaimRecord::parse(&bytes.expect("a claim")).expect("record");
    let again =
        tokio::time::timeout(Duration::from_secs(60), cloud.sync.publish(std::slice::from_ref(&record)))
            .await;
    assert_eq!(again.expect("in time").expect("published"), [Verdict::Owned]);
    let other = claim::ClaimRecord::fresh(record.agent, record.id).expect("fresh");
    assert_eq!(cloud.sync.publish(&[other]).await.expect("published"), [Verdict::Lost]);
}
