// @generated from proto/asynq.proto by tests/wire_proto.rs. Do not edit; after a change there:
// UPDATE_GENERATED=1 cargo test --test wire_proto

/// asynq's messages.
pub mod asynq {
/// A task, as stored in the field `msg` of its hash.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct TaskMessage {
    /// The task's type. It selects the handler.
    #[prost(string, tag = "1")]
    pub r#type: ::prost::alloc::string::String,
    /// The input of the handler. An absent payload and an empty one are the same on the wire.
    #[prost(bytes = "bytes", tag = "2")]
    pub payload: ::prost::bytes::Bytes,
    /// The task's id, unique in its queue.
    #[prost(string, tag = "3")]
    pub id: ::prost::alloc::string::String,
    /// The queue's name.
    #[prost(string, tag = "4")]
    pub queue: ::prost::alloc::string::String,
    /// The maximum number of retries.
    #[prost(int32, tag = "5")]
    pub retry: i32,
    /// The number of retries so far.
    #[prost(int32, tag = "6")]
    pub retried: i32,
    /// The error text of the last failure; empty if there was none.
    #[prost(string, tag = "7")]
    pub error_msg: ::prost::alloc::string::String,
    /// The longest duration of one run, in seconds; 0 means no limit.
    #[prost(int64, tag = "8")]
    pub timeout: i64,
    /// The time at which every run must have ended, in Unix seconds; 0 means no limit.
    #[prost(int64, tag = "9")]
    pub deadline: i64,
    /// The full key of the unique lock; empty if the task has none.
    #[prost(string, tag = "10")]
    pub unique_key: ::prost::alloc::string::String,
    /// When the task last failed, in Unix seconds; 0 means never.
    #[prost(int64, tag = "11")]
    pub last_failed_at: i64,
    /// How long to keep the task after it completed, in seconds; 0 means that it is deleted.
    #[prost(int64, tag = "12")]
    pub retention: i64,
    /// When the task completed, in Unix seconds; 0 means not yet.
    #[prost(int64, tag = "13")]
    pub completed_at: i64,
    /// The group in which the task waits for aggregation; empty if none.
    #[prost(string, tag = "14")]
    pub group_key: ::prost::alloc::string::String,
    /// Metadata of the caller's own, passed on with the task.
    #[prost(btree_map = "string, string", tag = "15")]
    pub headers: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
}
/// A running server. The server writes it with each heartbeat.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ServerInfo {
    /// The host name of the machine.
    #[prost(string, tag = "1")]
    pub host: ::prost::alloc::string::String,
    /// The process id.
    #[prost(int32, tag = "2")]
    pub pid: i32,
    /// The server's id, a UUID.
    #[prost(string, tag = "3")]
    pub server_id: ::prost::alloc::string::String,
    /// The maximum number of tasks that run at the same time.
    #[prost(int32, tag = "4")]
    pub concurrency: i32,
    /// The server's queues with their weights.
    #[prost(btree_map = "string, int32", tag = "5")]
    pub queues: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        i32,
    >,
    /// Whether a queue with a lower weight waits until all with a higher one are empty.
    #[prost(bool, tag = "6")]
    pub strict_priority: bool,
    /// `new`, `active`, `stopped` or `closed`.
    #[prost(string, tag = "7")]
    pub status: ::prost::alloc::string::String,
    /// When the server started.
    #[prost(message, optional, tag = "8")]
    pub start_time: ::core::option::Option<super::google::protobuf::Timestamp>,
    /// The number of tasks that are running.
    #[prost(int32, tag = "9")]
    pub active_worker_count: i32,
}
/// A task that a server is running. The server writes it with each heartbeat.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct WorkerInfo {
    /// The host name of the machine.
    #[prost(string, tag = "1")]
    pub host: ::prost::alloc::string::String,
    /// The process id.
    #[prost(int32, tag = "2")]
    pub pid: i32,
    /// The id of the server that runs the task.
    #[prost(string, tag = "3")]
    pub server_id: ::prost::alloc::string::String,
    /// The task's id.
    #[prost(string, tag = "4")]
    pub task_id: ::prost::alloc::string::String,
    /// The task's type.
    #[prost(string, tag = "5")]
    pub task_type: ::prost::alloc::string::String,
    /// The task's payload.
    #[prost(bytes = "bytes", tag = "6")]
    pub task_payload: ::prost::bytes::Bytes,
    /// The task's queue.
    #[prost(string, tag = "7")]
    pub queue: ::prost::alloc::string::String,
    /// When this run started.
    #[prost(message, optional, tag = "8")]
    pub start_time: ::core::option::Option<super::google::protobuf::Timestamp>,
    /// The time at which this run must have ended.
    #[prost(message, optional, tag = "9")]
    pub deadline: ::core::option::Option<super::google::protobuf::Timestamp>,
}
/// A periodic task that is registered with a scheduler.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SchedulerEntry {
    /// The entry's id, a UUID.
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
    /// The cron spec: when tasks are enqueued.
    #[prost(string, tag = "2")]
    pub spec: ::prost::alloc::string::String,
    /// The type of the tasks.
    #[prost(string, tag = "3")]
    pub task_type: ::prost::alloc::string::String,
    /// The payload of the tasks.
    #[prost(bytes = "bytes", tag = "4")]
    pub task_payload: ::prost::bytes::Bytes,
    /// The options of the tasks, each as Go prints it: `Queue("critical")`.
    #[prost(string, repeated, tag = "5")]
    pub enqueue_options: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// When the next task is enqueued.
    #[prost(message, optional, tag = "6")]
    pub next_enqueue_time: ::core::option::Option<super::google::protobuf::Timestamp>,
    /// When the last task was enqueued. "Never" is Go's zero time, -62135596800 seconds, and not an
    /// absent field.
    #[prost(message, optional, tag = "7")]
    pub prev_enqueue_time: ::core::option::Option<super::google::protobuf::Timestamp>,
}
/// One task that a scheduler entry enqueued.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SchedulerEnqueueEvent {
    /// The id of the task.
    #[prost(string, tag = "1")]
    pub task_id: ::prost::alloc::string::String,
    /// When it was enqueued.
    #[prost(message, optional, tag = "2")]
    pub enqueue_time: ::core::option::Option<super::google::protobuf::Timestamp>,
}
}

/// The well-known types that they use.
pub mod google {
pub mod protobuf {
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Timestamp {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}
}
}
