use rustix::io::Errno;

use std::panic::catch_unwind;

use crate::{Crash, Effect, Plan, arm_here, inherit, reach};

#[test]
fn the_nth_point_of_a_prefix_fails_and_all_are_counted() {
    arm_here(Some(Plan::at("vault.", 2, Effect::Fail(Errno::NOSPC))));
    assert_eq!(reach("vault.write"), Ok(()));
    assert_eq!(reach("claim.record"), Ok(()));
    assert_eq!(reach("vault.rename"), Err(Errno::NOSPC));
    assert_eq!(reach("vault.rename"), Ok(()));
    let plan = arm_here(None).expect("armed");
    assert_eq!(plan.total(), 4);
    assert_eq!(plan.reached()["vault.rename"], 2);
    assert_eq!(reach("vault.rename"), Ok(()));
}

#[test]
fn a_simulated_process_ends_by_unwinding() {
    arm_here(Some(Plan::at("", 1, Effect::Unwind)));
    let ended = catch_unwind(|| reach("vault.write")).expect_err("a crash");
    assert_eq!(ended.downcast_ref::<Crash>(), Some(&Crash));
    assert!(catch_unwind(|| reach("vault.unlink")).is_err(), "the dead take no further step");
    let plan = arm_here(None).expect("armed");
    assert!(plan.has_struck());
}

#[test]
fn a_simulated_process_that_ended_makes_no_further_step() {
    arm_here(Some(Plan::at("vault.write", 1, Effect::Unwind)));
    assert_eq!(reach("journal.dispatch"), Ok(()));
    for point in ["vault.write", "journal.dispatch"] {
        assert!(std::panic::catch_unwind(|| reach(point)).is_err(), "{point}");
    }
    let plan = arm_here(None).expect("armed");
    assert!(plan.has_struck());
    assert_eq!(reach("journal.dispatch"), Ok(()));
}

#[test]
fn a_plan_is_read_from_text() {
    let check = |text: &str, expected: Option<Plan>| assert_eq!(text.parse().ok(), expected, "{text}");
    check("vault.rename:3:kill", Some(Plan::at("vault.rename", 3, Effect::Kill)));
    check(":1:eio", Some(Plan::at("", 1, Effect::Fail(Errno::IO))));
    check("count", Some(Plan::counting()));
    check("vault.rename:0:kill", None);
    check("vault.rename:3", None);
    check("vault.rename:3:boom", None);
}

#[test]
fn a_thread_that_works_for_this_one_shares_its_plan() {
    arm_here(Some(Plan::at("vault.", 2, Effect::Fail(Errno::IO))));
    assert_eq!(reach("vault.write"), Ok(()));
    let helper = std::thread::spawn(inherit(|| reach("vault.fsync")));
    assert_eq!(helper.join().expect("joined"), Err(Errno::IO));
    assert_eq!(std::thread::spawn(|| reach("vault.fsync")).join().expect("joined"), Ok(()));
    assert_eq!(arm_here(None).expect("armed").total(), 2);
}
