//! What two processes must agree on to share queues: keys, stored messages, states, and the texts
//! that Go prints into them.
//!
//! Everything here is pure: no I/O, no clock, no knowledge of the rest of the crate. The judge of
//! each fact is asynq v0.26.0; the bytes and texts it wrote are kept in `compat/fixtures/` and
//! tested here. No other module spells a Redis key.

#[cfg(test)]
mod fixture_tests;
#[rustfmt::skip]
#[expect(unreachable_pub, reason = "generated code; what the crate sees is chosen below")]
mod generated;
pub(crate) mod go_duration;
pub(crate) mod go_quote;
pub(crate) mod go_time;
pub(crate) mod keys;
mod messages;
pub(crate) mod options;
mod placement;
mod state;
mod timestamp;

pub(crate) use go_duration::GoDuration;
pub(crate) use keys::QueueKeys;
pub(crate) use messages::{
    DecodeError, SchedulerEnqueueEvent, SchedulerEntry, ServerInfo, TaskMessage, Timestamp,
    WorkerInfo, decode_scheduler_enqueue_event, decode_scheduler_entry, decode_server_info,
    decode_task, decode_worker_info, encode,
};
pub(crate) use options::PrintedOption;
pub(crate) use placement::Placement;
pub use state::{ParseTaskStateError, TaskState};
pub(crate) use timestamp::GO_ZERO_TIME_UNIX_SECS;
