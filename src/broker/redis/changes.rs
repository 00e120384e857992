//! Notifications of changed queues, so that a server need not poll.
//!
//! Redis remembers each key that the tracking connection reads, and notifies the connection once
//! when the key changes (`CLIENT TRACKING`, Redis 6). Reading the key again subscribes again.
//! [`QueueWatch`] decides which key of a queue to read and what a change means. This module talks to
//! Redis.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use fred::interfaces::{EventInterface, TrackingInterface};
use fred::types::client::Invalidation;
use fred::types::config::Server;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use super::Broker;
use super::group_watch::{GroupChange, GroupWatch};
use super::queue_watch::{Contents, QueueWatch, Read, Role, Rotation};
use super::tracking_connection::TrackingConnection;
use crate::broker::{DelayedSet, GroupAge, GroupSignal, Report, Signal, Str};
use crate::clock;
use crate::connection::map_redis_error;
use crate::error::{Error, ErrorKind, Result};
use crate::wire::QueueKeys;

/// How often idle queues are checked, in case a notification was lost: one command for all.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How often the number of sorted sets is compared with the known number.
const SETS_CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// So many notifications in vain within [`CHECK_INTERVAL`] raise the question whether Redis forgets
/// subscriptions for want of space.
const MANY_VAIN: usize = 100;
/// So many are the answer, if Redis does not tell.
const TOO_MANY_VAIN: usize = 1_000;

/// The changes of some queues, as a stream of [`Signal`]s.
pub(super) struct Changes {
    connection: Arc<TrackingConnection>,
    invalidations: Receiver<Invalidation>,
    reconnections: Receiver<Server>,
    queues: Vec<QueueKeys>,
    watches: Vec<QueueWatch>,
    /// If the server aggregates.
    groups: Option<GroupWatch>,
    /// The keys that may be tracked, with their queues and roles.
    roles: HashMap<String, (usize, Role)>,
    /// The key of the server's entry. It exists as long as Redis has its data and this server can write.
    entry_key: String,
    replies: FuturesUnordered<BoxFuture<'static, Result<Reply>>>,
    signals: VecDeque<Signal>,
    idle_check: Interval,
    sets_check: Interval,
    /// Where keys lie in several hash slots.
    rotation: Rotation,
    rotation_step: Interval,
    /// Notifications in vain since the last check of idle queues.
    vain: usize,
    /// Whether Redis has space for the subscriptions, as far as it has told.
    space: Option<bool>,
}

/// What is tracked besides the queues.
#[derive(Clone)]
pub(crate) struct TrackingOptions {
    /// The key of the server's entry.
    pub(crate) entry_key: String,
    /// The server aggregates, so the groups of the queues are tracked too.
    pub(crate) groups: bool,
}

/// A reply to one of our reads.
enum Reply {
    /// What a key of a queue contains.
    Contents(usize, Role, Contents),
    /// Another node of the cluster serves the queue, or will soon.
    Redirected(usize, Role),
    /// The names of the groups of a queue.
    GroupNames(usize, Vec<Str>),
    /// What groups of a queue have.
    GroupAges(usize, Vec<(Str, Option<GroupAge>)>),
    /// Another node of the cluster serves the queue whose names of groups were read, or will soon.
    GroupNamesRedirected(usize),
    /// The same for what groups of the queue have.
    GroupAgesRedirected(usize),
    /// How many sorted sets exist. `None`: they lie in several hash slots and cannot be counted in one
    /// command.
    Sets(Option<i64>),
    /// The counts of a [check of idle queues](Changes::check_idle_queues).
    Check(CheckReply),
    /// Whether Redis has space for the subscriptions. `None`: it does not tell.
    Space(Option<bool>),
}

struct CheckReply {
    /// How many of the keys exist. A key that the command names twice counts twice. `None`: the keys lie
    /// in several hash slots and cannot be counted in one command.
    found: Option<i64>,
    /// How many times the command names the key of the server's entry.
    own: i64,
    /// How many of the keys exist if no notification was lost.
    expected: i64,
}

