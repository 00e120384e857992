//! What two processes must agree on to share queues: keys, stored messages, states, and the texts
//! that Go prints into them.
//!
//! Everything here is pure: no I/O, no clock, no knowledge of the rest of the crate. The judge of
//! each fact is asynq v0.26.0; the bytes and texts it wrote are kept in `compat/fixtures/` and
//! tested here. No other module spells a Redis key.

#[rustfmt::skip]
#[expect(unreachable_pub, reason = "generated code; what the crate sees is chosen below")]
mod generated;
pub(crate) mod keys;
mod messages;
mod state;

pub(crate) use keys::QueueKeys;
pub(crate) use messages::{
    DecodeError, SchedulerEnqueueEvent, SchedulerEntry, ServerInfo, TaskMessage, Timestamp,
    WorkerInfo, decode_scheduler_enqueue_event, decode_scheduler_entry, decode_server_info,
    decode_task, decode_worker_info, encode,
};
pub use state::{ParseTaskStateError, TaskState};
