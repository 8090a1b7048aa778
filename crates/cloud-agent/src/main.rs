//! The agent on the machine that is always on.
fn main() {}
