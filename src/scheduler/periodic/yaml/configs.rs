//! The entries that a YAML text describes.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::tree::{YamlFault, YamlNode, YamlPair, YamlPlace, YamlValue};
use crate::scheduler::{Entry, Missed};
use crate::task::{Encode, Json, Task, TaskOption};
use crate::wire::GoDuration;

/// The keys of an entry.
const KEYS: &str = "cronspec, task_type, payload, queue, max_retry, timeout, deadline, unique, process_in, \
                    retention, group, task_id, headers, name, dialect, jitter, missed";

/// Reads the entries of a file with this name.
pub(super) fn entries_of(file: &str, text: &str) -> Result<Vec<Entry>, YamlFault> {
    let Some(root) = YamlNode::parse(text)? else {
        return Err(YamlFault {
            at: None,
            text: "the file is empty, expected the key \"configs\" with a list of entries"
                .to_owned(),
        });
    };
    let mut entries = None;
    for pair in root.pairs("a mapping with the key \"configs\"")? {
        match pair.key.as_str() {
            "configs" => entries = Some(list_of_entries(file, pair)?),
            _ => {
                return Err(pair
                    .at
                    .fault(format!("unknown key {:?}, expected \"configs\"", pair.key)));
            }
        }
    }
    entries.ok_or_else(|| {
        root.at
            .fault("expected the key \"configs\" with a list of entries")
    })
}

fn list_of_entries(file: &str, pair: &YamlPair) -> Result<Vec<Entry>, YamlFault> {
    match &pair.node.value {
        YamlValue::List(items) => items.iter().map(|item| entry(file, item)).collect(),
        _ => Err(pair.unexpected("a list of entries ([] if there are none)")),
    }
}

/// What an entry says so far.
#[derive(Default)]
struct Draft {
    spec: Option<(String, YamlPlace)>,
    task_type: Option<String>,
    payload: Option<Vec<u8>>,
    options: Vec<TaskOption>,
    is_cronexpr: bool,
    name: Option<String>,
    jitter: Duration,
    missed: Missed,
}

fn entry(file: &str, node: &YamlNode) -> Result<Entry, YamlFault> {
    let mut draft = Draft::default();
    for pair in node.pairs("an entry with the keys \"cronspec\" and \"task_type\"")? {
        draft.read(pair)?;
    }
    let missing = |key| node.at.fault(format!("this entry has no {key:?}"));
    let (spec, spec_at) = draft.spec.ok_or_else(|| missing("cronspec"))?;
    let task_type = draft.task_type.ok_or_else(|| missing("task_type"))?;
    let task = match draft.payload {
        Some(payload) => Task::new(task_type, payload),
        None => Task::without_payload(task_type),
    };
    let entry = match draft.is_cronexpr {
        true => Entry::cronexpr(spec, task),
        false => Entry::new(spec, task),
    };
    let entry = draft.options.into_iter().fold(entry, Entry::option);
    let mut entry = entry.jitter(draft.jitter).missed(draft.missed);
    if let Some(name) = draft.name {
        entry = entry.name(name);
    }
    Ok(entry.written_at(format!("{file}:{spec_at}")))
}

impl Draft {
    fn read(&mut self, pair: &YamlPair) -> Result<(), YamlFault> {
        match pair.key.as_str() {
            "cronspec" => self.spec = Some((pair.filled_text()?, pair.node.at)),
            "task_type" => self.task_type = Some(pair.filled_text()?),
            "payload" => self.payload = pair.payload()?,
            "headers" => self.options.extend(pair.headers()?),
            "name" => self.name = Some(pair.filled_text()?),
            "jitter" => self.jitter = pair.duration()?,
            "dialect" => {
                self.is_cronexpr = pair.one_of([("standard", false), ("cronexpr", true)])?;
            }
            "missed" => {
                let policies = [("skip", Missed::Skip), ("once", Missed::Once)];
                self.missed = pair.one_of(policies)?;
            }
            _ => self.options.push(pair.option()?),
        }
        Ok(())
    }
}

impl YamlNode {
    fn pairs(&self, expected: &str) -> Result<&[YamlPair], YamlFault> {
        match &self.value {
            YamlValue::Map(pairs) => Ok(pairs),
            other => Err(self.at.fault(format!("expected {expected}, found {other}"))),
        }
    }
}

impl YamlPair {
    fn unexpected(&self, expected: &str) -> YamlFault {
        let found = &self.node.value;
        self.node
            .at
            .fault(format!("{}: expected {expected}, found {found}", self.key))
    }

