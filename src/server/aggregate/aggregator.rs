//! Has sets formed of the tasks of due groups, and aggregated. asynq: `aggregator`.
//!
//! While Redis notifies this server, groups are read when they have changed, and nothing is sent while none is due.
//! Otherwise all groups are read at an interval, as asynq does.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::due::MOST_READ;
use super::job::{Job, JobReport};
use super::job_slot::JobSlot;
use super::limits::GroupSettings;
use super::set_runner::SetRunner;
use super::watched_queue::WatchedQueue;
use crate::background::{Service, ToldFailures, Turns};
use crate::broker::{Broker, FormLimits, GroupAge, Str};
use crate::clock;
use crate::error::{Result, warn_if};
use crate::server::queues::{Queues, ServedQueue};
use crate::server::wake::{GroupEvent, Wakeups};

/// The interval at which groups are read while Redis does not notify this server, unless a grace period is shorter.
/// asynq: `defaultAggregationCheckInterval`.
const POLL_INTERVAL: Duration = Duration::from_secs(7);
/// How many queues are polled at once.
const POLLS_AT_ONCE: usize = 16;
/// The longest sleep. A sleep does not notice that Redis' clock was set, or this machine suspended.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// Aggregates the groups of a server.
pub(in crate::server) struct Aggregator {
    queues: Queues,
    wakeups: Arc<Wakeups>,
    events: mpsc::UnboundedReceiver<GroupEvent>,
    runner: Arc<SetRunner>,
    /// How many sets are aggregated at once.
    slots: Arc<Semaphore>,
    watched: Vec<WatchedQueue>,
}

/// All groups of a queue, and what they have.
type Polled = (usize, Result<Vec<(Str, GroupAge)>>);

impl Service for Aggregator {
    const NAME: &'static str = "aggregator";

    async fn run(mut self, stop: CancellationToken) {
        let mut jobs = JoinSet::new();
        let works = self.aggregate_forever(&mut jobs, &stop);
        stop.run_until_cancelled(works).await;
        // Each job ends by itself, at the latest after the shutdown has stopped waiting for the aggregator.
        while jobs.join_next().await.is_some() {}
    }
}

impl Aggregator {
    pub(in crate::server) fn new(
        settings: &GroupSettings,
        queues: Queues,
        wakeups: Arc<Wakeups>,
        events: mpsc::UnboundedReceiver<GroupEvent>,
        runner: SetRunner,
    ) -> Self {
        let now = clock::monotonic();
        let limits: Vec<_> = queues
            .all()
            .map(|queue| settings.of_queue(queue.name()))
            .collect();
        let shortest = limits
            .iter()
            .map(|limits| limits.shortest_grace_period())
            .min();
        let poll_interval = shortest.map_or(POLL_INTERVAL, |shortest| shortest.min(POLL_INTERVAL));
        let watched = limits
            .into_iter()
            .map(|limits| WatchedQueue::new(limits, poll_interval, settings.concurrency, now));
        Self {
            watched: watched.collect(),
            slots: Arc::new(Semaphore::new(settings.concurrency)),
            queues,
            wakeups,
            events,
            runner: Arc::new(runner),
        }
    }

