//! The invariants of ARCHITECTURE.md, one by one: each test tries to break the one it is named
//! after, over the real programs.

mod acting;
mod durable;
mod hostile;
mod places;
mod secrets;
mod silence;
