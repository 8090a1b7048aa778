//! Whether everything that should be running is, and is keeping up. Silence is never success:
//! each agent says when it was last alive and up to when each channel is complete, and what does
//! not keep up becomes one task for the owner.
//!
//! - [`Heartbeat`]: the sign of life for processes on the same machine, a hidden file in the vault.
//! - [`Note`]: what fits of it into a heartbeat ref's name, for the other machine.
//! - [`evaluate`]: from what was measured to [`Alarm`]s; pure.
//! - [`withheld`], [`foreign`]: what synchronisation did not let through, as alarms.
//! - [`Incidents`]: one `ERROR_HEALTH_…` task per incident, not per check; recovery noted in it.
//! - [`Outcomes`], [`disk_free`], [`VaultSize`], [`resident_memory`]: the measuring.
//! - [`ago`], [`complete`]: how all this is said in a line.
//! - [`Readiness`], [`Awake`]: when a process is up, and since when.
//!
//! Nothing here knows a channel's protocol, git, or how another machine's beats arrive.

mod ago;
mod alarm;
mod awake;
mod heartbeat;
mod incident;
mod measure;
mod note;
mod outcomes;
mod readiness;
mod refusal;

pub use ago::{ago, complete};
pub use alarm::{Alarm, Coverage, Inputs, Peer, Subject, evaluate};
pub use awake::Awake;
pub use heartbeat::{Heartbeat, HeartbeatError, heartbeat_file_name};
pub use incident::{Changes, IncidentError, Incidents};
pub use measure::{VaultSize, disk_free, resident_memory};
pub use note::{ChannelNote, Note, flag_in_words};
pub use outcomes::Outcomes;
pub use readiness::{Latch, Readiness};
pub use refusal::{foreign, withheld};