    async fn aggregate_forever(&mut self, jobs: &mut JoinSet<usize>, stop: &CancellationToken) {
        let broker = self.runner.broker.clone();
        let slots = Arc::clone(&self.slots);
        let turns = Turns::new(POLLS_AT_ONCE);
        let mut polls = FuturesUnordered::new();
        let (report_sender, mut reports) = mpsc::unbounded_channel();
        let mut told_polls = ToldFailures::default();
        // The queue whose groups come first, so that no queue makes the others wait.
        let mut first = 0;
        loop {
            let now = clock::monotonic();
            let now_ms = broker.clock().now_unix_millis();
            while let Some(slot) = JobSlot::free(&slots) {
                let Some((index, group, limits)) = self.take_due(&mut first, now_ms) else {
                    break;
                };
                let job = Job {
                    runner: Arc::clone(&self.runner),
                    queue: self.queues.get(index).clone(),
                    group,
                    limits,
                    slot,
                    reports: report_sender.clone(),
                    stop: stop.clone(),
                };
                jobs.spawn(job.run());
            }
            // After that, because a group that seems to be due may have to be read first.
            for (index, watched) in self.watched.iter_mut().enumerate() {
                if watched.begins_poll(now) {
                    polls.push(poll(&broker, self.queues.get(index).clone(), &turns));
                }
                if let Some((groups, in_vain)) = watched.take_reads(now) {
                    self.wakeups.unread_groups(index, groups, in_vain);
                }
            }
            let due_ms = self.watched.iter().filter_map(WatchedQueue::next_due).min();
            let needs_slot = slots.available_permits() == 0;
            let waits_for_slot = needs_slot && due_ms.is_some_and(|due_ms| due_ms <= now_ms);
            let due_ms = due_ms.filter(|_| !waits_for_slot);
            let wake_at = self.wake_at(now, due_ms.map(|due_ms| due_ms.saturating_sub(now_ms)));
            tokio::select! {
                Some(event) = self.events.recv() => {
                    let now_ms = broker.clock().now_unix_millis();
                    self.on_event(event, now_ms);
                    // Many notifications come at once.
                    while let Ok(event) = self.events.try_recv() {
                        self.on_event(event, now_ms);
                    }
                }
                Some(report) = reports.recv() => {
                    let now_ms = broker.clock().now_unix_millis();
                    self.on_report(report, now_ms);
                    while let Ok(report) = reports.try_recv() {
                        self.on_report(report, now_ms);
                    }
                }
                Some((index, polled)) = polls.next(), if !polls.is_empty() => {
                    self.on_poll(index, polled, &mut told_polls, &broker);
                }
                Some(ended) = jobs.join_next(), if !jobs.is_empty() => {
                    // An error would mean that the job was aborted.
                    if let Ok(index) = ended {
                        self.watched[index].job_ended();
                    }
                }
                _ = slots.acquire(), if waits_for_slot => {}
                () = tokio::time::sleep_until(wake_at) => {}
            }
        }
    }

    /// When there is something to do without an event. The next group is due in so many milliseconds.
    fn wake_at(&self, now: Instant, due_in_ms: Option<i64>) -> Instant {
        let all = self.watched.iter();
        let times = all.flat_map(|watched| [watched.next_poll(), watched.next_read()]);
        let first = times.flatten().min();
        let left = due_in_ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        // A time in the far future may be beyond what an `Instant` can hold.
        let due = now + left.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP);
        first.map_or(due, |at| at.min(due))
    }

    /// The next group that is due. The queues take turns.
    fn take_due(&mut self, first: &mut usize, now_ms: i64) -> Option<(usize, Str, FormLimits)> {
        let queues = self.watched.len();
        for offset in 0..queues {
            let index = (*first + offset) % queues;
            if let Some((name, limits)) = self.watched[index].take_due(now_ms) {
                *first = index + 1;
                return Some((index, name, limits));
            }
        }
        None
    }

    fn on_event(&mut self, event: GroupEvent, now_ms: i64) {
        match event {
            GroupEvent::Untracked => {
                self.watched.iter_mut().for_each(WatchedQueue::untracked);
            }
            GroupEvent::Signal(index, signal) => self.watched[index].on_signal(signal, now_ms),
        }
    }

    fn on_report(&mut self, (index, group, formed): JobReport, now_ms: i64) {
        let error = self.watched[index].formed(group.clone(), formed, now_ms);
        if let Some(error) = error {
            let (queue, group) = (self.queues.get(index).name(), &*group);
            tracing::warn!(queue, group, %error, "could not form a set of the tasks of a group, will be tried again");
        }
    }

    fn on_poll(
        &mut self,
        index: usize,
        polled: Result<Vec<(Str, GroupAge)>>,
        told: &mut ToldFailures<usize>,
        broker: &Broker,
    ) {
        let (now, now_ms) = (clock::monotonic(), broker.clock().now_unix_millis());
        match self.watched[index].on_poll(polled, now, now_ms) {
            Ok(goes_on) => {
                told.succeeded(&index);
                if goes_on {
                    self.wakeups.polled_groups(index);
                }
            }
            Err(error) => {
                let is_news = told.failed(index, &error);
                let queue = self.queues.get(index).name();
                warn_if!(is_news, queue, %error, "could not read the groups of a queue, will be tried again");
            }
        }
    }
}

/// Reads all groups of a queue.
async fn poll(broker: &Broker, queue: ServedQueue, turns: &Turns) -> Polled {
    let read = async {
        let names = turns.take(broker.group_names(&queue.keys)).await?;
        let mut all = Vec::with_capacity(names.len());
        for names in names.chunks(MOST_READ) {
            let ages = turns.take(broker.group_ages(&queue.keys, names)).await?;
            all.extend(names.iter().cloned().zip(ages));
        }
        Ok(all)
    };
    (queue.index, read.await)
}
