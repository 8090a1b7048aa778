//! Why one task could not be worked on.

use mcp_client::CallError;
use vault::{HandbookError, ReadError};

use crate::ClerkError;

/// Why one task could not be worked on. The rest goes on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The task's file.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The accepted handbook.
    #[error(transparent)]
    Handbook(#[from] HandbookError),
    /// Its rules.
    #[error("{0}; accept another one: handbook accept")]
    HouseRules(#[from] policy::HouseRulesError),
    /// Its next place.
    #[error(transparent)]
    Move(#[from] vault::MoveError),
    /// The model, or the template.
    #[error("draft: {0}")]
    Draft(#[from] drafter::DraftError),
    /// A duty.
    #[error("duty: {0}")]
    Duty(#[source] ClerkError),
    /// Its plan is too long, goes round in a circle, or wants what no agent may do.
    #[error("{0}")]
    Plan(String),
    /// A step of it; it is tried again from there.
    #[error("step {number} ({what}): {source}")]
    Step {
        /// Which, from 1.
        number: usize,
        /// What it does.
        what: String,
        /// What went wrong.
        source: CallError,
    },
    /// It took longer than `claims.work_minutes`.
    #[error("draft took longer than {0} minutes")]
    Slow(u64),
    /// A mistake in this program that this task brings out.
    #[error("drafting it ended in a panic")]
    Panicked,
    /// The program is ending; nothing was done.
    #[error("the program is ending")]
    Ending,
}
