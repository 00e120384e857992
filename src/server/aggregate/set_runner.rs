//! Makes one task out of the tasks of an aggregation set.
//!
//! The tasks stay stored until the script that stores the new task deletes them. So whatever ends an aggregation early,
//! the tasks are put back into their group: at once by a shutdown, otherwise by a recoverer after the deadline of the
//! set.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::function::AggregateFunction;
use super::job_slot::JobSlot;
use crate::background::Backoff;
use crate::bounded_text::logged_text;
use crate::broker::{
    AggregationSet, ArchiveLimits, ArchivedMember, Broker, SetMember, StoredAggregate, Str,
};
use crate::clock::{self, Uuids};
use crate::error::{Error, ErrorKind, Result};
use crate::guard::{Foreign, GuardedSpan, caught, caught_polls};
use crate::handler::Failure;
use crate::prepare::prepare;
use crate::task::{Task, TaskOption};
use crate::wire::{self, TaskMessage};

/// What aggregates the sets of a server.
pub(in crate::server) struct SetRunner {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) function: Foreign<Arc<dyn AggregateFunction>>,
    pub(in crate::server) archive: ArchiveLimits,
    pub(in crate::server) uuids: Uuids,
    /// Fires when a shutdown does not wait for the aggregator any more.
    pub(in crate::server) abort: CancellationToken,
}

/// Why no aggregate was stored.
enum AggregationFailure {
    /// The text of the function's error or panic, or why its task is refused.
    Refused(String),
    /// Redis has refused a call, or has not answered until the deadline.
    Storage(Error),
    /// The function has taken too long.
    TimedOut,
    /// The aggregate came too late.
    SetIsGone,
}

impl SetRunner {
    /// Aggregates a set. Puts its tasks back if the shutdown does not wait for that.
    pub(super) async fn run(&self, mut set: AggregationSet, slot: &mut JobSlot) {
        let left = set.deadline - self.broker.clock().now();
        let until = clock::monotonic() + left.to_std().unwrap_or_default();
        let aggregated = tokio::select! {
            biased;
            () = self.abort.cancelled() => None,
            aggregated = self.aggregate(&mut set, slot, until) => Some(aggregated),
        };
        let (queue, group, tasks) = (set.keys.queue(), &*set.group, set.size);
        match aggregated {
            None => self.put_back(&set).await,
            Some(Ok(())) => tracing::debug!(queue, group, tasks, "aggregated a group"),
            Some(Err(failure)) => failure.log(queue, group, tasks),
        }
    }

    /// Puts the tasks of a set back into their group.
    pub(super) async fn put_back(&self, set: &AggregationSet) {
        let (queue, group, tasks) = (set.keys.queue(), &*set.group, set.size);
        match self.broker.return_set(set).await {
            Ok(()) => tracing::debug!(queue, group, tasks, "put the tasks of a group back"),
            Err(error) => tracing::warn!(
                queue,
                group,
                tasks,
                %error,
                "could not put the tasks of a group back, another server will do so"
            ),
        }
    }

    async fn aggregate(
        &self,
        set: &mut AggregationSet,
        slot: &mut JobSlot,
        until: Instant,
    ) -> Result<(), AggregationFailure> {
        let (messages, undecodable) = slot.lent_during(self.read(set)).await?;
        let tasks = messages
            .iter()
            .map(|(_, message)| Task::from_message(message));
        let (group, tasks) = (set.group.to_string(), tasks.collect());
        // What the function logs is in this span. The level is the highest one, so that no filter hides the span and
        // shows the lines.
        let span = GuardedSpan::new(|| {
            tracing::error_span!("aggregate", queue = set.keys.queue(), group = &*set.group)
        });
        let function = Arc::clone(&self.function);
        let prepared = span.in_scope(|| caught(|| function.prepare(group, tasks)));
        let prepared = prepared.map_err(|panic| AggregationFailure::Refused(panic.to_string()))?;
        let call = prepared.call.map(Foreign::new);
        let refused = prepared.refused.into_iter();
        let refused = refused.map(|(position, reason)| self.refuse(&messages[position], reason));
        let archived: Vec<_> = undecodable.into_iter().chain(refused).collect();
        if !archived.is_empty() {
            let archive = self.archive(set, &archived, until);
            slot.lent_during(archive).await?;
        }
        let Some(call) = call else {
            // No task is left. This removes the set.
            self.put_back(set).await;
            return Ok(());
        };
        let taken_back = timeout_at(until, slot.taken_back()).await;
        taken_back.map_err(|_| AggregationFailure::TimedOut)?;
        let task = call_until(call, &span, until).await?;
        slot.lent_during(self.store(set, task)).await
    }

    /// The tasks of a set, and those that do not decode.
    async fn read(
        &self,
        set: &mut AggregationSet,
    ) -> Result<(Vec<(Str, TaskMessage)>, Vec<ArchivedMember>), AggregationFailure> {
        let members = self.broker.read_set(set).await;
        let members = members.map_err(AggregationFailure::Storage)?;
        let (mut messages, mut undecodable) = (Vec::with_capacity(members.len()), Vec::new());
        for SetMember { id, message } in members {
            match message {
                Ok(message) => messages.push((id, message)),
                Err(error) => {
                    let queue = set.keys.queue();
                    tracing::error!(task_id = &*id, queue, %error, "a message does not decode, archiving its task unchanged");
                    let message = None;
                    undecodable.push(ArchivedMember { id, message });
                }
            }
        }
        Ok((messages, undecodable))
    }

