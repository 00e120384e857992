//! rasynq: a task queue for Rust that shares its Redis queues with Go's asynq.

mod broker;
mod client;
mod connection;
mod context;
mod error;
mod handler;
mod inspector;
mod mux;
mod retry_delay;
mod server;
mod task;
mod task_info;
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "the wire is whole and tested; its messages and printed forms for schedulers wait for their readers"
    )
)]
mod wire;

pub use client::{Client, Enqueue};
#[cfg(feature = "tls")]
pub use connection::TlsOptions;
pub use connection::{
    Connection, DEFAULT_COMMAND_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_POOL_SIZE,
};
pub use context::{Progress, TaskContext};
pub use error::{Error, ErrorKind, Result};
#[doc(hidden)]
pub use handler::marker;
pub use handler::{
    Answer, Blocking, Codec, Handler, HandlerError, HandlerFuture, HandlerInput, HandlerNotFound,
    HandlerService, HasKind, IntoAnswer, IntoHandler, IntoOutcome, Json, LayerError, Layered,
    Panic, PayloadError, Protobuf, RetryAfter, Revoke, Run, RunEnded, SkipRetry, TaskKind, TestRun,
    UndecodablePayload, blocking, find_error, is_panic,
};
pub use inspector::Inspector;
pub use mux::Mux;
pub use retry_delay::{MAX_DELAY, RetryDelay};
pub use server::{
    CancelPolicy, DEFAULT_ARCHIVE_MAX_AGE, DEFAULT_ARCHIVE_MAX_SIZE, DEFAULT_CANCEL_GRACE,
    DEFAULT_DELAYED_TASK_CHECK_INTERVAL, DEFAULT_HEALTH_CHECK_INTERVAL, DEFAULT_JANITOR_BATCH_SIZE,
    DEFAULT_JANITOR_INTERVAL, DEFAULT_SHUTDOWN_TIMEOUT, DEFAULT_TASK_CHECK_INTERVAL, LostLease,
    RunningServer, Server, UnknownType,
};
pub use task::{
    DEFAULT_MAX_RETRY, DEFAULT_QUEUE, DEFAULT_TIMEOUT, IntoTask, MIN_UNIQUE_TTL, Task, TaskOption,
};
pub use task_info::TaskInfo;
pub use wire::{ParseTaskStateError, TaskState};
