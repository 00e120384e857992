//! `rasynq dash` in a real terminal: what it shows, and what its keys do to Redis.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what a test expects")]
#![allow(
    unreachable_pub,
    reason = "nothing outside reaches into a test program"
)]

#[path = "../common/mod.rs"]
mod common;

mod actions;
mod ends;
mod picture;
mod screens;
mod trouble;
mod world;
