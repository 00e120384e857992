//! Reading all queues, for `stats` and `watch`.

use std::pin::pin;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use rasynq::{ErrorKind, Inspector, QueueInfo};

use crate::away::AwayNodes;
use crate::failure::{Failure, FailureKind};
use crate::output::Output;

/// How many queues are read at the same time.
const AT_ONCE: usize = 16;

const QUEUE_NOT_FOUND: FailureKind = FailureKind::Library(ErrorKind::QueueNotFound);

/// What could be read of the queues.
pub(super) struct Overview {
    pub(super) infos: Vec<QueueInfo>,
    /// Why the other queues could not be read.
    pub(super) unread: Vec<Failure>,
}

/// The queues of these names, or all. One that is removed meanwhile is left out, unless it is named. One that cannot be
/// read hides no other.
pub(super) async fn read_queues(
    names: &[String],
    inspector: &Inspector,
) -> Result<Overview, Failure> {
    let is_named = !names.is_empty();
    let names = match is_named {
        true => names.to_vec(),
        false => inspector.queues().await?,
    };
    let away = AwayNodes::new(inspector);
    let read = async |name: String| {
        let info = async { inspector.queue_info(&name).await.map_err(Failure::from) };
        away.read(&name, info).await
    };
    let mut results = pin!(stream::iter(names).map(read).buffered(AT_ONCE));
    let mut overview = Overview {
        infos: Vec::new(),
        unread: Vec::new(),
    };
    // If Redis is away, each of the other queues would wait as long for it.
    while let Some(read) = results.try_next().await? {
        match read {
            Ok(info) => overview.infos.push(info),
            Err(failure) if failure.kind == QUEUE_NOT_FOUND && !is_named => {}
            Err(failure) => overview.unread.push(failure),
        }
    }
    Ok(overview)
}

/// Prints all of them. Returns the first.
pub(super) fn print_failures(mut failures: Vec<Failure>, output: &Output) -> Option<Failure> {
    for failure in &mut failures {
        output.print_failure(failure);
    }
    failures.into_iter().next()
}
