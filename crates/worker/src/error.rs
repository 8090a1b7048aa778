//! Why one task could not be worked on.

use drafter::DraftError;
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
    Draft(#[from] DraftError),
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
    /// The program ended in the middle of it, and not because it was told to.
    #[error("the program ended in the middle of it")]
    CutOff,
    /// The program is ending; nothing was done.
    #[error("the program is ending")]
    Ending,
}

/// What another try may bring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hope {
    /// The cause may be over by itself: a model, the books or a disk that are away.
    Passing,
    /// Chance may have had a part in it; after the last try it is the owner's.
    Slight,
    /// It will be the same every time.
    None,
}

impl WorkerError {
    pub(crate) fn hope(&self) -> Hope {
        match self {
            // A file that does not parse will not parse the next time either.
            Self::Read(error) if !matches!(error, ReadError::File(_)) => Hope::None,
            Self::Plan(_) => Hope::None,
            Self::Draft(DraftError::Template { .. }) | Self::Panicked | Self::CutOff => Hope::Slight,
            Self::Read(_)
            | Self::Handbook(_)
            | Self::HouseRules(_)
            | Self::Move(_)
            | Self::Draft(DraftError::Model { .. })
            | Self::Duty(_)
            | Self::Step { .. }
            | Self::Slow(_)
            | Self::Ending => Hope::Passing,
        }
    }
}
