//! JSON: names in snake case, times as RFC 3339 in UTC, durations in seconds.

use std::fmt::Write;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::text::is_unsafe;
use crate::failure::Failure;

/// How deep JSON is indented.
const MAX_INDENT: usize = 32;

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

/// JSON with one value a line. `None` if the text is no JSON object or array. Numbers and strings keep their
/// spelling, and members keep their order. What is nested deeper than [`MAX_INDENT`] is not indented further, so that the
/// text does not grow faster than the JSON.
pub(crate) fn indented_json(text: &str) -> Option<String> {
    let value = serde_json::from_str::<IgnoredAny>(text);
    value.ok().and_then(|_| indented(text))
}

/// The same for the beginning of a text: `None` if what is there cannot be the beginning of a JSON object or array.
pub(crate) fn indented_json_beginning(text: &str) -> Option<String> {
    let value = serde_json::from_str::<IgnoredAny>(text);
    let is_json = value.map_or_else(|error| error.is_eof(), |_| true);
    is_json.then(|| indented(text)).flatten()
}

fn indented(json: &str) -> Option<String> {
    let trimmed = json.trim_matches([' ', '\t', '\r', '\n']);
    if !trimmed.starts_with(['{', '[']) {
        return None;
    }
    let mut out = String::with_capacity(trimmed.len() * 2);
    let mut depth = 0_usize;
    let mut chars = trimmed.chars().peekable();
    let new_line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(MAX_INDENT)));
    };
    while let Some(char) = chars.next() {
        match char {
            ' ' | '\t' | '\r' | '\n' => {}
            '"' => {
                out.push('"');
                while let Some(char) = chars.next() {
                    out.push(char);
                    match char {
                        '\\' => out.extend(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '{' | '[' => {
                out.push(char);
                while chars.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                match chars.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        new_line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(char);
            }
            ',' => {
                out.push(',');
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            char => out.push(char),
        }
    }
    Some(out)
}

fn escaped(text: &str, allowed: &[char]) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) && !allowed.contains(&c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing into a string cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
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
    fn json_is_indented_and_keeps_its_spelling_and_order() {
        let json = r#"{"b":1.50,"a":["x, {y}\"",true,{}],"c":[ ],"e":"\u00e9"}"#;
        let expected = "{\n  \"b\": 1.50,\n  \"a\": [\n    \"x, {y}\\\"\",\n    true,\n    {}\n  ],\n  \"c\": [],\n  \"e\": \"\\u00e9\"\n}";
        assert_eq!(indented_json(json).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_no_json_object_or_array_is_not_indented() {
        for text in ["", "12", "\"text\"", "{\"a\":}", "{} {}", "{\"a\":1"] {
            assert_eq!(indented_json(text), None, "{text}");
        }
    }

    #[test]
    fn the_beginning_of_json_is_indented_as_far_as_it_goes() {
        let beginnings = [
            ("{\"a\":[1,", "{\n  \"a\": [\n    1,\n    "),
            ("{\"a\":\"b\\", "{\n  \"a\": \"b\\"),
            ("[tru", "[\n  tru"),
        ];
        for (text, expected) in beginnings {
            assert_eq!(indented_json_beginning(text).as_deref(), Some(expected));
        }
        for text in ["", "12", "{a", "[1] 2"] {
            assert_eq!(indented_json_beginning(text), None, "{text}");
        }
    }

    #[test]
    fn deep_json_does_not_become_huge() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let indented = indented_json(&deep).expect("JSON");
        assert!(indented.len() < deep.len() * (2 * MAX_INDENT + 2));
    }

    #[test]
    fn nothing_in_json_moves_a_terminal() {
        assert_eq!(
            json_line(&"\u{9b}\u{7f}\u{202e}\x1b"),
            r#""\u009b\u007f\u202e\u001b""#
        );
        assert_eq!(json_line(&"\u{e0041}"), r#""\udb40\udc41""#);
        assert_eq!(
            json_line(&DataView::of("\"\u{9b}\"".as_bytes())),
            r#""\u009b""#
        );
    }
}
