//! The owner's pages: `Dashboard.md`, always up to date, and the Monday [`briefing`].
//!
//! The dashboard is the owner's one page. [`dashboard`] is pure; [`Reporter`] gathers what it
//! needs from a vault and writes the page only when more than times and counts have changed, so
//! that an idle pair of machines makes no commits.
//!
//! [`Notes`] keeps a page beside each task that was set aside: what happened, and what to do.
//!
//! All text from strangers (subjects, senders, errors) is made inert: it cannot link, embed, load
//! or format anything. Nothing here executes or decides.

pub mod briefing;
mod chart;
mod dashboard;
mod gather;
mod inputs;
mod note;
mod standing;
mod text;
mod week;

pub use dashboard::{dashboard, state_of};
pub use gather::{Given, ReportError, Reporter};
pub use inputs::{
    AgentLine, AgentSign, AgentState, ChannelLine, ChannelState, Inputs, Result, ResultKind, TaskLine,
};
pub use note::{Choice, NoteError, Notes};
pub use standing::{BOTTLENECK, FolderLine, Remedy, SetAside, Standing, Waiting};
pub use week::{Day, Week};

/// The dashboard of a new vault, before an agent has written its own.
pub const DASHBOARD_TEMPLATE: &str = include_str!("../../../Dashboard.md");

/// A task for the Inbox, as Obsidian's template plug-in fills it in; the keys are a task's own.
pub const TASK_TEMPLATE: &str = include_str!("../templates/new_task.md");

/// Its path in the vault. The folder stays on this machine: it is nobody else's business.
pub const TASK_TEMPLATE_PATH: &str = "Templates/New_task.md";

/// The dashboard's path in the vault.
pub const DASHBOARD: &str = "Dashboard.md";
