//! Sessions with the MCP servers: start, filter by policy, call, restart.
//!
//! [`Sessions`] keeps one child process per server and speaks MCP over its stdin and stdout. It
//! knows nothing of what a tool does, of tasks or of the vault; what may be called is decided by
//! [`policy::decide`] and [`policy::class`] before a byte is sent.
//!
//! Whoever calls a tool must know afterwards whether it may have had its effect. That is what
//! [`CallError`] says, and nothing else decides whether a call may be repeated.

mod call;
mod outcome;
mod session;
mod sessions;
mod wire;

pub use call::{Call, CallError, IDLE, Reply, ToolCaller};
pub use sessions::{Sessions, Settings};
