//! The verbs of [`Broker`] on Redis, one file for each subject. Commands about queues and tasks are only
//! here.

mod acknowledge;
mod aggregation_set;
mod call_names;
mod cancel;
mod change;
mod changes;
mod delete_queue;
mod delete_set;
mod due_sets;
mod enqueue;
mod examine;
mod fetch;
mod forward;
mod global_keys;
mod group_reads;
#[cfg(test)]
mod group_tests;
mod group_watch;
mod groups;
mod heartbeat;
mod inspect;
mod inspect_cluster;
mod inspect_queue;
mod inspect_redis;
mod inspect_servers;
mod inspect_tasks;
mod known_queues;
mod lead;
mod lease;
mod limit;
mod owners;
mod queue_watch;
mod register;
mod reply;
mod result;
mod return_set;
mod scheduler_list;
mod script;
mod set_payload;
mod store_aggregate;
mod subscribe;
mod tick;
mod time;
mod tracking;
mod tracking_connection;
mod unlisted_groups;
mod wrong_type;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use call_names::CallNames;
pub(crate) use changes::TrackingOptions;
use fred::error::Error as FredError;
use fred::types::{FromValue, Value};
use futures_util::future::join;
use known_queues::KnownQueues;
pub(crate) use owners::RedisProcess;
use parking_lot::RwLock;
pub(crate) use subscribe::Subscription;

use crate::broker::RedisClock;
use crate::clock;
use crate::connection::{Command, Connection, Link, crosses_slots, map_redis_error};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::QueueKeys;

/// How many bytes one argument may have, if the settings of Redis are not changed.
const DEFAULT_MAX_ARGUMENT: usize = 512 << 20;
/// A list of lost tasks ends once their messages have more bytes than this. The rest comes with the next call.
const LISTED_BYTES: u64 = 256 << 10;
/// How many queues' keys are cached. A full cache is emptied and filled again.
const MAX_CACHED_QUEUES: usize = 10_000;

/// A connection to Redis and the verbs on it. Clones share the connection.
#[derive(Clone)]
pub(crate) struct Broker(Arc<Shared>);

struct Shared {
    link: Link,
    closed: AtomicBool,
    /// Keys with different hash tags may lie in different hash slots, so that no command may name both.
    /// For a cluster this is set at the start. What the settings call a single server may be a node of a
    /// cluster, or a proxy to a cluster: then the first CROSSSLOT error sets it.
    hash_slots_differ: AtomicBool,
    queue_keys: RwLock<HashMap<String, QueueKeys>>,
    /// One bit for each script that Redis has run for this broker.
    known_scripts: AtomicU64,
    /// Which queues are registered, where that takes a command of its own.
    known_queues: KnownQueues,
    clock: RedisClock,
    max_argument: AtomicUsize,
    enqueue_calls: CallNames,
}

impl Broker {
    /// Connects, checks that the server is ready and new enough, and asks for its time and its limit.
    pub(crate) async fn connect(connection: &Connection) -> Result<Self> {
        let clock = RedisClock::new(clock::both());
        let broker = Self::on(connection.open().await?, clock);
        join(broker.refresh_clock(), broker.ask_for_limit()).await;
        Ok(broker)
    }

    /// The same, but if a single server does not answer now, the broker connects in the background, and its calls
    /// fail with [`ErrorKind::Unavailable`] until it succeeds. The error says why it does not answer. The caller then
    /// calls [`check_late`](Self::check_late).
    pub(crate) async fn connect_or_later(connection: &Connection) -> Result<(Self, Option<Error>)> {
        let clock = RedisClock::new(clock::both());
        let (link, error) = connection.open_or_later().await?;
        let broker = Self::on(link, clock);
        if error.is_none() {
            join(broker.refresh_clock(), broker.ask_for_limit()).await;
        }
        Ok((broker, error))
    }

    /// Once Redis answers, checks that it is new enough and ready, and asks for its limit.
    pub(crate) async fn check_late(&self) -> Result<()> {
        self.check_open("check the version of Redis")?;
        self.link().check().await?;
        self.ask_for_limit().await;
        Ok(())
    }

    fn on(link: Link, clock: RedisClock) -> Self {
        Self(Arc::new(Shared {
            hash_slots_differ: AtomicBool::new(link.is_cluster()),
            link,
            closed: AtomicBool::new(false),
            queue_keys: RwLock::new(HashMap::new()),
            known_queues: KnownQueues::default(),
            known_scripts: AtomicU64::new(0),
            enqueue_calls: CallNames::new(),
            max_argument: AtomicUsize::new(DEFAULT_MAX_ARGUMENT),
            clock,
        }))
    }

    /// Redis' clock.
    pub(crate) fn clock(&self) -> &RedisClock {
        &self.0.clock
    }