impl Changes {
    /// Opens a connection on which the keys of these queues are tracked. On a cluster, one node serves all of
    /// them.
    ///
    /// # Errors
    /// If Redis or the user's permissions do not allow tracking, and if Redis cannot be reached.
    pub(super) async fn open(
        broker: &Broker,
        queues: Vec<QueueKeys>,
        options: &TrackingOptions,
    ) -> Result<Self> {
        let node = queues.first().map_or("", |queue| queue.pending());
        let client = broker.link().dedicated(node).await?;
        let invalidations = client.invalidation_rx();
        let reconnections = client.reconnect_rx();
        client
            .start_tracking(Vec::<String>::new(), false, false, false, false)
            .await
            .map_err(|error| map_redis_error(error, "track keys"))?;
        let connection = Arc::new(TrackingConnection {
            client,
            broker: broker.clone(),
        });
        let rotation = Rotation::new(queues.len());
        let mut changes = Changes {
            connection,
            invalidations,
            reconnections,
            roles: roles(&queues),
            watches: queues.iter().map(|_| QueueWatch::default()).collect(),
            groups: options.groups.then(|| GroupWatch::new(&queues)),
            queues,
            entry_key: options.entry_key.clone(),
            replies: FuturesUnordered::new(),
            signals: VecDeque::new(),
            idle_check: every(CHECK_INTERVAL),
            sets_check: every(SETS_CHECK_INTERVAL),
            rotation_step: every(rotation.step),
            rotation,
            vain: 0,
            space: None,
        };
        changes.read_all_sets();
        for queue in 0..changes.queues.len() {
            changes.read_groups_anew(queue);
        }
        Ok(changes)
    }

    /// The next signal. Cancel-safe.
    ///
    /// # Errors
    /// If the connection fails. After that nothing is tracked.
    pub(super) async fn next(&mut self) -> Result<Signal> {
        loop {
            if let Some(signal) = self.signals.pop_front() {
                return Ok(signal);
            }
            tokio::select! {
                // A reply is taken before a notification that came after it.
                biased;
                Some(reply) = self.replies.next(), if !self.replies.is_empty() => self.on_reply(reply?)?,
                invalidation = self.invalidations.recv() => self.on_invalidation(invalidation)?,
                reconnection = self.reconnections.recv() => match reconnection {
                    Ok(_) | Err(RecvError::Lagged(_)) => self.signals.push_back(Signal::Reset),
                    Err(RecvError::Closed) => return Err(connection_ended()),
                },
                _ = self.sets_check.tick() => self.check_sets(),
                _ = self.idle_check.tick() => {
                    self.vain = 0;
                    self.check_idle_queues();
                }
                _ = self.rotation_step.tick(), if self.connection.broker.hash_slots_differ() => {
                    for queue in self.rotation.next() {
                        self.read_all_of(queue);
                    }
                }
            }
        }
    }

    /// Takes a report of the server, and subscribes to the queue's next change.
    pub(super) fn report(&mut self, report: Report) {
        match report {
            Report::Drained {
                queue,
                paused,
                empty_fetch,
            } => {
                let read = self.watches[queue].drained(paused, empty_fetch);
                self.read(queue, read);
                self.count_vain(queue);
            }
            Report::Cleaned { queue } => self.read(queue, Some(Read::now(Role::Completed))),
            Report::Forwarded { queue, set } => {
                self.read(queue, Some(Read::after_a_change(Role::Delayed(set))));
            }
            Report::UnreadGroups {
                queue,
                groups,
                in_vain,
            } => {
                self.read_groups(queue, groups);
                self.note_vain(in_vain);
            }
            Report::PolledGroups { queue } => self.read_groups_anew(queue),
        }
    }

    fn on_reply(&mut self, reply: Reply) -> Result<()> {
        match reply {
            Reply::Contents(queue, role, contents) => {
                let signal = self.watches[queue].on_contents(queue, role, contents);
                self.signals.extend(signal);
                self.count_vain(queue);
            }
            Reply::Redirected(queue, role) => {
                let signal = self.watches[queue].redirected(queue, role);
                self.signals.push_back(signal);
            }
            Reply::GroupNames(queue, names) => {
                if let Some(groups) = &mut self.groups {
                    let (signal, next) = groups.on_names(queue, names);
                    self.signals.push_back(Signal::Groups(queue, signal));
                    self.read_group_names(queue, next);
                }
            }
            Reply::GroupAges(queue, ages) => {
                let signal = GroupSignal::Ages(ages);
                self.signals.push_back(Signal::Groups(queue, signal));
            }
            Reply::GroupNamesRedirected(queue) => {
                if let Some(groups) = &mut self.groups {
                    groups.names_redirected(queue);
                }
                self.signals
                    .push_back(Signal::Groups(queue, GroupSignal::Untracked));
            }
            Reply::GroupAgesRedirected(queue) => {
                self.signals
                    .push_back(Signal::Groups(queue, GroupSignal::Untracked));
            }
            Reply::Sets(sets) => {
                let sorted: i64 = self.watches.iter().map(QueueWatch::sets).sum();
                let groups = self.groups.as_ref().map(GroupWatch::queues_with_groups);
                let known = sorted + groups.unwrap_or(0);
                if sets.is_some_and(|counted| counted != known) {
                    self.read_all_sets();
                    for queue in 0..self.queues.len() {
                        self.recheck_group_names(queue);
                    }
                }
            }
            Reply::Space(space) => self.space = space,
            Reply::Check(check) => {
                if check.found.is_some_and(|found| found < check.own) {
                    self.signals.push_back(Signal::Reset);
                } else if check.found.is_some_and(|found| found != check.expected) {
                    for queue in 0..self.queues.len() {
                        self.read_awaited(queue);
                    }
                }
            }
        }
        self.check_space()
    }

