//! Verification of the owner's signature over an order. No private key is ever seen here.
//!
//! The way from text to effect has two steps that cannot be skipped:
//!
//! 1. [`verify`] holds the order's text and its armored SSHSIG against the [`Approvers`] and
//!    gives a [`Verified`] order: one of them signed exactly these bytes, for orders and nothing
//!    else.
//! 2. [`Verified::permit`] holds it against the place and the moment ([`Expect`]) and gives a
//!    [`Permit`], which the effect consumes. Before it does, [`Permit::matches_call`] compares the call
//!    that is about to be made with the one that was signed.
//!
//! Beside the orders there is the [`Register`]: what the owner's reviews wrote down in the data
//! directory, approvals that were given and payees that were introduced, read and verified here.
//!
//! Neither type of the two steps can be built, copied or stored elsewhere. Whatever does not fit is a [`Refusal`]
//! with one sentence for the owner.

mod approvers;
mod pattern;
mod permit;
mod refusal;
mod register;
mod verify;

#[cfg(test)]
mod tests;

pub use approvers::{Approvers, ApproversError, LineError};
pub use permit::{Expect, Permit, Verified};
pub use refusal::Refusal;
pub use register::{Introduced, Register, SignedIntroduction};
pub use verify::{is_armored, verify};
