//! The enqueue options of a periodic task, as Go prints them into `SchedulerEntry.enqueue_options`.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::go_duration::{GoDuration, ParseDurationError};
use super::go_quote::{UnquoteError, quote, unquote};
use super::go_time::{ParseUnixDateError, format_unix_date, parse_unix_date};

/// One enqueue option in its printed form, such as `Queue("critical")` or `Timeout(1h30m0s)`.
///
/// [`Display`](fmt::Display) prints it as Go does; moments are printed in UTC, to the second.
/// [`FromStr`] reads it; see [`PrintedOption::parse_in`].
///
/// COMPAT(v0.26.0): a Go reader ends the argument at the first `)`, even in quotes, and leaves out an
/// option that it cannot read: so `Queue("a)b")`. It does not read `TaskID`, `Group` and (before the
/// version after) `Header` at all. A string without `(` would make it panic; none of ours is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PrintedOption {
    /// The queue's name.
    Queue(String),
    /// How many times to retry.
    MaxRetry(u64),
    /// The task's id.
    TaskId(String),
    /// How long one run may take.
    Timeout(GoDuration),
    /// When a run must have ended.
    Deadline(DateTime<Utc>),
    /// How long the uniqueness lock is held.
    Unique(GoDuration),
    /// When to run.
    ProcessAt(DateTime<Utc>),
    /// How long after enqueueing to run.
    ProcessIn(GoDuration),
    /// How long to keep the task after it succeeded.
    Retention(GoDuration),
    /// The group's name.
    Group(String),
    /// A header's key and value.
    Header(String, String),
}

impl PrintedOption {
    /// Reads a printed option, as a Go process would whose own time zone is `local`; the zone matters
    /// for `Deadline` and `ProcessAt` that were printed elsewhere than in UTC, see
    /// [`parse_unix_date`].
    ///
    /// Unlike asynq it reads all that are printed, and the argument up to the `)` at the end. What
    /// asynq reads, it reads alike: a negative `MaxRetry` as zero, and an argument that ends before
    /// the text does. asynq: `parseOption`.
    pub(crate) fn parse_in(text: &str, local: Tz) -> Result<Self, ParseOptionError> {
        let unknown = || ParseOptionError::Unknown(text.to_owned());
        let (name, rest) = text.split_once('(').ok_or_else(unknown)?;
        let whole = rest.strip_suffix(')');
        let argument = match whole.or_else(|| Some(rest.split_once(')')?.0)) {
            Some(argument) => argument,
            None => return Err(unknown()),
        };
        Ok(match name {
            "Queue" => Self::Queue(unquote(argument)?),
            "MaxRetry" => {
                let count = argument.parse::<i64>();
                let count = count.map_err(|_| ParseOptionError::Number(argument.to_owned()))?;
                Self::MaxRetry(u64::try_from(count).unwrap_or(0))
            }
            "TaskID" => Self::TaskId(unquote(argument)?),
            "Timeout" => Self::Timeout(argument.parse()?),
            "Deadline" => Self::Deadline(parse_unix_date(argument, local)?),
            "Unique" => Self::Unique(argument.parse()?),
            "ProcessAt" => Self::ProcessAt(parse_unix_date(argument, local)?),
            "ProcessIn" => Self::ProcessIn(argument.parse()?),
            "Retention" => Self::Retention(argument.parse()?),
            "Group" => Self::Group(unquote(argument)?),
            "Header" => {
                let pair = serde_json::from_str(argument);
                let (key, value) = pair.map_err(|_| ParseOptionError::Header)?;
                Self::Header(key, value)
            }
            _ => return Err(unknown()),
        })
    }
}

impl FromStr for PrintedOption {
    type Err = ParseOptionError;

    /// [`PrintedOption::parse_in`] for a reader in UTC.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse_in(text, Tz::UTC)
    }
}

impl fmt::Display for PrintedOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(name) => write!(f, "Queue({})", quote(name)),
            Self::MaxRetry(count) => write!(f, "MaxRetry({count})"),
            Self::TaskId(id) => write!(f, "TaskID({})", quote(id)),
            Self::Timeout(limit) => write!(f, "Timeout({limit})"),
            Self::Deadline(moment) => write!(f, "Deadline({})", format_unix_date(*moment)),
            Self::Unique(ttl) => write!(f, "Unique({ttl})"),
            Self::ProcessAt(moment) => write!(f, "ProcessAt({})", format_unix_date(*moment)),
            Self::ProcessIn(delay) => write!(f, "ProcessIn({delay})"),
            Self::Retention(period) => write!(f, "Retention({period})"),
            Self::Group(name) => write!(f, "Group({})", quote(name)),
            Self::Header(key, value) => {
                write!(f, "Header([{},{}])", json_string(key), json_string(value))
            }
        }
    }
}

