//! [`Entry`]: what a scheduler enqueues, and when.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;

use super::entry_key::{Digest, EntryKey};
use super::printed_options::printed_options;
use crate::clock::{self, Uuids};
use crate::cron::Schedule;
use crate::error::{Error, ErrorKind, Result};
use crate::task::{IntoTask, Task, TaskOption, option_methods};

/// A task that a [`Scheduler`](crate::Scheduler) enqueues again and again: a schedule, a task, and the options of
/// the enqueue call. Each moment of the schedule is a *tick*.
///
/// An entry that is not valid is refused where it is registered. asynq: the arguments of `Register`,
/// `PeriodicTaskConfig`.
///
/// ```
/// use std::time::Duration;
/// use rasynq::{Entry, Missed, Task};
///
/// let report = Entry::new("0 6 * * 1-5", Task::without_payload("report:daily"))
///     .name("daily report")
///     .missed(Missed::Once)
///     .queue("low")
///     .unique(Duration::from_secs(3600));
/// # let _ = report;
/// ```
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing until it is registered"]
pub struct Entry {
    /// The text of the schedule, as it was given.
    pub(super) spec: String,
    /// The parsed spec, or why it does not parse.
    pub(super) schedule: Result<Schedule, Arc<Error>>,
    /// The task, or why it could not be made.
    pub(super) task: Result<Task, Arc<Error>>,
    pub(super) options: Vec<TaskOption>,
    pub(super) name: Option<String>,
    pub(super) jitter: Duration,
    pub(super) missed: Missed,
    /// Where the entry is written, for errors.
    place: Option<String>,
}

/// What a scheduler does with the ticks of an [`Entry`] that came while no scheduler ran.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Missed {
    /// Nothing, as asynq. This is the default.
    #[default]
    Skip,
    /// The first scheduler that runs again enqueues the task once, however many ticks were missed.
    ///
    /// A note in Redis says when an entry had its last tick. It is kept for the time to the second tick from then, and
    /// 30 days: for `@yearly`, two years and 30 days. An entry that was never registered before has missed nothing.
    Once,
}

impl Entry {
    /// An entry with a cron spec of the standard dialect: see [`Schedule::standard`].
    pub fn new<M>(spec: impl Into<String>, task: impl IntoTask<M>) -> Self {
        let spec = spec.into();
        let schedule = Schedule::standard(&spec);
        Self::with(spec, schedule, task)
    }

    /// An entry with a cron spec of the cronexpr dialect, with years, seconds, `L`, `W` and `#`: see
    /// [`Schedule::cronexpr`].
    pub fn cronexpr<M>(spec: impl Into<String>, task: impl IntoTask<M>) -> Self {
        let spec = spec.into();
        let schedule = Schedule::cronexpr(&spec);
        Self::with(spec, schedule, task)
    }

    /// An entry with a schedule that is already read.
    pub fn on<M>(schedule: Schedule, task: impl IntoTask<M>) -> Self {
        Self::with(schedule.spec().to_owned(), Ok(schedule), task)
    }

    fn with<M>(spec: String, schedule: Result<Schedule>, task: impl IntoTask<M>) -> Self {
        Self {
            spec,
            schedule: schedule.map_err(Arc::new),
            task: task.into_task().map_err(Arc::new),
            options: Vec::new(),
            name: None,
            jitter: Duration::ZERO,
            missed: Missed::default(),
            place: None,
        }
    }

    /// Names the entry. Schedulers tell by the name that their entries are the same one, even if the spec, the task
    /// or the options have changed, as long as its queue is the same. Default: entries are the same if their specs,
    /// locations, tasks and options are.
    ///
    /// At most 256 bytes, without control characters. Of entries of one scheduler with the same name (or, without
    /// names, with the same contents) the first is the same as the first in other schedulers, and so on. Give them
    /// names of their own if one of them may be [unregistered](crate::RunningScheduler::unregister): schedulers that
    /// start later count without it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Delays each tick by a time below this, so that many entries with the same schedule do not all come at once.
    /// The delay differs from tick to tick and is at most half the time until the next tick. It is the same
    /// in all schedulers. Default: zero. At most a day.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// What happens to ticks that came while no scheduler ran. Default: [`Missed::Skip`].
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    option_methods!(options);

