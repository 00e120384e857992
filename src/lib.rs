//! A task queue for Rust that shares its Redis queues with Go's asynq.
//!
//! A [`Client`] enqueues tasks, a [`Server`] runs them, and no task is lost when a process or a
//! connection dies. Rust and Go programs enqueue tasks for each other and process the same queues
//! side by side. asynq v0.26.0 and asynqmon 0.7.2 can read every key and every message.
//!
//! ```no_run
//! use rasynq::{Client, Connection, Mux, Server, TaskContext, TaskKind};
//! use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//!
//! #[derive(Serialize, Deserialize, TaskKind)]
//! #[task(type = "email:welcome", max_retry = 5)] // the only place with the type's name
//! struct Welcome { user_id: u64 }
//!
//! async fn welcome(cx: TaskContext, mail: Welcome) -> anyhow::Result<()> {
//!     println!("task {}: welcome, user {}", cx.task_id(), mail.user_id);
//!     Ok(())
//! }
//!
//! #[tokio::main]
//! async fn main() -> anyhow::Result<()> {
//!     let redis = Connection::from_uri("redis://localhost")?;
//!     let client = Client::connect(&redis).await?;
//!     client.enqueue(Welcome { user_id: 42 }).queue("critical").await?; // now
//!     client.enqueue(Welcome { user_id: 43 }).process_in(Duration::from_secs(1)).await?; // later
//!
//!     Server::new(&redis).concurrency(10).queue("critical", 6).queue("default", 3)
//!         .serve(Mux::new().handle(welcome)) // a handler for all types with a prefix: .route("image:", resize)
//!         .await?; // until SIGTERM or Ctrl-C
//!     Ok(())
//! }
//! ```
//!
//! The first line appears at once, the second up to a second later. Ctrl-C shuts the server down.
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | reaching Redis: URIs, sentinels, clusters, TLS | [`Connection`] |
//! | tasks and their options | [`Task`], [`TaskOption`], [`TaskKind`], [`Encode`], [`Decode`] |
//! | enqueueing, one or many | [`Client::enqueue`], [`Client::enqueue_batch`] |
//! | handlers, and what they may answer | [`IntoHandler`], [`Answer`], [`RetryAfter`], [`SkipRetry`], [`Revoke`], [`blocking`](blocking()) |
//! | which handler runs which task; middleware; state | [`Mux`] |
//! | what a handler can read and do while it runs | [`TaskContext`] |
//! | settings of a server | [`Server`], [`RetryDelay`] |
//! | starting and stopping a server | [`Server::serve`], [`Server::start`], [`RunningServer`], [`ServerStopper`] |
//! | what is in the queues: sizes, history, servers; pause; cancel | [`Inspector`], [`QueueInfo`], [`ServerInfo`] |
//! | lists of tasks: pages, streams, filters | [`Inspector::tasks`], [`TaskSelection`], [`TaskFilter`] |
//! | one task and its result, lock, lease and owner | [`Inspector::task_info`], [`TaskDetails`] |
//! | running, archiving, deleting tasks, one or many | [`Inspector::run_task`], [`TaskSelection::run`] |
//! | damage in Redis | [`Inspector::examine`], [`Inspector::repair`], [`Damage`] |
//! | what went wrong | [`Error::kind`], [`ErrorKind`] |
//! | enqueueing tasks again and again | [`Scheduler`], [`Entry`], [`RunningScheduler`] |
//! | cron specs | [`Schedule`] |
//! | entries that come from a file, a table or the program, and change | [`PeriodicTaskManager`], [`ConfigProvider`], [`MemoryConfigs`] |
//! | handlers in tests, without Redis | [`TestRun`] |
//!
//! The directory `docs` of this package has pages on writing handlers (the guide), on scheduling, on inspecting
//! queues, on the command `rasynq` and its dashboard, on metrics, on the migration from Go, on what is the same as
//! in asynq and what differs (parity), on operations with the log events, on performance, and on the design.
//!
//! # Features
//!
//! - `macros` (on by default): `#[derive(TaskKind)]`, which names a payload's task type and its options,
//!   and `#[debug_handler]`, which names what is wrong with a function that is not a handler.
//! - `metrics` (off by default): servers, clients, schedulers and connections measure what they do, through the facade
//!   of the crate [`metrics`](https://docs.rs/metrics). The page `docs/metrics.md` lists the series.
//! - `tls` (off by default): TLS to Redis by rustls with ring, for `rediss://` URIs and
//!   `Connection::tls`.
//! - `yaml` (off by default): `YamlFile`, the provider of periodic tasks that reads and watches a file.
//!
//! # Needs
//!
//! A tokio runtime with time and I/O enabled, Redis 6.2 or newer or Valkey, Rust 1.88 or newer.
//! Logs go to [`tracing`].

