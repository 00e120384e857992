//! Tells Redis how runs ended, and goes on until Redis has confirmed it.
//!
//! What waits is sent in groups without delaying anyone: an end that finds no call of its lane under way
//! goes at once, or along with the fetch that its slot is for, and what ends meanwhile makes up the next
//! call. A run stays among those held, and so its lease alive, until then. asynq: `syncer`, and
//! the acknowledging half of `processor`.

use std::sync::Arc;

use chrono::Utc;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

use super::endings::{Endings, GROUP, Group, Kind};
use super::policy::Settlement;
use crate::broker::{ArchiveLimits, Broker, LaterState, Right};
use crate::error::Result;

/// How often to let others run first while that brings more.
const MOST_YIELDS: usize = 4;

pub(super) struct Syncer {
    pub(super) broker: Broker,
    pub(super) endings: Arc<Endings>,
    pub(super) archive: ArchiveLimits,
}

impl Syncer {
    /// Works until no more runs can end and everything is told. Dropped earlier, what is not
    /// confirmed is left to its lease.
    pub(super) async fn run(self) {
        let mut calls: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        loop {
            let due = self.endings.due();
            if due.is_over {
                return;
            }
            for group in due.calls {
                calls.push(Box::pin(self.call(group)));
            }
            let resume_at = due.resume_at;
            tokio::select! {
                biased;
                Some(()) = calls.next(), if !calls.is_empty() => {}
                () = self.endings.changed() => self.let_others_end().await,
                () = tokio::time::sleep_until(resume_at.unwrap_or_else(Instant::now)), if resume_at.is_some() => {}
            }
        }
    }

    /// Handlers that are about to end make the group larger.
    async fn let_others_end(&self) {
        let mut before = self.endings.waiting();
        for _ in 0..MOST_YIELDS {
            tokio::task::yield_now().await;
            let now = self.endings.waiting();
            if now <= before || before >= GROUP {
                break;
            }
            before = now;
        }
    }

    async fn call(&self, group: Group<'_>) {
        let held = self.tell(&group).await;
        group.told(held);
    }

    async fn tell(&self, group: &Group<'_>) -> Result<Vec<bool>> {
        let now = Utc::now();
        let (broker, queue) = (&self.broker, &group.queue);
        match group.kind() {
            Kind::Done => {
                let (ends, stretch) = (group.done(), group.stretch());
                broker.done(queue, &ends, stretch, now).await
            }
            Kind::Completed => {
                let ends = group.all(|end| match end {
                    Settlement::Completed(end) => Some(end),
                    _ => None,
                });
                broker.complete(queue, &ends, now).await
            }
            Kind::Retry | Kind::Scheduled => {
                let state = match group.kind() {
                    Kind::Retry => LaterState::Retry,
                    _ => LaterState::Scheduled,
                };
                let ends = group.all(|end| match end {
                    Settlement::Later(_, end) => Some(end),
                    _ => None,
                });
                broker.retry(queue, state, &ends, Right::Owner, now).await
            }
            Kind::Archived => {
                let ends = group.all(|end| match end {
                    Settlement::Archive(end) => Some(end),
                    _ => None,
                });
                broker
                    .archive(queue, &ends, Right::Owner, self.archive, now)
                    .await
            }
            Kind::Requeued => {
                let ends = group.all(|end| match end {
                    Settlement::Requeue(claim) => Some(claim),
                    _ => None,
                });
                broker.requeue(queue, &ends).await
            }
        }
    }
}
