//! The arbiter between machines, as this crate sees it.

use std::error::Error;

use async_trait::async_trait;

use crate::ClaimRecord;

/// What became of a claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The remote's tip carries this claim's nonce.
    Owned,
    /// Another agent was first, or the task is no longer what it was; the vault has been brought
    /// in line with the tip.
    Lost,
}

type Cause = Box<dyn Error + Send + Sync>;

/// Why nothing is known of any of the claims.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Nothing reached the remote: the claims do not exist.
    #[error("publish claims: {0}")]
    NotPublished(#[source] Cause),
    /// They may have reached it. Publishing the same records again finds out.
    #[error("publish claims, outcome unknown: {0}")]
    Unknown(#[source] Cause),
}

/// Publishes claims by compare-and-swap.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Publishes all of `claims` in one push. Each stands in the vault already: the task in
    /// `In_Progress/<agent>/`, the claim file beside it. A claim that the remote has accepted
    /// before, by its nonce, is owned: the call may be repeated.
    ///
    /// The verdicts are in the order of `claims`.
    async fn publish(&self, claims: &[ClaimRecord]) -> Result<Vec<Verdict>, PublishError>;
}
