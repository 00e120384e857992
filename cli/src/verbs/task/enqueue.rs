//! `rasynq task enqueue`

use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use rasynq::{Client, Connection, Task, TaskInfo};

use crate::args::{PayloadArguments, TaskEnqueueArguments};
use crate::failure::Failure;
use crate::output::{Output, printable};
use crate::views::TaskView;

pub(super) async fn run(
    arguments: TaskEnqueueArguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let mut task = Task::new(&arguments.task_type, payload(&arguments.payload)?);
    if let Some(queue) = arguments.queue {
        task = task.queue(queue);
    }
    if let Some(id) = arguments.id {
        task = task.task_id(id);
    }
    if let Some(n) = arguments.retry {
        task = task.max_retry(n);
    }
    if let Some(limit) = arguments.timeout {
        task = task.timeout(limit);
    }
    if let Some(at) = arguments.deadline {
        task = task.deadline(at);
    }
    if let Some(ttl) = arguments.unique {
        task = task.unique(ttl);
    }
    if let Some(at) = arguments.process_at {
        task = task.process_at(at);
    }
    if let Some(delay) = arguments.process_in {
        task = task.process_in(delay);
    }
    if let Some(keep) = arguments.retention {
        task = task.retention(keep);
    }
    if let Some(group) = arguments.group {
        task = task.group(group);
    }
    for (name, value) in arguments.header {
        task = task.header(name, value);
    }
    let client = Client::connect(connection).await?;
    let info = client.enqueue(task).await?;
    print_enqueued(&info, output)
}

/// What is said of a new task.
pub(in crate::verbs) fn print_enqueued(info: &TaskInfo, output: &Output) -> Result<(), Failure> {
    if output.is_json() {
        return output.print_json(&TaskView::from(info));
    }
    let (id, queue) = (printable(&info.id), printable(&info.queue));
    output.print(&format!("task {id} is {} in queue {queue}", info.state))
}

/// The payload from the argument, the file or standard input.
pub(super) fn payload(arguments: &PayloadArguments) -> Result<Bytes, Failure> {
    if let Some(text) = &arguments.payload {
        return Ok(text.clone().into());
    }
    // clap makes sure that one of the two is there.
    let path = arguments.payload_file.clone().unwrap_or_default();
    let read = match path == Path::new("-") {
        true => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.map(|_| bytes)
        }
        false => std::fs::read(&path),
    };
    let bytes =
        read.map_err(|error| Failure::usage(format!("payload file {}: {error}", path.display())))?;
    Ok(bytes.into())
}
