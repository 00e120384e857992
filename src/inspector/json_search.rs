//! Compares one part of a JSON text with a value. Pure.
//!
//! Nothing is built of the text: what is beside the path is skipped, whatever its size and depth, and the value at the
//! path is compared while it is read. So a large or deep payload costs no memory, and cannot overflow the stack.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use super::json_path::{JsonPath, PathStep};

/// Whether the text is JSON that has this value at the end of the path. If an object has a name twice, its last value
/// counts. A value that is nested in more than 127 others is never the same.
pub(super) fn has_value(json: &[u8], path: &JsonPath, value: &Value) -> bool {
    let Ok(text) = std::str::from_utf8(json) else {
        return false;
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let path = path.steps();
    let expected = Expected { path, value };
    let found = expected.deserialize(&mut reader);
    found.unwrap_or_default() && reader.end().is_ok()
}

/// What is expected of a part of the text: this value at the end of this path. It is read as whether that is so.
struct Expected<'a> {
    path: &'a [PathStep],
    value: &'a Value,
}

impl<'a> Expected<'a> {
    /// Here is the value expected.
    fn here(value: &'a Value) -> Self {
        Self { path: &[], value }
    }

    fn is(&self, found: &Value) -> bool {
        self.path.is_empty() && same(found, self.value)
    }
}

impl<'de> DeserializeSeed<'de> for Expected<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, part: D) -> Result<bool, D::Error> {
        part.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Expected<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(self.is(&Value::Null))
    }

    fn visit_bool<E>(self, found: bool) -> Result<bool, E> {
        Ok(self.is(&found.into()))
    }

    fn visit_i64<E>(self, found: i64) -> Result<bool, E> {
        Ok(self.is(&found.into()))
    }

    fn visit_u64<E>(self, found: u64) -> Result<bool, E> {
        Ok(self.is(&found.into()))
    }

    fn visit_f64<E>(self, found: f64) -> Result<bool, E> {
        Ok(self.is(&found.into()))
    }

    fn visit_str<E>(self, found: &str) -> Result<bool, E> {
        Ok(self.path.is_empty() && self.value.as_str() == Some(found))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        let mut is_same = false;
        match (self.path.split_first(), self.value) {
            (Some((PathStep::Index(index), path)), value) => {
                let mut skipped = 0;
                while skipped < *index && list.next_element::<IgnoredAny>()?.is_some() {
                    skipped += 1;
                }
                let found = list.next_element_seed(Expected { path, value })?;
                is_same = found.unwrap_or_default();
            }
            (None, Value::Array(values)) => {
                is_same = true;
                for value in values {
                    let found = list.next_element_seed(Expected::here(value))?;
                    is_same &= found.unwrap_or_default();
                }
                is_same &= list.next_element::<IgnoredAny>()?.is_none();
            }
            _ => {}
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(is_same)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<bool, A::Error> {
        match (self.path.split_first(), self.value) {
            (Some((PathStep::Name(name), path)), value) => {
                let mut is_same = false;
                while let Some(key) = object.next_key::<String>()? {
                    if key == *name {
                        is_same = object.next_value_seed(Expected { path, value })?;
                    } else {
                        let _: IgnoredAny = object.next_value()?;
                    }
                }
                Ok(is_same)
            }
            (None, Value::Object(values)) => {
                let (mut found, mut has_others) = (HashMap::new(), false);
                while let Some(key) = object.next_key::<String>()? {
                    match values.get(&key) {
                        Some(value) => {
                            let is_same = object.next_value_seed(Expected::here(value))?;
                            found.insert(key, is_same);
                        }
                        None => {
                            has_others = true;
                            let _: IgnoredAny = object.next_value()?;
                        }
                    }
                }
                let all_same = found.values().all(|is_same| *is_same);
                Ok(all_same && !has_others && found.len() == values.len())
            }
            // If a program has numbers of any precision in serde_json, each comes as an object.
            (None, Value::Number(_)) => {
                let found = Number::deserialize(MapAccessDeserializer::new(object))?;
                Ok(self.is(&found.into()))
            }
            _ => {
                while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(false)
            }
        }
    }
}

/// Whether two values are the same. Numbers are compared by their value; the caller compares lists and objects.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => {
            a == b
                || match (whole(a), whole(b)) {
                    (Some(a), Some(b)) => a == b,
                    (None, None) => a.as_f64() == b.as_f64(),
                    _ => false,
                }
        }
        (one, other) => one == other,
    }
}

