//! What can go wrong, sorted by whose matter it is.

use std::error::Error as StdError;
use std::fmt;

/// The result of everything that can fail in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error: a [`kind`](Error::kind) to match on, a text that says what and where, and the
/// [`source`](StdError::source) it came from.
///
/// Texts name the queue or the task id that is concerned, never a payload or a password.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    task_id: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Whose matter an [`Error`] is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The caller's: an argument or a setting that is refused before Redis is asked.
    Invalid,
    /// The queue's: another task holds the unique lock; [`Error::task_id`] says which.
    ///
    /// asynq: `ErrDuplicateTask`.
    DuplicateTask,
    /// The queue's: a task of this id is there already; [`Error::task_id`] repeats the id.
    ///
    /// asynq: `ErrTaskIDConflict`.
    TaskIdConflict,
    /// The queue's: no queue of this name. asynq: `ErrQueueNotFound`.
    QueueNotFound,
    /// The queue's: no task of this id, or it is gone. asynq: `ErrTaskNotFound`.
    TaskNotFound,
    /// The queue's: it is not in a state that allows this (paused already, not paused, …).
    WrongState,
    /// The data's: something in Redis does not decode.
    Undecodable,
    /// Redis': it cannot be reached, does not answer in time, is loading or read-only.
    ///
    /// Whether a write has had its effect is unknown unless the method says otherwise.
    Unavailable,
    /// Redis': it answered with an error (out of memory, no permission, wrong key type, …).
    Redis,
    /// Redis': its version is below the oldest that is supported.
    UnsupportedRedis,
    /// The server or client was shut down already.
    Closed,
    /// Ours: a defect of this crate. Please report it.
    Internal,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            task_id: None,
            source: None,
        }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_task_id(mut self, id: impl Into<String>) -> Self {
        self.0.task_id = Some(id.into());
        self
    }

    /// Whose matter this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The task that is concerned, where one is: for [`ErrorKind::DuplicateTask`] the holder of
    /// the lock, for [`ErrorKind::TaskIdConflict`] the task that is there already.
    pub fn task_id(&self) -> Option<&str> {
        self.0.task_id.as_deref()
    }

    /// Whether the same call may succeed later without anyone changing anything: Redis was not
    /// there, or did not take it.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind(), ErrorKind::Unavailable)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.0.kind)
            .field("message", &self.0.message);
        if let Some(id) = &self.0.task_id {
            out.field("task_id", id);
        }
        if let Some(source) = &self.0.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
