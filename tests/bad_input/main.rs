//! Bad data in Redis, and a Redis that is not well: each gives an error or a line in the log that
//! says what and where; nothing is lost, and nothing else stops.

#![expect(clippy::unwrap_used, reason = "what a test expects")]

#[path = "../common/mod.rs"]
mod common;

mod messages;
mod redis;
mod wrong_types;
