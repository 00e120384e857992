//! What asynq v0.26.0 gets wrong and we do not: the rows of `docs/asynq-defects.md`, one
//! test or more for each that concerns clients and servers.
//!
//! Row 33 (user names in URIs) is tested where URIs are, in `src/connection/tests`.

#![expect(clippy::unwrap_used, reason = "what a test expects")]

#[path = "../common/mod.rs"]
mod common;

mod acknowledging;
mod archive;
mod enqueueing;
mod fetching;
mod groups;
mod recovering;
mod running;