    fn text(&self) -> Result<&str, YamlFault> {
        match &self.node.value {
            YamlValue::Text(text) => Ok(text),
            YamlValue::Null => Err(self.unexpected("a text")),
            _ => Err(self.unexpected("a text (in quotes if it is not one without them)")),
        }
    }

    fn filled_text(&self) -> Result<String, YamlFault> {
        match self.text()? {
            text if text.trim().is_empty() => {
                Err(self.node.at.fault(format!("{} is blank", self.key)))
            }
            text => Ok(text.to_owned()),
        }
    }

    /// A text stays as it is; any other value is JSON, in the form of Go's `encoding/json`.
    fn payload(&self) -> Result<Option<Vec<u8>>, YamlFault> {
        match &self.node.value {
            YamlValue::Null => Ok(None),
            YamlValue::Text(text) => Ok(Some(text.clone().into_bytes())),
            _ => match Json::encode(&self.node) {
                Ok(json) => Ok(Some(json.into())),
                Err(error) => Err(self.node.at.fault(format!("payload: {error}"))),
            },
        }
    }

    fn headers(&self) -> Result<Vec<TaskOption>, YamlFault> {
        let pairs = self.node.pairs("headers as a mapping of names to texts")?;
        let header = |pair: &Self| {
            Ok(TaskOption::Header(
                pair.key.clone(),
                pair.text()?.to_owned(),
            ))
        };
        pairs.iter().map(header).collect()
    }

    fn option(&self) -> Result<TaskOption, YamlFault> {
        Ok(match self.key.as_str() {
            "queue" => TaskOption::Queue(self.filled_text()?),
            "max_retry" => TaskOption::MaxRetry(self.count()?),
            "timeout" => TaskOption::Timeout(self.duration()?),
            "deadline" => TaskOption::Deadline(self.time()?),
            "unique" => TaskOption::Unique(self.duration()?),
            "process_in" => TaskOption::ProcessIn(self.duration()?),
            "retention" => TaskOption::Retention(self.duration()?),
            "group" => TaskOption::Group(self.filled_text()?),
            "task_id" => TaskOption::TaskId(self.filled_text()?),
            key => {
                return Err(self
                    .at
                    .fault(format!("unknown key {key:?}, expected one of {KEYS}")));
            }
        })
    }

    fn count(&self) -> Result<u32, YamlFault> {
        let number = match self.node.value {
            YamlValue::Int(number) => i32::try_from(number).ok(),
            _ => None,
        };
        let number = number.and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| self.unexpected("a whole number from 0 to 2147483647"))
    }

    fn duration(&self) -> Result<Duration, YamlFault> {
        const FORM: &str = "a duration with its unit, as \"30s\", \"1h30m\" or \"24h\" (units: ns, us, ms, s, m, h)";
        let YamlValue::Text(text) = &self.node.value else {
            return Err(self.unexpected(FORM));
        };
        let fault = |why: String| {
            self.node
                .at
                .fault(format!("{}: {why}, expected {FORM}", self.key))
        };
        let duration: GoDuration = text.parse().map_err(|error| fault(format!("{error}")))?;
        let negative = |_| fault(format!("the duration {text:?} is negative"));
        duration.try_into().map_err(negative)
    }

    fn time(&self) -> Result<DateTime<Utc>, YamlFault> {
        const FORM: &str =
            "a time with its zone, as \"2030-01-31T12:00:00Z\" or \"2030-01-31T12:00:00+01:00\"";
        let YamlValue::Text(text) = &self.node.value else {
            return Err(self.unexpected(FORM));
        };
        match DateTime::parse_from_rfc3339(text) {
            Ok(at) => Ok(at.to_utc()),
            Err(error) => Err(self.node.at.fault(format!(
                "{}: {text:?} is no time ({error}), expected {FORM}",
                self.key
            ))),
        }
    }

    fn one_of<T>(&self, choices: [(&str, T); 2]) -> Result<T, YamlFault> {
        let expected = format!("{:?} or {:?}", choices[0].0, choices[1].0);
        let YamlValue::Text(text) = &self.node.value else {
            return Err(self.unexpected(&expected));
        };
        let chosen = choices.into_iter().find(|(name, _)| name == text);
        let unknown = || {
            self.node
                .at
                .fault(format!("{}: expected {expected}, found {text:?}", self.key))
        };
        chosen.map(|(_, value)| value).ok_or_else(unknown)
    }
}

#[cfg(test)]
#[path = "configs_tests.rs"]
mod tests;
