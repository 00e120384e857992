//! Typed payloads: a Rust type, its task type, and the codec that writes it as bytes and reads it.

use std::error::Error as StdError;
use std::fmt;
use std::marker::PhantomData;

use anyhow::anyhow;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{IntoTask, Task};
use crate::error::{Error, Result};
use crate::wire::go_quote::quote;

/// A Rust type that is the payload of one task type. The codec `C`, by default [`Json`], writes and
/// reads the payload.
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
    note = "name its task type: `impl TaskKind for {Self} {{ const TYPE: &'static str = \"…\"; }}`"
)]
pub trait TaskKind<C = Json> {
    /// The task type, such as `"email:welcome"`.
    const TYPE: &'static str;
}

/// Writes a `T` as a payload, and reads a payload as a `T`.
///
/// rasynq has [`Json`] and [`Protobuf`]. To add a codec, implement this trait for your own type; an
/// empty struct is enough:
///
/// ```
/// use bytes::Bytes;
/// use rasynq::{Codec, Task, TaskKind};
///
/// /// A number in decimal digits.
/// struct Digits;
/// impl Codec<u64> for Digits {
///     fn encode(value: &u64) -> anyhow::Result<Bytes> { Ok(value.to_string().into()) }
///     fn decode(payload: &Bytes) -> anyhow::Result<u64> { Ok(std::str::from_utf8(payload)?.parse()?) }
/// }
/// impl Codec<UserId> for Digits {
///     fn encode(value: &UserId) -> anyhow::Result<Bytes> { Self::encode(&value.0) }
///     fn decode(payload: &Bytes) -> anyhow::Result<UserId> { Self::decode(payload).map(UserId) }
/// }
///
/// struct UserId(u64);
/// impl TaskKind<Digits> for UserId { const TYPE: &'static str = "user:forget"; }
/// assert_eq!(Task::typed(&UserId(42))?.payload(), b"42");
/// # Ok::<_, anyhow::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot write and read `{T}`",
    note = "`rasynq::Json` needs `{T}: serde::Serialize + serde::de::DeserializeOwned`",
    note = "`rasynq::Protobuf` needs `{T}: prost::Message + Default`"
)]
pub trait Codec<T> {
    /// Writes `value` as a payload.
    fn encode(value: &T) -> Result<Bytes, anyhow::Error>;

    /// Reads a payload. The text of an error is stored in Redis and logged. So the text should name the
    /// fault and its position, but not repeat the payload.
    fn decode(payload: &Bytes) -> Result<T, anyhow::Error>;
}

/// Writes and reads payloads as JSON with serde, as Go programs do with `json.Marshal`.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl<T: Serialize + DeserializeOwned> Codec<T> for Json {
    fn encode(value: &T) -> Result<Bytes, anyhow::Error> {
        Ok(serde_json::to_vec(value)?.into())
    }

    fn decode(payload: &Bytes) -> Result<T, anyhow::Error> {
        serde_json::from_slice(payload).map_err(|error| anyhow!(json_fault(&error)))
    }
}

/// The fault and its position. serde's own text may repeat parts of the payload; this text does not.
fn json_fault(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let position = format!("at line {} column {}", error.line(), error.column());
    let fault = match error.classify() {
        Category::Eof => "it ends too early".to_owned(),
        Category::Syntax | Category::Io => "not JSON".to_owned(),
        Category::Data => {
            let text = error.to_string();
            let text = text.strip_suffix(&format!(" {position}")).unwrap_or(&text);
            // The text after the last "expected" comes from the Rust type. The text before it may
            // come from the payload.
            if let Some((_, expected)) = text.rsplit_once(", expected ") {
                format!("expected {expected}")
            } else if text.starts_with("missing field `") {
                text.to_owned()
            } else {
                "it does not fit the type".to_owned()
            }
        }
    };
    format!("{fault} {position}")
}

/// Writes and reads payloads as protobuf messages with prost.
///
/// ```
/// use rasynq::{Protobuf, Task, TaskKind};
///
/// #[derive(Clone, PartialEq, prost::Message)]
/// struct Welcome {
///     #[prost(uint64, tag = "1")]
///     user_id: u64,
/// }
/// impl TaskKind<Protobuf> for Welcome { const TYPE: &'static str = "email:welcome"; }
///
/// let task = Task::typed(&Welcome { user_id: 42 })?;
/// assert_eq!(task.payload(), [0x08, 42]);
/// assert_eq!(task.decode::<Welcome, _>()?, Welcome { user_id: 42 });
/// # Ok::<_, anyhow::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Protobuf;

impl<T: prost::Message + Default> Codec<T> for Protobuf {
    fn encode(value: &T) -> Result<Bytes, anyhow::Error> {
        Ok(value.encode_to_vec().into())
    }

    fn decode(payload: &Bytes) -> Result<T, anyhow::Error> {
        Ok(T::decode(payload.clone())?)
    }
}

impl Task {
    /// Creates a task of `T`'s task type with `value` as its payload.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the codec cannot encode `value`.
    pub fn typed<T, C>(value: &T) -> Result<Self>
    where
        T: TaskKind<C>,
        C: Codec<T>,
    {
        let payload = C::encode(value).map_err(|error| {
            Error::invalid(format!(
                "payload of task type {:?} does not encode from {}: {error:#}",
                T::TYPE,
                std::any::type_name::<T>()
            ))
        })?;
        Ok(Self::new(T::TYPE, payload))
    }

    /// Decodes the payload as a `T`. The task's type is not compared with `T`'s task type.
    ///
    /// # Errors
    ///
    /// A [`PayloadError`] if the payload does not decode as a `T`.
    pub fn decode<T, C>(&self) -> Result<T, PayloadError>
    where
        T: TaskKind<C>,
        C: Codec<T>,
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
    C: Codec<T>,
{
    fn into_task(self) -> Result<Task> {
        Task::typed(&self)
    }
}

impl<T, C> IntoTask<TypedRef<C>> for &T
where
    T: TaskKind<C>,
    C: Codec<T>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Card {
        number: u64,
        kind: CardKind,
    }

    #[derive(Debug, Serialize, Deserialize)]
    enum CardKind {
        Debit,
        Credit,
    }

    fn fault(payload: &'static str) -> String {
        <Json as Codec<Card>>::decode(&Bytes::from_static(payload.as_bytes()))
            .expect_err("it does not fit")
            .to_string()
    }

    #[test]
    fn a_fault_in_json_is_described_without_the_payload() {
        for (payload, text) in [
            ("", "it ends too early at line 1 column 0"),
            ("{\"number\":", "it ends too early at line 1 column 10"),
            ("secret", "not JSON at line 1 column 1"),
            ("{}", "missing field `number` at line 1 column 2"),
            (r#""secret""#, "expected struct Card at line 1 column 8"),
            (
                r#"{"number":"secret, expected"}"#,
                "expected u64 at line 1 column 28",
            ),
            (r#"{"number":-4111}"#, "expected u64 at line 1 column 15"),
            (
                r#"{"number":1,"kind":"Secret"}"#,
                "expected `Debit` or `Credit` at line 1 column 27",
            ),
            (
                r#"{"secret":1}"#,
                "expected `number` or `kind` at line 1 column 9",
            ),
            (
                r#"{"number":1,"number":1}"#,
                "it does not fit the type at line 1 column 20",
            ),
        ] {
            assert_eq!(fault(payload), text, "{payload}");
        }
    }
}
