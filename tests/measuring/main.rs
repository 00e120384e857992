//! What a recorder of the crate `metrics` is told. Each test has its own Redis, and queues of its own: the recorder is
//! that of the process.

#![expect(clippy::unwrap_used, reason = "a failed expectation fails the test")]

#[path = "../common/mod.rs"]
mod common;

mod batches;
mod connections;
mod enqueueing;
mod page;
mod recorder;
mod runs;
mod waiting;
