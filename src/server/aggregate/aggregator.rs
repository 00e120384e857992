//! Takes the tasks of due groups into aggregation sets, and has them aggregated. asynq: `aggregator`.
//!
//! While Redis notifies this server, groups are read when they have changed, and nothing is sent while none is due.
//! Otherwise all groups are read at an interval, as asynq does.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::aggregation::Aggregation;
use super::due::{FormResult, MOST_READ, QueueGroups};
use super::limits::GroupSettings;
use crate::background::{Backoff, Service, ToldFailures, Turns};
use crate::broker::{Broker, FormLimits, Formed, GroupAge, GroupSignal, Str};
use crate::clock;
use crate::error::{Error, ErrorKind, Result, warn_if};
use crate::guard::caught_future;
use crate::server::queues::{Queues, ServedQueue};
use crate::server::wake::{GroupEvent, Wakeups};

/// The interval at which groups are read while Redis does not notify this server, unless a grace period is shorter.
/// asynq: `defaultAggregationCheckInterval`.
const POLL_INTERVAL: Duration = Duration::from_secs(7);
/// How many queues are polled at once.
const POLLS_AT_ONCE: usize = 16;
/// The longest sleep. A sleep does not notice that Redis' clock was set, or this machine suspended.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// The pause before a group is tried again whose tasks Redis refuses to give.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// Aggregates the groups of a server.
pub(in crate::server) struct Aggregator {
    queues: Queues,
    wakeups: Arc<Wakeups>,
    events: mpsc::UnboundedReceiver<GroupEvent>,
    aggregation: Arc<Aggregation>,
    /// How many sets are aggregated at once.
    concurrency: usize,
    poll_interval: Duration,
    watched: Vec<WatchedQueue>,
}

/// The groups of one queue.
struct WatchedQueue {
    groups: QueueGroups,
    /// How many groups have not changed although Redis had notified of a change, since this was last reported.
    in_vain: usize,
    is_polling: bool,
    /// When the groups are polled. `None`: Redis notifies of their changes.
    poll_at: Option<Instant>,
    poll_backoff: Backoff,
    /// How many calls that take the tasks from a group are in flight.
    forming: usize,
    /// Redis did not answer the last of these calls. So one at a time is made, and other queues have the others.
    is_silent: bool,
    form_backoff: Backoff,
}

