//! Enqueueing, and what it writes to Redis.

#![expect(clippy::unwrap_used, reason = "a failed expectation fails the test")]

#[path = "../common/mod.rs"]
mod common;

mod batches;
mod callers;
mod conflicts;
mod late_attempts;
mod lifecycle;
mod options;

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn md5_hex(bytes: &[u8]) -> String {
    format!("{:x}", md5::compute(bytes))
}
