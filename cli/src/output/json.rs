//! JSON: names in snake case, times as RFC 3339 in UTC, durations in seconds.

use std::fmt::Write;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::text::is_unsafe;
use crate::failure::Failure;

/// The document, indented. What a terminal might obey is escaped: it can only be inside of strings.
pub(crate) fn json_text(document: &impl Serialize) -> String {
    // The views have only keys that are text, and serialize without a failure.
    let text = serde_json::to_string_pretty(document).unwrap_or_default();
    escaped(&text, &['\n'])
}

/// The document on one line.
pub(crate) fn json_line(document: &impl Serialize) -> String {
    escaped(&serde_json::to_string(document).unwrap_or_default(), &[])
}

/// JSON with a line for each part. Names stay in their order and numbers as they are written.
pub(crate) fn indented_json(json: &str) -> String {
    let mut text = String::new();
    let mut depth = 0;
    let mut in_string = false;
    let mut is_escaped = false;
    let mut parts = json
        .chars()
        .filter(|c| *c != '\n' && *c != '\r' && *c != '\t')
        .peekable();
    let new_line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.push_str(&"  ".repeat(depth));
    };
    while let Some(c) = parts.next() {
        if in_string {
            text.push(c);
            in_string = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
            continue;
        }
        match c {
            ' ' => {}
            '"' => {
                in_string = true;
                text.push(c);
            }
            '{' | '[' => {
                text.push(c);
                while parts.peek() == Some(&' ') {
                    parts.next();
                }
                match parts.peek() {
                    Some('}' | ']') => text.extend(parts.next()),
                    _ => {
                        depth += 1;
                        new_line(&mut text, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, depth);
                text.push(c);
            }
            ',' => {
                text.push(c);
                new_line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            other => text.push(other),
        }
    }
    escaped(&text, &['\n'])
}

fn escaped(text: &str, allowed: &[char]) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) && !allowed.contains(&c) {
            // All of these are in the basic plane. Writing into a string cannot fail.
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Seconds, with a fraction.
pub(crate) fn seconds<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// Seconds, with a fraction, or null.
pub(crate) fn maybe_seconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => seconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}

/// A payload or a result: as JSON if it is JSON, otherwise as text. Bytes that are not UTF-8 become U+FFFD there, and
/// [`base64_unless_text`] has them exactly.
#[derive(Debug)]
pub(crate) enum DataView {
    Json(Box<RawValue>),
    Text(String),
}

impl DataView {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        match serde_json::from_slice::<&RawValue>(bytes) {
            Ok(value) => {
                // White space between its parts would not be escaped as that in strings is.
                let compact =
                    serde_json::from_str::<Box<RawValue>>(&without_line_breaks(value.get()));
                compact.map_or_else(|_| Self::text(bytes), Self::Json)
            }
            Err(_) => Self::text(bytes),
        }
    }

    fn text(bytes: &[u8]) -> Self {
        Self::Text(String::from_utf8_lossy(bytes).into_owned())
    }
}

impl Serialize for DataView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            DataView::Json(value) => value.serialize(serializer),
            DataView::Text(text) => text.serialize(serializer),
        }
    }
}

/// Line breaks and tabs in JSON are only between its parts.
fn without_line_breaks(json: &str) -> String {
    json.replace(['\n', '\r', '\t'], " ")
}

/// The bytes as base64, if they are not UTF-8.
pub(crate) fn base64_unless_text(bytes: &[u8]) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(_) => None,
        Err(_) => Some(STANDARD.encode(bytes)),
    }
}

/// A failure, as JSON on standard error.
#[derive(Debug, Serialize)]
pub(crate) struct FailureView<'a> {
    error: FailureBody<'a>,
}

#[derive(Debug, Serialize)]
struct FailureBody<'a> {
    kind: &'static str,
    message: &'a str,
    exit_code: u8,
}

impl<'a> FailureView<'a> {
    pub(crate) fn of(failure: &'a Failure) -> Self {
        Self {
            error: FailureBody {
                kind: failure.kind.word(),
                message: &failure.message,
                exit_code: failure.kind.code(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_stay_what_they_are() {
        let shown = |bytes: &[u8]| json_line(&DataView::of(bytes));
        assert_eq!(
            shown(br#"{"b":1.10,"a":[true]}"#),
            r#"{"b":1.10,"a":[true]}"#
        );
        assert_eq!(shown(b"{\"a\":\r\n\t1}"), "{\"a\":   1}");
        assert_eq!(shown(b"not json"), "\"not json\"");
        assert_eq!(shown(b""), "\"\"");
        assert_eq!(shown(b"a\xff"), "\"a\u{fffd}\"");
        assert_eq!(base64_unless_text(b"a\xff"), Some("Yf8=".to_owned()));
        assert_eq!(base64_unless_text(b"a"), None);
    }

    #[test]
    fn json_is_indented_as_it_is_written() {
        let shown = indented_json("{\"b\":1.10, \"a\" :[ ],\n\"c\":[{\"x\":\"{,\\\"}\"}, true]}");
        let lines = "{\n  \"b\": 1.10,\n  \"a\": [],\n  \"c\": [\n    {\n      \"x\": \"{,\\\"}\"\n    },\n    true\n  ]\n}";
        assert_eq!(shown, lines);
        assert_eq!(indented_json(" 17 "), "17");
        assert_eq!(indented_json("\"\u{9b}\""), r#""\u009b""#);
    }

    #[test]
    fn nothing_in_json_moves_a_terminal() {
        assert_eq!(
            json_line(&"\u{9b}\u{7f}\u{202e}\x1b"),
            r#""\u009b\u007f\u202e\u001b""#
        );
        assert_eq!(
            json_line(&DataView::of("\"\u{9b}\"".as_bytes())),
            r#""\u009b""#
        );
    }
}
