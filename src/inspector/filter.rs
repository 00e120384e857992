//! Which tasks of a selection are meant: conditions on their messages and times. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::json_path::JsonPath;
use super::json_search::has_value;
use crate::error::{Error, Result};
use crate::task::TaskInfo;

/// Conditions for tasks; a task matches if all of them hold. Without a condition all tasks match.
///
/// See [`TaskSelection::matching`](crate::TaskSelection::matching). asynq has no filters.
///
/// ```
/// use rasynq::TaskFilter;
/// use std::time::Duration;
///
/// # fn example() -> rasynq::Result<()> {
/// let filter = TaskFilter::new()
///     .task_type("email:*")
///     .payload_json("user.id", 42)
///     .error_contains("timeout")
///     .older_than(Duration::from_secs(3600));
/// let typed_by_a_user = TaskFilter::new().payload_json_text("user.id=42")?;
/// # Ok(()) }
/// # example().unwrap();
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskFilter {
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq)]
enum Condition {
    TaskType(String),
    PayloadContains(String),
    PayloadJson(JsonPath, Value),
    /// A path that cannot be read, and why.
    NotAPath(String),
    ErrorContains(String),
    OlderThan(Duration),
    YoungerThan(Duration),
    Group(String),
    Header(String, String),
    Orphaned,
}

impl TaskFilter {
    /// A filter without conditions. All tasks match it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The type of the task is this. A `*` stands for any characters: `email:*`.
    #[must_use]
    pub fn task_type(self, pattern: impl Into<String>) -> Self {
        self.and(Condition::TaskType(pattern.into()))
    }

    /// The payload has this text in it, byte for byte.
    #[must_use]
    pub fn payload_contains(self, text: impl Into<String>) -> Self {
        self.and(Condition::PayloadContains(text.into()))
    }

    /// The payload is JSON, and has this value at this path. Names are separated by dots, and a number in brackets is
    /// the place in a list, from 0: `user.id`, `items[0].name`, `[2]`. A path without steps, `""`, is the whole payload.
    ///
    /// Values are compared as JSON: the order of names and blanks do not count, and 42 is the same as 42.0. A path
    /// that cannot be read is an error of kind [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) of the call that uses
    /// the filter.
    ///
    /// What is beside the path costs no memory, and may be nested to any depth. A value that is nested in more than 127
    /// others does not match.
    #[must_use]
    pub fn payload_json(self, path: &str, value: impl Into<Value>) -> Self {
        self.and(match JsonPath::parse(path) {
            Ok(path) => Condition::PayloadJson(path, value.into()),
            Err(why) => Condition::NotAPath(why),
        })
    }

    /// [`payload_json`](Self::payload_json) as one text: `user.id=42`. What follows the first `=` is JSON, and text if
    /// it is no JSON: `user.name=Ann`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if there is no `=`, or the path cannot be read.
    pub fn payload_json_text(self, condition: &str) -> Result<Self> {
        let Some((path, value)) = condition.split_once('=') else {
            let text = format!("payload condition {condition:?}: write it as `path=value`");
            return Err(Error::invalid(text));
        };
        let path = JsonPath::parse(path.trim()).map_err(Error::invalid)?;
        let value = value.trim();
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        Ok(self.and(Condition::PayloadJson(path, value)))
    }

    /// The last error of the task has this text in it.
    #[must_use]
    pub fn error_contains(self, text: impl Into<String>) -> Self {
        self.and(Condition::ErrorContains(text.into()))
    }

    /// The age of the task is at least this, by Redis' clock. What the age is depends on the state:
    ///
    /// | state | age: the time since the task |
    /// |---|---|
    /// | pending | became pending |
    /// | aggregating | joined its group |
    /// | retry | last failed |
    /// | archived | was archived |
    /// | completed | was completed |
    /// | active, scheduled | – |
    ///
    /// A task whose age is not known does not match, here and with [`younger_than`](Self::younger_than).
    #[must_use]
    pub fn older_than(self, age: Duration) -> Self {
        self.and(Condition::OlderThan(age))
    }

    /// The age of the task is less than this: see [`older_than`](Self::older_than).
    #[must_use]
    pub fn younger_than(self, age: Duration) -> Self {
        self.and(Condition::YoungerThan(age))
    }

    /// The task was enqueued with this group.
    #[must_use]
    pub fn group(self, group: impl Into<String>) -> Self {
        self.and(Condition::Group(group.into()))
    }

    /// The task has this header with this value.
    #[must_use]
    pub fn header(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.and(Condition::Header(key.into(), value.into()))
    }

    /// The task is active and its lease has expired.
    #[must_use]
    pub fn orphaned(self) -> Self {
        self.and(Condition::Orphaned)
    }

    /// Whether there are no conditions.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    fn and(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Refuses conditions that cannot be read.
    pub(super) fn check(&self) -> Result<()> {
        let wrong = self
            .conditions
            .iter()
            .find_map(|condition| match condition {
                Condition::NotAPath(why) => Some(why),
                _ => None,
            });
        wrong.map_or(Ok(()), |why| Err(Error::invalid(why.as_str())))
    }

    /// Whether all conditions hold. `since`: when the age of the task began. `now`: Redis' time.
    pub(super) fn matches(
        &self,
        task: &TaskInfo,
        since: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> bool {
        // The clock of Redis may be read in whole seconds, so that a task seems to come from the future.
        let age = since.map(|since| (now - since).to_std().unwrap_or_default());
        self.conditions
            .iter()
            .all(|condition| condition.holds(task, age))
    }
}

impl Condition {
    fn holds(&self, task: &TaskInfo, age: Option<Duration>) -> bool {
        match self {
            Self::TaskType(pattern) => matches_pattern(pattern, &task.task_type),
            Self::PayloadContains(text) => contains(&task.payload, text.as_bytes()),
            Self::PayloadJson(path, value) => has_value(&task.payload, path, value),
            Self::NotAPath(_) => false,
            Self::ErrorContains(text) => task.last_error.contains(text.as_str()),
            Self::OlderThan(least) => age.is_some_and(|age| age >= *least),
            Self::YoungerThan(limit) => age.is_some_and(|age| age < *limit),
            Self::Group(group) => task.group == *group,
            Self::Header(key, value) => task.headers.get(key) == Some(value),
            Self::Orphaned => task.is_orphaned,
        }
    }
}

/// Whether a text matches a pattern in which `*` stands for any characters.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    // The first place for each part leaves the most for the others.
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
