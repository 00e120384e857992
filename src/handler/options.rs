//! The settings that a mux passes to its handlers when they are built.

/// What the server does with a task whose payload does not decode as the type that its handler takes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UndecodablePayload {
    /// Retries the task, as after any other error: a newer version of the program may be able to decode
    /// the payload. This is the default.
    #[default]
    Retry,
    /// Archives the task at once.
    Archive,
}

/// The settings for building a handler.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildOptions {
    /// `None`: no mux has set it, so the default applies.
    pub(crate) undecodable: Option<UndecodablePayload>,
}
