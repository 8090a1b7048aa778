//! Invariant 5 over several machines: an order is reserved before it is called, and a data directory
//! that was copied or put back carries nothing out.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;

use super::*;
use crate::{Arbiter, OpenError, Pledge, Seat, SeatError, Silence, Standing};

/// What several machines share: a seat, reservations, and whether it can be reached.
#[derive(Default)]
struct Shared {
    seat: Mutex<Option<String>>,
    orders: Mutex<BTreeMap<String, String>>,
    away: Mutex<bool>,
    asked: AtomicU32,
}

impl Shared {
    fn reach(&self) -> Result<(), Silence> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if *self.away.lock().expect("away") { Err(Silence::Unreachable("no route".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl Arbiter for Shared {
    async fn sit(&self, seat: &str) -> Result<Standing, Silence> {
        self.reach()?;
        let mut held = self.seat.lock().expect("seat");
        let held = held.get_or_insert_with(|| seat.to_owned());
        Ok(if held == seat { Standing::Ours } else { Standing::OtherSeat })
    }

    async fn reserve(&self, pledge: &Pledge) -> Result<Standing, Silence> {
        if self.sit(&pledge.seat).await? == Standing::OtherSeat {
            return Ok(Standing::OtherSeat);
        }
        let mut orders = self.orders.lock().expect("orders");
        let nonce = orders.entry(pledge.approval.clone()).or_insert_with(|| pledge.nonce.clone());
        Ok(if *nonce == pledge.nonce { Standing::Ours } else { Standing::Taken })
    }
}

fn executor(machine: &Machine, shared: &Arc<Shared>) -> Executor {
    machine.executor().arbitrated_by(shared.clone(), true)
}

/// Makes the data directory that of a second machine: the same files, copied.
fn copy_back(machine: &Machine, name: &str) {
    let (path, aside) = (machine.data().join(name), machine.data().join("aside"));
    std::fs::copy(&path, &aside).expect("copy");
    std::fs::rename(&aside, &path).expect("rename");
}

#[tokio::test]
async fn invariant_5_an_order_that_another_machine_has_reserved_waits_and_then_goes_back_to_the_owner() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    let shared = Arc::new(Shared::default());
    shared.orders.lock().expect("orders").insert(order.approval.clone(), "another's".into());
    let executor = executor(&machine, &shared);
    let (end, said) = entry(&executor.run_cycle().await, "EMAIL_1");
    assert_eq!(end, End::Waiting);
    assert!(said.contains("another machine has reserved this order"), "{said}");
    machine.wait(TimeDelta::hours(25));
    let (end, said) = entry(&executor.run_cycle().await, "EMAIL_1");
    assert_eq!((end, machine.world.effects(&order)), (End::Returned, 0));
    assert!(said.contains("expired") && said.contains("look before you approve it again"), "{said}");
}

#[tokio::test]
async fn invariant_5_a_reservation_survives_crashes_on_both_sides_of_it() {
    for point in ["execute.reserve", "journal.dispatch", "journal.pledge"] {
        let machine = Machine::new();
        let order = machine.approve("EMAIL_1", mail());
        let shared = Arc::new(Shared::default());
        let crashing = executor(&machine, &shared);
        fault::arm_here(Some(Plan::at(point, 1, Effect::Unwind)));
        let ended = tokio::spawn(async move { crashing.run_cycle().await }).await;
        let struck = fault::arm_here(None).is_some_and(|plan| plan.has_struck());
        assert!(struck, "{point}: {ended:?}");
        let report = executor(&machine, &shared).run_cycle().await;
        assert_eq!((entry(&report, "EMAIL_1").0, machine.world.effects(&order)), (End::Done, 1), "{point}");
    }
}

#[tokio::test]
async fn while_the_remote_is_away_only_a_seat_that_it_confirmed_acts() {
    let check = async |confirmed: bool, offline: bool, effects: u32| {
        let machine = Machine::new();
        let shared = Arc::new(Shared::default());
        if confirmed {
            executor(&machine, &shared).run_cycle().await;
        }
        *shared.away.lock().expect("away") = true;
        let order = machine.approve("EMAIL_1", mail());
        let executor = machine.executor().arbitrated_by(shared.clone(), offline);
        let report = executor.run_cycle().await;
        assert_eq!(machine.world.effects(&order), effects, "{confirmed} {offline}: {report:?}");
        if effects == 0 {
            let (_, said) = entry(&executor.run_cycle().await, "EMAIL_1");
            assert!(said.contains("once it is reserved there"), "{said}");
        }
        // What waited is carried out when the remote is back.
        *shared.away.lock().expect("away") = false;
        executor.run_cycle().await;
        assert_eq!(machine.world.effects(&order), 1, "{confirmed} {offline}");
    };
    check(true, true, 1).await;
    check(true, false, 0).await;
    check(false, true, 0).await;
}

#[tokio::test]
async fn a_remote_that_is_away_is_waited_for_once_a_cycle_however_many_orders_there_are() {
    let machine = Machine::new();
    let shared = Arc::new(Shared { away: Mutex::new(true), ..Shared::default() });
    for id in ["EMAIL_1", "EMAIL_2", "EMAIL_3"] {
        machine.approve(id, mail());
    }
    let executor = executor(&machine, &shared);
    for cycle in 1..=2 {
        let report = executor.run_cycle().await;
        assert_eq!(report.ended(End::Waiting).count(), 3, "{report:?}");
        assert_eq!(shared.asked.load(Ordering::Relaxed), cycle, "asked in {cycle} cycles");
    }
}

#[tokio::test]
async fn where_another_seat_carries_orders_out_nothing_is_looked_at() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    let shared = Arc::new(Shared::default());
    *shared.seat.lock().expect("seat") = Some("another".into());
    let report = executor(&machine, &shared).run_cycle().await;
    assert!(report.problems[0].contains("take-seat"), "{report:?}");
    assert_eq!((machine.world.effects(&order), machine.stage("EMAIL_1")), (0, StageName::Approved));
}

#[test]
fn a_seat_keeps_its_name_and_no_two_have_the_same() {
    let (one, two) = (Machine::new(), Machine::new());
    let name = |machine: &Machine| {
        drop(machine.executor());
        Seat::open(&machine.data(), None).expect("seat").name()
    };
    let names = [name(&one), name(&two)];
    assert_eq!(names, [name(&one), name(&two)]);
    assert_ne!(names[0], names[1]);
    for name in names {
        assert!(name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
    }
}

#[test]
fn a_seat_that_cannot_be_read_is_not_taken_anew() {
    let machine = Machine::new();
    std::fs::create_dir(machine.data().join("seat.json")).expect("in the way");
    let opened = Executor::open(machine.settings(), machine.world.clone());
    assert!(matches!(opened, Err(OpenError::Seat(SeatError::Read { .. }))));
}

#[tokio::test]
async fn invariant_5_a_data_directory_that_was_copied_or_put_back_carries_nothing_out() {
    let machine = Machine::new();
    drop(machine.executor());
    copy_back(&machine, "journal.sqlite");
    let opened = Executor::open(machine.settings(), machine.world.clone());
    assert!(matches!(opened, Err(OpenError::Seat(SeatError::Copied { .. }))));

    let machine = Machine::new();
    drop(machine.executor());
    // What is written down may be copied; only the journal tells.
    copy_back(&machine, "seat.json");
    drop(machine.executor());
    let other = Settings { machine: Some("another".into()), ..machine.settings() };
    let opened = Executor::open(other, machine.world.clone());
    assert!(
        matches!(opened, Err(OpenError::Seat(SeatError::Copied { what, .. })) if what.contains("machine"))
    );
}

#[tokio::test]
async fn what_was_approved_before_the_seat_was_taken_comes_back_to_the_owner() {
    let machine = Machine::new();
    drop(machine.executor());
    let before = machine.approve("EMAIL_1", mail());
    copy_back(&machine, "journal.sqlite");
    machine.wait(TimeDelta::seconds(1));
    Seat::take(&machine.data(), None, machine.clock.now()).expect("seat");
    machine.wait(TimeDelta::seconds(1));
    let after = machine.approve("EMAIL_2", mail());
    let report = machine.executor().run_cycle().await;
    let (end, said) = entry(&report, "EMAIL_1");
    assert_eq!((end, machine.world.effects(&before)), (End::Returned, 0));
    assert!(said.contains("took the seat over"), "{said}");
    assert_eq!((entry(&report, "EMAIL_2").0, machine.world.effects(&after)), (End::Done, 1));
}
