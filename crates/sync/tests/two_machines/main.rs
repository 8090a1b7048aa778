//! Machines with a vault each, a bare repository between them, and the real `git`.

mod agreement;
mod begin;
mod chance;
mod claims;
mod heartbeats;
mod hostile;
mod logs;
mod reservations;
mod secrets;
mod world;
