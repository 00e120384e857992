//! Servers through the public API. Each test has its own Redis.

#![expect(clippy::unwrap_used, reason = "a failed expectation fails the test")]

#[path = "../common/mod.rs"]
mod common;

mod blocked;
mod claims;
mod cluster;
mod cluster_faults;
mod exchange;
mod gone;
mod heartbeat;
mod hooks;
mod large_messages;
mod lifecycle;
mod misbehaving;
mod outages;
mod outcomes;
mod prefetch;
mod queues;
mod recovery;
mod signals;
mod stopping;
mod time;
mod told;
#[cfg(target_os = "linux")]
mod two_clocks;
mod waking;
