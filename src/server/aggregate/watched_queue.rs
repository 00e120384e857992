//! One queue of the aggregator: its groups, when they are polled, and whether sets may be formed. No I/O: replies of
//! Redis and times are passed in.

use std::time::Duration;

use tokio::time::Instant;

use super::due::{FormResult, QueueGroups};
use super::limits::LimitsOfQueue;
use crate::background::{Backoff, ToldFailures};
use crate::broker::{FormLimits, GroupAge, GroupSignal, Str};
use crate::clock;
use crate::error::{Error, Result};

/// The groups of one queue, and the calls for them.
pub(super) struct WatchedQueue {
    groups: QueueGroups,
    /// How many groups have not changed although Redis had notified of a change, since this was last reported.
    in_vain: usize,
    is_polling: bool,
    /// When the groups are polled. `None`: Redis notifies of their changes.
    poll_at: Option<Instant>,
    poll_interval: Duration,
    poll_backoff: Backoff,
    /// The most jobs at once.
    most_jobs: usize,
    /// How many sets are being formed or aggregated.
    jobs: usize,
    /// How many sets are being formed.
    forming: usize,
    /// Redis has not answered the last call that forms a set. So one at a time is made, and other queues have the
    /// others.
    has_no_answer: bool,
    form_backoff: Backoff,
    told: ToldFailures<Str>,
}

impl WatchedQueue {
    pub(super) fn new(
        limits: LimitsOfQueue,
        poll_interval: Duration,
        most_jobs: usize,
        now: Instant,
    ) -> Self {
        Self {
            groups: QueueGroups::new(limits, now),
            in_vain: 0,
            is_polling: false,
            // Before that, the watcher tells whether Redis notifies this server.
            poll_at: Some(now + poll_interval),
            poll_interval,
            poll_backoff: Backoff::new(),
            most_jobs,
            jobs: 0,
            forming: 0,
            has_no_answer: false,
            form_backoff: Backoff::new(),
            told: ToldFailures::default(),
        }
    }

    pub(super) fn on_signal(&mut self, signal: GroupSignal, now_ms: i64) {
        match signal {
            GroupSignal::Names { names, anew } => {
                if anew {
                    self.poll_at = None;
                }
                self.groups.on_names(names, anew);
            }
            GroupSignal::Changed(name) => self.groups.on_change(&name),
            GroupSignal::Ages(ages) => self.in_vain += self.groups.on_ages(ages, now_ms),
            GroupSignal::Untracked => self.untracked(),
        }
    }

    /// Redis does not notify of changes any more.
    pub(super) fn untracked(&mut self) {
        self.groups.untracked();
        self.poll_at = Some(clock::monotonic());
    }

    /// When the groups are polled next.
    pub(super) fn next_poll(&self) -> Option<Instant> {
        self.poll_at.filter(|_| !self.is_polling)
    }

    /// Whether the groups must be polled now. The result is to be passed to [`on_poll`](Self::on_poll).
    pub(super) fn begins_poll(&mut self, now: Instant) -> bool {
        let begins = self.next_poll().is_some_and(|at| at <= now);
        self.is_polling |= begins;
        begins
    }

    /// All groups with tasks, and what these have. Returns whether the next poll is planned: Redis still does not
    /// notify of changes.
    pub(super) fn on_poll(
        &mut self,
        polled: Result<Vec<(Str, GroupAge)>>,
        now: Instant,
        now_ms: i64,
    ) -> Result<bool> {
        self.is_polling = false;
        if self.poll_at.is_none() {
            // Meanwhile Redis has begun to notify of changes, and has named the groups: what the poll has found may be
            // older.
            return Ok(false);
        }
        match polled {
            Ok(ages) => {
                self.poll_backoff.reset();
                self.groups.on_poll(ages, now_ms);
                self.poll_at = Some(now + self.poll_interval);
                Ok(true)
            }
            Err(error) => {
                self.poll_at = Some(now + self.poll_backoff.pause());
                Err(error)
            }
        }
    }

    /// When groups are read next.
    pub(super) fn next_read(&self) -> Option<Instant> {
        self.groups.next_read()
    }

    /// The groups to read now, and how many of those that were read before had not changed although Redis had notified
    /// of a change.
    pub(super) fn take_reads(&mut self, now: Instant) -> Option<(Vec<Str>, usize)> {
        let reads = self.groups.take_reads(now)?;
        Some((reads, std::mem::take(&mut self.in_vain)))
    }

    /// When a set may be formed next (unix ms).
    pub(super) fn next_due(&self) -> Option<i64> {
        let may_form = self.jobs < self.most_jobs && (!self.has_no_answer || self.forming == 0);
        may_form.then(|| self.groups.next_due()).flatten()
    }

    /// The next group that is due. A job is to form a set of its tasks now, and the result to be passed to
    /// [`formed`](Self::formed).
    pub(super) fn take_due(&mut self, now_ms: i64) -> Option<(Str, FormLimits)> {
        self.next_due()?;
        let due = self.groups.take_due(now_ms)?;
        self.forming += 1;
        self.jobs += 1;
        Some(due)
    }

