//! Random work on both sides: whatever the order of events, the vaults come to agree, and each
//! task is in one place.

use std::collections::BTreeMap;

use fastrand::Rng;
use task::{Location, Stage};

use crate::world::{Machine, World};

fn tasks(machine: &Machine) -> Vec<Location> {
    machine.files().keys().filter_map(|path| Location::parse(path).ok()).collect()
}

fn pick(rng: &mut Rng, machine: &Machine, wanted: impl Fn(&Stage) -> bool) -> Option<Location> {
    let mut found: Vec<Location> = tasks(machine).into_iter().filter(|l| wanted(&l.stage)).collect();
    if found.is_empty() { None } else { Some(found.swap_remove(rng.usize(..found.len()))) }
}

fn step(machine: &Machine, location: &Location, to: Stage) {
    let _ = machine.vault.remove_claim(&machine.agent.parse().expect("agent"), &location.id);
    machine.vault.advance(location, to).expect("advance");
}

async fn work(rng: &mut Rng, n: usize, machine: &Machine) {
    let mine = |stage: &Stage| *stage == Stage::InProgress(machine.agent.parse().expect("agent"));
    match rng.u8(..8) {
        0 | 7 => machine.write(&format!("Needs_Action/EMAIL_{n}.md"), &format!("event {n}")),
        1 | 2 => {
            if let Some(task) = pick(rng, machine, |stage| *stage == Stage::NeedsAction) {
                // Dropped: the claim stands, as after a crash.
                drop(machine.claims().take(vec![task]).await);
            }
        }
        3 | 4 => {
            if let Some(task) = pick(rng, machine, mine) {
                machine.write(&task.path(), &format!("draft {n} by {}", machine.agent));
                let done = Stage::Done { year: 2026, month: 2 };
                step(machine, &task, if rng.bool() { Stage::PendingApproval } else { done });
            }
        }
        5 => {
            if let Some(task) = pick(rng, machine, mine) {
                step(machine, &task, Stage::NeedsAction);
            }
        }
        _ => {
            let path = format!("Logs/2026-02-23_{}.jsonl", machine.agent);
            let log = machine.text(&path).unwrap_or_default();
            machine.write(&path, &format!("{log}{n}\n"));
        }
    }
}

async fn decide(rng: &mut Rng, n: usize, machine: &Machine) {
    match rng.u8(..4) {
        0 => {
            if let Some(task) = pick(rng, machine, |stage| *stage == Stage::NeedsAction) {
                machine.write(&task.path(), &format!("the owner's words {n}"));
            }
        }
        1 | 2 => {
            if let Some(task) = pick(rng, machine, |stage| *stage == Stage::PendingApproval) {
                machine.write(&task.path(), &format!("decided {n}"));
                step(machine, &task, if rng.bool() { Stage::Approved } else { Stage::Rejected });
            }
        }
        _ => machine.write("Dashboard.md", &format!("# {n}")),
    }
}

#[tokio::test]
async fn random_work_on_both_sides_ends_in_agreement_with_each_task_in_one_place() {
    for seed in [1, 2, 3] {
        let mut rng = Rng::with_seed(seed);
        let world = World::new();
        let (cloud, local) = world.pair().await;
        for n in 0..80 {
            match rng.u8(..6) {
                0 | 1 => work(&mut rng, n, &cloud).await,
                2 => work(&mut rng, 1000 + n, &local).await,
                3 => decide(&mut rng, n, &local).await,
                4 => drop(cloud.cycle().await),
                _ => drop(local.cycle().await),
            }
        }
        for _ in 0..3 {
            cloud.cycle().await;
            local.cycle().await;
        }
        assert_eq!(cloud.files(), local.files(), "seed {seed}");
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for location in tasks(&local) {
            places.entry(location.id.to_string()).or_default().push(location.path());
        }
        assert!(places.len() > 3, "seed {seed}: something happened");
        for (id, places) in places {
            assert_eq!(places.len(), 1, "seed {seed}: {id} is at {places:?}");
        }
        assert!(!cloud.cycle().await.changed() && !local.cycle().await.changed(), "seed {seed}");
    }
}