    /// A task that the function cannot take, with the reason as its error.
    fn refuse(&self, (id, message): &(Str, TaskMessage), reason: String) -> ArchivedMember {
        tracing::warn!(
            task_id = &**id,
            task_type = message.r#type,
            queue = message.queue,
            group = message.group_key,
            error = &*logged_text(&reason),
            "archived: the aggregate function does not take this task"
        );
        let archived = TaskMessage {
            error_msg: reason,
            last_failed_at: self.broker.clock().now().timestamp(),
            ..message.clone()
        };
        ArchivedMember {
            id: id.clone(),
            message: Some(wire::encode(&archived)),
        }
    }

    async fn archive(
        &self,
        set: &mut AggregationSet,
        members: &[ArchivedMember],
        until: Instant,
    ) -> Result<(), AggregationFailure> {
        let mut backoff = Backoff::new();
        while let Err(error) = self
            .broker
            .archive_members(set, members, self.archive)
            .await
        {
            pause_after(error, &mut backoff, until).await?;
        }
        Ok(())
    }

    async fn store(&self, set: &AggregationSet, task: Task) -> Result<(), AggregationFailure> {
        let queue = TaskOption::Queue(set.keys.queue().to_owned());
        let now = self.broker.clock().now();
        let aggregate = prepare(&self.broker, task, vec![queue], now, &self.uuids);
        let refused =
            |error: &Error| AggregationFailure::Refused(format!("its task is refused: {error}"));
        let (aggregate, _) = aggregate.map_err(|error| refused(&error))?;
        match self.broker.store_aggregate(set, &aggregate).await {
            Ok(StoredAggregate::Stored) => Ok(()),
            Ok(StoredAggregate::SetIsGone) => Err(AggregationFailure::SetIsGone),
            Err(error) => Err(match error.kind() {
                ErrorKind::DuplicateTask | ErrorKind::TaskIdConflict => refused(&error),
                _ => AggregationFailure::Storage(error),
            }),
        }
    }
}

/// The task that the function returns until a time.
async fn call_until(
    mut call: Foreign<BoxFuture<'static, anyhow::Result<Task>>>,
    span: &GuardedSpan,
    until: Instant,
) -> Result<Task, AggregationFailure> {
    let polled = caught_polls(&mut call);
    match timeout_at(until, span.around(polled)).await {
        Ok(Ok(Ok(task))) => Ok(task),
        Ok(Ok(Err(error))) => {
            let failure = Failure::of(Foreign::new(error));
            Err(AggregationFailure::Refused(failure.text().to_owned()))
        }
        Ok(Err(panic)) => Err(AggregationFailure::Refused(panic.to_string())),
        Err(_) => Err(AggregationFailure::TimedOut),
    }
}

/// Waits before a call is made again, if it can succeed until then.
async fn pause_after(
    error: Error,
    backoff: &mut Backoff,
    until: Instant,
) -> Result<(), AggregationFailure> {
    let pause = backoff.pause();
    if !error.is_transient() || clock::monotonic() + pause >= until {
        return Err(AggregationFailure::Storage(error));
    }
    tokio::time::sleep(pause).await;
    Ok(())
}

impl AggregationFailure {
    fn log(&self, queue: &str, group: &str, tasks: u64) {
        match self {
            Self::Refused(text) => {
                let error = &*logged_text(text);
                tracing::warn!(
                    queue,
                    group,
                    tasks,
                    error,
                    "the aggregation of a group failed, its tasks will be aggregated again"
                );
            }
            Self::Storage(error) => {
                tracing::warn!(queue, group, tasks, %error, "could not load or store the tasks of a group, they will be aggregated again");
            }
            Self::TimedOut => {
                tracing::warn!(
                    queue,
                    group,
                    tasks,
                    "the aggregation of a group took 2 minutes and was ended, its tasks will be aggregated again"
                );
            }
            Self::SetIsGone => {
                tracing::warn!(
                    queue,
                    group,
                    tasks,
                    "the aggregate of a group came too late, nothing was stored: its set is gone"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn end_of(call: impl Future<Output = anyhow::Result<Task>> + Send + 'static) -> String {
        let until = clock::monotonic() + Duration::from_secs(120);
        let span = GuardedSpan::new(tracing::Span::none);
        match call_until(Foreign::new(Box::pin(call)), &span, until).await {
            Ok(task) => task.task_type().to_owned(),
            Err(AggregationFailure::Refused(text)) => text,
            Err(AggregationFailure::TimedOut) => "timed out".to_owned(),
            Err(_) => "not stored".to_owned(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_has_until_the_deadline_of_its_set() {
        let wait = |secs| async move {
            tokio::time::sleep(Duration::from_secs(secs)).await;
            Ok(Task::new("digest", ""))
        };
        assert_eq!(end_of(wait(119)).await, "digest");
        assert_eq!(end_of(wait(121)).await, "timed out");
    }

    #[tokio::test]
    async fn errors_and_panics_of_a_function_have_their_texts() {
        let fails = async { Err(anyhow::anyhow!("no such user").context("digest")) };
        assert_eq!(end_of(fails).await, "digest: no such user");
        let panics = end_of(async { panic!("on purpose") }).await;
        assert!(
            panics.starts_with("panic [") && panics.ends_with("]: on purpose"),
            "{panics}"
        );
    }

    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("while it is dropped");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_that_panics_while_it_is_dropped_stops_nothing() {
        let held = PanicsWhenDropped;
        let call = async move {
            std::future::pending::<()>().await;
            drop(held);
            Ok(Task::new("never", ""))
        };
        assert_eq!(end_of(call).await, "timed out");
    }
}
