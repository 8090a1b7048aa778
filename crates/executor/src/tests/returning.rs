//! What comes back from Errors by itself, and what never does.

use task::{Effect as Outcome, EffectState};

use super::world::Next;
use super::*;
use crate::returning;

impl Machine {
    /// A task in Errors, as an agent sets it aside that could not draft it; `change` has the last word.
    fn set_aside(&self, name: &str, change: impl FnOnce(&mut FrontMatter)) {
        let mut front = FrontMatter::new(id(name), start());
        front.attempts = 3;
        front.reason = Some("the books are away".into());
        front.retry_after = Some(start() + TimeDelta::hours(1));
        change(&mut front);
        let at = Location::new(Stage::Errors, id(name));
        self.desk.vault.create(&at, &Task::new(front, "")).expect("create");
    }

    fn come_back(&self) -> Vec<String> {
        let due = returning(&self.desk.vault, self.clock.now()).expect("look");
        let settlement = self.executor().settlement();
        let returned = settlement.give_back(&due);
        assert!(returned.problems.is_empty(), "{:?}", returned.problems);
        returned.tasks.iter().map(TaskId::to_string).collect()
    }
}

#[tokio::test]
async fn what_may_be_over_by_itself_comes_back_when_it_is_due_and_once() {
    let machine = Machine::new();
    machine.set_aside("ODOO_1", |_| {});
    machine.clock.advance(TimeDelta::minutes(59));
    assert!(machine.come_back().is_empty());
    machine.clock.advance(TimeDelta::minutes(1));
    assert_eq!(machine.come_back(), ["ODOO_1"]);
    assert!(machine.come_back().is_empty());
    let front = machine.file("ODOO_1").task.front;
    assert_eq!(machine.stage("ODOO_1"), StageName::NeedsAction);
    assert_eq!((front.attempts, front.returns, front.retry_after, front.reason), (0, 1, None, None));
}

#[tokio::test]
async fn nothing_comes_back_that_had_its_last_return_or_may_have_had_an_effect() {
    let machine = Machine::new();
    machine.set_aside("EMAIL_poison", |front| front.retry_after = None);
    machine.set_aside("EMAIL_proposed", |front| front.action = Some(mail()));
    machine.set_aside("EMAIL_signed", |front| front.order = Some("{}".into()));
    machine.set_aside("EMAIL_unknown", |front| {
        front.effect =
            Some(Outcome { state: EffectState::Unknown, at: start(), reference: None, message: None });
    });
    machine.approve("TWITTER_1", post());
    machine.world.will([Next::LosesAnswer]);
    machine.executor().run_cycle().await;
    // Whoever writes a time into it and takes the rest out does not fool the journal.
    let file = machine.file("TWITTER_1");
    let mut task = file.task.clone();
    (task.front.action, task.front.order, task.front.effect) = (None, None, None);
    task.front.retry_after = Some(start());
    machine.desk.vault.replace(&file, &task).expect("replace");
    machine.clock.advance(TimeDelta::days(2));
    let due = returning(&machine.desk.vault, machine.clock.now()).expect("look");
    assert_eq!(due.iter().map(|file| file.location.id.as_str()).collect::<Vec<_>>(), ["TWITTER_1"]);
    let returned = machine.executor().settlement().give_back(&due);
    assert!(
        returned.tasks.is_empty() && returned.problems[0].contains("nobody knows whether"),
        "{returned:?}"
    );
    assert_eq!(machine.stage("TWITTER_1"), StageName::Errors);
}

#[tokio::test]
async fn the_owner_can_have_a_waiting_try_made_now() {
    let machine = Machine::new();
    machine.set_aside("ODOO_1", |front| front.returns = 2);
    let settlement = machine.executor().settlement();
    settlement.retry(&id("ODOO_1")).expect("retry");
    let front = machine.file("ODOO_1").task.front;
    assert_eq!((front.attempts, front.returns, front.retry_after), (0, 0, None));
    assert!(settlement.retry(&id("ODOO_1")).is_err(), "nothing waits any more");
    let file = machine.file("ODOO_1");
    let mut task = file.task.clone();
    task.front.failed("the books are away", Some(start() + TimeDelta::minutes(1)));
    machine.desk.vault.replace(&file, &task).expect("replace");
    settlement.retry(&id("ODOO_1")).expect("hurry");
    assert!(machine.file("ODOO_1").task.front.may_be_tried(start()));
}

#[tokio::test]
async fn the_owner_drops_or_puts_off_what_was_set_aside_but_not_what_nobody_knows() {
    let machine = Machine::new();
    machine.set_aside("ODOO_1", |_| {});
    let settlement = machine.executor().settlement();
    let until = settlement.ask_later(&id("ODOO_1"), TimeDelta::days(2)).expect("later");
    assert_eq!(machine.file("ODOO_1").task.front.ask_after, Some(until));
    settlement.drop(&id("ODOO_1")).expect("drop");
    let front = machine.file("ODOO_1").task.front;
    assert_eq!((machine.stage("ODOO_1"), front.retry_after, front.ask_after), (StageName::Done, None, None));
    assert_eq!(front.reason.as_deref(), Some("dropped by the owner; before: the books are away"));
    machine.approve("TWITTER_1", post());
    machine.world.will([Next::LosesAnswer]);
    machine.executor().run_cycle().await;
    assert!(settlement.drop(&id("TWITTER_1")).is_err());
    assert_eq!(machine.stage("TWITTER_1"), StageName::Errors);
}
