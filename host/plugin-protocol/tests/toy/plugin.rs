//! A toy plugin.
fn main() {}
