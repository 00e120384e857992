//! The Rust peer.
fn main() {}