    /// Says in errors about the entry where it is written: a file, a line and a column.
    #[cfg(any(feature = "yaml", test))]
    pub(super) fn written_at(mut self, place: String) -> Self {
        self.place = Some(place);
        self
    }

    /// An error if the spec does not parse.
    pub(super) fn readable(&self) -> Result<()> {
        match &self.schedule {
            Ok(_) => Ok(()),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Checks all of the entry but its spec, as an enqueue call does.
    pub(super) fn check(&self) -> Result<()> {
        self.checked_queue().map(drop)
    }

    /// Checks the same, and returns the queue of the tasks.
    fn checked_queue(&self) -> Result<String> {
        let task = self.task.as_ref().map_err(|error| self.refused(error))?;
        if let Some(fault) = self.name.as_deref().and_then(fault_of_name) {
            return Err(self.refused(&fault));
        }
        if self.jitter > MAX_JITTER {
            let text = format!(
                "its jitter is {:?}, it must be at most {MAX_JITTER:?}",
                self.jitter
            );
            return Err(self.refused(&text));
        }
        let options = self.options.clone();
        let composed = task.clone().compose(options, clock::now(), &Uuids::new());
        composed
            .map(|composed| composed.message.queue)
            .map_err(|error| self.refused(&error))
    }

    /// Checks the entry, and computes its key. `zone` is the location of the scheduler.
    pub(super) fn checked(self, zone: Tz) -> Result<CheckedEntry> {
        let schedule = match &self.schedule {
            Ok(schedule) => schedule.clone(),
            Err(error) => return Err(self.refused(error)),
        };
        let queue = self.checked_queue()?;
        let key = match &self.name {
            Some(name) => EntryKey::new(name),
            None => EntryKey::new(&self.contents(zone)),
        };
        let Ok(task) = self.task else {
            return Err(Error::new(ErrorKind::Internal, "a task that was checked"));
        };
        Ok(CheckedEntry {
            key,
            queue,
            printed_options: printed_options(&self.options),
            name: self.name,
            schedule,
            zone,
            task,
            options: self.options,
            jitter: self.jitter,
            missed: self.missed,
        })
    }

    /// A digest of the schedule, the task and the options. Without a name, it is the key of the entry.
    pub(super) fn contents(&self, zone: Tz) -> String {
        let mut digest = Digest::default();
        digest.add(self.schedule.as_ref().map_or("", Schedule::dialect));
        digest.add(&self.spec);
        digest.add(zone.name());
        let Ok(task) = &self.task else {
            return digest.hex();
        };
        digest.add(task.task_type());
        digest.add(task.payload());
        digest.count(task.headers().len());
        for (name, value) in task.headers() {
            digest.add(name);
            digest.add(value);
        }
        for options in [task.options(), &self.options] {
            digest.count(options.len());
            for option in printed_options(options) {
                digest.add(option);
            }
        }
        digest.hex()
    }

    /// An error about this entry.
    fn refused(&self, what: &dyn Display) -> Error {
        let place = self.place.as_ref().map(|place| format!("{place}: "));
        let place = place.unwrap_or_default();
        let entry = match (&self.name, &self.task) {
            (Some(name), _) => format!("{name:?}"),
            (None, Ok(task)) => format!("{:?} for {:?}", self.spec, task.task_type()),
            (None, Err(_)) => format!("{:?}", self.spec),
        };
        Error::invalid(format!("{place}scheduler entry {entry}: {what}"))
    }
}

/// The longest [`jitter`](Entry::jitter).
const MAX_JITTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest [`name`](Entry::name), in bytes: it is a part of a key in Redis.
const MAX_NAME: usize = 256;

/// What is wrong with a name.
fn fault_of_name(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("its name is blank".to_owned());
    }
    if name.len() > MAX_NAME {
        let len = name.len();
        return Some(format!(
            "its name has {len} bytes, it must have at most {MAX_NAME}"
        ));
    }
    let control = name.chars().find(|char| char.is_control())?;
    Some(format!(
        "its name has the control character {control:?}, which no name may have"
    ))
}

/// An entry that is valid.
#[derive(Clone, Debug)]
pub(super) struct CheckedEntry {
    pub(super) key: EntryKey,
    pub(super) name: Option<String>,
    pub(super) schedule: Schedule,
    pub(super) zone: Tz,
    pub(super) task: Task,
    pub(super) options: Vec<TaskOption>,
    /// Those of the entry, not those of its task: as a Go scheduler.
    pub(super) printed_options: Vec<String>,
    /// The queue of its tasks.
    pub(super) queue: String,
    pub(super) jitter: Duration,
    pub(super) missed: Missed,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(entry: Entry) -> String {
        let error = entry.checked(Tz::UTC).expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error.to_string()
    }