mod background;
mod bounded_text;
mod broker;
mod client;
mod clock;
mod connection;
mod cron;
mod error;
mod guard;
mod handler;
mod inspector;
mod metrics;
mod mux;
mod pattern;
mod prepare;
mod retry_delay;
mod run;
mod scheduler;
mod server;
mod task;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod test_support;
mod wire;

pub use broker::{DEFAULT_ARCHIVE_MAX_AGE, DEFAULT_ARCHIVE_MAX_SIZE};
pub use client::{Client, Enqueue};
#[cfg(feature = "tls")]
pub use connection::TlsOptions;
pub use connection::{
    Connection, DEFAULT_COMMAND_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_POOL_SIZE,
};
pub use cron::Schedule;
pub use error::{Error, ErrorKind, Result};
#[doc(hidden)]
pub use handler::marker;
pub use handler::{
    Answer, Blocking, Handler, HandlerError, HandlerFuture, HandlerInput, HandlerNotFound,
    HandlerService, HasKind, IntoAnswer, IntoHandler, IntoOutcome, LayerError, Layered,
    MAX_ERROR_TEXT, Panic, RetryAfter, Revoke, RunService, SkipRetry, TestRun, UndecodablePayload,
    blocking, find_error, is_panic,
};
pub use inspector::{
    BulkProgress, BulkResult, Cancellation, ClusterInfo, ClusterNode, DailyStats, Damage,
    DamageKind, DeleteQueue, EnqueueEvent, Examination, GroupInfo, Inspector, QueueInfo, RedisInfo,
    Repair, SchedulerEntryInfo, SchedulerInfo, ServerInfo, TaskDetails, TaskFilter, TaskSelection,
    TaskStream, UniqueLock, WorkerInfo,
};
#[cfg(feature = "metrics")]
pub use metrics::METRIC_BUCKETS;
pub use mux::Mux;
#[cfg(feature = "macros")]
pub use rasynq_macros::{TaskKind, debug_handler};
pub use retry_delay::{MAX_DELAY, RetryDelay};
pub use run::{MAX_RESULT_SIZE, Progress, Run, RunEnded, TaskContext};
#[cfg(feature = "yaml")]
pub use scheduler::periodic::YamlFile;
pub use scheduler::periodic::{
    ConfigProvider, DEFAULT_SYNC_INTERVAL, MemoryConfigs, PeriodicTaskManager,
    RunningPeriodicTaskManager,
};
pub use scheduler::{
    DEFAULT_SCHEDULER_HEARTBEAT_INTERVAL, Entry, EntryInfo, Missed, RunningScheduler, Scheduler,
};
pub use server::{
    CancelPolicy, DEFAULT_CANCEL_GRACE, DEFAULT_DELAYED_TASK_CHECK_INTERVAL,
    DEFAULT_GROUP_CONCURRENCY, DEFAULT_GROUP_GRACE_PERIOD, DEFAULT_HEALTH_CHECK_INTERVAL,
    DEFAULT_JANITOR_BATCH_SIZE, DEFAULT_JANITOR_INTERVAL, DEFAULT_MAX_LOST_RUNS,
    DEFAULT_SHUTDOWN_TIMEOUT, DEFAULT_TASK_CHECK_INTERVAL, GroupAggregator, GroupLimits, LostLease,
    RunningServer, Server, ServerStopper, UnknownType,
};
pub use task::{
    DEFAULT_MAX_RETRY, DEFAULT_QUEUE, DEFAULT_TIMEOUT, Decode, Encode, IntoTask, Json,
    MAX_TASK_SIZE, MAX_UNIQUE_TTL, MIN_UNIQUE_TTL, PayloadError, Protobuf, Task, TaskInfo,
    TaskKind, TaskOption, json_bytes, json_time,
};
pub use wire::{ParseTaskStateError, TaskState};

/// The crate of the payload's type [`Bytes`](bytes::Bytes).
pub use bytes;
/// The crate of the times: [`DateTime<Utc>`](chrono::DateTime).
pub use chrono;
/// The crate of the time zones, and its type of a zone.
pub use chrono_tz::{self, Tz};
/// The type of [`TaskContext::cancellation`].
pub use tokio_util::sync::CancellationToken;

/// The code in the pages of the repository, compiled and run as tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    mod readme {}
    #[doc = include_str!("../docs/guide.md")]
    mod guide {}
    #[doc = include_str!("../docs/inspecting.md")]
    mod inspecting {}
    #[doc = include_str!("../docs/migration.md")]
    mod migration {}
    // its code needs the feature
    #[cfg(feature = "yaml")]
    #[doc = include_str!("../docs/scheduling.md")]
    mod scheduling {}
    // its code needs the feature
    #[cfg(feature = "metrics")]
    #[doc = include_str!("../docs/metrics.md")]
    mod metrics {}
    // its code needs the feature
    #[cfg(feature = "tls")]
    #[doc = include_str!("../docs/operations.md")]
    mod operations {}
}
