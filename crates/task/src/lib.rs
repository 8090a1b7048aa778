//! The vocabulary that every other crate speaks: tasks and their names, the stages they pass
//! through, the actions an agent may propose, the orders an owner signs, money, and the records
//! of the audit log, each with its text format.
//!
//! Everything here is pure: no file, no network, no runtime, no environment. Text that comes in
//! is hostile; what parses is within the stated limits, and the rest is a typed error.
//!
//! - [`TaskId`], [`FileName`], [`TaskKind`]: what a task is called and what its name says of it.
//! - [`Stage`], [`Location`]: where a task is and where it may go next.
//! - [`Task`], [`Step`]: front matter and body of one Markdown file, and the steps of a long task.
//! - [`Action`], [`Call`]: the closed set of things that can be proposed.
//! - [`Order`], [`Digest`], [`canonical`]: what the owner signs.
//! - [`AuditEvent`], [`AuditRecord`]: the log and its hash chain.
//! - [`Clock`]: the only source of time, so that tests can set it.

mod action;
mod agent;
mod audit;
mod body;
mod brief;
pub mod canonical;
mod clock;
mod counted;
mod digest;
mod excerpt;
mod foreign;
mod front_matter;
mod id;
mod introduction;
mod kind;
mod log_chain;
mod money;
mod order;
mod platform;
mod retry;
mod stage;
mod step;
pub mod strict_yaml;

pub use action::{
    Action, ActionError, Attachment, Call, EmailMessage, Invoice, InvoiceLine, InvoicePosting, Payment,
    Server, SocialDraft, SocialPost, WhatsappMessage,
};
pub use agent::{AgentId, AgentIdError, Role};
pub use audit::{AuditEvent, AuditRecord, ChainHead, Outcome as AuditOutcome};
pub use body::{Body, Tick, inert};
pub use clock::{Clock, FixedClock, SystemClock};
pub use counted::counted;
pub use digest::{Digest, DigestError};
pub use excerpt::excerpt;
pub use foreign::{lifts_approval, log_goes_on};
pub use front_matter::{
    AttachmentNote, Authentication, Automated, Effect, EffectState, FrontMatter, Priority, Status, Task,
    TaskError,
};

pub use id::{FileName, FileNameError, MAX_ID, Marker, TaskId, TaskIdError, slug};
pub use introduction::Introduction;
pub use kind::TaskKind;
pub use log_chain::{BadRecord, Chain};
pub use money::{Amount, AmountError, Currency, iban};
pub use order::{Mode, Order, OrderError, action_digest};
pub use platform::Platform;
pub use retry::{retry_pause, return_pause};
pub use stage::{Location, Misplaced, Stage, StageName};
pub use step::{MAX_STEPS, Step, StepState};
