//! `whatsapp:`, the WhatsApp Cloud API.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Secret;

/// `whatsapp:`; on the owner's machine only.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whatsapp {
    /// The id of the business phone number that sends.
    pub phone_number_id: String,
    /// Where the access token is.
    pub secret: Secret,
    /// The interface's base address.
    #[serde(default = "url")]
    pub url: String,
    /// The interface's version.
    #[serde(default = "version")]
    pub version: String,
    /// A certificate authority beside the system's own, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How long one request may take.
    #[serde(default = "timeout")]
    pub timeout_seconds: u64,
}

fn url() -> String {
    "https://graph.facebook.com".into()
}

fn version() -> String {
    "v23.0".into()
}

fn timeout() -> u64 {
    20
}
