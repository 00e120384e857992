//! Parts of log messages that tests look for.
//!
//! `tests/log_table.rs` checks that each of them is part of a message in `docs/operations.md`: a test
//! that looks for the absence of an outdated phrase would always pass.

pub const ACKNOWLEDGEMENT_FAILED: &str = "could not acknowledge tasks";
pub const DEADLINE_IS_OVER: &str = "is over before it can run";
pub const BLOCKS_ITS_THREAD: &str = "a handler blocks its thread";
pub const CLAIM_LOST: &str = "acknowledgement had no effect";
pub const DROPPED_WHILE_RUNNING: &str = "a running server was dropped";
pub const EMPTY_MUX: &str = "a mux has no handler";
pub const FETCH_FAILED: &str = "could not fetch tasks";
pub const FORWARD_FAILED: &str = "could not forward";
pub const GIVEN_UP: &str = "its lease is renewed no more";
pub const GROUP_NOT_JOINED: &str = "cannot join their groups";
pub const IDS_DROPPED: &str = "dropped";
pub const LEASE_LOST: &str = "lease was lost";
pub const NO_WEIGHT: &str = "no queue has a weight above 0";
pub const ODD_PATTERN: &str = "a pattern is a plain prefix";
pub const SET_NOT_TRACKED: &str = "cannot track a sorted set";
pub const REPEATED_PREFIX: &str = "a prefix is given twice";
pub const STRICT_IN_VAIN: &str = "strict_priority has no effect";
pub const TASK_GONE: &str = "task is gone";
pub const TRACKING_UNAVAILABLE: &str = "cannot track the queues";
pub const UNDECODABLE: &str = "does not decode";
pub const UNREACHABLE: &str = "no task can reach a handler";

pub const ALL: [&str; 21] = [
    ACKNOWLEDGEMENT_FAILED,
    BLOCKS_ITS_THREAD,
    DEADLINE_IS_OVER,
    REPEATED_PREFIX,
    STRICT_IN_VAIN,
    CLAIM_LOST,
    DROPPED_WHILE_RUNNING,
    EMPTY_MUX,
    FETCH_FAILED,
    FORWARD_FAILED,
    GIVEN_UP,
    GROUP_NOT_JOINED,
    IDS_DROPPED,
    LEASE_LOST,
    NO_WEIGHT,
    ODD_PATTERN,
    SET_NOT_TRACKED,
    TASK_GONE,
    TRACKING_UNAVAILABLE,
    UNDECODABLE,
    UNREACHABLE,
];
