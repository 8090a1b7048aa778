//! The owner's agent: review, approval, execution.
fn main() {}
