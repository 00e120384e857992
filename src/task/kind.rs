//! Typed payloads: a Rust type with its task type. Its codec writes it as bytes and reads it.

use std::error::Error as StdError;
use std::fmt;
use std::marker::PhantomData;

use super::codec::{Decode, Encode, Json};
use super::{IntoTask, Task, TaskOption};
use crate::error::{Error, Result};
use crate::wire::go_quote::quote;

/// A Rust type that is the payload of one task type. The codec `C`, by default [`Json`], writes and
/// reads the payload.
///
/// Enqueueing only writes: a type that only implements `Serialize`, also one with borrowed fields, can
/// be enqueued. A handler only reads: its type must implement `Deserialize`.
///
/// ```
/// use rasynq::{Task, TaskKind};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Welcome { user_id: u64 }
/// impl TaskKind for Welcome { const TYPE: &'static str = "email:welcome"; }
///
/// let task = Task::typed(&Welcome { user_id: 42 })?;
/// assert_eq!(task.task_type(), "email:welcome");
/// assert_eq!(task.payload(), br#"{"user_id":42}"#);
/// assert_eq!(task.decode::<Welcome, _>()?, Welcome { user_id: 42 });
/// # Ok::<_, anyhow::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the payload of a task type",
    label = "the task type of `{Self}` is not known",
    note = "name its task type: `#[derive(rasynq::TaskKind)] #[task(type = \"…\")]`, or `impl TaskKind for {Self}`"
)]
pub trait TaskKind<C = Json> {
    /// The task type, such as `"email:welcome"`.
    const TYPE: &'static str;

    /// The options of tasks with this payload. Options of the task and of the enqueue call override
    /// them. Default: none.
    fn options() -> Vec<TaskOption> {
        Vec::new()
    }
}

impl Task {
    /// Creates a task of `T`'s task type with `value` as its payload, and with the
    /// [options](TaskKind::options) of `T`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the codec cannot encode `value`: for
    /// example [`Json`] cannot encode NaN. The error names the path to the fault, such as
    /// `items[2].price`.
    pub fn typed<T, C>(value: &T) -> Result<Self>
    where
        T: TaskKind<C>,
        C: Encode<T>,
    {
        let payload = C::encode(value).map_err(|error| {
            Error::invalid(format!(
                "payload of task type {:?} does not encode from {}: {error:#}",
                T::TYPE,
                std::any::type_name::<T>()
            ))
        })?;
        let task = Self::new(T::TYPE, payload);
        Ok(T::options().into_iter().fold(task, Self::option))
    }

    /// Decodes the payload as a `T`. The task's type is not compared with `T`'s task type.
    ///
    /// # Errors
    ///
    /// A [`PayloadError`] if the payload does not decode as a `T`.
    pub fn decode<T, C>(&self) -> Result<T, PayloadError>
    where
        T: TaskKind<C>,
        C: Decode<T>,
    {
        C::decode(&self.payload_bytes()).map_err(|error| PayloadError {
            task_type: self.task_type.clone(),
            rust_type: std::any::type_name::<T>(),
            reason: format!("{error:#}"),
        })
    }
}

impl<T, C> IntoTask<Typed<C>> for T
where
    T: TaskKind<C>,
    C: Encode<T>,
{
    fn into_task(self) -> Result<Task> {
        Task::typed(&self)
    }
}

impl<T, C> IntoTask<TypedRef<C>> for &T
where
    T: TaskKind<C>,
    C: Encode<T>,
{
    fn into_task(self) -> Result<Task> {
        Task::typed(self)
    }
}

/// Marks a typed value with codec `C`: the input of a handler, or a value to enqueue.
#[derive(Debug)]
pub struct Typed<C>(PhantomData<C>);

/// Marks a reference to a typed value with codec `C`: a value to enqueue.
#[derive(Debug)]
pub struct TypedRef<C>(PhantomData<C>);

/// The payload of a task does not decode as the expected Rust type.
///
/// The text names the task type, the Rust type, and the fault with its position. It does not repeat
/// the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadError {
    task_type: String,
    rust_type: &'static str,
    reason: String,
}

impl PayloadError {
    /// The type of the task.
    pub fn task_type(&self) -> &str {
        &self.task_type
    }

    /// The path of the expected Rust type.
    pub fn rust_type(&self) -> &'static str {
        self.rust_type
    }

    /// The fault and its position in the payload, as the codec describes them.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "payload of task type {} does not decode as {}: {}",
            quote(&self.task_type),
            self.rust_type,
            self.reason
        )
    }
}

impl StdError for PayloadError {}
