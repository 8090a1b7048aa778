use rustix::io::Errno;

use std::cell::RefCell;
use std::panic::catch_unwind;

use crate::{Crash, Effect, Plan, arm_here, at_every_step, inherit, reach};

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

/// Two steps, the second of which is tried again when it fails.
fn two_steps(done: &RefCell<Vec<&'static str>>) -> Result<(), Errno> {
    reach("vault.write")?;
    done.borrow_mut().push("written");
    reach("vault.rename").or_else(|_| reach("vault.rename"))?;
    done.borrow_mut().push("renamed");
    Ok(())
}

#[test]
fn every_step_goes_wrong_in_every_way_once() {
    let seen = RefCell::new(Vec::new());
    let runs = at_every_step(&["vault.write", "vault."], RefCell::default, two_steps, |done, strike| {
        seen.borrow_mut().push((strike.point, strike.effect, strike.result.is_some(), done.take()));
    });
    let (io, full) = (Effect::Fail(Errno::IO), Effect::Fail(Errno::NOSPC));
    let (write, rename) = ("vault.write".to_owned(), "vault.rename".to_owned());
    let expected = vec![
        (write.clone(), io, true, vec![]),
        (write.clone(), full, true, vec![]),
        (write, Effect::Unwind, false, vec![]),
        (rename.clone(), io, true, vec!["written", "renamed"]),
        (rename.clone(), full, true, vec!["written", "renamed"]),
        (rename, Effect::Unwind, false, vec!["written"]),
    ];
    assert_eq!(seen.take(), expected);
    assert_eq!(runs, 6);
}

#[test]
fn a_loop_that_does_not_meet_what_it_is_for_fails() {
    let ended = catch_unwind(|| at_every_step(&["sync.push"], RefCell::default, two_steps, |_, _| {}));
    let said = ended.expect_err("a failure").downcast::<String>().expect("a message");
    assert!(said.starts_with("sync.push was never reached"), "{said}");
    assert!(catch_unwind(|| at_every_step(&[], || (), |()| panic!("mine"), |(), _| {})).is_err());
}
