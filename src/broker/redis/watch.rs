//! Being told when a key changes, instead of asking again and again.
//!
//! Redis remembers each key that this connection reads, and tells it once when the key changes
//! (`CLIENT TRACKING`, Redis 6). Reading the key again arms the next notice.

use fred::clients::Client;
use fred::interfaces::{
    ClientLike, EventInterface, KeysInterface, SortedSetsInterface, TrackingInterface,
};
use fred::types::client::Invalidation;
use fred::types::config::Server;
use fred::types::{Key, Value};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::{Broker, reply};
use crate::connection::{Owned, map_redis_error};
use crate::error::{Error, ErrorKind, Result};

/// A connection on which what is read is watched.
pub(crate) struct Watch {
    client: Owned<Client>,
    broker: Broker,
}

/// The notices of a [`Watch`].
pub(crate) struct Notices {
    changed: Receiver<Invalidation>,
    reconnected: Receiver<Server>,
}

/// One notice.
#[derive(Debug)]
pub(crate) enum Notice {
    /// These keys have changed since they were read.
    Changed(Vec<Key>),
    /// Anything may have changed, and nothing is watched any more: begin anew.
    Anything,
}

impl Broker {
    /// Opens a connection on which what is read is watched.
    ///
    /// # Errors
    /// Where the server or the user's permissions do not allow it, and where Redis is not there.
    pub(crate) async fn watch(&self) -> Result<(Watch, Notices)> {
        let client = self.0.link.dedicated().await?;
        let notices = Notices {
            changed: client.invalidation_rx(),
            reconnected: client.reconnect_rx(),
        };
        client
            .start_tracking(Vec::<String>::new(), false, false, false, false)
            .await
            .map_err(|error| map_redis_error(error, "watch keys"))?;
        let watch = Watch {
            client,
            broker: self.clone(),
        };
        Ok((watch, notices))
    }
}

impl Watch {
    /// Whether a key exists; watches it.
    pub(crate) async fn exists(&self, key: &str) -> Result<bool> {
        let found: i64 = self
            .client
            .exists(key)
            .await
            .map_err(|error| map_redis_error(error, "watch a key"))?;
        Ok(found > 0)
    }

    /// How many of these keys exist; watches them all. `None` where [slots are
    /// apart](Self::slots_apart), as may be learnt only now.
    pub(crate) async fn count_existing(&self, keys: Vec<&str>) -> Result<Option<i64>> {
        if self.slots_apart() {
            return Ok(None);
        }
        let counted = self.client.exists(keys).await;
        match counted.map_err(|error| map_redis_error(error, "watch keys")) {
            Err(error) if self.broker.learn_of_slots(&error) => Ok(None),
            counted => counted.map(Some),
        }
    }

    /// The lowest score of a sorted set; watches it.
    pub(crate) async fn lowest_score(&self, key: &str) -> Result<Option<i64>> {
        let first: Vec<Value> = self
            .client
            .zrange(key, 0, 0, None, false, None, true)
            .await
            .map_err(|error| map_redis_error(error, "watch a sorted set"))?;
        Ok(reply::score(first))
    }

    /// How far Redis' clock is ahead of ours, in milliseconds.
    pub(crate) async fn clock_offset_ms(&self) -> Result<i64> {
        let (secs, micros): (i64, i64) = self
            .client
            .custom(fred::cmd!("TIME"), Vec::<Value>::new())
            .await
            .map_err(|error| map_redis_error(error, "ask for the time"))?;
        Ok(secs * 1000 + micros / 1000 - chrono::Utc::now().timestamp_millis())
    }

    /// Whether keys of several queues must not be asked for in one command.
    pub(crate) fn slots_apart(&self) -> bool {
        self.broker.slots_apart()
    }
}

impl Notices {
    /// The next notice. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Notice> {
        let ended = || Error::new(ErrorKind::Unavailable, "the watching connection has ended");
        tokio::select! {
            changed = self.changed.recv() => match changed {
                // without keys it means all of them; fred 10.1 passes those notices over
                Ok(notice) if !notice.keys.is_empty() => Ok(Notice::Changed(notice.keys)),
                Ok(_) | Err(RecvError::Lagged(_)) => Ok(Notice::Anything),
                Err(RecvError::Closed) => Err(ended()),
            },
            reconnected = self.reconnected.recv() => match reconnected {
                Ok(_) | Err(RecvError::Lagged(_)) => Ok(Notice::Anything),
                Err(RecvError::Closed) => Err(ended()),
            },
        }
    }
}
