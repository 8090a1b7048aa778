//! Two machines that both take themselves for the executor, with the real programs: an order is
//! carried out at most once, and the one that has no right to it says so.

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

/// Has the machine's seat say of the files that are there that it was taken with them, as it does in an
/// image of a whole machine: that one does not know that it is a copy.
fn forge_seat(machine: &Machine) {
    use std::os::unix::fs::MetadataExt as _;
    let journal = std::fs::metadata(machine.data().join("journal.sqlite")).expect("journal");
    let born = journal.created().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let path = machine.data().join("seat.json");
    let text = std::fs::read_to_string(&path).expect("seat.json");
    let mut seat: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    seat["journal"]["inode"] = journal.ino().into();
    seat["journal"]["born"] = born.map(|since| since.as_nanos() as u64).into();
    std::fs::write(path, seat.to_string()).expect("seat.json");
}

/// A cloud machine, and an owner's machine whose owner has approved a mail.
fn approved(world: &World) -> (Machine, Machine) {
    let (cloud, owner) = (world.cloud(), world.owner());
    cloud.bring("EMAIL_1");
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    owner.approve("EMAIL_1");
    (cloud, owner)
}

#[test]
fn a_copy_of_the_executors_data_does_not_start_until_the_owner_says_so() {
    let world = World::quiet();
    let (_cloud, owner) = approved(&world);
    let twin = twin(&world, &owner);
    for arguments in [&["--once"][..], &[]] {
        let said = twin.fails(2, arguments);
        assert!(said.contains("copied or put back from a backup") && said.contains("take-seat"), "{said}");
    }
    owner.ok(&["--once"]);
    assert_eq!((owner.mails_sent(), twin.mails_sent()), (1, 0));

    // The first machine is replaced by the second one.
    let said = twin.ok(&["take-seat"]);
    assert!(said.contains("carries orders out as local-001"), "{said}");
    twin.run(&["--once"]);
    assert_eq!(twin.mails_sent(), 0, "what was approved before was the other one's");
    let said = String::from_utf8_lossy(&owner.run(&["--once"]).stderr).into_owned();
    assert!(said.contains("another machine carries orders out as local-001"), "{said}");
}

#[test]
fn a_backup_that_is_put_back_carries_nothing_out_a_second_time() {
    let world = World::quiet();
    let (_cloud, owner) = approved(&world);
    let (data, vault) = (world.path().join("backup"), world.path().join("backup-vault"));
    copy(&owner.data(), &data);
    copy(&owner.vault(), &vault);
    owner.ok(&["--once"]);
    assert_eq!(owner.mails_sent(), 1);

    for (from, to) in [(&data, owner.data()), (&vault, owner.vault())] {
        std::fs::remove_dir_all(&to).expect("remove");
        copy(from, &to);
    }
    // The remote cannot say what was done meanwhile.
    std::fs::rename(world.remote(), world.path().join("away.git")).expect("unplug");
    owner.fails(2, &["--once"]);
    owner.fails(1, &["take-seat"]);
    owner.fails(1, &["--once"]);
    assert_eq!(owner.mails_sent(), 0, "the sample account is the backup's, and nothing was added to it");
    let place = owner.place("EMAIL_1");
    assert_eq!(place, "Pending_Approval/APPROVE_EMAIL_1.md");
    assert!(owner.read(&place).contains("took the seat over"));
}

#[test]
fn of_two_images_of_one_machine_the_remote_lets_one_have_each_order() {
    let world = World::quiet();
    let (_cloud, owner) = approved(&world);
    let twin = twin(&world, &owner);
    forge_seat(&twin);
    let machines = [&owner, &twin];
    let mut running = machines.map(|machine| machine.start(&["--once"]));
    for machine in &mut running {
        machine.end();
    }
    let sent = machines.map(Machine::mails_sent);
    assert_eq!(sent.iter().sum::<usize>(), 1, "{sent:?}: {}\n{}", running[0].said(), running[1].said());
    let loser = machines[usize::from(sent[0] == 1)];
    let said = loser.run(&["--once"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert_eq!(machines.map(Machine::mails_sent), sent, "{said}");
}

#[test]
fn a_machine_that_never_sat_in_the_seat_has_to_take_it() {
    let world = World::quiet();
    let (_cloud, owner) = approved(&world);
    let twin = twin(&world, &owner);
    std::fs::remove_file(twin.data().join("seat.json")).expect("the twin forgets");
    owner.ok(&["--once"]);
    let said = String::from_utf8_lossy(&twin.run(&["--once"]).stderr).into_owned();
    assert!(said.contains("another machine carries orders out as local-001"), "{said}");
    assert_eq!((owner.mails_sent(), twin.mails_sent()), (1, 0));
}

#[test]
fn while_the_remote_is_away_the_machine_in_the_seat_carries_orders_out_and_no_other_one() {
    let world = World::quiet();
    let (_cloud, owner) = approved(&world);
    let twin = twin(&world, &owner);
    std::fs::remove_file(twin.data().join("seat.json")).expect("the twin forgets");
    std::fs::rename(world.remote(), world.path().join("away.git")).expect("unplug");
    for machine in [&owner, &twin] {
        machine.fails(1, &["--once"]);
    }
    assert_eq!((owner.mails_sent(), twin.mails_sent()), (1, 0));
}

#[test]
fn an_owner_who_does_not_rely_on_that_can_have_orders_wait_for_the_remote() {
    let world = World::quiet();
    let (_cloud, owner) = approved(&world);
    owner.reconfigure("sync: { enabled: true,", "sync: { enabled: true, orders_offline: false,");
    let away = world.path().join("away.git");
    std::fs::rename(world.remote(), &away).expect("unplug");
    let said = String::from_utf8_lossy(&owner.run(&["--once"]).stdout).into_owned();
    assert!(said.contains("once it is reserved there"), "{said}");
    assert_eq!(owner.mails_sent(), 0);
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
