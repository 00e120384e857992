//! Bytes in JSON as Go writes its `[]byte`: a text in base64.
//!
//! serde writes a `Vec<u8>` as a list of numbers, which Go does not read. Name this module at the field:
//!
//! ```
//! use rasynq::{Encode, Json};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Upload {
//!     #[serde(with = "rasynq::json_bytes")]
//!     content: Vec<u8>, // or Bytes
//! }
//!
//! assert_eq!(Json::encode(&Upload { content: b"\x00\xff".to_vec() })?, r#"{"content":"AP8="}"#);
//! # Ok::<_, anyhow::Error>(())
//! ```
//!
//! Go writes a nil slice as `null`. It is read as no bytes.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serializer, de};

/// Writes bytes as a text in base64, with padding.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(
    bytes: &(impl AsRef<[u8]> + ?Sized),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes.as_ref()))
}

/// Reads bytes from a text in base64, with padding.
///
/// # Errors
/// The value is not a text, or not base64. The error does not repeat it.
pub fn deserialize<'de, T: From<Vec<u8>>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = Option::<Cow<'de, str>>::deserialize(deserializer)?.unwrap_or_default();
    match STANDARD.decode(text.as_bytes()) {
        Ok(bytes) => Ok(bytes.into()),
        Err(_) => Err(de::Error::custom("invalid value, expected base64")),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Upload {
        #[serde(with = "super")]
        owned: Vec<u8>,
        #[serde(with = "super", default)]
        shared: Bytes,
    }

    #[test]
    fn bytes_are_base64_and_null_is_no_bytes() {
        let upload = Upload {
            owned: vec![0xfb, 0xff],
            shared: Bytes::from_static(b"a"),
        };
        let text = r#"{"owned":"+/8=","shared":"YQ=="}"#;
        assert_eq!(serde_json::to_string(&upload).expect("JSON"), text);
        assert_eq!(
            serde_json::from_str::<Upload>(text).expect("it is read"),
            upload
        );
        let empty = serde_json::from_value::<Upload>(json!({"owned": null})).expect("it is read");
        assert_eq!(empty.owned, Vec::<u8>::new());
    }

    #[test]
    fn what_is_not_base64_is_refused_without_repeating_it() {
        let error = serde_json::from_value::<Upload>(json!({"owned": "secret!"}));
        let text = error.expect_err("it is not base64").to_string();
        assert_eq!(text, "invalid value, expected base64");
    }
}
