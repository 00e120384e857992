//! `rasynq task wait`

use std::time::Duration;

use rasynq::{ErrorKind, Inspector, TaskInfo, TaskState};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use crate::args::{TaskIdArguments, TaskWaitArguments};
use crate::failure::{Failure, FailureKind};
use crate::output::{Output, printable, printable_lines};
use crate::views::TaskView;

/// The first pause between two looks; each pause is half as long again, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How a task ended.
enum TaskEnd {
    Completed(Box<TaskInfo>),
    Archived(Box<TaskInfo>),
    /// It is deleted: it succeeded and is not kept, or somebody deleted it.
    Deleted,
}

#[derive(Debug, Serialize)]
struct DeletedView<'a> {
    id: &'a str,
    queue: &'a str,
    state: &'static str,
}

pub(super) async fn run(
    arguments: TaskWaitArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let TaskWaitArguments { task, timeout } = arguments;
    let limit = timeout.and_then(|limit| Instant::now().checked_add(limit));
    let end = wait(&task, limit, inspector, output).await?;
    match end {
        TaskEnd::Completed(info) if output.is_json() => output.print_json(&TaskView::from(&*info)),
        TaskEnd::Completed(info) if info.result.is_empty() => {
            output.print(&format!("task {} is completed", printable(&task.id)))
        }
        TaskEnd::Completed(info) => output.print_data(&info.result),
        TaskEnd::Archived(info) => {
            if output.is_json() {
                let printed = output.print_json(&TaskView::from(&*info));
                // That the task failed counts more.
                if let Err(mut failure) = printed {
                    output.print_failure(&mut failure);
                }
            }
            let text = format!("task {} is archived: {}", task.id, info.last_error);
            Err(Failure::new(FailureKind::TaskFailed, text))
        }
        TaskEnd::Deleted if output.is_json() => output.print_json(&DeletedView {
            id: &task.id,
            queue: &task.queue,
            state: "deleted",
        }),
        TaskEnd::Deleted => output.print(&format!(
            "task {} is done, or was deleted: it is not kept",
            printable(&task.id)
        )),
    }
}

/// Looks until the task has ended, the last time at the limit. If that look fails too, nobody knows whether it has.
async fn wait(
    task: &TaskIdArguments,
    limit: Option<Instant>,
    inspector: &Inspector,
    output: &Output,
) -> Result<TaskEnd, Failure> {
    let mut pause = FIRST_PAUSE;
    let mut was_there = false;
    // Why the last look has failed.
    let mut outage: Option<Failure> = None;
    loop {
        let is_last = limit.is_some_and(|limit| limit <= Instant::now());
        match inspector.task_info(&task.queue, &task.id).await {
            Ok(info) => match info.state {
                TaskState::Completed => return Ok(TaskEnd::Completed(Box::new(info))),
                TaskState::Archived => return Ok(TaskEnd::Archived(Box::new(info))),
                _ => {
                    was_there = true;
                    outage = None;
                }
            },
            Err(error) if was_there && is_gone(error.kind()) => return Ok(TaskEnd::Deleted),
            // The task goes on while Redis is away.
            Err(error) if was_there && error.is_transient() => {
                let failure = Failure::from(error);
                if outage.is_none() && !is_last && !output.is_json() {
                    let reason = printable_lines(&failure.message);
                    output.note(&format!("rasynq: {reason}; it waits on"));
                }
                outage = Some(failure);
            }
            Err(error) => return Err(error.into()),
        }
        if is_last {
            return Err(match outage {
                None => {
                    let text = format!("task {}: it has not ended in time", task.id);
                    Failure::new(FailureKind::NotInTime, text)
                }
                Some(mut failure) => {
                    let id = &task.id;
                    failure.message = format!(
                        "task {id}: nobody knows whether it has ended: {}",
                        failure.message
                    );
                    failure
                }
            });
        }
        let next = Instant::now() + pause;
        sleep_until(limit.map_or(next, |limit| limit.min(next))).await;
        pause = (pause + pause / 2).min(LONGEST_PAUSE);
    }
}

fn is_gone(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::TaskNotFound | ErrorKind::QueueNotFound)
}
