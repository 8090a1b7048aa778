//! Who works: agents and their roles.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An agent's name, such as `cloud-001`: 1 to 40 of `[a-z0-9-]`, starting with a letter.
///
/// Lower case only, because it names a folder and a Git ref on file systems that fold case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentId(String);

/// Why a text is no agent id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no agent id; use 1 to 40 of a-z, 0-9 and '-', starting with a letter, such as local-001")]
pub struct AgentIdError(String);

impl AgentId {
    /// Checks `text` and keeps it.
    pub fn new(text: impl Into<String>) -> Result<Self, AgentIdError> {
        let text = text.into();
        let fits = (1..=40).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if fits { Ok(Self(text)) } else { Err(AgentIdError(text)) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AgentId {
    type Error = AgentIdError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl FromStr for AgentId {
    type Err = AgentIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl From<AgentId> for String {
    fn from(id: AgentId) -> Self {
        id.0
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a machine is there for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Always on; watches and drafts, and can never act.
    Cloud,
    /// The owner's machine: review and execution.
    Local,
    /// One machine that does both, without sync.
    Gold,
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "cloud" => Ok(Role::Cloud),
            "local" => Ok(Role::Local),
            "gold" => Ok(Role::Gold),
            other => Err(format!("unknown role {other:?}; one of cloud, local, gold")),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Cloud => "cloud",
            Role::Local => "local",
            Role::Gold => "gold",
        })
    }
}
