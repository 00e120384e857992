//! The calls of the inspector.

use rasynq::Inspector;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::failure::Failure;
use crate::form::{Data, info};
use crate::request::Request;

/// The arguments of all calls together.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(
    dead_code,
    reason = "arguments are checked for calls that the library does not have yet, too"
)]
struct Form {
    call: String,
    #[serde(default)]
    queue: String,
    #[serde(default)]
    task: String,
    state: Option<String>,
    group: Option<String>,
    entry: Option<String>,
    n: Option<i64>,
    force: Option<bool>,
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
    let connected = || inspector.get_or_try_init(|| Inspector::connect(connection));
    match form.call.as_str() {
        "queues" => Ok(connected().await?.queues().await?.into()),
        "task_info" => Ok(info(
            &connected()
                .await?
                .task_info(&form.queue, &form.task)
                .await?,
        )),
        "pause_queue" => done(connected().await?.pause_queue(&form.queue).await),
        "unpause_queue" => done(connected().await?.unpause_queue(&form.queue).await),
        "cancel_processing" => done(connected().await?.cancel_processing(&form.task).await),
        call => Err(Failure::unsupported(&format!("inspector call {call}"))),
    }
}

fn done(result: rasynq::Result<()>) -> Result<Value, Failure> {
    result?;
    Ok(Value::Null)
}
