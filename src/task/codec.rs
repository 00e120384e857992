//! Codecs: how a typed payload becomes bytes, and how bytes become a typed payload.

use anyhow::anyhow;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::wire::to_json;

/// A codec that writes a `T` as a payload. [`Decode`] is the other half.
///
/// rasynq has [`Json`] and [`Protobuf`]. To add a codec, implement both traits for your own type; an
/// empty struct is enough. A program that only enqueues needs only this one.
///
/// ```
/// use bytes::Bytes;
/// use rasynq::{Decode, Encode, Task, TaskKind};
///
/// /// A number in decimal digits.
/// struct Digits;
/// impl Encode<UserId> for Digits {
///     fn encode(value: &UserId) -> anyhow::Result<Bytes> { Ok(value.0.to_string().into()) }
/// }
/// impl Decode<UserId> for Digits {
///     fn decode(payload: &Bytes) -> anyhow::Result<UserId> { Ok(UserId(std::str::from_utf8(payload)?.parse()?)) }
/// }
///
/// struct UserId(u64);
/// impl TaskKind<Digits> for UserId { const TYPE: &'static str = "user:forget"; }
/// assert_eq!(Task::typed(&UserId(42))?.payload(), b"42");
/// # Ok::<_, rasynq::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot write `{T}` as a payload",
    note = "`rasynq::Json` needs `{T}: serde::Serialize`",
    note = "`rasynq::Protobuf` needs `{T}: prost::Message`"
)]
pub trait Encode<T> {
    /// Writes `value` as a payload.
    fn encode(value: &T) -> Result<Bytes, anyhow::Error>;
}

/// A codec that reads a payload as a `T`. [`Encode`] is the other half, with an example.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot read a payload as `{T}`",
    note = "`rasynq::Json` needs `{T}: serde::de::DeserializeOwned`: `Deserialize`, without borrowed fields",
    note = "`rasynq::Protobuf` needs `{T}: prost::Message + Default`"
)]
pub trait Decode<T> {
    /// Reads a payload. The text of an error is stored in Redis and logged. So the text should name the
    /// fault and its position, but not repeat the payload.
    fn decode(payload: &Bytes) -> Result<T, anyhow::Error>;
}

/// Writes and reads payloads as JSON with serde. It writes the bytes that Go's `json.Marshal` (version 1
/// of `encoding/json`) writes for the same value, as far as serde can tell the types apart.
///
/// So a Rust and a Go producer of the same task get the same unique lock, which is on the bytes:
/// numbers have Go's form (`1.0` is `1`), `<`, `>` and `&` in texts are escaped, and maps are sorted by
/// their keys. The fields of a struct keep their order. The guide has a section on maps, bytes and times.
///
/// NaN and infinity are refused, as in Go. serde_json would write `null`, which a handler could not read.
///
/// ```
/// use rasynq::{Encode, Json};
/// use std::collections::HashMap;
///
/// let prices = HashMap::from([("b&b", 1.0), ("a", 1e21)]);
/// assert_eq!(Json::encode(&prices)?, r#"{"a":1e+21,"b\u0026b":1}"#);
/// assert!(Json::encode(&[f64::NAN]).is_err());
/// # Ok::<_, anyhow::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl<T: Serialize> Encode<T> for Json {
    fn encode(value: &T) -> Result<Bytes, anyhow::Error> {
        Ok(to_json(value)?.into())
    }
}

impl<T: DeserializeOwned> Decode<T> for Json {
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

impl<T: prost::Message> Encode<T> for Protobuf {
    fn encode(value: &T) -> Result<Bytes, anyhow::Error> {
        Ok(value.encode_to_vec().into())
    }
}

impl<T: prost::Message + Default> Decode<T> for Protobuf {
    fn decode(payload: &Bytes) -> Result<T, anyhow::Error> {
        Ok(T::decode(payload.clone())?)
    }
}

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
        <Json as Decode<Card>>::decode(&Bytes::from_static(payload.as_bytes()))
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
