//! Actions in the background. Each reports what it came to; none holds up the screen.

use std::collections::HashMap;

use futures_util::future::join_all;
use rasynq::{BulkProgress, Cancellation, Error, ErrorKind, Inspector, Result};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::read::tasks_of;
use crate::dash::format::full_count;
use crate::dash::model::Message;
use crate::dash::model::action::{Action, Advance, Selection, Verb};
use crate::failure::error_text;
use crate::views::bytes_text;

/// How many runs are cancelled at the same time: each waits up to a second for an answer.
const CANCELS_AT_ONCE: usize = 32;

/// Runs actions. Dropping it stops them.
pub(crate) struct Actor {
    inspector: Inspector,
    messages: mpsc::Sender<Message>,
    tasks: JoinSet<()>,
    actions: HashMap<u64, AbortHandle>,
    counting: Option<AbortHandle>,
}

impl Actor {
    pub(crate) fn new(inspector: Inspector, messages: mpsc::Sender<Message>) -> Self {
        Self {
            inspector,
            messages,
            tasks: JoinSet::new(),
            actions: HashMap::new(),
            counting: None,
        }
    }

    /// Begins an action.
    pub(crate) fn act(&mut self, number: u64, action: Action) {
        self.forget_ended();
        let (inspector, reporter) = (self.inspector.clone(), self.reporter(number));
        let handle = self.tasks.spawn(async move {
            let result = act(&inspector, &action, &reporter).await;
            let result = result.unwrap_or_else(|error| Err(failure_text(&error)));
            reporter.send(Message::Ended(number, result)).await;
        });
        self.actions.insert(number, handle);
    }

    /// Stops an action. What it has done stays done.
    pub(crate) fn stop(&mut self, number: u64) {
        if let Some(handle) = self.actions.remove(&number) {
            handle.abort();
        }
    }

    /// Counts the tasks for a question. The count for an earlier one ends.
    pub(crate) fn count(&mut self, number: u64, selection: Selection) {
        self.stop_counting();
        self.forget_ended();
        let (inspector, reporter) = (self.inspector.clone(), self.reporter(number));
        let handle = self.tasks.spawn(async move {
            let count = count(&inspector, &selection, &reporter).await;
            let count = count.map_err(|error| error_text(&error));
            reporter.send(Message::Counted(number, count)).await;
        });
        self.counting = Some(handle);
    }

    fn reporter(&self, number: u64) -> Reporter {
        Reporter {
            number,
            messages: self.messages.clone(),
        }
    }

    /// Nobody waits for the count any more.
    pub(crate) fn stop_counting(&mut self) {
        if let Some(handle) = self.counting.take() {
            handle.abort();
        }
    }

    fn forget_ended(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        self.actions.retain(|_, handle| !handle.is_finished());
    }
}

/// Why an action has failed.
fn failure_text(error: &Error) -> String {
    let text = error_text(error);
    match error.kind() {
        // What was sent may have arrived.
        ErrorKind::Unavailable => format!("{text}; it may be done all the same"),
        _ => text,
    }
}

/// Reports how far an action, or the count for a question, has come.
#[derive(Clone)]
struct Reporter {
    number: u64,
    messages: mpsc::Sender<Message>,
}

impl Reporter {
    async fn send(&self, message: Message) {
        // Without a receiver the dashboard has ended.
        let _ = self.messages.send(message).await;
    }

    fn report(&self, advance: Advance) {
        // If the screen is behind, a later report comes.
        let message = Message::Advanced(self.number, advance);
        let _ = self.messages.try_send(message);
    }

    fn hook(&self) -> impl Fn(BulkProgress) + Send + Sync + 'static {
        let reporter = self.clone();
        move |progress| {
            reporter.report(Advance {
                examined: progress.examined,
                changed: progress.changed,
                total: Some(progress.total),
            });
        }
    }
}

async fn count(inspector: &Inspector, selection: &Selection, reporter: &Reporter) -> Result<u64> {
    if selection.filter.is_empty() && selection.group.is_none() {
        let info = inspector.queue_info(&selection.queue).await?;
        let row = super::convert::queue(info);
        return Ok(row.size_of(selection.state));
    }
    let tasks = tasks_of(inspector, selection);
    tasks.on_progress(reporter.hook()).count().await
}

