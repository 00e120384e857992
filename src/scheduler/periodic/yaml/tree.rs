//! A YAML text as a tree in which each value knows its place.
//!
//! Values have the types of YAML 1.2's core schema: `yes` is a text. Refused is what YAML readers read in
//! different ways, and what JSON cannot represent: so a file means the same to everybody who reads it.

use std::collections::HashMap;
use std::fmt;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, StrInput};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Where something is in a file: line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct YamlPlace {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// What is wrong with a file, and where. It repeats no payload.
#[derive(Debug, PartialEq)]
pub(super) struct YamlFault {
    /// `None`: the whole file.
    pub(super) at: Option<YamlPlace>,
    pub(super) text: String,
}

/// A value and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct YamlNode {
    pub(super) at: YamlPlace,
    pub(super) value: YamlValue,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum YamlValue {
    Null,
    Bool(bool),
    /// From the smallest `i64` to the largest `u64`.
    Int(i128),
    /// Neither NaN nor infinite.
    Float(f64),
    Text(String),
    List(Vec<YamlNode>),
    /// The keys are texts, each is there once.
    Map(Vec<YamlPair>),
}

/// One key of a mapping with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct YamlPair {
    pub(super) at: YamlPlace,
    pub(super) key: String,
    pub(super) node: YamlNode,
}

impl YamlPlace {
    fn of(mark: &Marker) -> Self {
        Self {
            line: mark.line(),
            column: mark.col() + 1,
        }
    }

    pub(super) fn fault(self, text: impl Into<String>) -> YamlFault {
        YamlFault {
            at: Some(self),
            text: text.into(),
        }
    }
}

impl YamlNode {
    /// Reads the one document of a text. `None`: there is none.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, YamlFault> {
        Builder(Parser::new_from_str(text)).document()
    }
}

impl fmt::Display for YamlPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The kind of the value, for errors.
impl fmt::Display for YamlValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        })
    }
}

impl Serialize for YamlNode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            YamlValue::Null => serializer.serialize_unit(),
            YamlValue::Bool(value) => serializer.serialize_bool(*value),
            YamlValue::Int(value) => serializer.serialize_i128(*value),
            YamlValue::Float(value) => serializer.serialize_f64(*value),
            YamlValue::Text(text) => serializer.serialize_str(text),
            YamlValue::List(items) => serializer.collect_seq(items),
            YamlValue::Map(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for pair in pairs {
                    map.serialize_entry(&pair.key, &pair.node)?;
                }
                map.end()
            }
        }
    }
}

/// Builds the tree from the parser's events. The parser bounds the depth.
struct Builder<'t>(Parser<'t, StrInput<'t>>);

impl<'t> Builder<'t> {
    fn next(&mut self) -> Result<(Event<'t>, YamlPlace), YamlFault> {
        match self.0.next_event() {
            Some(Ok((event, span))) => Ok((event, YamlPlace::of(&span.start))),
            Some(Err(error)) => Err(fault_of(&error)),
            // The parser ends with the event of the end.
            None => Ok((Event::StreamEnd, YamlPlace { line: 1, column: 1 })),
        }
    }

    fn document(&mut self) -> Result<Option<YamlNode>, YamlFault> {
        let mut document = None;
        loop {
            let (event, at) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(document),
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if document.is_some() => {
                    return Err(at.fault("a second document begins here, expected only one"));
                }
                Event::DocumentStart(..) => {
                    let (event, at) = self.next()?;
                    document = Some(self.node(event, at)?);
                }
                _ => return Err(at.fault("expected the end of the document")),
            }
        }
    }

    /// The node that begins with this event.
    fn node(&mut self, event: Event<'t>, at: YamlPlace) -> Result<YamlNode, YamlFault> {
        refuse_references(&event, at)?;
        let value = match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) => plain_value(&text, at)?,
            Event::Scalar(text, ..) => YamlValue::Text(text.into_owned()),
            Event::SequenceStart(..) => YamlValue::List(self.items()?),
            Event::MappingStart(..) => YamlValue::Map(self.pairs()?),
            _ => return Err(at.fault("expected a value")),
        };
        Ok(YamlNode { at, value })
    }

    fn items(&mut self) -> Result<Vec<YamlNode>, YamlFault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, at) => items.push(self.node(event, at)?),
            }
        }
    }

    fn pairs(&mut self) -> Result<Vec<YamlPair>, YamlFault> {
        let mut pairs = Vec::new();
        let mut lines = HashMap::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(pairs);
            }
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            if is_merge {
                return Err(at.fault("the merge key << is not supported, write the keys out"));
            }
            let key = match self.node(event, at)?.value {
                YamlValue::Text(key) => key,
                other => {
                    let text =
                        format!("expected a text as the key, found {other}; write it in quotes");
                    return Err(at.fault(text));
                }
            };
            if let Some(first) = lines.insert(key.clone(), at.line) {
                return Err(at.fault(format!(
                    "the key {key:?} is here twice, first in line {first}"
                )));
            }
            let (event, value_at) = self.next()?;
            let node = self.node(event, value_at)?;
            pairs.push(YamlPair { at, key, node });
        }
    }
}

