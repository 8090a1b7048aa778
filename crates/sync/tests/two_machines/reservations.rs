//! Of several machines that ask for the same order, one has it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sync::{Holder, Reservation, Side};

use crate::world::{Machine, World};

fn order(seat: &str, approval: &str, nonce: &str) -> Reservation {
    let expires: DateTime<Utc> = "2026-02-24T03:15:00Z".parse().expect("a time");
    Reservation { seat: seat.into(), approval: approval.into(), expires, nonce: nonce.into() }
}

/// Two machines of the same agent.
async fn twins(world: &World) -> (Machine, Machine) {
    let first = world.machine("local-001", Side::Owner);
    first.cycle().await;
    let second = world.machine_in("twin", "local-001", Side::Owner, |_| {});
    second.cycle().await;
    (first, second)
}

#[tokio::test]
async fn an_order_is_one_machines_and_stays_it() {
    let world = World::new();
    let (first, second) = twins(&world).await;
    let ours = order("aa", "a1", "11");
    assert_eq!(first.sync.reserve(ours.clone()).await.expect("reserve"), Holder::Us);
    // The same seat, in a journal that does not know of it: a snapshot of the whole machine.
    assert_eq!(second.sync.reserve(order("aa", "a1", "22")).await.expect("reserve"), Holder::Another);
    assert_eq!(first.sync.reserve(ours).await.expect("again"), Holder::Us);
    assert_eq!(second.sync.reserve(order("aa", "a2", "22")).await.expect("reserve"), Holder::Us);
    // Nothing of it is in the history, and nobody's vault is changed by it.
    assert_eq!(world.commits(), 1);
    assert!(!first.cycle().await.changed());
}

#[tokio::test]
async fn a_seat_is_one_machines_until_another_one_takes_it() {
    let world = World::new();
    let (first, second) = twins(&world).await;
    assert_eq!(first.sync.sit("aa").await.expect("sit"), Holder::Us);
    assert_eq!(second.sync.sit("bb").await.expect("sit"), Holder::OtherSeat);
    assert_eq!(second.sync.reserve(order("bb", "a1", "22")).await.expect("reserve"), Holder::OtherSeat);
    second.sync.take_seat("bb").await.expect("take");
    assert_eq!(first.sync.reserve(order("aa", "a1", "11")).await.expect("reserve"), Holder::OtherSeat);
    assert_eq!(second.sync.reserve(order("bb", "a1", "22")).await.expect("reserve"), Holder::Us);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_ask_at_the_same_moment_are_one_winner_and_losers() {
    let world = World::new();
    let (first, second) = twins(&world).await;
    first.sync.sit("aa").await.expect("sit");
    let machines = Arc::new([first, second]);
    for n in 0..10 {
        let asked = [0, 1].map(|who| {
            let machines = machines.clone();
            let wanted = order("aa", &format!("a{n}"), &format!("{who}{who}"));
            tokio::spawn(async move { machines[who].sync.reserve(wanted).await.expect("reserve") })
        });
        let mut holders = Vec::new();
        for holder in asked {
            holders.push(holder.await.expect("an answer"));
        }
        assert_eq!(holders.iter().filter(|holder| **holder == Holder::Us).count(), 1, "{n}: {holders:?}");
        assert_eq!(
            holders.iter().filter(|holder| **holder == Holder::Another).count(),
            1,
            "{n}: {holders:?}"
        );
    }
}

#[tokio::test]
async fn a_host_that_takes_branches_only_decides_as_well() {
    let world = World::new();
    let (first, second) = twins(&world).await;
    let hook = world.remote().join("hooks/update");
    std::fs::write(&hook, "#!/bin/sh\ncase $1 in refs/heads/*) exit 0;; esac\nexit 1\n").expect("hook");
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("mode");
    assert_eq!(first.sync.reserve(order("aa", "a1", "11")).await.expect("reserve"), Holder::Us);
    assert_eq!(second.sync.reserve(order("aa", "a1", "22")).await.expect("reserve"), Holder::Another);
    // Also when the host is more generous later.
    std::fs::remove_file(&hook).expect("hook");
    assert_eq!(second.sync.reserve(order("aa", "a1", "22")).await.expect("reserve"), Holder::Another);
    second.sync.take_seat("bb").await.expect("take");
    assert_eq!(first.sync.sit("aa").await.expect("sit"), Holder::OtherSeat);
}

#[tokio::test]
async fn a_reservation_is_removed_a_week_after_its_order_has_expired() {
    let world = World::new();
    let first = world.machine("local-001", Side::Owner);
    first.cycle().await;
    first.sync.reserve(order("aa", "a1", "11")).await.expect("reserve");
    first.clock.advance(TimeDelta::days(7));
    first.sync.reserve(order("aa", "a2", "11")).await.expect("reserve");
    let orders = || world.git(&["for-each-ref", "--format=%(refname)", "refs/orders/"]);
    assert_eq!(orders().lines().count(), 2);
    first.clock.advance(TimeDelta::days(2));
    first.sync.reserve(order("aa", "a3", "11")).await.expect("reserve");
    assert!(orders().ends_with("-a3") && orders().lines().count() == 1, "{}", orders());
}

#[tokio::test]
async fn an_approval_that_no_ref_can_name_is_refused() {
    let world = World::new();
    let first = world.machine("local-001", Side::Owner);
    first.cycle().await;
    let said = first.sync.reserve(order("aa", "a..1", "11")).await.expect_err("no name").to_string();
    assert!(said.contains("no ref can have that name"), "{said}");
}
