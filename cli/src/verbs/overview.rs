//! Reading all queues, for `stats` and `watch`.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use rasynq::{ErrorKind, Inspector, QueueInfo};

use crate::failure::Failure;

/// How many queues are read at the same time.
const AT_ONCE: usize = 16;

/// The queues of these names, or all. One that is removed meanwhile is left out, unless it is named.
pub(super) async fn read_queues(
    names: &[String],
    inspector: &Inspector,
) -> Result<Vec<QueueInfo>, Failure> {
    let is_named = !names.is_empty();
    let names = match is_named {
        true => names.to_vec(),
        false => inspector.queues().await?,
    };
    let infos = stream::iter(names).map(async |name| match inspector.queue_info(&name).await {
        Ok(info) => Ok(Some(info)),
        Err(error) if error.kind() == ErrorKind::QueueNotFound && !is_named => Ok(None),
        Err(error) => Err(Failure::from(error)),
    });
    let infos: Vec<Option<QueueInfo>> = infos.buffered(AT_ONCE).try_collect().await?;
    Ok(infos.into_iter().flatten().collect())
}
