//! Reads of groups on the tracking connection. Redis notifies of the next change of what they read.

use fred::interfaces::ClientLike;
use fred::types::{Key, Value};

use super::groups::{ages, all_names};
use super::script::GROUP_AGES;
use super::tracking_connection::TrackingConnection;
use crate::broker::{GroupAge, Str};
use crate::connection::map_redis_error;
use crate::error::Result;
use crate::wire::QueueKeys;

impl TrackingConnection {
    /// The names of the groups of a queue.
    pub(super) async fn group_names(&self, queue: &QueueKeys) -> Result<Vec<Str>> {
        let scan = |args: [String; 4]| async move {
            let names = self.client.custom(fred::cmd!("SSCAN"), args.to_vec());
            names
                .await
                .map_err(|error| map_redis_error(error, "track the names of groups"))
        };
        match all_names(queue, scan).await {
            // A key of a wrong type must not stop the tracking of other keys.
            Err(error) if !error.is_transient() => {
                let queue = queue.queue();
                tracing::warn!(queue, %error, "cannot track the groups of a queue");
                Ok(Vec::new())
            }
            names => names,
        }
    }

    /// What these groups have, at most 500 of them. `None`: the group is not listed any more.
    pub(super) async fn group_ages(
        &self,
        queue: &QueueKeys,
        groups: Vec<Str>,
    ) -> Result<Vec<(Str, Option<GroupAge>)>> {
        // Redis remembers a key that is read even if it does not exist. Groups come and go, and each has a name of its
        // own. So only the keys of those are read that are listed.
        let names = std::iter::once(Value::from(queue.groups()));
        let names = names.chain(groups.iter().cloned().map(Value::from));
        let listed: Vec<i64> = self
            .client
            .custom(fred::cmd!("SMISMEMBER"), names.collect())
            .await
            .map_err(|error| map_redis_error(error, "track groups"))?;
        let is_listed = listed.iter().map(|found| *found == 1);
        let (listed, gone): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .zip(is_listed)
            .partition(|(_, is_listed)| *is_listed);
        let mut all: Vec<_> = gone.into_iter().map(|(name, _)| (name, None)).collect();
        if !listed.is_empty() {
            let keys = listed.iter().map(|(name, _)| Key::from(queue.group(name)));
            let reply = GROUP_AGES
                .call_on(&self.client, keys.collect(), Vec::new())
                .await?;
            let found = ages(reply, listed.len())?.into_iter().map(Some);
            all.extend(listed.into_iter().map(|(name, _)| name).zip(found));
        }
        Ok(all)
    }
}
