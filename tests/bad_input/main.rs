//! Invalid data in Redis, and a Redis with problems. Each case causes an error or a log line that
//! names the problem and the key; no task is lost, and everything else keeps working.

#![expect(clippy::unwrap_used, reason = "a failed expectation fails the test")]

#[path = "../common/mod.rs"]
mod common;

mod messages;
mod redis;
mod wrong_types;
