//! Schedulers through the public API. Each test has its own Redis.

#![expect(clippy::unwrap_used, reason = "a failed expectation fails the test")]

#[path = "../common/mod.rs"]
mod common;

mod hooks;
mod periodic;
#[cfg(feature = "yaml")]
mod periodic_file;
mod seen;
mod ticks;
