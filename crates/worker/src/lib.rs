//! The cycle that both agents share, and the loop that drives it.
//!
//! One [`Worker::cycle`]: take in what a person dropped, set aside what is no task, claim what
//! this role may take up, draft each claimed task, put it before the owner. The worker neither
//! signs nor executes, and reaches no crate that does; an agent composes it with what else its
//! machine may do through [`Duties`].
//!
//! - [`Worker`]: the cycle.
//! - [`Agenda`]: what is due by itself, and the duties that need no drafter.
//! - [`run`]: the daemon's loop: one closed set of wake-ups, one cycle at a time.
//! - [`once`]: one round of everything, for `--once`.
//! - [`handbook_command`]: `handbook status | diff | accept`, the same on both machines.
//! - [`Toolbox`]: the SAFE and DRAFT tools that a long task's steps may call.
//! - [`compose`]: the parts put together from a program's setup.
//! - [`Vitals`]: the sign of life, and the look at everybody's health.
//! - [`Found`]: what a cycle did, for logs and for `--once`.

mod agenda;
mod compose;
mod cycle;
mod duty;
mod error;
mod event_loop;
mod finding;
mod handbook;
mod look;
mod once;
mod outcome;
mod steps;
mod toolbox;
mod tries;
mod vitals;

pub use agenda::{Agenda, Clerk, ClerkError, Performed};
pub use compose::{Composed, calendar, compose, loop_settings, open_sync, open_vault, sources};
pub use cycle::{Parts, Worker};
pub use error::WorkerError;
pub use event_loop::{Duties, LoopSettings, run};
pub use finding::Found;
pub use handbook::{about_handbook, handbook, handbook_command};
pub use once::once;
pub use toolbox::{Toolbox, programs_folder, session_settings};
pub use vitals::{PeerState, Peers, Vitals};

#[cfg(test)]
mod tests;
