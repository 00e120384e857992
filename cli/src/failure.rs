//! [`Failure`]: why the command ended, and the exit code that says so to scripts.
//!
//! The codes are documented in `docs/command.md`. They never change their meaning.

use std::error::Error as StdError;
use std::io;
use std::process::ExitCode;

use rasynq::ErrorKind;

/// What kind of failure ended the command. Each exit code is one or more kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// Standard output was closed by its reader: nothing is printed, and it is no failure.
    ClosedOutput,
    /// Anything that has no kind of its own.
    Other,
    /// The arguments, the configuration or a setting are wrong.
    Usage,
    /// There is no such scheduler entry.
    EntryNotFound,
    /// `task cancel`: no server listens.
    NobodyListens,
    /// The human did not confirm, or could not be asked.
    NotConfirmed,
    /// A signal ended the verb.
    Interrupted,
    /// `doctor` has found damage that is still there.
    Damage,
    /// `task wait`: the task was archived.
    TaskFailed,
    /// `task wait`: the task has not ended in time.
    NotInTime,
    /// An error of the library.
    Library(ErrorKind),
}

impl FailureKind {
    pub(crate) fn exit_code(self) -> ExitCode {
        ExitCode::from(self.code())
    }

    pub(crate) fn code(self) -> u8 {
        match self {
            FailureKind::ClosedOutput => 0,
            FailureKind::Usage | FailureKind::NotConfirmed => 2,
            FailureKind::EntryNotFound | FailureKind::NobodyListens => 3,
            FailureKind::Damage => 6,
            FailureKind::TaskFailed => 7,
            FailureKind::NotInTime => 8,
            FailureKind::Interrupted => 130,
            FailureKind::Other => 1,
            FailureKind::Library(kind) => match kind {
                ErrorKind::Invalid => 2,
                ErrorKind::QueueNotFound | ErrorKind::TaskNotFound => 3,
                ErrorKind::WrongState
                | ErrorKind::QueueNotEmpty
                | ErrorKind::DuplicateTask
                | ErrorKind::TaskIdConflict => 4,
                ErrorKind::Unavailable | ErrorKind::Redis | ErrorKind::UnsupportedRedis => 5,
                _ => 1,
            },
        }
    }

    /// The word for it in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            FailureKind::ClosedOutput => "closed_output",
            FailureKind::Other => "other",
            FailureKind::Usage => "usage",
            FailureKind::EntryNotFound => "entry_not_found",
            FailureKind::NobodyListens => "nobody_listens",
            FailureKind::NotConfirmed => "not_confirmed",
            FailureKind::Interrupted => "interrupted",
            FailureKind::Damage => "damage",
            FailureKind::TaskFailed => "task_failed",
            FailureKind::NotInTime => "not_in_time",
            FailureKind::Library(kind) => match kind {
                ErrorKind::Invalid => "invalid",
                ErrorKind::QueueNotFound => "queue_not_found",
                ErrorKind::TaskNotFound => "task_not_found",
                ErrorKind::WrongState => "wrong_state",
                ErrorKind::QueueNotEmpty => "queue_not_empty",
                ErrorKind::DuplicateTask => "duplicate_task",
                ErrorKind::TaskIdConflict => "task_id_conflict",
                ErrorKind::Unavailable => "unavailable",
                ErrorKind::Redis => "redis",
                ErrorKind::UnsupportedRedis => "unsupported_redis",
                ErrorKind::Undecodable => "undecodable",
                ErrorKind::Closed => "closed",
                _ => "internal",
            },
        }
    }
}

/// Why the command ended: a kind, and a text for people.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
    /// Whether it stands on standard error already.
    pub(crate) is_printed: bool,
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            is_printed: false,
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    /// A failure of standard input, standard output or the system.
    pub(crate) fn io(error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::BrokenPipe => FailureKind::ClosedOutput,
            _ => FailureKind::Other,
        };
        Self::new(kind, error.to_string())
    }

    /// Whether Redis, or the node of a cluster, is away.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.kind == FailureKind::Library(ErrorKind::Unavailable)
    }

    /// A failure of the library that concerns a queue. Its text names the queue.
    pub(crate) fn of_queue(queue: &str, error: rasynq::Error) -> Self {
        let mut failure = Self::from(error);
        failure.name_queue(queue);
        failure
    }

    /// Names the queue in the text, if it does not name it yet.
    pub(crate) fn name_queue(&mut self, queue: &str) {
        let name = format!("{queue:?}");
        if !self.message.contains(&name) {
            self.message = format!("queue {name}: {}", self.message);
        }
    }
}

impl From<rasynq::Error> for Failure {
    fn from(error: rasynq::Error) -> Self {
        Self::new(FailureKind::Library(error.kind()), error_text(&error))
    }
}

/// An error of the library with its causes.
pub(crate) fn error_text(error: &rasynq::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many texts name their cause already.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
