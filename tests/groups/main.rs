//! Servers that aggregate groups, through the public API. Each test has its own Redis.

#![expect(clippy::unwrap_used, reason = "a failed expectation fails the test")]

#[path = "../common/mod.rs"]
mod common;

mod aggregates;
mod cluster;
mod cost;
mod due;
mod failing;
mod latency;
mod shutdown;
#[allow(unreachable_pub)]
mod support;
