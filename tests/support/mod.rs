//! What the integration tests share: private Redis servers and polling with a deadline.
//!
//! Every test owns the servers it talks to; nothing uses a fixed port or a Redis that is already
//! running. The environment variable `RASYNQ_TEST_REDIS_SERVER` names the `redis-server` binary
//! to use (the suite is run again on Redis 6.2 that way); without it the one on the `PATH` is used.
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

mod certificates;
mod cluster;
mod fake_redis;
mod process;
mod proxy;
mod redis_server;
mod sentinel;
mod wait;

pub use certificates::Certificates;
pub use cluster::RedisCluster;
pub use fake_redis::{FakeRedis, bulk};
pub use proxy::Proxy;
pub use redis_server::{RedisServer, RedisServerBuilder};
pub use sentinel::{MASTER, RedisSentinel};
pub use wait::{DEADLINE, eventually, poll_until};
