//! The vault: a folder of Markdown files in which a task's place is its state.
//!
//! [`Vault`] lists, reads, writes and moves tasks; every write is durable when it returns
//! ([`durable`]), every move refuses to overwrite, and no symbolic link below the root is ever
//! followed. Names and bytes in the vault are hostile: what is no task is listed as a
//! [`Stranger`] with a reason and never stops the rest.
//!
//! - [`durable`]: the primitives, also for files outside of the vault.
//! - [`Folder`], [`Listing`]: what is where.
//! - [`TaskFile`], [`MoveError`]: one task's file, its replacement and its moves.
//! - [`Guard`]: the lock between moves (shared) and a snapshot of the whole (exclusive).
//! - [`Vault::log`]: the audit log's files.
//! - [`Handbook`]: the owner's handbook, and what of it was accepted.
//! - [`Vault::intake`]: what people drop into `Inbox/`.
//! - [`Vault::quarantine`], [`Vault::keep_conflict`]: setting aside without losing.
//!
//! All calls block; async callers use `spawn_blocking`. Nothing here knows git or a network.

mod claim_file;
pub mod durable;
mod follow;
mod handbook;
mod inbox;
mod kill_switch;
mod listing;
mod lock;
mod logs;
mod open;
mod pages;
mod raw;
mod set_aside;
mod stop;
mod tasks;

pub use claim_file::claim_file_name;
pub use durable::{Contents, Dir, DurableError, FileError};
pub use follow::LogCursor;
pub use handbook::{Handbook, HandbookError, Standing};
pub use inbox::{Intake, TakenIn};
pub use kill_switch::{KillSwitch, StopError};
pub use listing::{Entry, Folder, Listing, Stranger};
pub use lock::{Guard, LockError};
pub use logs::{CommittedLog, LogCheck, LogError, VerifyError};
pub use open::{FOLDERS, Limits, OpenError, Vault};
pub use pages::PageError;
pub use raw::{Overwrite, RawError};
pub use set_aside::SetAsideError;
pub use tasks::{MoveError, ReadError, TaskFile, WriteError};