    /// Fails if Redis forgets subscriptions for want of space.
    fn check_space(&self) -> Result<()> {
        let has_space = self.space.unwrap_or(self.vain < TOO_MANY_VAIN);
        if has_space {
            return Ok(());
        }
        let text = "Redis forgets which keys it should notify of: its setting \
                    tracking-table-max-keys is too small";
        Err(Error::new(ErrorKind::Redis, text))
    }

    fn on_invalidation(&mut self, received: Result<Invalidation, RecvError>) -> Result<()> {
        let invalidation = match received {
            // An invalidation without keys means all keys. fred 10.1 does not pass it on.
            Ok(invalidation) if !invalidation.keys.is_empty() => invalidation,
            // More of them came at once than fred keeps. Any key may have changed.
            Err(RecvError::Lagged(_)) if self.groups.is_some() => {
                for queue in 0..self.queues.len() {
                    self.read_all_of(queue);
                    self.read_groups_anew(queue);
                }
                return Ok(());
            }
            Ok(_) | Err(RecvError::Lagged(_)) => {
                self.signals.push_back(Signal::Reset);
                return Ok(());
            }
            Err(RecvError::Closed) => return Err(connection_ended()),
        };
        for key in invalidation.keys {
            let Some(key) = key.as_str() else { continue };
            let Some((queue, role)) = self.roles.get(key).copied() else {
                self.on_group_change(key);
                continue;
            };
            let (signal, read) = self.watches[queue].on_change(queue, role);
            self.signals.extend(signal);
            self.read(queue, read);
        }
        Ok(())
    }

    fn on_group_change(&mut self, key: &str) {
        let Some(groups) = &mut self.groups else {
            return;
        };
        match groups.change_of(key) {
            Some(GroupChange::Names(queue)) => {
                let read = groups.names_changed(queue);
                self.read_group_names(queue, read);
            }
            Some(GroupChange::Group(queue, group)) => {
                let signal = GroupSignal::Changed(group);
                self.signals.push_back(Signal::Groups(queue, signal));
            }
            None => {}
        }
    }

    /// Reads a key of a queue, and so subscribes to its next change.
    fn read(&self, queue: usize, read: Option<Read>) {
        let Some(Read { role, after }) = read else {
            return;
        };
        let (connection, keys) = (Arc::clone(&self.connection), self.queues[queue].clone());
        self.replies.push(Box::pin(async move {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            let contents = connection.contents(&keys, role).await;
            let contents = contents.map(|contents| Reply::Contents(queue, role, contents));
            connection
                .or_redirected(contents, Reply::Redirected(queue, role))
                .await
        }));
    }

    /// Reads the names of the groups of a queue after a pause, and so subscribes to their next change.
    fn read_group_names(&self, queue: usize, after: Option<Duration>) {
        let Some(after) = after else { return };
        let (connection, keys) = (Arc::clone(&self.connection), self.queues[queue].clone());
        self.replies.push(Box::pin(async move {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            let names = connection.group_names(&keys).await;
            let names = names.map(|names| Reply::GroupNames(queue, names));
            connection
                .or_redirected(names, Reply::GroupNamesRedirected(queue))
                .await
        }));
    }

    /// Reads what groups of a queue have, and so subscribes to their next changes.
    fn read_groups(&self, queue: usize, groups: Vec<Str>) {
        let (connection, keys) = (Arc::clone(&self.connection), self.queues[queue].clone());
        self.replies.push(Box::pin(async move {
            let ages = connection.group_ages(&keys, groups).await;
            let ages = ages.map(|ages| Reply::GroupAges(queue, ages));
            connection
                .or_redirected(ages, Reply::GroupAgesRedirected(queue))
                .await
        }));
    }

    fn read_groups_anew(&mut self, queue: usize) {
        let read = self
            .groups
            .as_mut()
            .and_then(|groups| groups.read_anew(queue));
        self.read_group_names(queue, read);
    }

