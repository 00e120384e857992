//! `rasynq task wait`

use std::time::Duration;

use rasynq::{ErrorKind, Inspector, TaskInfo, TaskState};
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout_at};

use crate::args::{TaskIdArguments, TaskWaitArguments};
use crate::failure::{Failure, FailureKind};
use crate::output::{Output, printable};
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
    let end = match limit {
        None => wait(&task, inspector).await?,
        Some(limit) => match timeout_at(limit, wait(&task, inspector)).await {
            Ok(end) => end?,
            Err(_) => {
                let text = format!("task {}: it has not ended in time", task.id);
                return Err(Failure::new(FailureKind::NotInTime, text));
            }
        },
    };
    match end {
        TaskEnd::Completed(info) if output.is_json() => output.print_json(&TaskView::from(&*info)),
        TaskEnd::Completed(info) if info.result.is_empty() => {
            output.print(&format!("task {} is completed", printable(&task.id)))
        }
        TaskEnd::Completed(info) => output.print_data(&info.result),
        TaskEnd::Archived(info) => {
            if output.is_json() {
                output.print_json(&TaskView::from(&*info))?;
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

async fn wait(task: &TaskIdArguments, inspector: &Inspector) -> Result<TaskEnd, Failure> {
    let mut pause = FIRST_PAUSE;
    let mut was_there = false;
    loop {
        match inspector.task_info(&task.queue, &task.id).await {
            Ok(info) => match info.state {
                TaskState::Completed => return Ok(TaskEnd::Completed(Box::new(info))),
                TaskState::Archived => return Ok(TaskEnd::Archived(Box::new(info))),
                _ => was_there = true,
            },
            Err(error) if was_there && is_gone(error.kind()) => return Ok(TaskEnd::Deleted),
            // The task goes on while Redis is away.
            Err(error) if was_there && error.is_transient() => {}
            Err(error) => return Err(error.into()),
        }
        sleep(pause).await;
        pause = (pause + pause / 2).min(LONGEST_PAUSE);
    }
}

fn is_gone(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::TaskNotFound | ErrorKind::QueueNotFound)
}
