//! Why an order is not carried out.

use chrono::{DateTime, Utc};
use task::{AgentId, Mode, OrderError};

/// What speaks against an order, in one sentence for the owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No signature.
    #[error("order is not signed")]
    Unsigned,
    /// Not an SSHSIG, or one in another form than OpenSSH writes.
    #[error("signature cannot be read: {0}")]
    Unreadable(String),
    /// Not made with Ed25519.
    #[error("signature was made with a {0} key; only Ed25519 keys sign orders")]
    Algorithm(String),
    /// A hardware key signed without being touched.
    #[error("signature was made by a hardware key without a touch")]
    NotTouched,
    /// Made for something else.
    #[error("signature was made for {0:?}, not for orders")]
    Namespace(String),
    /// Nobody on the approvers list.
    #[error("signature was made by the key {fingerprint}, which is not among the approvers")]
    UnknownKey {
        /// Whose.
        fingerprint: String,
    },
    /// An approver's key, but not for orders.
    #[error("approvers list allows the key {fingerprint} for other purposes, not for orders")]
    KeyNotForOrders {
        /// Whose.
        fingerprint: String,
    },
    /// An approver's key, too early.
    #[error("approver's key {fingerprint} is not valid before {from}")]
    KeyNotYetValid {
        /// Whose.
        fingerprint: String,
        /// From when.
        from: DateTime<Utc>,
    },
    /// An approver's key, too late.
    #[error("approver's key {fingerprint} is not valid since {until}")]
    KeyExpired {
        /// Whose.
        fingerprint: String,
        /// Until when.
        until: DateTime<Utc>,
    },
    /// The bytes are not the signed ones.
    #[error("order was changed after it was signed")]
    Changed,
    /// Signed, but no order.
    #[error("order cannot be read: {0}")]
    Order(String),
    /// Too late.
    #[error("order expired at {0}")]
    Expired(DateTime<Utc>),
    /// Too early.
    #[error("order is not valid before {0}; compare the clocks")]
    NotYetValid(DateTime<Utc>),
    /// Another vault's.
    #[error("order was signed for another vault ({0})")]
    OtherVault(String),
    /// Another agent's.
    #[error("order names {named} as its executor, not {here}")]
    OtherExecutor {
        /// In the order.
        named: AgentId,
        /// Who asks.
        here: AgentId,
    },
    /// Live where dry is asked for, or the other way round.
    #[error("order is for a {signed} run; this is a {here} one")]
    OtherMode {
        /// In the order.
        signed: Mode,
        /// What runs.
        here: Mode,
    },
    /// The call is not the signed one.
    #[error("call differs from the signed order in its {0}")]
    OtherCall(&'static str),
}

impl From<OrderError> for Refusal {
    fn from(error: OrderError) -> Self {
        use std::error::Error as _;
        let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        Refusal::Order(format!("{error}{cause}"))
    }
}
