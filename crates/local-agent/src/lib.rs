//! What the owner's machine does beside the cycle that both agents share, for the program and for tests
//! that compose it in their own process.
//!
//! - [`OwnersDuties`]: carries signed orders out, takes what was ticked on a briefing, writes the
//!   dashboard.
//! - [`OwnersClerk`]: does the daily scan, the audit and the briefing, with a [`Writer`].
//! - [`staff`] puts both beside a cycle.

mod arbiter;
mod briefing;
mod clerk;
mod duties;
mod errors;
mod staff;

pub use briefing::{Answers, Writer};
pub use clerk::{OwnersClerk, summary};
pub use duties::{OwnersDuties, mode, sentence};
pub use staff::{Staff, staff};
