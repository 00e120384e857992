//! Parts of log messages that tests look for.
//!
//! `tests/log_table.rs` checks that each of them is part of a message in `docs/operations.md`: a test
//! that looks for the absence of an outdated phrase would always pass.

pub const ACKNOWLEDGEMENT_FAILED: &str = "could not tell Redis";
pub const CLAIM_LOST: &str = "no longer held";
pub const FETCH_FAILED: &str = "could not fetch tasks";
pub const FORWARD_FAILED: &str = "could not forward";
pub const GROUP_NOT_JOINED: &str = "cannot join their groups";
pub const IDS_DROPPED: &str = "dropped";
pub const LEASE_LOST: &str = "lease was lost";
pub const SET_NOT_WATCHED: &str = "cannot watch a sorted set";
pub const TASK_GONE: &str = "task is gone";
pub const TRACKING_UNAVAILABLE: &str = "cannot watch the queues";
pub const UNDECODABLE: &str = "does not decode";

pub const ALL: [&str; 11] = [
    ACKNOWLEDGEMENT_FAILED,
    CLAIM_LOST,
    FETCH_FAILED,
    FORWARD_FAILED,
    GROUP_NOT_JOINED,
    IDS_DROPPED,
    LEASE_LOST,
    SET_NOT_WATCHED,
    TASK_GONE,
    TRACKING_UNAVAILABLE,
    UNDECODABLE,
];
