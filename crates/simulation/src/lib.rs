//! Two or three agents, their owner, the world behind the tools and the remote, all in one
//! process: a seeded scheduler interleaves their steps with faults, and a small model says
//! afterwards what must not have happened.
//!
//! What runs is the real code: [`worker::Worker`], [`claim::Claims`], [`sync`]'s engine on a
//! simulated remote, [`executor::Executor`], [`approval::Desk`], each on a vault of its own in a
//! real folder. A process crashes at a fault point ([`fault`]) and is started again; while one is
//! at the network another may go on; replies get lost; the remote shows an older tip; clocks run
//! apart; the owner edits, approves, rejects, and drags files about.
//!
//! - [`run`]: one schedule, from its seed.
//! - [`partition`]: an hour without the remote.
//! - [`Flaw`]: mistakes that can be switched on in debug builds, to see that they are noticed.
//!
//! The invariants are held by the `model` module: a task is in one place at every tip the remote
//! accepts and never lost, work is done by its owner only, an effect happens once and on an order
//! that the owner gave, no word of a person is lost, and in the end all machines agree.
//!
//! Nothing that is shipped links this crate.

mod agent;
mod check;
mod flaw;
mod model;
mod office;
mod owner;
mod partition;
mod pen;
mod process;
mod schedule;
mod services;
mod world;

pub use flaw::Flaw;
pub use office::Office;
pub use partition::{Partition, partition};

use std::path::Path;

/// One schedule: everything that happens in it follows from these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Case {
    /// Where chance starts.
    pub seed: u64,
    /// How many steps are made before everything is given time to settle.
    pub steps: u32,
    /// The mistake that the programs have.
    pub flaw: Option<Flaw>,
}

/// What came of a schedule.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ran {
    /// Which invariants were broken, and how.
    pub violations: Vec<String>,
    /// What happened, step by step.
    pub trace: Vec<String>,
    /// How many processes crashed at a fault point.
    pub crashes: u32,
    /// How many steps failed with an error of the system.
    pub failures: u32,
    /// How many tasks there were.
    pub tasks: usize,
    /// How many effects the world saw.
    pub effects: u32,
}

/// Runs one schedule in `folder`, which is empty and stays behind. An error is a mistake of the
/// simulation, or a full disk.
pub fn run(office: &Office, folder: &Path, case: Case) -> Result<Ran, String> {
    schedule::run(office, folder, case)
}

#[cfg(test)]
mod tests;
