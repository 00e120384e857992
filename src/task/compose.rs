//! Composes a task and its options into the message to store.
//!
//! This module is pure: the caller passes the time and the source of random ids. It merges the options
//! in their order, refuses invalid tasks, and decides where the new task goes. Invalid is what asynq
//! refuses, what Redis cannot store, and what Go programs cannot read or print.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Datelike, TimeDelta, Utc};

use super::Task;
use super::options::{DEFAULT_MAX_RETRY, DEFAULT_QUEUE, DEFAULT_TIMEOUT, TaskOption};
use crate::clock::Uuids;
use crate::error::{Error, Result};
use crate::wire::{DueTime, Placement, QueueKeys, TaskMessage, keys};

/// The shortest TTL of a unique lock: one second.
pub const MIN_UNIQUE_TTL: Duration = Duration::from_secs(1);

/// The longest TTL of a unique lock: 100 years of 365 days.
pub const MAX_UNIQUE_TTL: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The maximum size of a task's type and payload together: 511 MiB.
///
/// Redis stores a message of at most 512 MiB. The difference of 1 MiB is for the other fields.
pub const MAX_TASK_SIZE: usize = 511 << 20;

/// The longest timeout and the longest retention: the maximum of a Go duration, about 292 years.
const MAX_GO_DURATION: Duration = Duration::from_nanos(i64::MAX as u64);

/// The message of a new task, and where it goes.
#[derive(Clone, Debug)]
pub(crate) struct Composed {
    pub(crate) message: TaskMessage,
    /// Whether the id was drawn at random, so that no other task can have it.
    pub(crate) id_is_random: bool,
    pub(crate) placement: Placement,
    /// The TTL of the unique lock, without the time until a scheduled task may run. `None`: the task
    /// has no unique lock.
    pub(crate) unique_ttl_secs: Option<u64>,
}

impl Task {
    /// Applies the options of the task, then those of the enqueue call. `now` is the time of the call by
    /// Redis' clock.
    /// If no option sets an id, the id is drawn from `uuids`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid): asynq refuses the task too, Redis cannot
    /// store it, or a Go program cannot read or print it.
    pub(crate) fn compose(
        self,
        call: Vec<TaskOption>,
        now: DateTime<Utc>,
        uuids: &Uuids,
    ) -> Result<Composed> {
        let Self {
            task_type,
            payload,
            headers,
            options,
        } = self;
        if task_type.trim().is_empty() {
            return Err(Error::invalid("task type is blank"));
        }
        let mut merged = MergedOptions {
            headers,
            ..MergedOptions::default()
        };
        for option in options.into_iter().chain(call) {
            merged.apply(option, now)?;
        }
        check_size(&task_type, payload.as_ref())?;
        merged.into_composed(task_type, payload, now, uuids)
    }
}

/// The options of a task, merged: each later option has replaced an earlier one of its kind.
///
/// `None`, zero or empty: no option has set it.
#[derive(Default)]
struct MergedOptions {
    queue: Option<String>,
    max_retry: Option<u32>,
    id: Option<String>,
    timeout: Duration,
    deadline: Option<DateTime<Utc>>,
    unique_ttl: Option<Duration>,
    due: Option<DueTime>,
    retention: Duration,
    group: String,
    headers: BTreeMap<String, String>,
}

impl MergedOptions {
    /// Applies the next option. An invalid value is refused even if a later option would replace it.
    /// Limits that only apply to the stored message are checked by `into_composed`.
    fn apply(&mut self, option: TaskOption, now: DateTime<Utc>) -> Result<()> {
        match option {
            TaskOption::Queue(name) => self.queue = Some(valid_queue(name)?),
            TaskOption::MaxRetry(n) => self.max_retry = Some(n),
            TaskOption::TaskId(id) => self.id = Some(not_blank(id, "task id")?),
            TaskOption::Timeout(limit) => self.timeout = limit,
            TaskOption::Deadline(at) => self.deadline = Some(printable(at, "deadline")?),
            TaskOption::Unique(ttl) => self.unique_ttl = Some(valid_unique_ttl(ttl)?),
            TaskOption::ProcessAt(at) => self.due = Some(DueTime::At(printable(at, "process at")?)),
            TaskOption::ProcessIn(delay) => {
                time_after(now, delay)?;
                self.due = Some(DueTime::After(delay));
            }
            TaskOption::Retention(keep) => self.retention = keep,
            TaskOption::Group(name) => self.group = not_blank(name, "group")?,
            TaskOption::Header(name, value) => {
                self.headers.insert(name, value);
            }
        }
        Ok(())
    }

