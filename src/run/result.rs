//! Where a run writes its result: to the task in Redis, or into memory in a test.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::broker::{Broker, Str};
use crate::error::Result;
use crate::wire::QueueKeys;

/// The maximum size of a result: 512 MiB, or less if Redis takes less (its setting `proto-max-bulk-len`). Keep
/// results far smaller.
pub const MAX_RESULT_SIZE: usize = 512 << 20;

/// Where a run writes its result and its progress.
pub(crate) enum ResultSink {
    /// To the field `result` of the task in Redis, if `owner` still owns the task. Queue and id are those
    /// that were fetched. The message may contain a different queue or id.
    Broker {
        broker: Broker,
        queue: QueueKeys,
        id: Str,
        owner: Str,
    },
    /// Into memory, for tests of handlers.
    Kept(Arc<KeptResult>),
}

impl ResultSink {
    /// How many bytes a result may have.
    pub(super) fn max_size(&self) -> usize {
        match self {
            Self::Broker { broker, .. } => broker.max_argument(),
            Self::Kept(_) => MAX_RESULT_SIZE,
        }
    }

    /// Writes the result, which replaces an earlier result. Returns false, without writing, if the task
    /// is deleted, is not active or has another owner.
    pub(super) async fn write(&self, result: Bytes) -> Result<bool> {
        match self {
            Self::Broker {
                broker,
                queue,
                id,
                owner,
            } => broker.write_result(queue, id, owner, result).await,
            Self::Kept(kept) => {
                kept.set(result);
                Ok(true)
            }
        }
    }
}

/// A result in memory.
#[derive(Debug, Default)]
pub(crate) struct KeptResult(Mutex<Option<Bytes>>);

impl KeptResult {
    pub(crate) fn get(&self) -> Option<Bytes> {
        self.0.lock().clone()
    }

    fn set(&self, result: Bytes) {
        *self.0.lock() = Some(result);
    }
}
