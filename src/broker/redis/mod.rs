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
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, NaiveDate, Utc};
pub(crate) use dequeue::Dequeued;
use fred::clients::Client;
use fred::interfaces::ClientLike;
pub(crate) use watch::{Notice, Notices, Watch};

use crate::connection::{Connection, Link, map_redis_error};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::QueueKeys;

/// How long a day's counters are kept. asynq: `statsTTL`.
const STATISTICS_DAYS: i64 = 90;
/// How many queues' keys are remembered before the memory begins anew.
const MAX_REMEMBERED_QUEUES: usize = 10_000;

/// A connection to Redis and the verbs on it. Clones share it.
#[derive(Clone)]
pub(crate) struct Broker(Arc<Inner>);

struct Inner {
    link: Link,
    closed: AtomicBool,
    /// Whether a script may not touch global keys, as in a cluster; found out where a single server,
    /// or what stands in front of it, is part of one.
    global_keys_apart: AtomicBool,
    keys: Mutex<HashMap<String, QueueKeys>>,
}

impl Broker {
    /// Connects, and checks that the server is one that we can work with.
    pub(crate) async fn connect(connection: &Connection) -> Result<Self> {
        let link = connection.open().await?;
        Ok(Self(Arc::new(Inner {
            global_keys_apart: AtomicBool::new(link.is_cluster()),
            link,
            closed: AtomicBool::new(false),
            keys: Mutex::new(HashMap::new()),
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
        let mut known = self.0.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = known.get(queue) {
            return keys.clone();
        }
        if known.len() >= MAX_REMEMBERED_QUEUES {
            known.clear();
        }
        let keys = QueueKeys::new(queue);
        known.insert(queue.to_owned(), keys.clone());
        keys
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