/// What came of taking the tasks from a group.
type FormedGroup = (usize, Str, Result<FormResult>);
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
        aggregation: Aggregation,
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
        let watched = limits.into_iter().map(|limits| WatchedQueue {
            groups: QueueGroups::new(limits, now),
            in_vain: 0,
            is_polling: false,
            // Before that, the watcher tells whether Redis notifies this server.
            poll_at: Some(now + poll_interval),
            poll_backoff: Backoff::new(),
            forming: 0,
            is_silent: false,
            form_backoff: Backoff::new(),
        });
        Self {
            watched: watched.collect(),
            poll_interval,
            concurrency: settings.concurrency,
            queues,
            wakeups,
            events,
            aggregation: Arc::new(aggregation),
        }
    }

    async fn aggregate_forever(&mut self, jobs: &mut JoinSet<()>, stop: &CancellationToken) {
        let broker = self.aggregation.broker.clone();
        let turns = Turns::new(POLLS_AT_ONCE);
        let mut polls = FuturesUnordered::new();
        let (form_sender, mut formed) = mpsc::unbounded_channel();
        let mut told = ToldFailures::default();
        // The queue whose groups come first, so that no queue makes the others wait.
        let mut first = 0;
        loop {
            let now = clock::monotonic();
            let now_ms = broker.clock().now_unix_millis();
            while jobs.len() < self.concurrency {
                let Some((index, name, limits)) = self.take_due(&mut first, now_ms) else {
                    break;
                };
                let form = Form {
                    aggregation: Arc::clone(&self.aggregation),
                    queue: self.queues.get(index).clone(),
                    group: name,
                    limits,
                    results: form_sender.clone(),
                    stop: stop.clone(),
                };
                jobs.spawn(form.run());
            }
            // After that, because a group that seems to be due may have to be read first.
            for (index, watched) in self.watched.iter_mut().enumerate() {
                if watched.next_poll().is_some_and(|at| at <= now) {
                    watched.is_polling = true;
                    polls.push(poll(&broker, self.queues.get(index).clone(), &turns));
                }
                if let Some(groups) = watched.groups.take_reads(now) {
                    let in_vain = std::mem::take(&mut watched.in_vain);
                    self.wakeups.unread_groups(index, groups, in_vain);
                }
            }
            let may_form = jobs.len() < self.concurrency;
            let wake_at = self.wake_at(now, now_ms, may_form);
            tokio::select! {
                Some(event) = self.events.recv() => {
                    self.on_event(event, &broker);
                    // Many notifications come at once.
                    while let Ok(event) = self.events.try_recv() {
                        self.on_event(event, &broker);
                    }
                }
                Some(result) = formed.recv() => {
                    self.on_formed(result, &mut told, &broker);
                    while let Ok(result) = formed.try_recv() {
                        self.on_formed(result, &mut told, &broker);
                    }
                }
                Some((index, ages)) = polls.next(), if !polls.is_empty() => {
                    self.on_poll(index, ages, &mut told, &broker);
                }
                Some(_) = jobs.join_next(), if !jobs.is_empty() => {}
                () = tokio::time::sleep_until(wake_at) => {}
            }
        }
    }

    /// When there is something to do without an event.
    fn wake_at(&self, now: Instant, now_ms: i64, may_form: bool) -> Instant {
        let all = self.watched.iter();
        let times = all.flat_map(|watched| [watched.next_poll(), watched.groups.next_read()]);
        let first = times.flatten().min();
        let formable = self
            .watched
            .iter()
            .filter(|watched| may_form && watched.may_form());
        let due_ms = formable
            .filter_map(|watched| watched.groups.next_due())
            .min();
        let left_ms = due_ms.map(|due_ms| u64::try_from(due_ms.saturating_sub(now_ms)));
        let left = left_ms.map(|left_ms| Duration::from_millis(left_ms.unwrap_or(0)));
        // A time in the far future may be beyond what an `Instant` can hold.
        let due = now + left.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP);
        first.map_or(due, |at| at.min(due))
    }

    /// The next group that is due. The queues take turns.
    fn take_due(&mut self, first: &mut usize, now_ms: i64) -> Option<(usize, Str, FormLimits)> {
        let queues = self.watched.len();
        for offset in 0..queues {
            let index = (*first + offset) % queues;
            let watched = &mut self.watched[index];
            if !watched.may_form() {
                continue;
            }
            if let Some((name, limits)) = watched.groups.take_due(now_ms) {
                watched.forming += 1;
                *first = index + 1;
                return Some((index, name, limits));
            }
        }
        None
    }

    fn on_event(&mut self, event: GroupEvent, broker: &Broker) {
        match event {
            GroupEvent::Tracking(true) => {}
            GroupEvent::Tracking(false) => {
                self.watched.iter_mut().for_each(WatchedQueue::untracked);
            }
            GroupEvent::Signal(index, signal) => {
                let watched = &mut self.watched[index];
                match signal {
                    GroupSignal::Names { names, anew } => {
                        if anew {
                            watched.poll_at = None;
                        }
                        watched.groups.on_names(names, anew);
                    }
                    GroupSignal::Changed(name) => watched.groups.on_change(&name),
                    GroupSignal::Ages(ages) => {
                        let now_ms = broker.clock().now_unix_millis();
                        watched.in_vain += watched.groups.on_ages(ages, now_ms);
                    }
                    GroupSignal::Untracked => watched.untracked(),
                }
            }
        }
    }

    fn on_formed(
        &mut self,
        (index, name, result): FormedGroup,
        told: &mut ToldFailures<(usize, Option<Str>)>,
        broker: &Broker,
    ) {
        let watched = &mut self.watched[index];
        let now_ms = broker.clock().now_unix_millis();
        let key = (index, Some(name.clone()));
        watched.forming -= 1;
        watched.is_silent = result.as_ref().is_err_and(Error::is_transient);
        let result = match result {
            Ok(result) => {
                told.succeeded(&key);
                watched.form_backoff.reset();
                result
            }
            Err(error) => {
                let is_news = told.failed(key, &error);
                let (queue, group) = (self.queues.get(index).name(), &*name);
                warn_if!(is_news, queue, group, %error, "could not take the tasks of a group, will be tried again");
                if watched.is_silent {
                    let pause = watched.form_backoff.pause();
                    watched.groups.pause(pause, now_ms);
                    FormResult::Failed(Duration::ZERO)
                } else {
                    FormResult::Failed(REFUSED_PAUSE)
                }
            }
        };
        watched.groups.formed(name, result, now_ms);
    }

    fn on_poll(
        &mut self,
        index: usize,
        ages: Result<Vec<(Str, GroupAge)>>,
        told: &mut ToldFailures<(usize, Option<Str>)>,
        broker: &Broker,
    ) {
        let watched = &mut self.watched[index];
        let now = clock::monotonic();
        watched.is_polling = false;
        match ages {
            Ok(ages) => {
                told.succeeded(&(index, None));
                watched.poll_backoff.reset();
                watched
                    .groups
                    .on_poll(ages, broker.clock().now_unix_millis());
                if watched.poll_at.is_some() {
                    watched.poll_at = Some(now + self.poll_interval);
                    self.wakeups.polled_groups(index);
                }
            }
            Err(error) => {
                let is_news = told.failed((index, None), &error);
                let queue = self.queues.get(index).name();
                warn_if!(is_news, queue, %error, "could not read the groups of a queue, will be tried again");
                if watched.poll_at.is_some() {
                    watched.poll_at = Some(now + watched.poll_backoff.pause());
                }
            }
        }
    }
}

