//! `odoo:`, the live books.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Secret;

/// How Odoo is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OdooApi {
    /// `/json/2`, Odoo 19 and newer.
    #[default]
    Json2,
    /// `/jsonrpc`, Odoo 18 and older.
    Jsonrpc,
}

/// `odoo:`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Odoo {
    /// The server's base address, `https://books.example.com`.
    pub url: String,
    /// The database's name.
    pub database: String,
    /// How it is spoken to.
    #[serde(default)]
    pub api: OdooApi,
    /// The login name; `/jsonrpc` alone needs it.
    #[serde(default)]
    pub user: Option<String>,
    /// Where the API key is.
    pub secret: Secret,
    /// A certificate authority beside the system's own, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How long one request may take.
    #[serde(default = "timeout")]
    pub timeout_seconds: u64,
}

fn timeout() -> u64 {
    20
}

impl Odoo {
    pub(crate) fn check(&self) -> Result<(), String> {
        match (self.api, &self.user) {
            (OdooApi::Jsonrpc, None) => Err("odoo.api jsonrpc needs odoo.user, the login name".into()),
            _ => Ok(()),
        }
    }
}
