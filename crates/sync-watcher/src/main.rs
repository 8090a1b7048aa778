//! Pulls the vault every 60 seconds.
fn main() {}
