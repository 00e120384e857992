//! The calls about tasks, one or all of a state.

use rasynq::{Inspector, TaskInfo, TaskSelection, TaskState};
use serde_json::Value;

use super::{Form, Page, done};
use crate::failure::Failure;
use crate::form::info;

/// How many tasks are asked for at a time if the request asks for all.
const STRIDE: u64 = 500;

pub(super) async fn task_info(
    inspector: &Inspector,
    queue: &str,
    task: &str,
) -> Result<Value, Failure> {
    Ok(info(&inspector.task_info(queue, task).await?))
}

pub(super) async fn update_task_payload(
    inspector: &Inspector,
    form: Form,
) -> Result<Value, Failure> {
    let payload = form.payload.map(|data| data.0).unwrap_or_default();
    done(
        inspector
            .update_task_payload(&form.queue, &form.task, payload)
            .await,
    )
}

pub(super) async fn list(inspector: &Inspector, form: &Form) -> Result<Value, Failure> {
    let selection = selection(inspector, form)?;
    let tasks = match form.page() {
        Page::One { number, size } => selection.page(number, size).await?,
        Page::Whole => whole(&selection).await?,
    };
    // asynq leaves out tasks whose messages do not decode
    let tasks = tasks.iter().filter(|task| !task.is_undecodable);
    Ok(tasks.map(info).collect())
}

/// All tasks, in the order of the pages.
async fn whole(selection: &TaskSelection) -> Result<Vec<TaskInfo>, Failure> {
    let mut tasks = Vec::new();
    for number in 1.. {
        let mut page = selection.page(number, STRIDE).await?;
        if page.is_empty() {
            break;
        }
        tasks.append(&mut page);
    }
    Ok(tasks)
}

pub(super) async fn run_all(inspector: &Inspector, form: &Form) -> Result<Value, Failure> {
    use TaskState::{Aggregating, Archived, Retry, Scheduled};
    let tasks = selection_in(inspector, form, &[Scheduled, Retry, Archived, Aggregating])?;
    Ok(tasks.run().await?.changed.into())
}

pub(super) async fn archive_all(inspector: &Inspector, form: &Form) -> Result<Value, Failure> {
    use TaskState::{Aggregating, Pending, Retry, Scheduled};
    let tasks = selection_in(inspector, form, &[Pending, Scheduled, Retry, Aggregating])?;
    Ok(tasks.archive().await?.changed.into())
}

pub(super) async fn delete_all(inspector: &Inspector, form: &Form) -> Result<Value, Failure> {
    use TaskState::{Aggregating, Archived, Completed, Pending, Retry, Scheduled};
    let states = &[Pending, Scheduled, Retry, Archived, Completed, Aggregating];
    let tasks = selection_in(inspector, form, states)?;
    Ok(tasks.delete().await?.changed.into())
}

/// The tasks of a call that asynq's inspector has for these states.
fn selection_in(
    inspector: &Inspector,
    form: &Form,
    states: &[TaskState],
) -> Result<TaskSelection, Failure> {
    if !states.contains(&state(form)?) {
        return Err(Failure::unsupported(format!(
            "asynq's inspector has no {} for {} tasks",
            form.call, form.state
        )));
    }
    selection(inspector, form)
}

/// The tasks of the request's state; of an aggregating one, those of its group only.
fn selection(inspector: &Inspector, form: &Form) -> Result<TaskSelection, Failure> {
    let state = state(form)?;
    let tasks = inspector.tasks(&*form.queue, state);
    Ok(match state {
        TaskState::Aggregating => tasks.group(&*form.group),
        _ => tasks,
    })
}

fn state(form: &Form) -> Result<TaskState, Failure> {
    let unknown = |_| Failure::invalid(format!("unknown state {:?}", form.state));
    form.state.parse().map_err(unknown)
}
