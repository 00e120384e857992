//! Servers by the public API, on a Redis of their own each.

#![expect(clippy::unwrap_used, reason = "what a test expects")]

#[path = "../common/mod.rs"]
mod common;

mod cluster;
mod exchange;
mod heartbeat;
mod hooks;
mod lifecycle;
mod outcomes;
mod prefetch;
mod queues;
mod recovery;
mod signals;
mod stopping;
mod time;
mod waking;
