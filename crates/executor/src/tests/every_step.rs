//! Every state-changing step of an execution fails, and is the last thing that a process does: at
//! most one effect each, and whatever is not known is put before the owner.

use fault::at_every_step;

use super::*;

struct Orders {
    machine: Machine,
    orders: Vec<(&'static str, Order)>,
}

impl Orders {
    fn new() -> Self {
        let machine = Machine::new();
        let approved = [("EMAIL_1", mail()), ("PAYMENT_2", payment()), ("TWITTER_3", post())];
        let orders = approved.map(|(name, action)| (name, machine.approve(name, action))).to_vec();
        Self { machine, orders }
    }

    /// One cycle of a new process. What its end is is not what counts: effects and files are.
    fn cycle(&self) -> Report {
        fault::incarnate(fault::incarnation() + 1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            match Executor::open(self.machine.settings(), self.machine.world.clone()) {
                Ok(executor) => executor.run_cycle().await,
                Err(_) => Report::default(),
            }
        })
    }
}

#[test]
fn invariant_5_at_most_one_effect_whichever_step_fails_or_is_the_last() {
    let steps = [
        "journal.accept",
        "journal.dispatch",
        "execute.call",
        "execute.outcome",
        "execute.file",
        "vault.exchange",
        "vault.rename",
    ];
    let runs = at_every_step(&steps, Orders::new, Orders::cycle, |world, strike| {
        let reported = strike.result.clone().unwrap_or_default();
        let mut rounds = Vec::new();
        for _ in 0..3 {
            rounds.push(world.cycle());
            world.machine.wait(TimeDelta::minutes(5));
        }
        for (name, order) in &world.orders {
            let effects = world.machine.world.effects(order);
            assert!(effects <= 1, "{name} happened {effects} times after {strike}: {rounds:?}");
            let file = world.machine.file(name);
            let state = file.task.front.effect.as_ref().map(|effect| effect.state);
            match file.location.stage.name() {
                StageName::Done => assert_eq!(effects, 1, "{name} after {strike}: {rounds:?}"),
                StageName::Errors => {
                    assert_eq!(state, Some(task::EffectState::Unknown), "{name} after {strike}: {rounds:?}");
                }
                stage => panic!("{name} is left in {stage:?} after {strike}: {rounds:?}"),
            }
            // A bank takes the same key again.
            if order.action.call.tool() == "initiate_payment" {
                assert_eq!(effects, 1, "{name} after {strike}: {rounds:?}");
            }
            let said_done =
                reported.entries.iter().any(|entry| entry.id == id(name) && entry.end == End::Done);
            assert!(!said_done || file.location.stage.name() == StageName::Done, "{name} after {strike}");
        }
        assert_eq!(world.cycle(), Report::default(), "something is left to do after {strike}");
    });
    assert!(runs >= 60, "{runs}");
}
