//! Setting a machine up, on either side.
//!
//! - [`Answers`]: what was said so far, kept in the data directory until the set-up is complete,
//!   so that one that was interrupted goes on where it stopped.
//! - [`Questions`]: asks for what is missing, in a terminal; without one it names the flags.
//! - [`config_file`], [`env_file`]: the files that answers become. A configuration that is there
//!   is changed only where something else was said.
//! - [`JoinCode`]: what the cloud machine has to know of the owner's, in one line without a secret.
//! - [`trial`]: a push to the remote, a log-in to the mailbox, and whether another machine of the
//!   same name is awake.
//! - [`Finding`], [`checks`]: what `doctor` looks at on both machines.
//!
//! Nothing here signs or executes: both agents link it.

mod answers;
pub mod checks;
mod config_edit;
pub mod config_file;
pub mod env_file;
mod join;
mod questions;
pub mod trial;

pub use answers::{Answers, Means, Server, guess_servers};
pub use checks::Finding;
pub use join::{BadJoinCode, JoinCode, JoinMail};
pub use questions::{Ask, Question, Questions, Terminal};
