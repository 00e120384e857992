//! The groups of a queue.

use super::Inspector;
use super::ids::places;
use crate::broker::TaskPlace;
use crate::error::Result;
use crate::wire::TaskState;

/// A group of tasks that wait for aggregation. asynq: `GroupInfo`.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupInfo {
    /// The name of the group.
    pub group: String,
    /// How many tasks wait in it. Those that are being aggregated at the moment are not counted.
    pub size: u64,
}

impl Inspector {
    /// The groups of a queue that have tasks, sorted by name. The list is empty if there is no such queue. asynq: `Groups`.
    ///
    /// It reads the names of all groups, and then their sizes in round trips of 500 groups. So it is not a
    /// picture of one moment, and takes time in a queue with very many groups, but blocks Redis only briefly.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the name is blank, and the errors of
    /// [`queues`](Self::queues).
    ///
    /// # Cancel safety
    /// It only reads; the future may be dropped at any time.
    ///
    /// ```no_run
    /// # async fn example(inspector: rasynq::Inspector) -> rasynq::Result<()> {
    /// for group in inspector.groups("default").await? {
    ///     println!("{}: {} tasks", group.group, group.size);
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn groups(&self, queue: &str) -> Result<Vec<GroupInfo>> {
        let keys = self.queue_keys(queue)?;
        let places = places(&self.broker, &keys, TaskState::Aggregating, None).await?;
        let sizes = self.broker.place_sizes(&keys, &places).await?;
        let groups = places.into_iter().zip(sizes);
        let groups = groups.filter_map(|(place, size)| match place {
            TaskPlace::Group(group) if size > 0 => Some(GroupInfo {
                group: group.to_string(),
                size,
            }),
            _ => None,
        });
        Ok(groups.collect())
    }
}
