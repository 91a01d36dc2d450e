//! The demo services, really.
fn main() {}
