//! The calls of the inspector.

use rasynq::Inspector;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::failure::Failure;
use crate::form::{Data, data, info, unix_time};
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

/// The size of a page of which the request does not tell it.
const PAGE_SIZE: i64 = 30;
/// How many enqueue events of an entry are kept.
const LONGEST_HISTORY: u64 = 1000;

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
        "cancel_processing" => {
            let sent = connected().await?.cancel_processing(&form.task).await;
            done(sent.map(drop))
        }
        "groups" => groups(connected().await?, &form).await,
        "scheduler_entries" => scheduler_entries(connected().await?).await,
        "enqueue_events" => enqueue_events(connected().await?, &form).await,
        call => Err(Failure::unsupported(&format!("inspector call {call}"))),
    }
}

async fn groups(inspector: &Inspector, form: &Form) -> Result<Value, Failure> {
    let groups = inspector.groups(&form.queue).await?;
    let groups = groups.iter();
    Ok(groups
        .map(|group| json!({"group": group.group, "size": group.size}))
        .collect())
}

async fn scheduler_entries(inspector: &Inspector) -> Result<Value, Failure> {
    let entries = inspector.scheduler_entries().await?;
    let entries = entries.iter().map(|entry| {
        json!({
            "id": entry.id,
            "spec": entry.spec,
            "type": entry.task_type,
            "payload": data(&entry.payload),
            "opts": entry.options,
            "next": unix_time(entry.next),
            "prev": unix_time(entry.previous),
        })
    });
    Ok(entries.collect())
}

/// asynq: a page below 1 is the first one, and a page without a size has all events.
async fn enqueue_events(inspector: &Inspector, form: &Form) -> Result<Value, Failure> {
    let size = form.page_size.unwrap_or(PAGE_SIZE);
    let (page, size) = match u64::try_from(size) {
        Ok(size @ 1..) => (u64::try_from(form.page.unwrap_or(1)).unwrap_or(1), size),
        _ => (1, LONGEST_HISTORY),
    };
    let entry = form.entry.as_deref().unwrap_or_default();
    let events = inspector.enqueue_events(entry, page.max(1), size).await?;
    let events = events.iter();
    Ok(events
        .map(|event| json!({"task": event.task_id, "at": unix_time(Some(event.enqueued_at))}))
        .collect())
}

fn done(result: rasynq::Result<()>) -> Result<Value, Failure> {
    result?;
    Ok(Value::Null)
}