    fn into_composed(
        self,
        task_type: String,
        payload: Option<Bytes>,
        now: DateTime<Utc>,
        uuids: &Uuids,
    ) -> Result<Composed> {
        let placement = self.placement(now);
        let deadline = self.deadline_unix_secs();
        let timeout = self.timeout_to_store(deadline);
        let queue = self.queue.unwrap_or_else(|| DEFAULT_QUEUE.to_owned());
        let unique_key = match self.unique_ttl {
            Some(_) => QueueKeys::new(&queue).unique(&task_type, payload.as_deref()),
            None => String::new(),
        };
        Ok(Composed {
            id_is_random: self.id.is_none(),
            placement,
            unique_ttl_secs: self.unique_ttl.map(|ttl| ttl.as_secs()),
            message: TaskMessage {
                r#type: task_type,
                payload: payload.unwrap_or_default(),
                headers: self.headers,
                id: self.id.unwrap_or_else(|| uuids.next()),
                queue,
                retry: stored_max_retry(self.max_retry.unwrap_or(DEFAULT_MAX_RETRY))?,
                timeout: stored_secs(timeout, "timeout")?,
                deadline,
                unique_key,
                retention: stored_secs(self.retention, "retention")?,
                group_key: self.group,
                ..TaskMessage::default()
            },
        })
    }

    /// A task with a time in the future is scheduled, even if it has a group: it joins the group when
    /// it is due.
    fn placement(&self, now: DateTime<Utc>) -> Placement {
        let is_later = |due: &DueTime| match due {
            DueTime::At(at) => *at > now,
            DueTime::After(delay) => !delay.is_zero(),
        };
        match self.due.filter(is_later) {
            Some(due) => Placement::Scheduled(due),
            None if !self.group.is_empty() => Placement::Group,
            None => Placement::Pending,
        }
    }

    /// The deadline as Redis stores it: 0 for none.
    ///
    /// COMPAT: asynq v0.26.0 therefore treats a deadline at the Unix epoch as no deadline
    fn deadline_unix_secs(&self) -> i64 {
        self.deadline.map_or(0, |at| at.timestamp())
    }

    /// The default timeout if there is neither a timeout nor a deadline.
    fn timeout_to_store(&self, deadline_unix_secs: i64) -> Duration {
        if self.timeout.is_zero() && deadline_unix_secs == 0 {
            DEFAULT_TIMEOUT
        } else {
            self.timeout
        }
    }
}

fn not_blank(text: String, what: &str) -> Result<String> {
    if text.trim().is_empty() {
        return Err(Error::invalid(format!("{what} is blank")));
    }
    Ok(text)
}

fn valid_queue(name: String) -> Result<String> {
    keys::validate_queue_name(&name).map_err(|error| Error::invalid(error.to_string()))?;
    Ok(name)
}

fn valid_unique_ttl(ttl: Duration) -> Result<Duration> {
    if ttl < MIN_UNIQUE_TTL {
        return Err(Error::invalid(format!(
            "unique TTL is {ttl:?}, it must be at least {MIN_UNIQUE_TTL:?}"
        )));
    }
    if ttl > MAX_UNIQUE_TTL {
        return Err(Error::invalid(format!(
            "unique TTL is {ttl:?}, it must be at most {MAX_UNIQUE_TTL:?}"
        )));
    }
    Ok(ttl)
}

fn time_after(now: DateTime<Utc>, delay: Duration) -> Result<DateTime<Utc>> {
    let at = TimeDelta::from_std(delay)
        .ok()
        .and_then(|delay| now.checked_add_signed(delay))
        .ok_or_else(|| Error::invalid(format!("process in {delay:?} is out of range")))?;
    printable(at, "process in")
}

/// Refuses a time that Go cannot print. If one such time is in Redis, asynqmon cannot show any task of
/// the queue.
fn printable(at: DateTime<Utc>, what: &str) -> Result<DateTime<Utc>> {
    if (0..=9999).contains(&at.year()) {
        Ok(at)
    } else {
        Err(Error::invalid(format!(
            "{what} is in the year {}, it must be between 0 and 9999",
            at.year()
        )))
    }
}

fn check_size(task_type: &str, payload: Option<&Bytes>) -> Result<()> {
    let size = task_type.len() + payload.map_or(0, Bytes::len);
    if size > MAX_TASK_SIZE {
        return Err(Error::invalid(format!(
            "type and payload have {size} bytes, they must have at most {MAX_TASK_SIZE}"
        )));
    }
    Ok(())
}

fn stored_max_retry(max_retry: u32) -> Result<i32> {
    i32::try_from(max_retry)
        .map_err(|_| Error::invalid(format!("max retry {max_retry} is above {}", i32::MAX)))
}

