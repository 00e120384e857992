//! The call about servers.

use rasynq::{Inspector, WorkerInfo};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::form::{data, unix_time};

pub(super) async fn servers(inspector: &Inspector) -> Result<Value, Failure> {
    let servers = inspector.servers().await?;
    let servers = servers.iter().map(|server| {
        let mut active: Vec<&WorkerInfo> = server.active_workers.iter().collect();
        active.sort_by(|a, b| a.task_id.cmp(&b.task_id));
        json!({
            "id": server.id,
            "host": server.host,
            "pid": server.pid,
            "concurrency": server.concurrency,
            "queues": server.queues,
            "strict": server.strict_priority,
            "started": unix_time(server.started_at),
            "status": server.status,
            "active": active.into_iter().map(worker).collect::<Vec<_>>(),
        })
    });
    Ok(servers.collect())
}

fn worker(worker: &WorkerInfo) -> Value {
    json!({
        "task": worker.task_id,
        "type": worker.task_type,
        "payload": data(&worker.payload),
        "queue": worker.queue,
        "started": unix_time(worker.started_at),
        "deadline": unix_time(worker.deadline),
    })
}
