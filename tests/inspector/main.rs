//! The inspector through the public API. Each test has its own Redis.

#![expect(clippy::unwrap_used, reason = "a failed expectation fails the test")]

#[path = "../common/mod.rs"]
mod common;

mod changing;
mod copying;
mod payloads;
mod place;
mod rescheduling;
mod waking;
