//! One schedule: steps in an order that chance gives, then peace, then the account.

use std::path::Path;
use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use sync::simulated::Remote;
use task::Role;

use crate::agent::{Agent, Trust};
use crate::world::{Link, Shared, Wires, World, locked};
use crate::{Case, Flaw, Office, Ran, check, owner};

/// How often everybody goes round before everything must have settled.
const ROUNDS: u32 = 12;

pub(crate) fn run(office: &Office, folder: &Path, case: Case) -> Result<Ran, String> {
    let world = found(folder, case)?;
    let schedule = Schedule { world: &world, office, trust: Trust::of(office) };
    for n in 0..case.steps {
        schedule.step(n);
    }
    schedule.settle();
    check::all(&world);
    Ok(end(&world))
}

/// A world in which nothing has happened yet.
pub(crate) fn found(folder: &Path, case: Case) -> Result<Arc<World>, String> {
    let shared = Arc::new(Shared::new(case.seed, case.flaw));
    let remote = match case.flaw {
        Some(Flaw::NoFence) => Remote::without_fence("main"),
        _ => Remote::new("main"),
    };
    let remote = remote.map_err(|error| error.to_string())?;
    let wires = Arc::new(Wires::new(shared.clone()));
    // What people write carries the file system's time.
    let now = Utc::now();
    let mut agents = vec![
        Agent::new("local-001", Role::Local, &folder.join("local"), now)?,
        Agent::new("cloud-001", Role::Cloud, &folder.join("cloud"), now + skew(&shared))?,
    ];
    if shared.draw(3) == 0 {
        agents.push(Agent::new("cloud-002", Role::Cloud, &folder.join("other"), now + skew(&shared))?);
    }
    let world = Arc::new(World::new(shared, remote, wires.clone(), agents));
    wires.lead_to(&world);
    Ok(world)
}

/// The account of a world, whose processes end.
pub(crate) fn end(world: &World) -> Ran {
    // The processes know the world and the world knows them.
    for agent in &world.agents {
        locked(agent).stop();
    }
    let model = world.shared.model();
    Ran {
        violations: model.violations.clone(),
        trace: model.trace.clone(),
        crashes: model.crashes,
        failures: model.failures,
        tasks: model.created.len(),
        effects: model.effects(),
    }
}

/// A clock may be more than a day off.
fn skew(shared: &Shared) -> TimeDelta {
    match shared.draw(4) {
        0 => TimeDelta::hours(26),
        1 => TimeDelta::hours(-26),
        _ => TimeDelta::zero(),
    }
}

struct Schedule<'a> {
    world: &'a Arc<World>,
    office: &'a Office,
    trust: Trust,
}

impl Schedule<'_> {
    fn step(&self, n: u32) {
        let world = self.world;
        self.pass(1 + self.draw(20));
        let Some(slot) = world.shared.pick(&world.agents) else { return };
        let mut agent = locked(slot);
        if !agent.is_running() && self.draw(3) > 0 {
            agent.start(world, &self.trust);
            if n < 12 && self.draw(4) == 0 {
                agent.sync_cut_off(world);
            }
        }
        match self.draw(100) {
            0..14 => {
                let prefix = ["EMAIL", "EMAIL", "ODOO", "WHATSAPP"];
                let prefix = world.shared.pick(&prefix).copied().unwrap_or("EMAIL");
                let id = format!("{prefix}_{n}").parse();
                if let Ok(id) = id {
                    agent.arrive(world, id);
                }
            }
            14..36 => agent.sync(world),
            36..38 => agent.sync_cut_off(world),
            38..54 => agent.cycle(world),
            54..58 => agent.reclaim(world),
            58..60 => agent.stop(),
            60..65 => {
                let link = match self.draw(4) {
                    0 => Link::Down,
                    1 => Link::Lossy(50),
                    _ => Link::Good,
                };
                world.shared.model().note(format!("the link of {} is {link:?}", agent.id));
                world.wires.set(&agent.id, link);
            }
            65..67 => {
                drop(agent);
                let seconds = match self.draw(3) {
                    0 => 61 * 60,
                    1 => 26 * 3600,
                    _ => 20 * 60,
                };
                world.shared.model().note(format!("{seconds} s pass"));
                self.pass(seconds);
            }
            67..68 => {
                let back = usize::try_from(self.draw(3)).unwrap_or_default();
                world.shared.model().note(format!("the remote shows its tip of {back} pushes ago"));
                world.remote.show_earlier(back);
            }
            roll => {
                drop(agent);
                self.on_the_owners_machine(roll, n);
            }
        }
    }

    fn on_the_owners_machine(&self, roll: u64, n: u32) {
        let world = self.world;
        let mut agent = locked(&world.agents[0]);
        match roll {
            68..78 => owner::review(world, &agent, self.office),
            78..88 => agent.execute(world),
            88..91 => agent.settle(world),
            91..96 => owner::edit(world, &agent, n),
            96..98 => owner::note(world, &agent, n),
            _ => owner::drag(world, &agent),
        }
    }

    /// Everything works from here on, and everybody goes round until nothing moves any more.
    fn settle(&self) {
        let world = self.world;
        world.shared.calm_down();
        world.shared.model().note("from here on everything works");
        world.remote.show_earlier(0);
        let mut before = None;
        for _ in 0..ROUNDS {
            for slot in &world.agents {
                let mut agent = locked(slot);
                world.wires.set(&agent.id, Link::Good);
                if !agent.is_running() {
                    agent.start(world, &self.trust);
                }
                agent.sync(world);
                agent.cycle(world);
                agent.execute(world);
                agent.settle(world);
                agent.sync(world);
            }
            self.pass(61);
            let tip = world.remote.tip();
            if tip == before && world.agents.iter().all(|slot| check::is_idle(&locked(slot))) {
                break;
            }
            before = tip;
        }
        for _ in 0..2 {
            world.agents.iter().for_each(|slot| locked(slot).sync(world));
        }
    }

    fn draw(&self, of: u64) -> u64 {
        self.world.shared.draw(of)
    }

    fn pass(&self, seconds: impl TryInto<i64>) {
        pass(self.world, seconds.try_into().unwrap_or_default());
    }
}

/// Time passes, on every clock.
pub(crate) fn pass(world: &World, seconds: i64) {
    world.shared.model().now += seconds;
    world.agents.iter().for_each(|slot| locked(slot).advance(seconds));
}