    #[test]
    fn an_error_names_the_entry_and_what_is_wrong() {
        let task = || Task::without_payload("report");
        for (entry, text) in [
            (
                Entry::new("61 * * * *", task()),
                r#"scheduler entry "61 * * * *" for "report": cron spec "61 * * * *": minute 61 is above 59"#,
            ),
            (
                Entry::new("@daily", Task::without_payload(" ")),
                r#"scheduler entry "@daily" for " ": task type is blank"#,
            ),
            (
                Entry::new("@daily", task()).name("daily report").queue(""),
                r#"scheduler entry "daily report": queue name must contain one or more characters"#,
            ),
            (
                Entry::new("@daily", task()).name(" "),
                r#"scheduler entry " ": its name is blank"#,
            ),
            (
                Entry::new("@daily", task()).name("a\u{1}2"),
                r#"scheduler entry "a\u{1}2": its name has the control character '\u{1}', which no name may have"#,
            ),
            (
                Entry::new("@daily", task()).name("é".repeat(129)),
                &format!(
                    "scheduler entry {:?}: its name has 258 bytes, it must have at most 256",
                    "é".repeat(129)
                ),
            ),
            (
                Entry::new("@daily", task()).jitter(Duration::from_secs(86_401)),
                r#"scheduler entry "@daily" for "report": its jitter is 86401s, it must be at most 86400s"#,
            ),
            (
                Entry::new("@daily", task())
                    .unique(Duration::from_millis(999))
                    .written_at("tasks.yaml:3:5".to_owned()),
                r#"tasks.yaml:3:5: scheduler entry "@daily" for "report": unique TTL is 999ms, it must be at least 1s"#,
            ),
        ] {
            assert_eq!(refusal(entry), text);
        }
    }

    #[test]
    fn the_last_option_that_sets_the_queue_counts_and_those_of_the_entry_are_printed() {
        let task = Task::without_payload("report").queue("a").max_retry(3);
        let entry = |entry: Entry| entry.checked(Tz::UTC).expect("it is valid");
        let plain = entry(Entry::new("@daily", task.clone()));
        assert_eq!(
            (plain.queue.as_str(), plain.printed_options.len()),
            ("a", 0)
        );
        let with_options = entry(Entry::new("@daily", task).queue("b").queue("c").group("g"));
        assert_eq!(with_options.queue, "c");
        assert_eq!(
            with_options.printed_options,
            [r#"Queue("b")"#, r#"Queue("c")"#, r#"Group("g")"#]
        );
        assert_eq!(
            entry(Entry::new("@daily", Task::without_payload("t"))).queue,
            "default"
        );
    }
}
