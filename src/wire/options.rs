//! The options of a periodic task, as Go prints them into `SchedulerEntry.enqueue_options`.

use std::fmt;
use std::str::FromStr;

use chrono::TimeZone;
use chrono::{DateTime, Utc};

use super::go_duration::GoDuration;
use super::go_duration::ParseDurationError;
use super::go_quote::quote;
use super::go_time::format_unix_date;
use super::go_time::{ParseUnixDateError, parse_unix_date};
use super::go_unquote::{UnquoteError, unquote};

/// One option of a task in its printed form, such as `Queue("critical")` or `Timeout(1h30m0s)`.
///
/// [`Display`](fmt::Display) prints it as Go does, with times in UTC, to the second.
///
/// COMPAT: asynq v0.26.0 reads these options with some limits
///
/// - For asynq the argument ends at the first `)`, even in quotes.
/// - asynq skips options that it cannot read: `Queue("a)b")`, every `TaskID` and `Group`, and up to
///   v0.26.0 every `Header`.
/// - asynq panics on a text without `(`. This type never prints one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PrintedOption {
    /// The queue's name.
    Queue(String),
    /// The maximum number of retries.
    MaxRetry(u64),
    /// The task's id.
    TaskId(String),
    /// The longest duration of one run.
    Timeout(GoDuration),
    /// The time by which every run must be finished.
    Deadline(DateTime<Utc>),
    /// How long the unique lock is kept.
    Unique(GoDuration),
    /// The time at which the task is due.
    ProcessAt(DateTime<Utc>),
    /// How long after the enqueue call the task is due.
    ProcessIn(GoDuration),
    /// How long to keep the task after it is completed.
    Retention(GoDuration),
    /// The group's name.
    Group(String),
    /// A header's key and value.
    Header(String, String),
}

impl PrintedOption {
    /// Reads a printed option as a Go process in the time zone `local` does. The zone matters for
    /// `Deadline` and `ProcessAt` if they were not printed in UTC; see [`parse_unix_date`]. asynq:
    /// `parseOption`.
    ///
    /// Unlike asynq, it reads every option that asynq prints. If the text ends with `)`, the argument
    /// ends there. Options that asynq can read have the same meaning here: a negative `MaxRetry` is
    /// zero, and if the text does not end with `)`, the argument ends at the first `)`.
    pub(crate) fn parse_in<Z>(text: &str, local: &Z) -> Result<Self, ParseOptionError>
    where
        Z: TimeZone<Offset: fmt::Display>,
    {
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
        Self::parse_in(text, &Utc)
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

/// A text that is not a printed option, or a printed option with an invalid argument.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseOptionError {
    /// The text is not of the form `Name(argument)`, or there is no option of this name.
    #[error("{0:?} is not an enqueue option")]
    Unknown(String),
    /// The count is not a number.
    #[error("{0:?} is not a number")]
    Number(String),
    /// The name or id is not a quoted Go string.
    #[error(transparent)]
    Text(#[from] UnquoteError),
    /// The duration is not one that Go can read.
    #[error(transparent)]
    Duration(#[from] ParseDurationError),
    /// The time is not one that Go can read.
    #[error(transparent)]
    Moment(#[from] ParseUnixDateError),
    /// The header is not a pair of JSON strings.
    #[error("header is not a pair of JSON strings")]
    Header,
}

/// The text as a JSON string in the form of Go's `encoding/json`. Go also escapes characters that are
/// unsafe in HTML and JavaScript.
fn json_string(text: &str) -> String {
    // None of these characters is part of JSON's own syntax or escapes.
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
    use chrono_tz::Tz;
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn seconds(count: i64) -> GoDuration {
        GoDuration::from_nanos(count * SECOND)
    }

    #[test]
    fn options_print_as_by_go_and_read_back() {
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
            PrintedOption::parse_in(text, &Tz::Asia__Tokyo),
            Ok(PrintedOption::Deadline(moment))
        );
    }

    #[test]
    fn a_text_that_is_not_an_option_is_refused_with_the_reason() {
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
