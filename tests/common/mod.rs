//! What the tests of the public API share: a private Redis server with direct access to its keys,
//! handlers that the test controls, and the captured log.
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

mod blocking;
mod log;
pub mod logged;
mod messages;
mod permissions;
mod scripted;
#[path = "../support/mod.rs"]
pub mod support;
mod world;

use std::time::Duration;

pub use blocking::BlockingHandler;
pub use log::Log;
pub use messages::{ServerInfo, TaskMessage, WorkerInfo};
pub use permissions::documented_rules;
pub use scripted::Scripted;
pub use support::{DEADLINE, FakeRedis, Proxy, RedisServer, bulk, eventually, poll_until};
pub use world::{World, key, queue_key, task_key};

/// The delay of retries and of tasks that must not run during a test.
pub const HOUR: Duration = Duration::from_secs(3600);