/// Anchors, aliases and tags are refused: entries are written out.
fn refuse_references(event: &Event<'_>, at: YamlPlace) -> Result<(), YamlFault> {
    let is_alias = event.is_alias();
    if is_alias || event.anchor_id().is_some() {
        return Err(at.fault(format!(
            "{} not supported, write the value out",
            if is_alias {
                "an alias (*name) is"
            } else {
                "an anchor (&name) is"
            }
        )));
    }
    match event.tag() {
        Some(tag) => Err(at.fault(format!("the tag {tag} is not supported"))),
        None => Ok(()),
    }
}

/// The value of a text without quotes.
fn plain_value(text: &str, at: YamlPlace) -> Result<YamlValue, YamlFault> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => YamlValue::Null,
        "true" | "True" | "TRUE" => YamlValue::Bool(true),
        "false" | "False" | "FALSE" => YamlValue::Bool(false),
        _ => match number(text) {
            Some(Ok(value)) => value,
            Some(Err(why)) => return Err(at.fault(why)),
            None => YamlValue::Text(text.to_owned()),
        },
    })
}

/// The number that a text without quotes is, if it is one; an error if this crate cannot say which.
fn number(text: &str) -> Option<Result<YamlValue, &'static str>> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(&digits) {
        return Some(Err(
            "JSON has neither infinity nor NaN; if it is a text, write it in quotes",
        ));
    }
    let radix = |prefix: &str, radix: u32| {
        let digits = text
            .strip_prefix(prefix)
            .filter(|digits| !digits.is_empty())?;
        let are_digits = digits.chars().all(|digit| digit.is_digit(radix));
        are_digits.then(|| i128::from_str_radix(digits, radix))
    };
    let is_whole = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if is_whole && digits.len() > 1 && digits.starts_with('0') {
        return Some(Err(
            "a number with a leading zero is octal to some readers of YAML and decimal to others; write it \
             without the zero, or in quotes if it is a text",
        ));
    }
    let whole = radix("0x", 16)
        .or_else(|| radix("0o", 8))
        .or_else(|| is_whole.then(|| text.parse()));
    if let Some(whole) = whole {
        let in_range = |n: &i128| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(n);
        return Some(match whole.ok().filter(in_range) {
            Some(n) => Ok(YamlValue::Int(n)),
            None => Err("the number has more than 64 bits; write it in quotes"),
        });
    }
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && digits
            .bytes()
            .all(|byte| b"0123456789.eE+-".contains(&byte));
    let float: f64 = text.parse().ok().filter(|_| is_number)?;
    Some(match float.is_finite() {
        true => Ok(YamlValue::Float(float)),
        false => Err("the number is too large for a 64-bit float"),
    })
}

/// The parser's error, with advice for what is often written in such a file.
fn fault_of(error: &ScanError) -> YamlFault {
    let advice = match error.kind() {
        ErrorKind::UnknownAnchor | ErrorKind::MissingAnchorOrAliasName => {
            "; write a text that begins with * or & in quotes, as \"* * * * *\""
        }
        ErrorKind::UnexpectedCharacter { character: '@' } => {
            "; write a text that begins with @ in quotes, as \"@every 30s\""
        }
        ErrorKind::TabInIndentation
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabNotAllowed => "; indent with spaces",
        ErrorKind::MappingValueNotAllowed => {
            "; write a text that contains \": \" in quotes, and check the indentation"
        }
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry => {
            "; check the indentation"
        }
        _ => "",
    };
    YamlPlace::of(error.marker()).fault(format!("{}{advice}", error.info()))
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
