//! The introduction of a payee: the first of the two signatures that a payment to an account which
//! was never paid before needs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{OrderError, TaskId, canonical};

/// The owner has seen an account and means to pay it, later. Its text is its canonical JSON and
/// nothing else; the signature is over those bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Introduction {
    /// The payee's account, an IBAN without spaces.
    pub iban: String,
    /// When the owner signed it; the hold counts from here.
    pub introduced: DateTime<Utc>,
    /// The payee's name, as it was shown.
    pub payee: String,
    /// The task that it was signed for. A later task to the same account needs no other.
    pub task: TaskId,
    /// The vault's id, so that an introduction is worth nothing in another.
    pub vault: String,
}

impl Introduction {
    /// The namespace of its signature (SSHSIG): it is no order, and an order is no introduction.
    pub const NAMESPACE: &'static str = "ai-employee-payee";

    /// Reads the canonical text; any other text of the same value is refused.
    pub fn parse(text: &str) -> Result<Self, OrderError> {
        let value = canonical::from_str(text)?;
        let introduction: Self =
            serde_json::from_value(value).map_err(|e| OrderError::Decode(crate::excerpt(&e.to_string())))?;
        if introduction.to_text()? != text {
            return Err(OrderError::Decode("it says the same in another form".into()));
        }
        Ok(introduction)
    }

    /// The canonical text.
    pub fn to_text(&self) -> Result<String, OrderError> {
        Ok(canonical::to_string(self)?)
    }
}
