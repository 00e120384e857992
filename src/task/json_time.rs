//! A time in JSON as Go writes its `time.Time`: RFC 3339, the fraction without zeros at its end.
//!
//! chrono writes 3, 6 or 9 digits of the fraction, so the bytes may differ (each side reads both). Name
//! this module at the field if the bytes matter, for example for a unique task:
//!
//! ```
//! use rasynq::chrono::{DateTime, Utc};
//! use rasynq::{Encode, Json};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Reminder {
//!     #[serde(with = "rasynq::json_time")]
//!     at: DateTime<Utc>,
//! }
//!
//! let at = DateTime::from_timestamp_millis(1_700_000_000_120).unwrap();
//! assert_eq!(Json::encode(&Reminder { at })?, r#"{"at":"2023-11-14T22:13:20.12Z"}"#);
//! # Ok::<_, anyhow::Error>(())
//! ```
//!
//! Go writes a time in its own zone. Let the Go side call `UTC()` if the bytes matter.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Deserialize, Deserializer, Serializer, de, ser};

/// Writes a time in UTC.
///
/// # Errors
/// As in Go: the year is not between 0 and 9999. And those of the serializer.
pub fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    if !(0..=9999).contains(&time.year()) {
        let year = time.year();
        let text = format!("a time is in the year {year}, it must be between 0 and 9999");
        return Err(ser::Error::custom(text));
    }
    let seconds = time.format("%Y-%m-%dT%H:%M:%S");
    // In a leap second, chrono counts on.
    let nanos = time.nanosecond() % 1_000_000_000;
    if nanos == 0 {
        return serializer.collect_str(&format_args!("{seconds}Z"));
    }
    let fraction = format!("{nanos:09}");
    serializer.collect_str(&format_args!(
        "{seconds}.{}Z",
        fraction.trim_end_matches('0')
    ))
}

/// Reads a time in RFC 3339, in any zone.
///
/// # Errors
/// The value is not such a text. The error does not repeat it.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    match DateTime::parse_from_rfc3339(&text) {
        Ok(time) => Ok(time.to_utc()),
        Err(_) => Err(de::Error::custom(
            "invalid value, expected a time in RFC 3339",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct At(#[serde(with = "super")] DateTime<Utc>);

    // Go: time.Time.MarshalJSON
    #[test]
    fn a_time_has_the_form_of_go() {
        for (secs, nanos, text) in [
            (1_700_000_000, 0, "2023-11-14T22:13:20Z"),
            (1_700_000_000, 120_000_000, "2023-11-14T22:13:20.12Z"),
            (1_700_000_000, 1, "2023-11-14T22:13:20.000000001Z"),
            (-62_135_596_800, 0, "0001-01-01T00:00:00Z"),
            (-62_167_219_200, 500_000_000, "0000-01-01T00:00:00.5Z"),
            (
                253_402_300_799,
                999_999_999,
                "9999-12-31T23:59:59.999999999Z",
            ),
        ] {
            let at = At(DateTime::from_timestamp(secs, nanos).expect("a time"));
            let json = format!("\"{text}\"");
            assert_eq!(serde_json::to_string(&at).expect("JSON"), json);
            assert_eq!(serde_json::from_str::<At>(&json).expect("it is read"), at);
        }
        let zoned: At = serde_json::from_str("\"2023-11-15T00:13:20+02:00\"").expect("it is read");
        assert_eq!(zoned.0.timestamp(), 1_700_000_000);
        let late = At(DateTime::from_timestamp(253_402_300_800, 0).expect("a time"));
        assert!(serde_json::to_string(&late).is_err());
        assert!(serde_json::from_str::<At>("\"soon\"").is_err());
    }
}
