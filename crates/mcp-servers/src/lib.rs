//! The five MCP servers: one library, one small binary each.
//!
//! A server knows tools, orders and its own data directory; it knows nothing of the vault, of
//! tasks, or of the agents. It answers MCP over stdin and stdout, logs to stderr and exits when
//! its input ends.
//!
//! - [`Service`] routes: SAFE and DRAFT tools go to the backend, DANGEROUS ones through `acting`,
//!   which verifies the owner's order itself and keeps a ledger of used approvals. Tools above
//!   `--max-class` are not registered.
//! - a backend per server holds either sample data that remembers (`store`) or the real thing
//!   (`email::Live`, `odoo::Live`, …; `http` and `exact` are what they share). Both have the same tools and the same way to an effect.
//! - what a tool answers is told by what may have happened (`outcome`).

mod acting;
mod backend;
mod catalog;
mod check;
mod email;
mod exact;
mod graph;
mod http;
mod ledger;
mod odoo;
mod outcome;
mod payment;
mod run;
mod service;
mod setup;
mod social;
mod store;
mod stream;
mod tls;
mod whatsapp;

pub use outcome::{Answer, Effect, Failure};
pub use run::{main, serve};
pub use service::Service;
pub use setup::{Secrets, Setup};

/// The key under which a call's `_meta` may name the account, for tools whose arguments do not.
pub const META_ACCOUNT: &str = "ai-employee/account";
