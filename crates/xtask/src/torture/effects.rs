//! Orders of every kind that a service can be made to count, while requests, answers and processes are
//! lost: an effect happens once or not at all, what is said of it is true, and what nobody knows comes
//! before the owner and is settled by the owner's word.
//!
//! Mail is not among them: it is tried against a real server, by the tests.

mod world;

use self::world::{Asked, End, World};
use super::{Figure, Lab, Outcome};

/// How often the agent is started again before an order counts as stuck.
const ROUNDS: u32 = 6;

#[derive(Default)]
struct Seen {
    orders: u64,
    done: u64,
    failed: u64,
    unknown: u64,
    settled: u64,
    killed: u64,
    twice: u64,
    forged: u64,
    wrong: Vec<String>,
}

impl Seen {
    fn note(&mut self, what: String) {
        eprintln!("  {what}");
        self.wrong.push(what);
    }
}

pub(crate) fn run(lab: &Lab) -> Outcome {
    let cases = lab.cases(24, 5_000);
    // The bank keeps its keys, or forgets them at once.
    let worlds = [false, true].map(|forgets| {
        let name = if forgets { "effects-forgetful" } else { "effects" };
        lab.folder(name).and_then(|folder| World::new(&folder, lab, forgets))
    });
    let mut ready = Vec::new();
    for world in worlds {
        ready.push(world?);
    }
    let mut seen = Seen::default();
    let mut number = 0;
    while seen.orders < cases {
        let world = &ready[number % ready.len()];
        round(lab, world, number as u64, &mut seen)?;
        number += 1;
        lab.progress(seen.orders.min(cases), cases, "orders");
    }
    for world in &ready {
        world.owner.ok(&["log", "verify"])?;
        let said = world.unasked();
        if !said.is_empty() {
            seen.note(format!("effects that nobody ordered: {said:?}"));
        }
    }
    let Seen { orders, done, failed, unknown, settled, killed, twice, forged, wrong } = &seen;
    wrong.iter().take(5).for_each(|line| eprintln!("  seed {}, {line}", lab.seed()));
    Ok(vec![Figure::new(
        format!(
            "{orders} orders over bank, books, three pages and chats, with failures; {killed} rounds were killed"
        ),
        format!(
            "{twice} twice; {forged} forged executed; {done} done, {failed} refused, {unknown} unknown and {settled} of \
             them settled by the owner; {} told wrong",
            wrong.len()
        ),
        "0 twice, 0 forged executed, every unknown one settled, 0 told wrong",
        *twice == 0 && *forged == 0 && unknown == settled && wrong.is_empty(),
    )])
}

/// One order to each service, all at once.
fn round(lab: &Lab, world: &World, number: u64, seen: &mut Seen) -> Result<(), String> {
    let mut chance = fastrand::Rng::with_seed(lab.seed().wrapping_mul(1_000_003).wrapping_add(number));
    let orders: Vec<Asked> = world.ask(number, &mut chance)?;
    world.fail(&orders, &mut chance);
    for _ in 0..ROUNDS {
        let ended = world.owner.run(&["--once"], &[])?;
        seen.killed += u64::from(ended.status.code().is_none());
        if ended.status.success() && orders.iter().all(|order| world.end(order) != End::Open) {
            break;
        }
    }
    world.calm();
    for order in &orders {
        seen.orders += 1;
        let (end, effects) = (world.end(order), world.effects(order));
        seen.twice += u64::from(effects > 1);
        let true_to_it = match end {
            End::Done => effects == 1,
            End::Failed => effects == 0,
            End::Unknown => effects <= 1,
            End::Open => false,
        };
        if !true_to_it {
            seen.note(format!(
                "round {number}, {}: {end:?}, and {effects} effects: {}",
                order.id,
                world.file(order)
            ));
        }
        match end {
            End::Done => seen.done += 1,
            End::Failed => seen.failed += 1,
            End::Unknown => seen.unknown += 1,
            End::Open => {}
        }
        if end == End::Unknown {
            let verdict = if effects == 1 { "--sent" } else { "--not-sent" };
            world.owner.ok(&["resolve", &order.id, verdict])?;
        }
        let forged = world.effects_of(order, &order.forged);
        seen.forged += forged as u64;
    }
    world.owner.run(&["--once"], &[])?;
    for order in orders.iter().filter(|order| order.unknown.get()) {
        let place = world.owner.place(&order.id)?.0;
        let wanted = if order.before.get() == 1 { "Done/" } else { "Pending_Approval/" };
        let again = world.effects(order);
        if place.starts_with(wanted) && again == order.before.get() {
            seen.settled += 1;
        } else {
            seen.note(format!(
                "round {number}, {}: settled, it is in {place} with {again} effects",
                order.id
            ));
        }
    }
    Ok(())
}