    /// The forming of a set has ended. Returns an error that the log should have.
    pub(super) fn formed(
        &mut self,
        name: Str,
        result: Result<FormResult>,
        now_ms: i64,
    ) -> Option<Error> {
        self.forming -= 1;
        self.has_no_answer = result.as_ref().is_err_and(Error::is_transient);
        let (result, error) = match result {
            Ok(result) => {
                self.told.succeeded(&name);
                self.form_backoff.reset();
                (result, None)
            }
            Err(error) => {
                self.told.retain(|name| self.groups.knows(name));
                let is_news = self.told.failed(name.clone(), &error);
                let result = match self.has_no_answer {
                    true => FormResult::NoAnswer,
                    false => FormResult::Refused,
                };
                (result, is_news.then_some(error))
            }
        };
        // Calls that were made at once count as one.
        if self.has_no_answer && self.forming == 0 {
            self.groups.pause(self.form_backoff.pause(), now_ms);
        }
        self.groups.formed(name, result, now_ms);
        error
    }

    /// A job has ended.
    pub(super) fn job_ended(&mut self) {
        self.jobs -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::limits::{GroupLimits, GroupSettings};
    use super::*;
    use crate::error::ErrorKind;

    const INTERVAL: Duration = Duration::from_secs(7);
    const MOST_JOBS: usize = 4;

    fn queue() -> WatchedQueue {
        let mut settings = GroupSettings::default();
        settings.limits = GroupLimits::new().max_size(1);
        let queues = BTreeMap::from([("q".to_owned(), 1)]);
        let settings = settings.checked(&queues).expect("valid limits");
        let now = clock::monotonic();
        WatchedQueue::new(settings.of_queue("q"), INTERVAL, MOST_JOBS, now)
    }

    fn names(names: &[&'static str], anew: bool) -> GroupSignal {
        let names = names.iter().copied().map(Str::from_static).collect();
        GroupSignal::Names { names, anew }
    }

    fn full(names: impl IntoIterator<Item = Str>) -> Vec<(Str, GroupAge)> {
        let age = GroupAge {
            size: 1,
            oldest: 100,
            newest: 100,
        };
        names.into_iter().map(|name| (name, age)).collect()
    }

    /// So many groups that are due.
    fn due(groups: usize) -> WatchedQueue {
        let mut queue = queue();
        let names = (0..groups).map(|n| Str::from(n.to_string()));
        let polled = queue.on_poll(Ok(full(names)), clock::monotonic(), 0);
        assert!(polled.is_ok_and(|goes_on| goes_on));
        queue
    }

    fn no_answer() -> Result<FormResult> {
        Err(Error::new(ErrorKind::Unavailable, "no answer"))
    }

    fn refusal() -> Result<FormResult> {
        Err(Error::new(ErrorKind::Redis, "WRONGTYPE"))
    }

    #[test]
    fn a_poll_that_ends_after_redis_has_begun_to_notify_counts_for_nothing() {
        let mut queue = queue();
        let later = clock::monotonic() + INTERVAL;
        assert!(queue.begins_poll(later));
        queue.on_signal(names(&["g"], true), 0);
        let polled = queue.on_poll(Ok(Vec::new()), later, 0);
        assert!(polled.is_ok_and(|goes_on| !goes_on));
        let read = queue.take_reads(later).map(|(groups, _)| groups);
        assert_eq!(read, Some(vec![Str::from_static("g")]));
        assert_eq!(queue.next_poll(), None);
        queue.untracked();
        assert!(queue.begins_poll(clock::monotonic()));
    }

    #[test]
    fn sets_that_get_no_answer_at_once_double_the_pause_once() {
        let mut queue = due(MOST_JOBS);
        let taken: Vec<Str> = (0..MOST_JOBS)
            .filter_map(|_| queue.take_due(0).map(|(name, _)| name))
            .collect();
        assert_eq!(taken.len(), MOST_JOBS);
        for name in taken {
            assert_eq!(queue.next_due(), None, "calls are in flight");
            queue.formed(name, no_answer(), 0);
            queue.job_ended();
        }
        let pause = queue.next_due().expect("it is tried again");
        assert!((75..=125).contains(&pause), "{pause}");
        let (name, _) = queue.take_due(pause).expect("it is due");
        assert_eq!(queue.next_due(), None, "one at a time");
        queue.formed(name, no_answer(), 0);
        let pause = queue.next_due().expect("it is tried again");
        assert!((150..=250).contains(&pause), "{pause}");
    }

    #[test]
    fn no_more_jobs_are_begun_at_once_than_allowed() {
        let mut queue = due(MOST_JOBS + 1);
        for _ in 0..MOST_JOBS {
            let (name, _) = queue.take_due(0).expect("it is due");
            queue.formed(name, Ok(FormResult::Formed(1)), 0);
        }
        assert!(queue.take_due(0).is_none());
        queue.job_ended();
        assert!(queue.take_due(0).is_some());
    }

    #[test]
    fn a_refusal_is_news_once_for_the_groups_that_are_there() {
        let mut queue = due(3);
        let mut refuse_all = |names: &[&'static str]| {
            let names = names.iter().copied().map(Str::from_static);
            let polled = queue.on_poll(Ok(full(names)), clock::monotonic(), 0);
            assert!(polled.is_ok());
            let mut errors = 0;
            while let Some((name, _)) = queue.take_due(0) {
                errors += usize::from(queue.formed(name, refusal(), 0).is_some());
                queue.job_ended();
            }
            errors
        };
        assert_eq!(refuse_all(&["0", "1", "2"]), 1, "all fail for one reason");
        assert_eq!(refuse_all(&["2", "3"]), 0);
        assert_eq!(refuse_all(&["4"]), 1, "no other one fails any more");
    }
}
