//! The owner's decision: what is shown, and the signature that it leads to.
//!
//! - [`init`], [`KeyFiles`]: the owner's key, the approvers list and the vault's id.
//! - [`Signer`]: signs with the key file or an ssh-agent; the private key is in memory only while
//!   it signs.
//! - [`review`]: the screen on which the owner decides, rendered here from the decoded action and
//!   from nothing else.
//! - [`Own`]: what each value of the action is held against, so that what a stranger's message
//!   brought in is marked.
//! - [`Retyped`], [`Standing`]: what a payment needs besides: amount and account typed again, and a
//!   payee that was paid before or introduced long enough ago.
//! - [`Desk`]: approve, reject, modify, and what becomes of edits in the Markdown, over the vault.
//!
//! Nothing here reads the environment or prints; the binary hands in paths, passphrases and
//! sockets, and shows what it gets. Nothing here carries an order out.

mod agent;
mod desk;
mod editable;
mod keys;
mod payee;
mod provenance;
mod register;
mod render;
mod retyped;
mod review;
mod signer;
mod suspicion;
mod values;
mod visible;

pub use desk::{Desk, DeskError, Kept};
pub use editable::{EditError, from_editable, to_editable};
pub use keys::{InitError, Initialised, KeyFiles, NewKey, fingerprint, init, read_vault_id};
pub use payee::{Paid, Standing};
pub use provenance::Own;
pub use retyped::{Mistyped, Retyped};
pub use review::{BodyEdit, Review, ReviewError, Setting, body_edit, review};
pub use signer::{SignError, Signer};
pub use visible::visible;

#[cfg(test)]
mod tests;