    /// A broker with a connection of its own to the same Redis, on the runtime of the caller.
    pub(crate) async fn separate(&self) -> Result<Self> {
        let link = self.link().separate().await?;
        let broker = Self::on(link, self.clock().clone());
        let limit = self.max_argument();
        broker.0.max_argument.store(limit, Ordering::Relaxed);
        Ok(broker)
    }

    /// Checks that Redis answers.
    pub(crate) async fn ping(&self) -> Result<()> {
        self.check_open("ping")?;
        self.send(Command::without_key("PING", []), "ping").await
    }

    /// Fails with the cause if the connection to Redis is known to be lost. Does not ask Redis.
    pub(crate) fn check_open(&self, what: &str) -> Result<()> {
        let open = self.open_link()?.check_open();
        open.map_err(|error| map_redis_error(error, what))
    }

    /// From now on, calls do not wait for a connection that is lost: they fail at once.
    pub(crate) fn give_up_when_lost(&self) {
        self.link().give_up();
    }

    /// From now on, calls on a cluster wait for up to 2 s while a hash slot moves, where they would fail otherwise.
    pub(crate) fn wait_for_moves(&self) {
        self.link().wait_for_moves();
    }

    /// Closes the connections that [`connect`](Self::connect) opened. A fred client of the user's stays open.
    pub(crate) async fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.link.close().await;
    }

    /// The keys of a queue, from the cache.
    pub(crate) fn keys(&self, queue: &str) -> QueueKeys {
        let cache = &self.0.queue_keys;
        let cached = cache.read();
        if let Some(keys) = cached.get(queue) {
            return keys.clone();
        }
        drop(cached);
        let mut cached = cache.write();
        if cached.len() >= MAX_CACHED_QUEUES {
            cached.clear();
        }
        let keys = QueueKeys::new(queue);
        cached.insert(queue.to_owned(), keys.clone());
        keys
    }

    /// Whether a command must not name keys of several queues, or a global key beside a queue's.
    fn hash_slots_differ(&self) -> bool {
        self.0.hash_slots_differ.load(Ordering::Relaxed)
    }

    /// Returns whether the error is CROSSSLOT. If so, remembers that keys lie in different hash slots.
    fn note_crossslot(&self, error: &Error) -> bool {
        let crossslot = crosses_slots(error);
        if crossslot {
            self.0.hash_slots_differ.store(true, Ordering::Relaxed);
        }
        crossslot
    }

    fn enqueue_calls(&self) -> &CallNames {
        &self.0.enqueue_calls
    }

    fn known_scripts(&self) -> &AtomicU64 {
        &self.0.known_scripts
    }

    fn known_queues(&self) -> &KnownQueues {
        &self.0.known_queues
    }

    /// Whether Redis is a cluster, so that a node may be dead while others are not.
    pub(crate) fn is_cluster(&self) -> bool {
        self.0.link.is_cluster()
    }

    fn link(&self) -> &Link {
        &self.0.link
    }

    /// Sends one command. `what` names the operation, for errors.
    async fn send<T: FromValue>(&self, command: Command, what: &str) -> Result<T> {
        let key = command.key().cloned();
        match self.open_link()?.send(command).await {
            Err(error) => Err(self.failed(error, what, || key.into_iter().collect()).await),
            reply => typed(reply, what),
        }
    }

    /// Sends several commands at once: see [`Link::send_all`]. Fails if one of them fails.
    async fn send_all<T: FromValue>(&self, commands: Vec<Command>, what: &str) -> Result<Vec<T>> {
        self.send_each(commands, what).await?.into_iter().collect()
    }

    /// The same, with a result for each command.
    async fn send_each<T: FromValue>(
        &self,
        commands: Vec<Command>,
        what: &str,
    ) -> Result<Vec<Result<T>>> {
        let keys: Vec<Option<Value>> = commands.iter().map(|one| one.key().cloned()).collect();
        let replies = self.open_link()?.send_all(commands).await;
        let mut all = Vec::with_capacity(replies.len());
        for (reply, key) in replies.into_iter().zip(keys) {
            all.push(match reply {
                Err(error) => Err(self.failed(error, what, || key.into_iter().collect()).await),
                reply => typed(reply, what),
            });
        }
        Ok(all)
    }

    /// Passes on the result of one part of a call. The script has caught its error, if there is one.
    fn noted<T>(&self, part: Result<T>) -> Result<T> {
        part.inspect_err(|error| self.link().note_answer(error))
    }

    /// The link, unless the broker is closed.
    fn open_link(&self) -> Result<&Link> {
        if self.0.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the connection was closed"));
        }
        Ok(&self.0.link)
    }
}

/// The reply to a command as a `T`.
fn typed<T: FromValue>(reply: Result<Value, FredError>, what: &str) -> Result<T> {
    reply
        .and_then(Value::convert)
        .map_err(|error| map_redis_error(error, what))
}
