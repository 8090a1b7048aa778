//! A partition: for an hour no machine reaches the remote, all go on with what they may, and
//! afterwards they agree without anybody's help.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::agent::Trust;
use crate::schedule::{end, found, pass};
use crate::world::{Link, World, locked};
use crate::{Case, Office, Ran, check, owner};

/// How long it lasts, in seconds of the test clock.
const HOUR: i64 = 3600;
/// Between two looks at the remote while it has been out of reach, in seconds: what the agents'
/// loop does.
const LOOK: i64 = 8;
/// After so long without agreement nobody waits any more.
const PATIENCE: i64 = 600;

/// What came of a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    /// The account, as of a schedule.
    pub ran: Ran,
    /// Seconds of the test clock from its end until all machines agreed.
    pub seconds: i64,
    /// How long the machines worked on it meanwhile.
    pub work: Duration,
    /// How many files differed when it ended.
    pub apart: usize,
}

/// An hour apart, from a seed, in an empty `folder`.
pub fn partition(office: &Office, folder: &Path, seed: u64) -> Result<Partition, String> {
    let world = found(folder, Case { seed, steps: 0, flaw: None })?;
    // The partition is what goes wrong here.
    world.shared.calm_down();
    let trust = Trust::of(office);
    for slot in &world.agents {
        locked(slot).start(&world, &trust);
    }
    bring(&world, "before", 6);
    for _ in 0..3 {
        round(&world);
        pass(&world, 60);
    }
    links(&world, Link::Down);
    for minute in 0..HOUR / 60 {
        if minute % 4 == 0 {
            bring(&world, &format!("m{minute}"), 1);
        }
        let agent = locked(&world.agents[0]);
        let n = u32::try_from(minute).unwrap_or_default();
        match world.shared.draw(5) {
            0 | 1 => owner::review(&world, &agent, office),
            2 => owner::edit(&world, &agent, n),
            3 => owner::note(&world, &agent, n),
            _ => {}
        }
        drop(agent);
        round(&world);
        pass(&world, 60);
    }
    let apart = check::apart(&world);
    links(&world, Link::Good);
    let (began, mut seconds) = (Instant::now(), 0);
    // Not all machines notice at the same moment.
    while seconds < PATIENCE {
        for slot in &world.agents {
            pass(&world, LOOK / i64::try_from(world.agents.len()).unwrap_or(1));
            locked(slot).sync(&world);
        }
        seconds += LOOK;
        if check::apart(&world) == 0 {
            break;
        }
    }
    let work = began.elapsed();
    for _ in 0..4 {
        round(&world);
        pass(&world, 61);
    }
    check::all(&world);
    Ok(Partition { ran: end(&world), seconds, work, apart })
}

fn links(world: &World, link: Link) {
    for slot in &world.agents {
        world.wires.set(&locked(slot).id, link);
    }
}

/// New tasks, on every machine.
fn bring(world: &Arc<World>, name: &str, count: u32) {
    for (m, slot) in world.agents.iter().enumerate() {
        for n in 0..count {
            if let Ok(id) = format!("EMAIL_{name}_{m}_{n}").parse() {
                locked(slot).arrive(world, id);
            }
        }
    }
}

/// What each machine does by itself.
fn round(world: &World) {
    for slot in &world.agents {
        let mut agent = locked(slot);
        agent.sync(world);
        agent.cycle(world);
        agent.execute(world);
        agent.settle(world);
        agent.sync(world);
    }
}
