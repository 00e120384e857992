//! Compares with 2,000 values that Go's `encoding/json` wrote: `compat/fixtures/go_json.json`.

use serde::ser::{Serialize, SerializeMap as _, SerializeStruct as _, Serializer};
use serde::{Deserialize, Deserializer, de};

use super::to_json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    value: Described,
    json: String,
}

/// A typed value as `compat/fixtures/README.md` describes it. It writes itself with the method that a
/// Rust value of this type uses.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Described {
    #[serde(deserialize_with = "from_text")]
    F64(u64),
    F32(u32),
    #[serde(deserialize_with = "from_text")]
    I64(i64),
    #[serde(deserialize_with = "from_text")]
    U64(u64),
    Bool(bool),
    Null(()),
    Text(Vec<u32>),
    List(Vec<Described>),
    Struct(Vec<(String, Described)>),
    Map(Vec<(Vec<u32>, Described)>),
    NumberMap(Vec<(i64, Described)>),
}

fn from_text<'de, T: std::str::FromStr, D: Deserializer<'de>>(input: D) -> Result<T, D::Error> {
    let text = String::deserialize(input)?;
    text.parse().map_err(|_| de::Error::custom("not a number"))
}

fn text_of(code_points: &[u32]) -> String {
    let chars = code_points.iter().map(|&code| char::from_u32(code));
    chars.map(|char| char.expect("a code point")).collect()
}

impl Serialize for Described {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::F64(bits) => serializer.serialize_f64(f64::from_bits(*bits)),
            Self::F32(bits) => serializer.serialize_f32(f32::from_bits(*bits)),
            Self::I64(number) => serializer.serialize_i64(*number),
            Self::U64(number) => serializer.serialize_u64(*number),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Null(()) => serializer.serialize_none(),
            Self::Text(code_points) => serializer.serialize_str(&text_of(code_points)),
            Self::List(items) => serializer.collect_seq(items),
            Self::Struct(fields) => {
                let mut out = serializer.serialize_struct("Any", fields.len())?;
                for (name, value) in fields {
                    out.serialize_field(name.clone().leak(), value)?;
                }
                out.end()
            }
            Self::Map(entries) => {
                let mut out = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    out.serialize_entry(&text_of(key), value)?;
                }
                out.end()
            }
            Self::NumberMap(entries) => {
                let mut out = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    out.serialize_entry(key, value)?;
                }
                out.end()
            }
        }
    }
}

#[test]
fn two_thousand_values_have_the_bytes_that_go_writes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/compat/fixtures/go_json.json");
    let text = std::fs::read_to_string(path).expect("the fixture");
    let cases: Vec<Case> = serde_json::from_str(&text).expect("cases");
    assert_eq!(cases.len(), 2000);
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            let json =
                String::from_utf8(to_json(&case.value).expect("it has a form")).expect("UTF-8");
            (json != case.json).then(|| format!("{json} is {} in Go", case.json))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{}: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(20)]
    );
}
