//! Defects of asynq v0.26.0 that rasynq does not have. Each row of `docs/asynq-defects.md` that
//! concerns clients or servers has at least one test here, marked with the number of the row.
//!
//! The tests of row 33 (user names in URIs) are in `src/connection/tests`.

#![expect(clippy::unwrap_used, reason = "a failed expectation fails the test")]

#[path = "../common/mod.rs"]
mod common;

mod acknowledging;
mod archive;
mod delete_queue;
mod enqueueing;
mod fetching;
mod groups;
mod inspector;
mod recovering;
mod running;
mod schedulers;