/// The value of a whole number, exactly. `None`: it has a fraction, or more than 38 digits.
fn whole(number: &Number) -> Option<i128> {
    if let Some(value) = number.as_i128() {
        return Some(value);
    }
    let value = number.as_f64()?;
    (value.fract() == 0.0 && value.abs() < 1e38).then_some(value as i128)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn has(json: &str, path: &str, value: Value) -> bool {
        let path = JsonPath::parse(path).expect("a path");
        has_value(json.as_bytes(), &path, &value)
    }

    #[test]
    fn a_path_leads_through_names_and_lists() {
        let json = r#"{ "user": { "id": 42, "0": "zero" }, "items": [{ "name": "a" }, [1, 2]] }"#;
        for (path, value) in [
            ("user.id", json!(42)),
            ("user.0", json!("zero")),
            ("items[0].name", json!("a")),
            ("items[1][1]", json!(2)),
            ("", serde_json::from_str(json).expect("JSON")),
        ] {
            assert!(has(json, path, value), "{path}");
        }
        // What is not there is no value, not even null.
        for missing in ["user.name", "items[2]", "items.name", "user[0]", "[0]"] {
            assert!(!has(json, missing, Value::Null), "{missing}");
        }
        assert!(has("[[1, 2], 3]", "[0][1]", json!(2)));
    }

    #[test]
    fn what_is_beside_the_path_may_be_nested_to_any_depth() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let json = format!(r#"{{"a":{deep},"id":7,"b":{deep}}}"#);
        assert!(has(&json, "id", json!(7)));
        assert!(!has(&json, "id", json!(8)));
        assert!(!has(&json, "a", json!(7)));
        let objects = r#"{"a":"#.repeat(100_000) + "1" + &"}".repeat(100_000);
        assert!(!has(&objects, "b", json!(1)));
        let unclosed = r#"{"id":7,"a":"#.to_owned() + &"[".repeat(100_000);
        assert!(!has(&unclosed, "id", json!(7)));
    }

    #[test]
    fn a_value_is_compared_up_to_a_depth_of_127_and_a_deeper_one_is_never_the_same() {
        for (depth, expected) in [(126, true), (127, false), (100_000, false)] {
            let json = "[".repeat(depth) + "[1]" + &"]".repeat(depth);
            let path = "[0]".repeat(depth);
            assert_eq!(has(&json, &path, json!([1])), expected, "{depth}");
        }
    }

    #[test]
    fn lists_and_objects_are_the_same_if_all_of_their_values_are() {
        let json = r#"{"list":[1,{"x":null},"t"],"object":{"a":[],"b":{"c":1.0}}}"#;
        for (path, value, expected) in [
            ("list", json!([1, {"x": null}, "t"]), true),
            ("list", json!([1, {"x": null}]), false),
            ("list", json!([1, {"x": null}, "t", 1]), false),
            ("list", json!([1, {"y": null}, "t"]), false),
            ("list", json!({}), false),
            ("object", json!({"b": {"c": 1}, "a": []}), true),
            ("object", json!({"b": {"c": 1}}), false),
            ("object", json!({"b": {"c": 1}, "a": [], "d": 1}), false),
            ("object", json!({"b": {"c": 2}, "a": []}), false),
            ("object", json!([]), false),
            ("object", json!(1), false),
        ] {
            assert_eq!(has(json, path, value.clone()), expected, "{path} {value}");
        }
    }

    #[test]
    fn the_last_value_of_a_name_counts_and_all_of_the_text_must_be_json() {
        assert!(has(r#"{"a":1,"a":2}"#, "a", json!(2)));
        assert!(!has(r#"{"a":1,"a":2}"#, "a", json!(1)));
        assert!(has(r#"{"\u0061":2}"#, "a", json!(2)));
        assert!(has(r#" {"a":2} "#, "a", json!(2)));
        for not_json in [r#"{"a":2} x"#, r#"{"a":2"#, r#"{"a":2,"b":}"#, "", "{}{}"] {
            assert!(!has(not_json, "a", json!(2)), "{not_json}");
        }
        let path = JsonPath::parse("a").expect("a path");
        assert!(!has_value(b"{\"a\":2,\"b\":\"\xff\"}", &path, &json!(2)));
    }
}
