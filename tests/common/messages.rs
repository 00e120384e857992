//! The stored messages of `proto/`, written a second time on purpose: the tests must not decode with
//! the code that they test.

use std::collections::BTreeMap;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct TaskMessage {
    #[prost(string, tag = "1")]
    pub task_type: String,
    #[prost(bytes = "vec", tag = "2")]
    pub payload: Vec<u8>,
    #[prost(string, tag = "3")]
    pub id: String,
    #[prost(string, tag = "4")]
    pub queue: String,
    #[prost(int32, tag = "5")]
    pub retry: i32,
    #[prost(int32, tag = "6")]
    pub retried: i32,
    #[prost(string, tag = "7")]
    pub error_msg: String,
    #[prost(int64, tag = "8")]
    pub timeout: i64,
    #[prost(int64, tag = "9")]
    pub deadline: i64,
    #[prost(string, tag = "10")]
    pub unique_key: String,
    #[prost(int64, tag = "11")]
    pub last_failed_at: i64,
    #[prost(int64, tag = "12")]
    pub retention: i64,
    #[prost(int64, tag = "13")]
    pub completed_at: i64,
    #[prost(string, tag = "14")]
    pub group_key: String,
    #[prost(btree_map = "string, string", tag = "15")]
    pub headers: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Timestamp {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct ServerInfo {
    #[prost(string, tag = "1")]
    pub host: String,
    #[prost(int32, tag = "2")]
    pub pid: i32,
    #[prost(string, tag = "3")]
    pub server_id: String,
    #[prost(int32, tag = "4")]
    pub concurrency: i32,
    #[prost(btree_map = "string, int32", tag = "5")]
    pub queues: BTreeMap<String, i32>,
    #[prost(bool, tag = "6")]
    pub strict_priority: bool,
    #[prost(string, tag = "7")]
    pub status: String,
    #[prost(message, optional, tag = "8")]
    pub start_time: Option<Timestamp>,
    #[prost(int32, tag = "9")]
    pub active_worker_count: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct WorkerInfo {
    #[prost(string, tag = "1")]
    pub host: String,
    #[prost(int32, tag = "2")]
    pub pid: i32,
    #[prost(string, tag = "3")]
    pub server_id: String,
    #[prost(string, tag = "4")]
    pub task_id: String,
    #[prost(string, tag = "5")]
    pub task_type: String,
    #[prost(bytes = "vec", tag = "6")]
    pub task_payload: Vec<u8>,
    #[prost(string, tag = "7")]
    pub queue: String,
    #[prost(message, optional, tag = "8")]
    pub start_time: Option<Timestamp>,
    #[prost(message, optional, tag = "9")]
    pub deadline: Option<Timestamp>,
}
