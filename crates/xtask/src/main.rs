//! Developer commands: demo, bench.
fn main() {}
