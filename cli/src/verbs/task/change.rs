//! `rasynq task run|archive|delete|cancel|copy|reschedule|update`

use rasynq::{Cancellation, Inspector};
use serde::Serialize;

use super::enqueue::{payload, print_enqueued};
use crate::args::{
    TaskIdArguments, TaskIdsArguments, TaskRescheduleArguments, TaskUpdateArguments,
};
use crate::failure::{Failure, FailureKind};
use crate::output::{Output, printable};
use crate::verbs::each::Each;
use crate::views::DetailsView;

/// What is done to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Run,
    Archive,
    Delete,
}

impl Change {
    /// What the task is now.
    pub(super) fn result(self) -> &'static str {
        match self {
            Change::Run => "pending",
            Change::Archive => "archived",
            Change::Delete => "deleted",
        }
    }
}

#[derive(Debug, Serialize)]
struct TaskResultView<'a> {
    queue: &'a str,
    id: &'a str,
    result: &'static str,
}

pub(super) async fn run(
    tasks: &TaskIdsArguments,
    change: Change,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let mut each = Each::new(output);
    for id in &tasks.ids {
        let changed = match change {
            Change::Run => inspector.run_task(&tasks.queue, id).await,
            Change::Archive => inspector.archive_task(&tasks.queue, id).await,
            Change::Delete => inspector.delete_task(&tasks.queue, id).await,
        };
        let view = TaskResultView {
            queue: &tasks.queue,
            id,
            result: change.result(),
        };
        let line = match change {
            Change::Run => format!("task {} is now pending", printable(id)),
            Change::Archive => format!("task {} is archived", printable(id)),
            Change::Delete => format!("task {} is deleted", printable(id)),
        };
        each.done(changed.map(|()| (view, line)).map_err(Failure::from))?;
    }
    each.end()
}

#[derive(Debug, Serialize)]
struct CancelledView<'a> {
    id: &'a str,
    answer: &'static str,
}

pub(super) async fn cancel(
    ids: &[String],
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let mut each = Each::new(output);
    for id in ids {
        let answer = inspector.cancel_processing(id).await;
        let said = |answer, line: &str| {
            let view = CancelledView { id, answer };
            Ok((view, format!("task {}: {line}", printable(id))))
        };
        each.done(match answer {
            Ok(Cancellation::Heard) => said("heard", "the server that runs it has heard it"),
            Ok(Cancellation::NobodyListens) => Err(Failure::new(
                FailureKind::NobodyListens,
                format!("task {id}: no server listens for cancellations"),
            )),
            Ok(_) => said(
                "not_known",
                "sent; no server has confirmed that it runs the task (those of asynq never do)",
            ),
            Err(error) => {
                let mut failure = Failure::from(error);
                failure.message = format!("task {id}: {}", failure.message);
                Err(failure)
            }
        })?;
    }
    each.end()
}

pub(super) async fn copy(
    task: &TaskIdArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let info = inspector.enqueue_copy(&task.queue, &task.id).await?;
    print_enqueued(&info, output)
}

pub(super) async fn reschedule(
    arguments: TaskRescheduleArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let TaskRescheduleArguments { task, due } = arguments;
    // clap makes sure that one of the two is there.
    let at = match due.process_at {
        Some(at) => at,
        None => inspector.redis_time().await + due.process_in.unwrap_or_default(),
    };
    inspector.reschedule_task(&task.queue, &task.id, at).await?;
    print_task(&task, "is rescheduled", inspector, output).await
}

pub(super) async fn update(
    arguments: TaskUpdateArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let TaskUpdateArguments { task, payload: new } = arguments;
    let new = payload(&new)?;
    inspector
        .update_task_payload(&task.queue, &task.id, new)
        .await?;
    print_task(&task, "has the new payload", inspector, output).await
}

/// What is said of a task that was changed.
async fn print_task(
    task: &TaskIdArguments,
    what: &str,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    if output.is_json() {
        let details = inspector.task_details(&task.queue, &task.id).await?;
        return output.print_json(&DetailsView::from(&details));
    }
    output.print(&format!("task {} {what}", printable(&task.id)))
}
