//! Schedulers through the public API. Each test has its own Redis.

#![expect(clippy::unwrap_used, reason = "a failed expectation fails the test")]

#[path = "../common/mod.rs"]
mod common;

mod changed;
#[cfg(target_os = "linux")]
mod clocks;
mod cluster;
mod hooks;
mod lifecycle;
mod outages;
mod periodic;
#[cfg(feature = "yaml")]
mod periodic_file;
mod processes;
mod registering;
mod seen;
mod several;
mod shown;
mod ticks;
