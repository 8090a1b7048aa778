//! `social:`, the live pages.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Secret;

/// `social:`; what is left out is not posted to. Keys that post belong on the owner's machine.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Social {
    /// X.
    #[serde(default)]
    pub x: Option<Page>,
    /// LinkedIn.
    #[serde(default)]
    pub linkedin: Option<Page>,
    /// A Facebook page.
    #[serde(default)]
    pub facebook: Option<Page>,
    /// An Instagram business account.
    #[serde(default)]
    pub instagram: Option<Page>,
    /// A certificate authority beside the system's own, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How long one request may take.
    #[serde(default = "timeout")]
    pub timeout_seconds: u64,
}

/// `social.x:` and the others.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Who posts, as the platform numbers it: X's and Instagram's user id, Facebook's page id,
    /// LinkedIn's `urn:li:organization:…` or `urn:li:person:…`.
    pub id: String,
    /// Where the token is.
    pub secret: Secret,
    /// The interface's base address; the platform's own when absent.
    #[serde(default)]
    pub url: Option<String>,
    /// The interface's version: Meta's `v23.0`, LinkedIn's `202511`. One that is known to work
    /// when absent.
    #[serde(default)]
    pub version: Option<String>,
    /// Where the owner's pictures can be fetched by Instagram, as `<media_url>/<sha256 in hex>`.
    #[serde(default)]
    pub media_url: Option<String>,
}

fn timeout() -> u64 {
    20
}