impl WatchedQueue {
    /// Redis does not notify of changes any more.
    fn untracked(&mut self) {
        self.groups.untracked();
        self.poll_at = Some(clock::monotonic());
    }

    /// Whether tasks may be taken from another group.
    fn may_form(&self) -> bool {
        !self.is_silent || self.forming == 0
    }

    fn next_poll(&self) -> Option<Instant> {
        self.poll_at.filter(|_| !self.is_polling)
    }
}

/// Reads all groups of a queue.
async fn poll(broker: &Broker, queue: ServedQueue, turns: &Turns) -> Polled {
    let read = async {
        let names = turns.take(broker.group_names(&queue.keys)).await?;
        let mut all = Vec::with_capacity(names.len());
        for names in names.chunks(MOST_READ) {
            let ages = turns.take(broker.group_ages(&queue.keys, names)).await?;
            let ages = ages.into_iter().map(|age| age.unwrap_or(GroupAge::EMPTY));
            all.extend(names.iter().cloned().zip(ages));
        }
        Ok(all)
    };
    (queue.index, read.await)
}

/// Takes the tasks of one group, and has them aggregated.
struct Form {
    aggregation: Arc<Aggregation>,
    queue: ServedQueue,
    group: Str,
    limits: FormLimits,
    results: mpsc::UnboundedSender<FormedGroup>,
    stop: CancellationToken,
}

impl Form {
    async fn run(self) {
        let aggregation = &self.aggregation;
        let set_id = aggregation.uuids.next();
        let (queue, limits) = (&self.queue.keys, self.limits);
        let form = aggregation
            .broker
            .form_set(queue, &self.group, &set_id, limits);
        // Whatever happens, the group must not stay in the state in which its tasks are being taken.
        let formed = caught_future(form).await.unwrap_or_else(|panic| {
            let text = format!("the aggregator panicked: {panic}");
            Err(Error::new(ErrorKind::Internal, text))
        });
        match formed {
            Ok(Formed::Set(set)) => {
                self.tell(Ok(FormResult::Taken(set.size)));
                match self.stop.is_cancelled() {
                    true => aggregation.put_back(&set).await,
                    false => aggregation.run(set).await,
                }
            }
            Ok(Formed::NotDue { age, .. }) => self.tell(Ok(FormResult::NotDue(age))),
            Ok(Formed::Empty) => self.tell(Ok(FormResult::Empty)),
            Err(error) => self.tell(Err(error)),
        }
    }

    fn tell(&self, result: Result<FormResult>) {
        // After the stop nobody listens.
        let _ = self
            .results
            .send((self.queue.index, self.group.clone(), result));
    }
}
