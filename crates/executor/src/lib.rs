//! Carries the owner's orders out, at most once. No language model is anywhere near.
//!
//! An order's way is written down in the [`Journal`] before and after every step, so that a crash
//! at any moment leaves either "not called yet", which is safe to go on with, or "called, outcome
//! not known", which is never repeated blindly:
//!
//! ```text
//! EXECUTE_ file ── verify, claim ──► ACCEPTED ──► DISPATCHING ── call ──► DONE | FAILED | UNKNOWN
//!                                       │ expired, no longer allowed          │ owner: resolve
//!                                       ▼                                     ▼
//!                                   WITHDRAWN, back to the owner         DONE | FAILED
//! ```
//!
//! Whether it still fits the world is asked right before the call, where there is something to ask
//! (`freshness` has the table).
//!
//! Whether a call leaves room for others is asked of [`policy::govern`] in the very transaction that
//! makes it DISPATCHING.
//!
//! Two machines that both take themselves for the executor have two journals: [`Seat`] tells a copied
//! data directory from the one that it was copied from, and [`Arbiter`] lets one machine have an order.
//!
//! - [`Executor::run_cycle`]: takes up what is approved, what a crash left behind, and settles
//!   what nobody knows.
//! - [`vault::KillSwitch`]: looked at before every claim and right before every call.
//! - [`Undo`]: an order waits for a while before it is called, and until then can be taken back.
//! - [`Settlement`]: the owner's word on what nobody knows, and another try for what failed;
//!   what comes back from Errors by itself ([`returning`]); also what becomes of signed orders where the journal is lost.
//!
//! The file follows the journal, never the other way round: whatever the journal says is what the
//! task's front matter is brought in line with.

mod admit;
mod carry;
mod core;
mod executor;
mod filing;
mod freshness;
mod journal;
mod limits;
mod lost_journal;
mod outcome;
mod owner;
mod question;
mod report;
mod reserve;
mod returning;
mod seat;
mod settlement;
mod undo;

pub use executor::{Executor, OpenError, Settings};
pub use journal::{Journal, JournalError, Row, State};
pub use lost_journal::LostJournal;

pub use report::{End, Entry, Report};
pub use reserve::{Arbiter, Pledge, Silence, Standing};
pub use returning::{Returned, returning};
pub use seat::{Seat, SeatError};
pub use settlement::{Settlement, SettlementError, Verdict};
pub use undo::{Undo, UndoError};

#[cfg(test)]
mod tests;
