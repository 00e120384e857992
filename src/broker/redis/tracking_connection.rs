//! The connection on which keys are tracked, and its reads of queues. Redis notifies it of the next change of what it
//! reads.

use std::collections::HashMap;
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, KeysInterface, SortedSetsInterface};
use fred::types::{InfoKind, Value};

use super::queue_watch::{Contents, Role};
use super::{Broker, reply};
use crate::broker::DelayedSet;
use crate::connection::{Owned, is_redirection, map_redis_error};
use crate::error::Result;
use crate::wire::QueueKeys;

/// The pause before a queue is polled that another node of the cluster serves, or will soon. Meanwhile the queues may
/// be grouped anew.
const REDIRECTED_PAUSE: Duration = Duration::from_secs(1);

/// The connection on which keys are tracked.
pub(super) struct TrackingConnection {
    pub(super) client: Owned<Client>,
    pub(super) broker: Broker,
}

impl TrackingConnection {
    pub(super) async fn contents(&self, queue: &QueueKeys, role: Role) -> Result<Contents> {
        match role {
            Role::Pending => self.exists(queue.pending()).await,
            Role::Paused => self.exists(queue.paused()).await,
            // The forwarder meets the error too, and tries again after pauses.
            Role::Delayed(DelayedSet::Scheduled) => self.first_score(queue.scheduled(), 0).await,
            Role::Delayed(DelayedSet::Retry) => self.first_score(queue.retry(), 0).await,
            Role::Completed => self.first_score(queue.completed(), i64::MAX).await,
        }
    }

    /// What a read has found, or the other reply if another node serves its key, or will soon.
    pub(super) async fn or_redirected<T>(&self, found: Result<T>, redirected: T) -> Result<T> {
        match found {
            Err(error) if is_redirection(&error) => {
                self.broker.link().node_has_changed();
                tokio::time::sleep(REDIRECTED_PAUSE).await;
                Ok(redirected)
            }
            found => found,
        }
    }

    async fn exists(&self, key: &str) -> Result<Contents> {
        let found: i64 = self
            .client
            .exists(key)
            .await
            .map_err(|error| map_redis_error(error, "track a key"))?;
        Ok(Contents::Exists(found > 0))
    }

    /// `unreadable`: the score to assume if Redis refuses to read the key.
    async fn first_score(&self, key: &str, unreadable: i64) -> Result<Contents> {
        let first: Result<Vec<Value>> = self
            .client
            .zrange(key, 0, 0, None, false, None, true)
            .await
            .map_err(|error| map_redis_error(error, "track a sorted set"));
        match first {
            // A key of a wrong type must not stop the tracking of other keys.
            Err(error) if !error.is_transient() => {
                tracing::warn!(key, %error, "cannot track a sorted set");
                Ok(Contents::FirstScore(Some(unreadable)))
            }
            first => Ok(Contents::FirstScore(reply::score(first?))),
        }
    }

    /// Whether Redis remembers all keys that are read. `wanted`: how many of them this connection has read at
    /// least. `None`: Redis does not tell.
    pub(super) async fn has_space(&self, wanted: u64) -> Option<bool> {
        let stats: Result<String, _> = self.client.info(Some(InfoKind::Stats)).await;
        let stats = stats.ok()?;
        let tracked: u64 = stats.lines().find_map(|line| {
            line.strip_prefix("tracking_total_keys:")?
                .trim()
                .parse()
                .ok()
        })?;
        let words = vec!["GET", "tracking-table-max-keys"];
        let config: Result<HashMap<String, String>, _> =
            self.client.custom(fred::cmd!("CONFIG"), words).await;
        let limit = config.unwrap_or_default().into_values().next();
        match limit.and_then(|limit| limit.parse::<u64>().ok()) {
            Some(limit) => Some(limit == 0 || tracked < limit),
            // Some are being read again at the moment.
            None => (tracked < wanted / 2).then_some(false),
        }
    }

    /// How many of these keys exist. `None`: they lie in several hash slots.
    pub(super) async fn count_existing(&self, keys: Vec<String>) -> Result<Option<i64>> {
        if self.broker.hash_slots_differ() {
            return Ok(None);
        }
        let counted = self.client.exists(keys).await;
        if counted.is_ok() {
            self.client.set_answered();
        }
        match counted.map_err(|error| map_redis_error(error, "track keys")) {
            Err(error) if self.broker.note_crossslot(&error) => Ok(None),
            counted => counted.map(Some),
        }
    }
}