/// A text that is no option that we know, or one with a bad argument.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseOptionError {
    /// Not of the form `Name(argument)`, or no such name.
    #[error("{0:?} is not an enqueue option")]
    Unknown(String),
    /// A count that is no number.
    #[error("{0:?} is not a number")]
    Number(String),
    /// A name or an id that is not quoted as in Go.
    #[error(transparent)]
    Text(#[from] UnquoteError),
    /// A duration that Go could not read.
    #[error(transparent)]
    Duration(#[from] ParseDurationError),
    /// A moment that Go could not read.
    #[error(transparent)]
    Moment(#[from] ParseUnixDateError),
    /// A header that is no pair of JSON strings.
    #[error("header is not a pair of JSON strings")]
    Header,
}

/// The text as a JSON string of Go's encoding/json, which also escapes what HTML and JavaScript
/// would take amiss.
fn json_string(text: &str) -> String {
    // None of these occurs in JSON's own syntax or escapes.
    serde_json::Value::from(text)
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn seconds(count: i64) -> GoDuration {
        GoDuration::from_nanos(count * SECOND)
    }

    #[test]
    fn options_print_as_in_go_and_read_back() {
        let moment = DateTime::from_timestamp(1_136_214_245, 0).expect("a moment");
        for (option, text) in [
            (
                PrintedOption::Queue("critical".into()),
                r#"Queue("critical")"#,
            ),
            (PrintedOption::Queue("a)\"(b".into()), r#"Queue("a)\"(b")"#),
            (PrintedOption::MaxRetry(3), "MaxRetry(3)"),
            (PrintedOption::TaskId("x".into()), r#"TaskID("x")"#),
            (PrintedOption::Timeout(seconds(5400)), "Timeout(1h30m0s)"),
            (
                PrintedOption::Deadline(moment),
                "Deadline(Mon Jan  2 15:04:05 UTC 2006)",
            ),
            (PrintedOption::Unique(seconds(600)), "Unique(10m0s)"),
            (
                PrintedOption::ProcessAt(moment),
                "ProcessAt(Mon Jan  2 15:04:05 UTC 2006)",
            ),
            (PrintedOption::ProcessIn(seconds(5)), "ProcessIn(5s)"),
            (
                PrintedOption::Retention(seconds(86_400)),
                "Retention(24h0m0s)",
            ),
            (PrintedOption::Group("g".into()), r#"Group("g")"#),
            (
                PrintedOption::Header("key".into(), "value".into()),
                r#"Header(["key","value"])"#,
            ),
            (
                PrintedOption::Header("<&>".into(), "\u{2028}\"\\\n\u{8}\u{c}\u{1}\u{7f}é".into()),
                "Header([\"\\u003c\\u0026\\u003e\",\"\\u2028\\\"\\\\\\n\\b\\f\\u0001\u{7f}é\"])",
            ),
        ] {
            assert_eq!(option.to_string(), text);
            assert_eq!(text.parse(), Ok(option));
        }
    }

    #[test]
    fn a_negative_max_retry_is_zero() {
        assert_eq!("MaxRetry(-3)".parse(), Ok(PrintedOption::MaxRetry(0)));
    }

    #[test]
    fn a_date_of_the_local_zone_is_read_with_its_offset() {
        let text = "Deadline(Tue Jan  3 00:04:05 JST 2006)";
        let moment = DateTime::from_timestamp(1_136_214_245, 0).expect("a moment");
        assert_eq!(
            PrintedOption::parse_in(text, Tz::Asia__Tokyo),
            Ok(PrintedOption::Deadline(moment))
        );
    }

    #[test]
    fn what_is_no_option_is_refused_with_the_reason() {
        for (text, error) in [
            ("", "\"\" is not an enqueue option"),
            ("Queue", "\"Queue\" is not an enqueue option"),
            (
                "Queue(\"a\"",
                "\"Queue(\\\"a\\\"\" is not an enqueue option",
            ),
            ("Shard(1)", "\"Shard(1)\" is not an enqueue option"),
            ("Queue(a)", "not a quoted Go string"),
            ("MaxRetry(x)", "\"x\" is not a number"),
            ("Timeout(5)", "missing unit in duration \"5\""),
            ("Header([\"a\"])", "header is not a pair of JSON strings"),
        ] {
            let parsed = text.parse::<PrintedOption>();
            assert_eq!(
                parsed.map_err(|error| error.to_string()),
                Err(error.to_owned())
            );
        }
    }

    proptest! {
        #[test]
        fn every_header_reads_back(key in "(?s).*", value in "(?s).*") {
            let header = PrintedOption::Header(key, value);
            prop_assert_eq!(header.to_string().parse(), Ok(header));
        }

        #[test]
        fn every_name_reads_back(name in "(?s).*") {
            let queue = PrintedOption::Queue(name);
            prop_assert_eq!(queue.to_string().parse(), Ok(queue));
        }
    }
}
