//! The seam on Redis: the one place with Redis commands. One file per subject.

mod acknowledge;
mod dequeue;
mod enqueue;
mod forward;
mod heartbeat;
mod inspect;
mod lease;
mod reply;
mod result;
mod script;
mod subscribe;
mod watch;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, NaiveDate, Utc};
pub(crate) use dequeue::Dequeued;
use fred::clients::Client;
use fred::interfaces::ClientLike;
pub(crate) use watch::{Notice, Notices, Watch};

use crate::connection::{Connection, Link, crosses_slots, map_redis_error};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::QueueKeys;

/// How long a day's counters are kept. asynq: `statsTTL`.
const STATISTICS_DAYS: i64 = 90;
/// How many queues' keys are remembered before the cache is emptied and filled afresh.
const MAX_REMEMBERED_QUEUES: usize = 10_000;

/// A connection to Redis and the verbs on it. Clones share it.
#[derive(Clone)]
pub(crate) struct Broker(Arc<Inner>);

struct Inner {
    link: Link,
    closed: AtomicBool,
    /// Whether keys with different hash tags may lie in different slots, so that no command may name
    /// both. Known of a cluster; of a server that is reached as a single one, learnt from its first
    /// CROSSSLOT: it is a node of a cluster, or a proxy to one.
    slots_apart: AtomicBool,
    keys: RwLock<HashMap<String, QueueKeys>>,
}

impl Broker {
    /// Connects, and checks that the server is one that we can work with.
    pub(crate) async fn connect(connection: &Connection) -> Result<Self> {
        let link = connection.open().await?;
        Ok(Self(Arc::new(Inner {
            slots_apart: AtomicBool::new(link.is_cluster()),
            link,
            closed: AtomicBool::new(false),
            keys: RwLock::new(HashMap::new()),
        })))
    }

    /// Asks for a sign of life.
    pub(crate) async fn ping(&self) -> Result<()> {
        self.client()?
            .ping::<()>(None)
            .await
            .map_err(|error| map_redis_error(error, "ping"))
    }

    /// Ends what `connect` opened. A caller's own client stays open.
    pub(crate) async fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.link.close().await;
    }

    /// The keys of a queue, built once.
    pub(crate) fn keys(&self, queue: &str) -> QueueKeys {
        let known = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = known.get(queue) {
            return keys.clone();
        }
        drop(known);
        let mut known = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_REMEMBERED_QUEUES {
            known.clear();
        }
        let keys = QueueKeys::new(queue);
        known.insert(queue.to_owned(), keys.clone());
        keys
    }

    /// Whether no command may name keys of several queues, or a global one beside a queue's.
    fn slots_apart(&self) -> bool {
        self.0.slots_apart.load(Ordering::Relaxed)
    }

    /// Takes note of what a refusal tells of slots; says whether it was that.
    fn learn_of_slots(&self, error: &Error) -> bool {
        let apart = crosses_slots(error);
        if apart {
            self.0.slots_apart.store(true, Ordering::Relaxed);
        }
        apart
    }

    /// The client for commands, until this is closed.
    fn client(&self) -> Result<&Client> {
        if self.0.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the connection was closed"));
        }
        Ok(self.0.link.commands())
    }
}

/// The day whose counters `now` belongs to, and when they end (unix s).
fn statistics_day(now: DateTime<Utc>) -> (NaiveDate, i64) {
    let ends = now + chrono::TimeDelta::days(STATISTICS_DAYS);
    (now.date_naive(), ends.timestamp())
}