    fn recheck_group_names(&mut self, queue: usize) {
        let read = self
            .groups
            .as_mut()
            .and_then(|groups| groups.recheck(queue));
        self.read_group_names(queue, read);
    }

    fn read_all_sets(&self) {
        for queue in 0..self.queues.len() {
            self.read_sets(queue);
        }
    }

    fn read_sets(&self, queue: usize) {
        for set in DelayedSet::ALL {
            self.read(queue, Some(Read::now(Role::Delayed(set))));
        }
        self.read(queue, Some(Read::now(Role::Completed)));
    }

    fn read_awaited(&mut self, queue: usize) {
        let read = self.watches[queue].recheck();
        self.read(queue, read);
    }

    /// Reads everything again that is known of a queue, in case a notification was lost.
    fn read_all_of(&mut self, queue: usize) {
        self.read_awaited(queue);
        self.read_sets(queue);
        self.recheck_group_names(queue);
    }

    /// Counts the notifications in vain. After many of them, asks Redis whether it has space for the
    /// subscriptions. If not, it drops another subscription for each new one, and notifies of each that it drops.
    fn count_vain(&mut self, queue: usize) {
        let vain = self.watches[queue].take_vain();
        self.note_vain(vain);
    }

    fn note_vain(&mut self, vain: usize) {
        let asks = self.vain < MANY_VAIN && self.vain + vain >= MANY_VAIN;
        self.vain += vain;
        if asks {
            let connection = Arc::clone(&self.connection);
            let groups = self.groups.as_ref().map_or(0, GroupWatch::groups);
            let wanted = (DelayedSet::ALL.len() + 1) * self.queues.len() + groups;
            self.replies.push(Box::pin(async move {
                Ok(Reply::Space(connection.has_space(wanted as u64).await))
            }));
        }
    }

    /// Counts the sorted sets. If the count differs from the known number, a notification was lost.
    fn check_sets(&self) {
        let connection = Arc::clone(&self.connection);
        let sets = self.queues.iter().flat_map(|keys| {
            let groups = self.groups.is_some().then(|| keys.groups());
            let sorted = [keys.scheduled(), keys.retry(), keys.completed()];
            sorted.into_iter().chain(groups).map(str::to_owned)
        });
        let sets = sets.collect();
        self.replies.push(Box::pin(async move {
            Ok(Reply::Sets(connection.count_existing(sets).await?))
        }));
    }

    /// Counts keys with one `EXISTS`. A wrong count means that a notification was lost.
    ///
    /// | key | named | must exist |
    /// |---|---|---|
    /// | server's entry | n + 1 times, n = number of queues | yes |
    /// | pending list of each idle queue that is not paused | once | no |
    /// | flag of each paused queue | once | yes |
    ///
    /// The other keys are at most n. So if the count is below n + 1, the entry is gone: Redis was probably
    /// emptied and has forgotten the subscriptions.
    fn check_idle_queues(&self) {
        let own = self.queues.len() + 1;
        let mut keys = vec![self.entry_key.clone(); own];
        let mut expected = own as i64;
        for (queue, watch) in self.queues.iter().zip(&self.watches) {
            match watch.awaited() {
                Some(Role::Paused) => {
                    expected += 1;
                    keys.push(queue.paused().to_owned());
                }
                Some(_) => keys.push(queue.pending().to_owned()),
                None => {}
            }
        }
        let connection = Arc::clone(&self.connection);
        self.replies.push(Box::pin(async move {
            Ok(Reply::Check(CheckReply {
                found: connection.count_existing(keys).await?,
                own: own as i64,
                expected,
            }))
        }));
    }
}

fn connection_ended() -> Error {
    Error::new(ErrorKind::Unavailable, "the tracking connection has ended")
}

fn every(interval: Duration) -> Interval {
    let mut ticks = interval_at(clock::monotonic() + interval, interval);
    // If the process was suspended, one check after that is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The keys that may be tracked, with their queues and roles.
fn roles(queues: &[QueueKeys]) -> HashMap<String, (usize, Role)> {
    let mut roles = HashMap::new();
    for (index, queue) in queues.iter().enumerate() {
        for (role, key) in [
            (Role::Pending, queue.pending()),
            (Role::Paused, queue.paused()),
            (Role::Delayed(DelayedSet::Scheduled), queue.scheduled()),
            (Role::Delayed(DelayedSet::Retry), queue.retry()),
            (Role::Completed, queue.completed()),
        ] {
            roles.insert(key.to_owned(), (index, role));
        }
    }
    roles
}