/// What an action came to, for people. The inner error is an action that had no effect.
async fn act(
    inspector: &Inspector,
    action: &Action,
    reporter: &Reporter,
) -> Result<std::result::Result<String, String>> {
    let done = match action {
        Action::Pause(queue) => {
            inspector.pause_queue(queue).await?;
            format!("paused queue {queue}")
        }
        Action::Unpause(queue) => {
            inspector.unpause_queue(queue).await?;
            format!("unpaused queue {queue}")
        }
        Action::DeleteQueue(queue) => {
            let delete = inspector.delete_queue(queue).force();
            delete.on_progress(reporter.hook()).await?;
            format!("deleted queue {queue}")
        }
        Action::Memory(queue) => {
            let usage = inspector.memory_usage(queue).await?;
            format!("queue {queue} takes about {}", bytes_text(usage))
        }
        Action::Task { verb, queue, id } => return act_on_task(inspector, *verb, queue, id).await,
        Action::Bulk(Verb::Cancel, selection) => {
            return cancel_all(inspector, selection, reporter).await;
        }
        Action::Bulk(verb, selection) => {
            let tasks = tasks_of(inspector, selection).on_progress(reporter.hook());
            let (result, past) = match verb {
                Verb::Run => (tasks.run().await?, "ran"),
                Verb::Archive => (tasks.archive().await?, "archived"),
                _ => (tasks.delete().await?, "deleted"),
            };
            let tasks = match result.changed {
                1 => "task",
                _ => "tasks",
            };
            let trimmed = match result.trimmed {
                0 => String::new(),
                trimmed => format!(" (the archive is full: {} deleted)", full_count(trimmed)),
            };
            format!(
                "{past} {} {tasks}{trimmed}: {}",
                full_count(result.changed),
                selection.describe()
            )
        }
    };
    Ok(Ok(done))
}

async fn act_on_task(
    inspector: &Inspector,
    verb: Verb,
    queue: &str,
    id: &str,
) -> Result<std::result::Result<String, String>> {
    let done = match verb {
        Verb::Run => {
            inspector.run_task(queue, id).await?;
            format!("task {id} is pending")
        }
        Verb::Archive => {
            inspector.archive_task(queue, id).await?;
            format!("archived task {id}")
        }
        Verb::Delete => {
            inspector.delete_task(queue, id).await?;
            format!("deleted task {id}")
        }
        Verb::Copy => {
            let copy = inspector.enqueue_copy(queue, id).await?;
            format!("enqueued a copy, task {}", copy.id)
        }
        Verb::Cancel => match inspector.cancel_processing(id).await? {
            Cancellation::Heard => format!("its server cancels task {id}"),
            Cancellation::NobodyListens => return Ok(Err("no server listens".to_owned())),
            _ => format!("asked to cancel task {id}; no server has confirmed it"),
        },
    };
    Ok(Ok(done))
}

/// Cancels the runs of the active tasks that a selection means.
async fn cancel_all(
    inspector: &Inspector,
    selection: &Selection,
    reporter: &Reporter,
) -> Result<std::result::Result<String, String>> {
    let mut tasks = tasks_of(inspector, selection).stream();
    let (mut asked, mut heard) = (0_u64, 0_u64);
    let mut has_more = true;
    while has_more {
        let mut ids = Vec::with_capacity(CANCELS_AT_ONCE);
        while has_more && ids.len() < CANCELS_AT_ONCE {
            match tasks.next().await {
                Some(task) => ids.push(task?.id),
                None => has_more = false,
            }
        }
        let cancels = ids.iter().map(|id| inspector.cancel_processing(id));
        for cancellation in join_all(cancels).await {
            asked += 1;
            heard += u64::from(cancellation? == Cancellation::Heard);
        }
        reporter.report(Advance {
            examined: asked,
            changed: heard,
            total: None,
        });
    }
    Ok(Ok(format!(
        "asked to cancel {} runs; servers have confirmed {}",
        full_count(asked),
        full_count(heard)
    )))
}
