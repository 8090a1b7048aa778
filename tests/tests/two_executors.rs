//! Two machines that both take themselves for the executor, with the real programs: an order is
//! carried out at most once, and the one that has no right to it ends and says so.

use std::path::Path;
use std::process::Command;

use tests::{Machine, World};

/// A second machine with a copy of everything that the first one has: vault, data directory, key.
fn twin(world: &World, first: &Machine) -> Machine {
    let twin = world.machine("twin-machine", "local-agent", "local-001", &world.synced());
    for (from, to) in [(first.vault(), twin.vault()), (first.data(), twin.data())] {
        copy(&from, &to);
    }
    twin
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(copied.success(), "cp {} {}", from.display(), to.display());
}

fn approved(world: &World) -> (Machine, Machine) {
    let (cloud, owner) = (world.cloud(), world.owner());
    cloud.bring("EMAIL_1");
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    owner.approve("EMAIL_1");
    (cloud, owner)
}

#[test]
fn a_copy_of_the_executor_does_not_start() {
    let world = World::quiet();
    let (_cloud, owner) = approved(&world);
    let twin = twin(&world, &owner);
    for arguments in [&["--once"][..], &[]] {
        let said = twin.fails(2, arguments);
        assert!(said.contains("copied or put back from a backup") && said.contains("--take-over"), "{said}");
    }
    owner.ok(&["--once"]);
    assert_eq!((owner.mails_sent(), twin.mails_sent()), (1, 0));
}

#[test]
fn a_backup_that_is_put_back_carries_out_nothing_twice() {
    let world = World::quiet();
    let (_cloud, owner) = approved(&world);
    let backup = world.path().join("backup");
    copy(&owner.data(), &backup);
    let vault = world.path().join("backup-vault");
    copy(&owner.vault(), &vault);
    owner.ok(&["--once"]);
    let sent = owner.mails_sent();
    assert_eq!(sent, 1);

    // The disk is lost; the remote too, so that nothing but the backup tells.
    for (from, to) in [(&backup, owner.data()), (&vault, owner.vault())] {
        std::fs::remove_dir_all(&to).expect("remove");
        copy(from, &to);
    }
    std::fs::rename(world.remote(), world.path().join("away.git")).expect("unplug");
    owner.fails(2, &["--once"]);
    let said = owner.ok(&["init", "--take-over", "--passphrase-file", &owner.passphrase()]);
    assert!(said.contains("come back to") && said.contains("local-001"), "{said}");
    owner.fails(1, &["--once"]);
    assert_eq!(owner.mails_sent(), 0, "the sample account is the backup's, and nothing was added to it");
    assert_eq!(owner.place("EMAIL_1"), "Pending_Approval/APPROVE_EMAIL_1.md");
    assert!(owner.read("Pending_Approval/APPROVE_EMAIL_1.md").contains("took over"));
}

#[test]
fn of_two_that_are_both_in_their_seat_the_remote_lets_one() {
    let world = World::quiet();
    let (_cloud, owner) = approved(&world);
    let twin = twin(&world, &owner);
    // As a snapshot of the whole machine would be: it does not know that it is a copy.
    std::fs::remove_file(twin.data().join("seat.json")).expect("the twin forgets");
    let first = owner.ok(&["--once"]);
    assert!(first.contains("EMAIL_1"), "{first}");
    let said = twin.fails(2, &["--once"]);
    assert!(said.contains("another machine carries orders out as local-001"), "{said}");
    assert_eq!((owner.mails_sent(), twin.mails_sent()), (1, 0));
    let again = twin.fails(2, &["--once"]);
    assert!(again.contains("another machine") && again.contains("--take-over"), "{again}");
}

#[test]
fn another_agent_that_is_configured_as_executor_carries_out_its_own_orders_only() {
    let world = World::quiet();
    let (_cloud, owner) = approved(&world);
    let other = twin(&world, &owner);
    other.reconfigure("id: local-001, executor: local-001", "id: local-002, executor: local-002");
    std::fs::remove_file(other.data().join("seat.json")).expect("a machine of its own");
    other.ok(&["--once"]);
    assert_eq!(other.mails_sent(), 0, "the order names local-001");
    owner.ok(&["--once"]);
    other.ok(&["--once"]);
    assert_eq!((owner.mails_sent(), other.mails_sent()), (1, 0));
}
