//! A stream of tasks.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, Stream, StreamExt};

use super::bulk_progress::{BulkProgress, ProgressHook};
use super::reader::TaskReader;
use crate::error::Result;
use crate::task::TaskInfo;

/// The tasks of a [`TaskSelection`](crate::TaskSelection), read from Redis as you ask for them.
///
/// It is a [`Stream`] of [`Result<TaskInfo>`](TaskInfo), and has a method [`next`](Self::next), so that a loop needs no
/// other crate. After an error it ends.
///
/// Each task comes at most once. A task that is in the state from the beginning to the end comes certainly, unless
/// it is rescheduled to an earlier time meanwhile. One that comes or goes meanwhile may come or not.
///
/// The order is that of [`page`](crate::TaskSelection::page).
#[must_use = "a stream reads nothing until it is polled"]
pub struct TaskStream {
    tasks: Pin<Box<dyn Stream<Item = Result<TaskInfo>> + Send>>,
}

/// What is left of a stream.
enum Rest<R> {
    /// It has not begun.
    Begin(R),
    Reading(Box<TaskReader>, VecDeque<TaskInfo>, BulkProgress),
    Ended,
}

impl TaskStream {
    /// The tasks of the reader that `begin` makes when the stream is polled for the first time. The hook is told of each
    /// step.
    pub(super) fn new<R>(hook: ProgressHook, begin: R) -> Self
    where
        R: Future<Output = Result<TaskReader>> + Send + 'static,
    {
        let tasks = stream::unfold(Rest::Begin(Box::pin(begin)), move |mut rest| {
            let hook = hook.clone();
            async move {
                loop {
                    rest = match rest {
                        Rest::Begin(begin) => match begin.await {
                            Ok(reader) => {
                                let progress = BulkProgress {
                                    total: reader.total(),
                                    ..BulkProgress::default()
                                };
                                Rest::Reading(Box::new(reader), VecDeque::new(), progress)
                            }
                            Err(error) => return Some((Err(error), Rest::Ended)),
                        },
                        Rest::Reading(mut reader, mut found, mut progress) => {
                            if let Some(task) = found.pop_front() {
                                return Some((Ok(task), Rest::Reading(reader, found, progress)));
                            }
                            match reader.next_part().await {
                                Ok(Some(part)) => {
                                    progress.examined += part.examined;
                                    progress.matched += part.found.len() as u64;
                                    hook.tell(progress);
                                    found.extend(part.found.into_iter().map(|task| task.info));
                                    Rest::Reading(reader, found, progress)
                                }
                                Ok(None) => Rest::Ended,
                                Err(error) => return Some((Err(error), Rest::Ended)),
                            }
                        }
                        Rest::Ended => return None,
                    };
                }
            }
        });
        Self {
            tasks: Box::pin(tasks.fuse()),
        }
    }

    /// The next task. `None`: there are no more.
    ///
    /// # Errors
    /// Those of [`TaskSelection::page`](crate::TaskSelection::page).
    ///
    /// # Cancel safety
    /// If the future is dropped, no task is lost: the next call goes on where this one was.
    pub async fn next(&mut self) -> Option<Result<TaskInfo>> {
        StreamExt::next(&mut self.tasks).await
    }
}

impl Stream for TaskStream {
    type Item = Result<TaskInfo>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.tasks.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for TaskStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskStream").finish_non_exhaustive()
    }
}
