//! Why a decision was not made.

use chrono::{DateTime, Utc};
use signature::Refusal;
use task::{ActionError, Digest, Location, OrderError, TaskId};
use vault::{FileError, LogError, MoveError, ReadError, WriteError};

use crate::keys::InitError;
use crate::retyped::Mistyped;
use crate::review::ReviewError;
use crate::signer::SignError;

/// Why a decision was not made. Nothing was moved.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// No such task.
    #[error("task {0} is not in the vault")]
    NotFound(TaskId),
    /// It waits for nobody's decision.
    #[error("task {id} is in {place}, not in Pending_Approval; it needs no decision", place = .at.stage)]
    Elsewhere {
        /// Which task.
        id: TaskId,
        /// Where it is.
        at: Location,
    },
    /// There is nothing to approve.
    #[error("task {id} proposes nothing, it asks: {question}; modify it to say what to do, or reject it")]
    NoAction {
        /// Which task.
        id: TaskId,
        /// What it asks.
        question: String,
    },
    /// Another proposal than the one that was seen.
    #[error("task {id} changed since you saw it: its digest is {now}, not {seen}; review it again")]
    Changed {
        /// Which task.
        id: TaskId,
        /// What was seen.
        seen: Digest,
        /// What is there.
        now: Digest,
    },
    /// The Markdown says other words than the action.
    #[error("task {0} has an edited Draft in its Markdown; take the edit over or drop it first")]
    Edited(TaskId),
    /// A payment, and nothing was typed again.
    #[error("task {0} pays: the amount and the last four characters of the payee's IBAN must be typed again")]
    PaysMoney(TaskId),
    /// Something was typed again for what is no payment.
    #[error("task {0} pays nothing; approve it without an amount and a payee")]
    PaysNothing(TaskId),
    /// What was typed again differs.
    #[error("task {id} is not approved: {what}; look at it again")]
    Mistyped {
        /// Which task.
        id: TaskId,
        /// What differs.
        what: Mistyped,
    },
    /// The payee is new, and its hold is not over.
    #[error(
        "task {id} cannot be signed yet: {payee} was introduced as a payee at {introduced}; sign again from {until} on"
    )]
    Held {
        /// Which task.
        id: TaskId,
        /// The payee's name.
        payee: String,
        /// When it was introduced.
        introduced: DateTime<Utc>,
        /// From when on it can be paid.
        until: DateTime<Utc>,
    },
    /// It cannot be told whether the payee may be paid.
    #[error("payee of task {id} cannot be looked up: {reason}")]
    Payee {
        /// Which task.
        id: TaskId,
        /// Why.
        reason: String,
    },
    /// What was decided cannot be written down in the data directory.
    #[error("failed to write it down in the data directory")]
    Register(#[source] InitError),
    /// There is no edit to take over or drop.
    #[error("task {0} has no edited Draft")]
    NotEdited(TaskId),
    /// The new words do not fit the tool.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// A rejection says why.
    #[error("reason is empty; say in a few words why the task is rejected")]
    NoReason,
    /// The order has no text.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// No randomness for the approval's id.
    #[error(transparent)]
    Random(#[from] InitError),
    /// Nothing was signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Signed, but by a key that the approvers list does not allow.
    #[error("signature is not accepted by the approvers list: {0}")]
    NotApprover(Refusal),
    /// It cannot be shown.
    #[error(transparent)]
    Review(#[from] ReviewError),
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It cannot be moved.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// The vault cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The decision stands, but is not in the audit log.
    #[error("decision was made but not logged")]
    Log(#[from] LogError),
}
