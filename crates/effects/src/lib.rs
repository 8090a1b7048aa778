//! Services on loopback that count effects, and an owner's machine that calls them through the
//! real programs. For tests and `cargo xtask torture`.
//!
//! A [`Service`] speaks HTTP as one of the real ones does ([`Bank`], [`Odoo`]), keeps what it was
//! made to do, and can fail in every way that leaves its caller in doubt ([`Fault`]): above all it
//! can end its caller at the very moment at which it has accepted. What counts in the end is the
//! service's own counter.
//!
//! It knows nothing of the project's crates: what the programs say to it is judged from outside.

mod caller;
mod owner;
mod service;

pub use caller::Which;
pub use owner::Owner;
pub use service::{Absence, Bank, Book, Fault, Odoo, Post, Service, Social, Tokens, Whatsapp};
