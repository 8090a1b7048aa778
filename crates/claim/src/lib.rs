//! Claims: who works on which task, decided before any work begins.
//!
//! A claim starts as a rename into `In_Progress/<me>/`, which one process of this machine wins.
//! Where another machine may take the task as well, the claim file beside it carries a fresh
//! nonce, and the claim counts only when the remote has accepted it: that is what a [`Publisher`]
//! finds out. Only an [`Owned`] claim comes out of [`Claims::take`], so that no work is begun on
//! one that was merely reserved.
//!
//! - [`Claims`]: take, resume, release, complete, take back what went stale.
//! - [`ClaimRecord`], [`Nonce`]: the claim file.
//! - [`Publisher`], [`Verdict`]: the arbiter; the crate that knows the remote implements it.
//!
//! This crate knows neither what a task says nor what a remote is.

mod claims;
mod publisher;
mod record;
mod stale;

pub use claims::{Claim, ClaimError, Claims, Owned, Published, Reserved, Settings, Taken};
pub use publisher::{PublishError, Publisher, Verdict};
pub use record::{ClaimRecord, Nonce, NonceError, RecordError};
pub use stale::{Observation, StaleError};
