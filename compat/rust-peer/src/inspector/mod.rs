//! The calls of the inspector.

mod examination;
mod queues;
mod schedulers;
mod servers;
mod tasks;

use rasynq::Inspector;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::failure::Failure;
use crate::form::Data;
use crate::request::Request;

/// The arguments of all calls together.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    call: String,
    #[serde(default)]
    queue: String,
    #[serde(default)]
    task: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    entry: String,
    #[serde(default)]
    n: i64,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    fix: bool,
    payload: Option<Data>,
    page: Option<i64>,
    page_size: Option<i64>,
}

/// The calls with their required and their optional arguments.
const CALLS: &[(&str, &[&str], &[&str])] = &[
    ("queues", &[], &[]),
    ("queue_info", &["queue"], &[]),
    ("history", &["queue", "n"], &[]),
    ("pause_queue", &["queue"], &[]),
    ("unpause_queue", &["queue"], &[]),
    ("delete_queue", &["queue"], &["force"]),
    // not a call of asynq
    ("examine", &[], &["queue", "fix"]),
    ("groups", &["queue"], &[]),
    ("task_info", &["queue", "task"], &[]),
    ("run_task", &["queue", "task"], &[]),
    ("archive_task", &["queue", "task"], &[]),
    ("delete_task", &["queue", "task"], &[]),
    ("update_task_payload", &["queue", "task"], &["payload"]),
    ("list", &["queue", "state"], &["group", "page", "page_size"]),
    ("run_all", &["queue", "state"], &["group"]),
    ("archive_all", &["queue", "state"], &["group"]),
    ("delete_all", &["queue", "state"], &["group"]),
    ("cancel_processing", &["task"], &[]),
    ("servers", &[], &[]),
    ("scheduler_entries", &[], &[]),
    ("enqueue_events", &["entry"], &["page", "page_size"]),
];

/// Makes one call. The first call that needs the inspector connects it.
pub(crate) async fn inspect(
    request: Request,
    connection: &rasynq::Connection,
    inspector: &OnceCell<Inspector>,
) -> Result<Value, Failure> {
    let call = request.text("call").unwrap_or_default().to_owned();
    let Some((_, needs, takes)) = CALLS.iter().find(|(name, ..)| *name == call) else {
        return Err(Failure::invalid(format!("unknown call {call:?}")));
    };
    if let Some(name) = needs.iter().find(|name| !request.has(name)) {
        return Err(Failure::invalid(format!("{name} is missing")));
    }
    request.check_names(&[&["call"], *needs, *takes].concat())?;
    let form: Form = request.form()?;
    let inspector = inspector
        .get_or_try_init(|| Inspector::connect(connection))
        .await?;
    let (queue, task) = (form.queue.as_str(), form.task.as_str());
    match form.call.as_str() {
        "queues" => Ok(inspector.queues().await?.into()),
        "queue_info" => queues::queue_info(inspector, queue).await,
        "history" => queues::history(inspector, &form).await,
        "pause_queue" => done(inspector.pause_queue(queue).await),
        "unpause_queue" => done(inspector.unpause_queue(queue).await),
        "delete_queue" => queues::delete_queue(inspector, &form).await,
        "examine" => examination::examine(inspector, &form).await,
        "groups" => queues::groups(inspector, queue).await,
        "task_info" => tasks::task_info(inspector, queue, task).await,
        "run_task" => done(inspector.run_task(queue, task).await),
        "archive_task" => done(inspector.archive_task(queue, task).await),
        "delete_task" => done(inspector.delete_task(queue, task).await),
        "update_task_payload" => tasks::update_task_payload(inspector, form).await,
        "list" => tasks::list(inspector, &form).await,
        "run_all" => tasks::run_all(inspector, &form).await,
        "archive_all" => tasks::archive_all(inspector, &form).await,
        "delete_all" => tasks::delete_all(inspector, &form).await,
        // asynq does not tell whether a server has heard it
        "cancel_processing" => done(inspector.cancel_processing(task).await.map(drop)),
        "servers" => servers::servers(inspector).await,
        "scheduler_entries" => schedulers::scheduler_entries(inspector).await,
        "enqueue_events" => schedulers::enqueue_events(inspector, &form).await,
        call => Err(Failure::other(format!("call {call:?} is not implemented"))),
    }
}

/// A page of a list.
enum Page {
    /// This page of this size.
    One { number: u64, size: u64 },
    /// All that the list has.
    Whole,
}

impl Form {
    /// The page that the request asks for. asynq: the first one of 30 by default; a page below 1 is the first
    /// one, and a page without a size has everything.
    fn page(&self) -> Page {
        match u64::try_from(self.page_size.unwrap_or(30)) {
            Ok(size @ 1..) => Page::One {
                number: u64::try_from(self.page.unwrap_or(1)).unwrap_or(1).max(1),
                size,
            },
            _ => Page::Whole,
        }
    }
}

fn done(result: rasynq::Result<()>) -> Result<Value, Failure> {
    result?;
    Ok(Value::Null)
}
