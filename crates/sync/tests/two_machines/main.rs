//! Machines with a vault each, a bare repository between them, and the real `git`.

mod agreement;
mod at_night;
mod begin;
mod chance;
mod claims;
mod heartbeats;
mod hostile;
mod logs;
mod reservations;
mod secrets;
mod world;
