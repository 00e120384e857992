//! What the tests by the public API share: a private Redis seen raw, a handler that does what a
//! task's payload says, and the lines that were logged.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each test program uses its own part of this"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails should fail its test where it stands"
)]

mod log;
mod messages;
mod on_thread;
mod scripted;
#[path = "../support/mod.rs"]
pub mod support;
mod world;

pub use log::Log;
pub use messages::{ServerInfo, TaskMessage, WorkerInfo};
pub use on_thread::OnThread;
pub use scripted::Scripted;
pub use support::{DEADLINE, FakeRedis, Proxy, RedisServer, bulk, eventually, poll_until};
pub use world::{World, key, queue_key, task_key};