/// The duration in whole seconds. A duration below a second becomes one second, because zero means
/// "not set". One longer than Go's maximum is refused: Go would compute wrong times from it.
///
/// COMPAT: asynq v0.26.0 stores less than a second as 0
fn stored_secs(duration: Duration, what: &str) -> Result<i64> {
    if duration > MAX_GO_DURATION {
        return Err(Error::invalid(format!(
            "{what} is {duration:?}, it must be at most {MAX_GO_DURATION:?}"
        )));
    }
    let least = u64::from(!duration.is_zero());
    i64::try_from(duration.as_secs().max(least))
        .map_err(|_| Error::invalid(format!("{what} {duration:?} is out of range")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const HOUR: Duration = Duration::from_secs(3600);

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 700_000_000).expect("a valid time")
    }

    fn task() -> Task {
        Task::new("email:welcome", "x")
    }

    fn composed(task: Task) -> Composed {
        composed_with(task, Vec::new())
    }

    fn composed_with(task: Task, call: Vec<TaskOption>) -> Composed {
        task.compose(call, now(), &Uuids::new())
            .expect("a valid task")
    }

    fn refusal(task: Task) -> String {
        let error = task
            .compose(Vec::new(), now(), &Uuids::new())
            .expect_err("an invalid task");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error.to_string()
    }

    fn year(year: i32) -> DateTime<Utc> {
        chrono::NaiveDate::from_ymd_opt(year, 1, 1)
            .and_then(|date| date.and_hms_opt(0, 0, 0))
            .expect("a valid time")
            .and_utc()
    }

    #[test]
    fn a_task_without_options_has_the_defaults() {
        let Composed {
            message,
            id_is_random,
            placement,
            unique_ttl_secs,
        } = composed(task());
        assert_eq!(placement, Placement::Pending);
        assert_eq!((id_is_random, unique_ttl_secs), (true, None));
        assert_eq!(message.id.len(), 36);
        let expected = TaskMessage {
            r#type: "email:welcome".to_owned(),
            payload: "x".into(),
            id: message.id.clone(),
            queue: "default".to_owned(),
            retry: 25,
            timeout: 1800,
            ..TaskMessage::default()
        };
        assert_eq!(message, expected);
    }

    #[test]
    fn a_later_option_replaces_an_earlier_one_and_the_calls_come_last() {
        let task = task()
            .queue("first")
            .queue("second")
            .max_retry(1)
            .max_retry(2)
            .header("a", "task")
            .header("b", "task")
            .process_in(HOUR);
        let call = vec![
            TaskOption::MaxRetry(3),
            TaskOption::TaskId("one".to_owned()),
            TaskOption::TaskId("two".to_owned()),
            TaskOption::Header("a".to_owned(), "call".to_owned()),
            TaskOption::ProcessAt(now() - TimeDelta::hours(1)),
        ];
        let Composed {
            message,
            id_is_random,
            placement,
            ..
        } = composed_with(task, call);
        assert_eq!(message.queue, "second");
        assert_eq!(message.retry, 3);
        assert_eq!((message.id.as_str(), id_is_random), ("two", false));
        assert_eq!(message.headers["a"], "call");
        assert_eq!(message.headers["b"], "task");
        assert_eq!(placement, Placement::Pending);
    }

    #[test]
    fn each_invalid_option_is_refused_with_its_text() {
        for (task, text) in [
            (Task::new(" \t", ""), "task type is blank"),
            (task().task_id(" "), "task id is blank"),
            (task().group("\n"), "group is blank"),
            (
                task().unique(Duration::from_millis(999)),
                "unique TTL is 999ms, it must be at least 1s",
            ),
            (
                task().unique(MAX_UNIQUE_TTL + Duration::from_nanos(1)),
                "unique TTL is 3153600000.000000001s, it must be at most 3153600000s",
            ),
            (
                task().deadline(year(-1)),
                "deadline is in the year -1, it must be between 0 and 9999",
            ),
            (
                task().process_at(year(10_000)),
                "process at is in the year 10000, it must be between 0 and 9999",
            ),
            (
                task().process_in(Duration::from_secs(300_000_000_000)),
                "process in is in the year 11530, it must be between 0 and 9999",
            ),
            (
                task().process_in(Duration::MAX),
                "process in 18446744073709551615.999999999s is out of range",
            ),
            (
                task().max_retry(u32::MAX),
                "max retry 4294967295 is above 2147483647",
            ),
            (
                task().timeout(MAX_GO_DURATION + Duration::from_nanos(1)),
                "timeout is 9223372036.854775808s, it must be at most 9223372036.854775807s",
            ),
            (
                task().retention(MAX_GO_DURATION + Duration::from_nanos(1)),
                "retention is 9223372036.854775808s, it must be at most 9223372036.854775807s",
            ),
        ] {
            assert_eq!(refusal(task), text);
        }
        let blank_queue = keys::validate_queue_name(" ")
            .expect_err("blank")
            .to_string();
        assert_eq!(refusal(task().queue(" ")), blank_queue);
    }

    #[test]
    fn a_task_that_is_too_large_is_refused() {
        let type_len = "any".len();
        assert!(check_size("any", None).is_ok());
        let largest = Bytes::from(vec![0; MAX_TASK_SIZE - type_len]);
        assert!(check_size("any", Some(&largest)).is_ok());
        let error = check_size("more", Some(&largest)).expect_err("one byte too many");
        assert_eq!(
            error.to_string(),
            "type and payload have 535822337 bytes, they must have at most 535822336"
        );
    }

    #[test]
    fn an_invalid_option_is_refused_even_if_a_later_one_replaces_it() {
        assert_eq!(
            refusal(task().task_id(" ").task_id("valid")),
            "task id is blank"
        );
        // The limits of the stored message apply to the last value only.
        let max_retry = composed(task().max_retry(u32::MAX).max_retry(1))
            .message
            .retry;
        assert_eq!(max_retry, 1);
        let timeout = composed(task().timeout(Duration::MAX).timeout(HOUR))
            .message
            .timeout;
        assert_eq!(timeout, 3600);
    }

    #[test]
    fn a_task_for_the_future_is_scheduled_before_it_joins_its_group() {
        let future = now() + TimeDelta::nanoseconds(1);
        for (task, placement) in [
            (task(), Placement::Pending),
            (task().process_at(now()), Placement::Pending),
            (task().process_in(Duration::ZERO), Placement::Pending),
            (
                task().process_at(future),
                Placement::Scheduled(DueTime::At(future)),
            ),
            (
                task().process_in(HOUR),
                Placement::Scheduled(DueTime::After(HOUR)),
            ),
            (task().group("g"), Placement::Group),
            (task().group("g").process_at(now()), Placement::Group),
            (
                task().group("g").process_at(future),
                Placement::Scheduled(DueTime::At(future)),
            ),
        ] {
            let name = format!("{task:?}");
            assert_eq!(composed(task).placement, placement, "{name}");
        }
        let message = composed(task().group("g").process_in(HOUR)).message;
        assert_eq!(message.group_key, "g");
    }

    // asynq: base.UniqueKey
    #[test]
    fn a_unique_lock_has_its_ttl_in_whole_seconds_and_a_key_of_queue_type_and_payload() {
        let unique = composed(task().queue("mail").unique(Duration::from_millis(1999)));
        assert_eq!(unique.unique_ttl_secs, Some(1));
        assert_eq!(
            unique.message.unique_key,
            "asynq:{mail}:unique:email:welcome:9dd4e461268c8034f5c8564e155c67a6"
        );
        let longest = composed(task().unique(MAX_UNIQUE_TTL));
        assert_eq!(longest.unique_ttl_secs, Some(3_153_600_000));
        let without_payload = composed(Task::without_payload("email:welcome").unique(HOUR));
        assert_eq!(
            without_payload.message.unique_key,
            "asynq:{default}:unique:email:welcome:"
        );
        assert_eq!(composed(task()).message.unique_key, "");
    }

    // asynq: client.EnqueueContext
    #[test]
    fn the_default_timeout_applies_without_a_timeout_and_a_deadline() {
        let at = now() + TimeDelta::hours(1);
        let secs = at.timestamp();
        let epoch = DateTime::UNIX_EPOCH;
        for (task, timeout, deadline) in [
            (task(), 1800, 0),
            (task().timeout(Duration::ZERO), 1800, 0),
            (task().timeout(HOUR), 3600, 0),
            (task().deadline(at), 0, secs),
            (task().deadline(at).timeout(HOUR), 3600, secs),
            (
                task().deadline(at).timeout(Duration::from_nanos(1)),
                1,
                secs,
            ),
            // COMPAT: asynq v0.26.0 treats a deadline at the epoch as no deadline
            (task().deadline(epoch), 1800, 0),
            (
                task().deadline(epoch + TimeDelta::milliseconds(999)),
                1800,
                0,
            ),
        ] {
            let name = format!("{task:?}");
            let message = composed(task).message;
            assert_eq!(
                (message.timeout, message.deadline),
                (timeout, deadline),
                "{name}"
            );
        }
    }

    #[test]
    fn a_timeout_or_retention_below_a_second_is_one_second_and_not_none() {
        for short in [Duration::from_nanos(1), Duration::from_millis(999)] {
            let message = composed(task().timeout(short).retention(short)).message;
            assert_eq!((message.timeout, message.retention), (1, 1), "{short:?}");
        }
    }

    #[test]
    fn times_are_stored_in_whole_seconds() {
        let task = task()
            .timeout(Duration::from_millis(1999))
            .retention(Duration::from_millis(2999))
            .deadline(now());
        let message = composed(task).message;
        assert_eq!((message.timeout, message.retention), (1, 2));
        assert_eq!(message.deadline, 1_700_000_000);
    }
}
