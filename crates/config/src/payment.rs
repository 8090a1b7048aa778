//! `payment:`, the live bank.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Secret;

/// Whose interface the bank speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BankApi {
    /// Mercury's, version 1.
    #[default]
    Mercury,
}

/// `payment:`; on the owner's machine only.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// Whose interface.
    #[serde(default)]
    pub provider: BankApi,
    /// The interface's base address.
    #[serde(default = "url")]
    pub url: String,
    /// Where the bank's key is.
    pub secret: Secret,
    /// How long the bank surely knows an idempotency key. A payment whose outcome is unknown is
    /// repeated with its key within this time only; later the bank is only asked about it.
    #[serde(default = "key_hours")]
    pub key_hours: u32,
    /// A certificate authority beside the system's own, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How long one request may take.
    #[serde(default = "timeout")]
    pub timeout_seconds: u64,
}

fn url() -> String {
    "https://api.mercury.com/api/v1".into()
}

fn key_hours() -> u32 {
    24
}

fn timeout() -> u64 {
    20
}
