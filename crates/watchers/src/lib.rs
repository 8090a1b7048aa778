//! A source per channel, made into new tasks; watermark and de-duplication per source.
//!
//! - [`Source`]: what a connector does. [`imap_source`] watches a mailbox; [`mock_sources`] offer
//!   fixed sample events of every channel, [`scripted_sources`] those of a file.
//! - [`Watchers`]: the frame. It asks each source in its own task, creates tasks in
//!   `Needs_Action/`, and only then remembers in `<data>/watch/` what it has seen: a crash in
//!   between offers an event again, and its task's id, made of the event alone, shows that it is
//!   there already.
//! - [`Channels`]: up to when each source is complete, and what is wrong with it.
//! - [`parse_mail`]: a mail's bytes to a task, pure.
//!
//! Nothing here drafts, and nothing is changed at the source: no mail is marked as read.

mod channel;
mod event;
mod frame;
mod imap;
mod mail;
mod mock;
mod source;
mod state;
mod text;
mod watcher;

pub use channel::{ChannelState, Channels};
pub use frame::{Running, Settings, Watchers};
pub use imap::{ImapError, ImapOptions, ImapSource, ReadSecret, imap_source};
pub use mail::{Arrival, parse_mail};
pub use mock::{mock_sources, scripted_sources};
pub use source::{Batch, Source, SourceError};
pub use state::{State, StateError};
pub use watcher::{Look, WatchError};
