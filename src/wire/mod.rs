//! What two processes must agree on to share queues: keys, stored messages, task states, and texts
//! in the forms that Go prints.
//!
//! Everything here is pure: no I/O, no clock, and no use of other modules of rasynq. asynq v0.26.0
//! decides every fact: `compat/fixtures/` has bytes and texts that asynq wrote, and `fixture_tests`
//! compares them. No other Rust module spells a Redis key.

#[cfg(test)]
mod fixture_tests;
#[rustfmt::skip]
#[expect(unreachable_pub, reason = "generated code; the re-exports below limit its visibility")]
mod generated;
pub(crate) mod go_duration;
mod go_json;
pub(crate) mod go_quote;
mod key_types;
pub(crate) mod keys;
mod messages;
mod placement;
#[rustfmt::skip]
mod printable;
mod state;
mod timestamp;

// Only tests read what Go has printed.
#[cfg_attr(not(test), expect(dead_code, reason = "its reader is for tests"))]
mod go_time;
mod go_unquote;
mod options;

pub(crate) use go_duration::GoDuration;
pub(crate) use go_json::to_json;
pub(crate) use key_types::type_of;
pub(crate) use keys::QueueKeys;
pub(crate) use messages::{
    DecodeError, SchedulerEnqueueEvent, SchedulerEntry, ServerInfo, TaskMessage, Timestamp,
    WorkerInfo, decode_scheduler_enqueue_event, decode_scheduler_entry, decode_server_info,
    decode_task, decode_worker_info, encode,
};
pub(crate) use options::PrintedOption;
pub(crate) use placement::{DueTime, Placement};
pub use state::{ParseTaskStateError, TaskState};
