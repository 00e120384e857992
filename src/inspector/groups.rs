//! The groups of a queue.

use super::Inspector;
use crate::error::Result;

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
    /// The groups of a queue that have tasks, sorted by name. None if there is no such queue. asynq: `Groups`.
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
        let names = self.broker.group_names(&keys).await?;
        let sizes = self.broker.group_sizes(&keys, &names).await?;
        let groups = names.iter().zip(sizes).filter(|(_, size)| *size > 0);
        Ok(groups
            .map(|(group, size)| GroupInfo {
                group: group.to_string(),
                size,
            })
            .collect())
    }
}
