//! What the integration tests share: private Redis servers and polling with a deadline.
//!
//! Every test starts the servers it needs. No test uses a fixed port or a Redis that already runs.
//! The environment variable `RASYNQ_TEST_REDIS_SERVER` names the `redis-server` binary to use; the
//! suite runs on Redis 6.2 this way. Without the variable the tests use the binary on the `PATH`.
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
