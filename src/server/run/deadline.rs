//! The deadline of a run. No I/O: times are passed in.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::task::DEFAULT_TIMEOUT;
use crate::wire::TaskMessage;

/// The time by which a run that starts at `start` must have ended: the earlier of the task's
/// deadline and `start` + the task's timeout.
pub(super) fn of_run(message: &TaskMessage, start: DateTime<Utc>) -> DateTime<Utc> {
    let timeout = u64::try_from(message.timeout).ok().filter(|secs| *secs > 0);
    let by_timeout = timeout.map(|secs| after(start, secs));
    let by_deadline = (message.deadline != 0).then(|| from_unix_secs(message.deadline));
    match (by_timeout, by_deadline) {
        (Some(one), Some(other)) => one.min(other),
        (Some(one), None) | (None, Some(one)) => one,
        // COMPAT: asynq v0.26.0 `computeDeadline` uses its default timeout as well
        (None, None) => after(start, DEFAULT_TIMEOUT.as_secs()),
    }
}

/// How long it is until a deadline; zero if it has passed.
pub(super) fn time_left(deadline: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (deadline - now).to_std().unwrap_or(Duration::ZERO)
}

fn after(start: DateTime<Utc>, secs: u64) -> DateTime<Utc> {
    i64::try_from(secs)
        .ok()
        .and_then(TimeDelta::try_seconds)
        .and_then(|delta| start.checked_add_signed(delta))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn from_unix_secs(secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(secs, 0).unwrap_or(match secs {
        ..0 => DateTime::<Utc>::MIN_UTC,
        0.. => DateTime::<Utc>::MAX_UTC,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix_secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(unix_secs, 0).expect("a time")
    }

    fn deadline_of(timeout: i64, deadline: i64) -> DateTime<Utc> {
        let message = TaskMessage {
            timeout,
            deadline,
            ..TaskMessage::default()
        };
        of_run(&message, at(1_000))
    }

    #[test]
    fn the_earlier_of_timeout_and_deadline_counts() {
        assert_eq!(deadline_of(30, 0), at(1_030));
        assert_eq!(deadline_of(0, 1_010), at(1_010));
        assert_eq!(deadline_of(30, 1_010), at(1_010));
        assert_eq!(deadline_of(5, 1_010), at(1_005));
        assert_eq!(deadline_of(30, 500), at(500));
    }

    #[test]
    fn without_timeout_and_deadline_the_default_timeout_counts() {
        assert_eq!(deadline_of(0, 0), at(1_000 + 30 * 60));
        assert_eq!(deadline_of(-1, 0), at(1_000 + 30 * 60));
    }

    #[test]
    fn times_out_of_range_are_the_first_and_the_last_time() {
        assert_eq!(deadline_of(i64::MAX, 0), DateTime::<Utc>::MAX_UTC);
        assert_eq!(deadline_of(0, i64::MAX), DateTime::<Utc>::MAX_UTC);
        assert_eq!(deadline_of(0, i64::MIN), DateTime::<Utc>::MIN_UTC);
    }

    #[test]
    fn no_time_is_left_after_the_deadline() {
        assert_eq!(time_left(at(7), at(5)), Duration::from_secs(2));
        assert_eq!(time_left(at(5), at(5)), Duration::ZERO);
        assert_eq!(time_left(at(5), at(7)), Duration::ZERO);
    }
}
