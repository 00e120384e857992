//! The real command on a private Redis, and its outputs as golden texts.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "no test program uses all of this"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails should fail its test at once"
)]

mod command;
mod golden;
mod sample;
#[path = "../../../tests/support/mod.rs"]
pub mod support;
mod terminal;

pub use command::{Command, Ran, end};
pub use golden::{assert_golden, masked, without_pids};
pub use sample::Sample;
pub use support::{DEADLINE, Proxy, RedisServer, RedisServerBuilder, eventually, poll_until};
pub use terminal::{Size, Terminal};
