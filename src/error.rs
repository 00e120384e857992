//! The error type of rasynq: a kind to match on, a text for people, and the source.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;

/// The result of everything in rasynq that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of rasynq.
///
/// It has a [`kind`](Error::kind) to match on, a text that says what failed and why, and often the
/// [`source`](StdError::source) that caused it. The text may name a queue or a task id. It never
/// contains a payload or a password.
pub struct Error(Box<ErrorData>);

struct ErrorData {
    kind: ErrorKind,
    message: String,
    task_id: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// The Redis client's own error. It is for this crate only: its text is not for people, and the message
    /// says the same in words.
    client_error: Option<Box<dyn Any + Send + Sync>>,
    is_outage: bool,
}

/// Logs a failure as `tracing::warn!` does; at the level debug if it comes from an outage, of which the
/// connection itself tells the log. The error comes first, then the arguments of `tracing::warn!`.
macro_rules! warn_unless_outage {
    ($error:expr, $($arguments:tt)*) => {
        $crate::error::warn_if!(!$error.is_outage(), $($arguments)*)
    };
}
pub(crate) use warn_unless_outage;

/// Logs as `tracing::warn!` does if the condition holds, otherwise at the level debug. The condition comes first,
/// then the arguments of `tracing::warn!`.
macro_rules! warn_if {
    ($condition:expr, $($arguments:tt)*) => {
        if $condition {
            tracing::event!(tracing::Level::WARN, $($arguments)*);
        } else {
            tracing::event!(tracing::Level::DEBUG, $($arguments)*);
        }
    };
}
pub(crate) use warn_if;

/// What kind of failure an [`Error`] is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The caller's mistake: an argument or a setting was refused before Redis was asked.
    Invalid,
    /// Another task holds the unique lock. [`Error::task_id`] is the id of that task.
    ///
    /// asynq: `ErrDuplicateTask`.
    DuplicateTask,
    /// The queue already has a task with this id. [`Error::task_id`] is the id.
    ///
    /// asynq: `ErrTaskIDConflict`.
    TaskIdConflict,
    /// There is no queue of this name. asynq: `ErrQueueNotFound`.
    QueueNotFound,
    /// The queue has tasks, so it is deleted only by force. asynq: `ErrQueueNotEmpty`.
    QueueNotEmpty,
    /// The queue has no task with this id, or no longer has this task. asynq: `ErrTaskNotFound`.
    TaskNotFound,
    /// The operation is not possible in this state: for example, the queue is already paused, or the
    /// run already has a result.
    WrongState,
    /// Data read from Redis could not be decoded.
    Undecodable,
    /// Redis cannot be reached, does not answer in time, is loading its data, is read-only, or cannot
    /// execute the command for another reason that is temporary.
    ///
    /// Unless the method says otherwise, a write may or may not have taken effect.
    Unavailable,
    /// Redis answered with an error: out of memory, no permission, a key of the wrong type, …
    Redis,
    /// Redis is older than the oldest version that rasynq supports.
    UnsupportedRedis,
    /// The server or client was already shut down, or the runtime on which it was connected has ended.
    Closed,
    /// A defect of rasynq. Please report it.
    Internal,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(ErrorData {
            kind,
            message: message.into(),
            task_id: None,
            source: None,
            client_error: None,
            is_outage: false,
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

    pub(crate) fn with_client_error(mut self, error: impl Any + Send + Sync) -> Self {
        self.0.client_error = Some(Box::new(error));
        self
    }

    /// The Redis client's own error, if it caused this one.
    pub(crate) fn client_error<E: Any>(&self) -> Option<&E> {
        self.0.client_error.as_deref()?.downcast_ref()
    }

    /// Whether the failure comes from an outage of Redis: see [`is_outage`](Self::is_outage).
    pub(crate) fn caused_by_outage(mut self, is_outage: bool) -> Self {
        self.0.is_outage = is_outage;
        self
    }

    /// Whether the connection to Redis was lost. The connection itself tells the log of it, so that those
    /// who fail meanwhile need not.
    pub(crate) fn is_outage(&self) -> bool {
        self.0.is_outage
    }

    pub(crate) fn with_task_id(mut self, id: impl Into<String>) -> Self {
        self.0.task_id = Some(id.into());
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The id of the task that the error is about, if it is about a task.
    ///
    /// For [`ErrorKind::DuplicateTask`] this is the task that holds the unique lock. For
    /// [`ErrorKind::TaskIdConflict`] it is the id that is already in use.
    pub fn task_id(&self) -> Option<&str> {
        self.0.task_id.as_deref()
    }

    /// Whether the failure is temporary, so that the same call may succeed later: true for
    /// [`ErrorKind::Unavailable`], false for all other kinds.
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
