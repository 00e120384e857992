//! Errors of the peer interface.

use std::fmt;

use rasynq::ErrorKind;
use serde::Serialize;

/// An error and its kind in the interface.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failure {
    kind: &'static str,
    msg: String,
}

impl Failure {
    fn new(kind: &'static str, msg: impl Into<String>) -> Self {
        Self {
            kind,
            msg: msg.into(),
        }
    }

    /// The request was refused before Redis was asked.
    pub(crate) fn invalid(msg: impl Into<String>) -> Self {
        Self::new("invalid", msg)
    }

    /// The interface has no such function.
    pub(crate) fn unsupported(msg: impl Into<String>) -> Self {
        Self::new("unsupported", msg)
    }

    /// Any other error.
    pub(crate) fn other(msg: impl Into<String>) -> Self {
        Self::new("other", msg)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.msg)
    }
}

impl std::error::Error for Failure {}

impl From<rasynq::Error> for Failure {
    fn from(error: rasynq::Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::DuplicateTask => "duplicate",
            ErrorKind::TaskIdConflict => "id_conflict",
            ErrorKind::Invalid => "invalid",
            ErrorKind::QueueNotFound => "queue_not_found",
            ErrorKind::TaskNotFound => "task_not_found",
            ErrorKind::QueueNotEmpty => "queue_not_empty",
            ErrorKind::WrongState => "wrong_state",
            ErrorKind::Unavailable | ErrorKind::Redis | ErrorKind::UnsupportedRedis => "redis",
            _ => "other",
        };
        Self::new(kind, format!("{:#}", anyhow::Error::new(error)))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::invalid(error.to_string())
    }
}
