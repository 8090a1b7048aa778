//! A journal that is lost: what was signed before never runs again unseen.

use super::*;
use crate::{LostJournal, Settlement, State};

/// Loses the journal, and takes the vault up without it.
fn take_up(machine: &Machine) -> (Settlement, LostJournal) {
    for name in ["journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm", "seat.json"] {
        let path = machine.data().join(name);
        if exists(&path) {
            std::fs::remove_file(path).expect("remove");
        }
    }
    let settlement = machine.executor().settlement();
    let approvers = Approvers::load(&machine.files.approvers).expect("approvers");
    let found = settlement.take_up_without_journal(&approvers).expect("taken up");
    (settlement, found)
}

#[tokio::test]
async fn invariant_5_orders_on_their_way_go_to_the_owner_and_never_run() {
    let machine = Machine::new();
    let begun = machine.approve("EMAIL_1", mail());
    assert!(machine.crash_at("journal.dispatch").await);
    let new = machine.approve("EMAIL_2", mail());
    let signed =
        std::fs::read(machine.desk.vault.root().join("Needs_Action/EXECUTE_EMAIL_2.md")).expect("read");
    let plain = Location::new(Stage::NeedsAction, id("EMAIL_3"));
    machine
        .desk
        .vault
        .create(&plain, &Task::new(FrontMatter::new(id("EMAIL_3"), start()), ""))
        .expect("create");
    let (settlement, found) = take_up(&machine);
    let mut unknown = found.unknown.clone();
    unknown.sort();
    assert_eq!((unknown, found.spent), (vec![id("EMAIL_1"), id("EMAIL_2")], 0));
    for (name, order) in [("EMAIL_1", &begun), ("EMAIL_2", &new)] {
        let row = settlement.journal.get(&order.approval).expect("journal").expect("row");
        let front = machine.file(name).task.front;
        assert_eq!((row.state, machine.stage(name)), (State::Unknown, StageName::Errors), "{name}");
        assert_eq!(front.effect.expect("effect").state, task::EffectState::Unknown);
        assert!(front.reason.expect("reason").contains(&format!("local-agent resolve {name} --sent")));
    }
    assert_eq!(machine.stage("EMAIL_3"), StageName::NeedsAction, "nobody signed anything of it");
    // A copy of the signed file comes back from somewhere, and the one that was set aside is gone.
    std::fs::remove_file(machine.desk.vault.root().join("Errors/EMAIL_2.md")).expect("remove");
    std::fs::write(machine.desk.vault.root().join("Needs_Action/EXECUTE_EMAIL_2.md"), signed)
        .expect("replay");
    let (end, said) = entry(&machine.executor().run_cycle().await, "EMAIL_2");
    assert!(end == End::Refused && said.contains("approval was used before"), "{said}");
    assert_eq!((machine.world.effects(&begun), machine.world.effects(&new)), (0, 0));
}

#[tokio::test]
async fn invariant_5_what_was_carried_out_last_month_is_spent_and_what_nobody_knows_stays_so() {
    let machine = Machine::new();
    // Half an hour before the month ends.
    machine.wait(TimeDelta::days(5) + TimeDelta::hours(20) + TimeDelta::minutes(10));
    let done = machine.approve("EMAIL_1", mail());
    let signed =
        std::fs::read(machine.desk.vault.root().join("Needs_Action/EXECUTE_EMAIL_1.md")).expect("read");
    machine.executor().run_cycle().await;
    let unknown = machine.approve("TWITTER_1", post());
    machine.world.will([world::Next::LosesAnswer]);
    machine.executor().run_cycle().await;
    assert!(machine.file("EMAIL_1").location.path().starts_with("Done/2026/02/"));
    // Done as well, but no order of the owner's: one without any, one with another task's.
    for (name, stolen) in [("EMAIL_8", false), ("EMAIL_9", true)] {
        let mut front = FrontMatter::new(id(name), start());
        if stolen {
            let theirs = machine.file("EMAIL_1").task.front;
            (front.order, front.signature) = (theirs.order, theirs.signature);
        }
        let at = Location::new(Stage::done(machine.clock.now()), id(name));
        machine.desk.vault.create(&at, &Task::new(front, "")).expect("create");
    }
    machine.wait(TimeDelta::hours(1));
    let (settlement, found) = take_up(&machine);
    assert_eq!(found, LostJournal { unknown: Vec::new(), spent: 2 });
    let state = |order: &Order| settlement.journal.get(&order.approval).expect("journal").expect("row").state;
    assert_eq!((state(&done), state(&unknown)), (State::Done, State::Unknown));
    let approvers = Approvers::load(&machine.files.approvers).expect("approvers");
    let again = settlement.take_up_without_journal(&approvers).expect("again");
    assert_eq!(again, LostJournal::default(), "doing it again changes nothing more");
    std::fs::write(machine.desk.vault.root().join("Needs_Action/EXECUTE_EMAIL_1.md"), signed)
        .expect("replay");
    assert_eq!(entry(&machine.executor().run_cycle().await, "EMAIL_1").0, End::Refused);
    assert_eq!(machine.world.effects(&done), 1);
}
