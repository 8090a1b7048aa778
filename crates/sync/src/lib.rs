//! The vault's Git: how two machines that are seldom on at the same time agree on one folder.
//!
//! A cycle looks at what changed on disk, at what changed at the remote, decides task by task and
//! file by file which version stands, and publishes the outcome by compare-and-swap: a push that
//! names the tip it was made from. There is no stash, no rebase, no merge driver and no conflict
//! marker; what loses goes to `Conflicts/`. The vault stays an ordinary clone.
//!
//! - [`Sync`]: the cycle, the heartbeats, and the arbiter of claims ([`claim::Publisher`]).
//! - [`Report`], [`SyncError`], [`Status`]: what came of it.
//! - [`Gate`]: the same rights of another machine, held by a hook at the remote.
//! - [`Reservation`], [`Holder`]: of several machines, one that may carry an order out.
//! - [`LogHistory`]: what was committed of the audit logs.
//! - [`Trial`]: a remote that is tried out before anything depends on it.
//!
//! Inside, from the bottom up: `place` says which names may travel, `tree` reads and writes trees
//! along changed paths, `scan` finds what changed on disk, `integrate` and `rights` decide (pure),
//! `incoming` turns decisions into steps, `worktree` makes them, `git` is the only place that runs
//! the `git` program, `cycle` ties it together, `handle` is the door to its thread. `guard` knows
//! what must not be sent, and `outgoing` looks through every commit before it is.
//!
//! What comes from the remote is hostile: it is taken only as plain files under the names that a
//! vault has, within limits, and on the owner's machine only as far as another machine's rights go.
//! This crate knows nothing of tools and drafts, and reads texts only to have `task` compare two
//! versions of one, and `secret-scan` look for secrets.

mod cycle;
mod engine;
mod gate;
mod git;
mod guard;
mod handle;
mod heartbeat;
mod history;
mod incoming;
mod index;
mod integrate;
mod open;
mod outgoing;
mod place;
mod report;
mod reserve;
mod rights;
mod scan;
pub mod simulated;
mod stamp;
mod state;
mod transport;
mod tree;
mod trial;
mod worktree;

pub use engine::Settings;
pub use gate::{Gate, GateError, hook};
pub use handle::Sync;
pub use heartbeat::{BadNote, RemoteBeat};
pub use history::LogHistory;
pub use integrate::Side;
pub use open::{OpenError, make_remote};
pub use report::{Refusal, Report, Status, SyncError};
pub use reserve::{Holder, Reservation};
pub use scan::ScanError;
pub use trial::{Seen, Trial};
pub use worktree::ApplyError;
