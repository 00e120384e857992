//! Looking for damage, in bounded steps.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, Stream, StreamExt};

use super::{Damage, Inspector, Repair};
use crate::error::{Error, ErrorKind, Result};

/// The damage that an examination finds, one after the other. A [`Stream`], and a method [`next`](Self::next).
#[must_use = "nothing is examined until this is polled"]
pub struct Examination {
    found: Pin<Box<dyn Stream<Item = Result<Damage>> + Send>>,
}

impl Examination {
    /// The next damage. `None`: the examination is over. After an error it is over too.
    pub async fn next(&mut self) -> Option<Result<Damage>> {
        self.found.next().await
    }
}

impl Stream for Examination {
    type Item = Result<Damage>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.found.as_mut().poll_next(cx)
    }
}

impl Inspector {
    /// Looks for damage in a queue, in bounded steps.
    pub fn examine(&self, queue: impl Into<String>) -> Examination {
        let _queue = queue.into();
        Examination {
            found: Box::pin(stream::empty()),
        }
    }

    /// Looks for damage in the lists of servers, workers and schedulers, in bounded steps.
    pub fn examine_servers(&self) -> Examination {
        Examination {
            found: Box::pin(stream::empty()),
        }
    }

    /// Repairs damage. Whether it is still there is checked again in the same script.
    pub async fn repair(&self, damage: &Damage) -> Result<Repair> {
        Err(Error::new(
            ErrorKind::Internal,
            format!("not built yet: {damage}"),
        ))
    }
}
