//! A few schedules of each kind; `cargo xtask torture schedules` runs as many as wanted.

use crate::{Case, Flaw, Office, Ran, partition, run};

const STEPS: u32 = 60;

fn ran(office: &Office, seed: u64, flaw: Option<Flaw>) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    run(office, folder.path(), Case { seed, steps: STEPS, flaw }).expect("the simulation works")
}

#[test]
fn what_must_not_happen_does_not_under_crashes_lost_replies_and_a_busy_owner() {
    let home = tempfile::tempdir().expect("a folder");
    let office = Office::new(home.path()).expect("office");
    let (mut tasks, mut effects, mut crashes) = (0, 0, 0);
    for seed in 1..=12 {
        let ran = ran(&office, seed, None);
        assert!(ran.violations.is_empty(), "seed {seed}: {:#?}\n{}", ran.violations, ran.trace.join("\n"));
        tasks += ran.tasks;
        effects += ran.effects;
        crashes += ran.crashes;
    }
    assert!(tasks > 50 && effects > 0 && crashes > 5, "{tasks} tasks, {effects} effects, {crashes} crashes");
}

#[test]
fn the_same_seed_is_the_same_schedule() {
    let home = tempfile::tempdir().expect("a folder");
    let office = Office::new(home.path()).expect("office");
    let (one, other) = (ran(&office, 7, None), ran(&office, 7, None));
    assert_eq!((one.tasks, one.effects, one.crashes), (other.tasks, other.effects, other.crashes));
}

#[test]
fn a_program_without_a_fence_is_noticed() {
    let home = tempfile::tempdir().expect("a folder");
    let office = Office::new(home.path()).expect("office");
    let noticed = (1..=40).any(|seed| !ran(&office, seed, Some(Flaw::NoFence)).violations.is_empty());
    assert!(noticed);
}

#[test]
fn an_hour_apart_ends_in_agreement_within_half_a_minute() {
    let home = tempfile::tempdir().expect("a folder");
    let office = Office::new(&home.path().join("office")).expect("office");
    let ended = partition(&office, &home.path().join("world"), 1).expect("the simulation works");
    assert!(ended.ran.violations.is_empty(), "{:#?}\n{}", ended.ran.violations, ended.ran.trace.join("\n"));
    assert!(ended.apart > 20, "both worked meanwhile: {}", ended.apart);
    assert!(ended.seconds <= 30, "{} s", ended.seconds);
}
