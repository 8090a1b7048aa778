//! The claim file: who has the task, and by which claim.

use std::fmt;

use serde::{Deserialize, Serialize};
use task::{AgentId, TaskId};

/// Tells one claim from every other one, also from the same agent's earlier claim of the same
/// task: 32 hexadecimal digits of randomness.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nonce(String);

/// Why there is no nonce.
#[derive(Debug, thiserror::Error)]
pub enum NonceError {
    /// A text that is none.
    #[error("{0:?} is no nonce; expected 32 lower-case hexadecimal digits")]
    Text(String),
    /// The system gave no randomness.
    #[error("make a nonce: {0}")]
    Randomness(getrandom::Error),
}

impl Nonce {
    /// One that nobody else has.
    pub fn fresh() -> Result<Self, NonceError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(NonceError::Randomness)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Nonce {
    type Error = NonceError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fits = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if fits { Ok(Self(text)) } else { Err(NonceError::Text(text.chars().take(80).collect())) }
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> Self {
        nonce.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What `In_Progress/<agent>/<id>.claim.json` says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimRecord {
    /// Who claims.
    pub agent: AgentId,
    /// What.
    pub id: TaskId,
    /// By which claim.
    pub nonce: Nonce,
}

/// Bytes that are no claim file.
#[derive(Debug, thiserror::Error)]
#[error("the claim file does not fit: {0}")]
pub struct RecordError(#[from] serde_json::Error);

impl ClaimRecord {
    /// A new claim.
    pub fn fresh(agent: AgentId, id: TaskId) -> Result<Self, NonceError> {
        Ok(Self { agent, id, nonce: Nonce::fresh()? })
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Three fields whose characters need no escaping.
        let Self { agent, id, nonce } = self;
        format!("{{\"agent\":\"{agent}\",\"id\":\"{id}\",\"nonce\":\"{nonce}\"}}\n").into_bytes()
    }

    /// Reads a file's bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_file_round_trips_and_no_two_are_equal() {
        let fresh = || {
            ClaimRecord::fresh("cloud-001".parse().expect("agent"), "EMAIL_1".parse().expect("id"))
                .expect("randomness")
        };
        let record = fresh();
        assert_eq!(ClaimRecord::parse(&record.to_bytes()).expect("record"), record);
        assert_ne!(fresh().nonce, record.nonce);
        for bad in [&b"{}"[..], b"\xff", br#"{"agent":"a","id":"x","nonce":"zz"}"#] {
            assert!(ClaimRecord::parse(bad).is_err());
        }
    }
}
