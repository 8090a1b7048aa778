//! Invariant 5, at most once, against services that count effects, through the real programs.
//!
//! What counts is the service's own counter: whatever goes wrong, one effect or none, never two.

mod bank;
mod books;
mod chats;
mod pages;
mod world;
