//! Batches of fetches and of acknowledgements, and failures of both.

use std::sync::Arc;

use rasynq::{Mux, Task, TaskContext};
use tokio::sync::{Semaphore, mpsc};

use crate::common::{World, queue_key};
use crate::recorder::{becomes, recorder, series, value};

#[tokio::test]
async fn the_sums_of_the_batches_are_the_numbers_of_tasks() {
    recorder();
    let world = World::new().await;
    let client = world.client().await;
    let tasks = (0..300).map(|_| Task::new("t", "").queue("batches"));
    for stored in client.enqueue_batch(tasks).await {
        stored.unwrap();
    }
    let done = async |_: TaskContext, _: Task| anyhow::Ok(());
    let server = world.server().concurrency(100).queue("batches", 1);
    let server = server.start(Mux::new().route("t", done)).await.unwrap();
    let queue = r#"{queue="batches"}"#;
    becomes(&["rasynq_fetch_batch_size_sum", queue], 300.0).await;
    becomes(&["rasynq_acknowledgement_batch_size_sum", queue], 300.0).await;
    server.shutdown().await;
    for name in [
        "rasynq_fetch_batch_size_count",
        "rasynq_acknowledgement_batch_size_count",
    ] {
        let calls = *series(&[name, queue]).values().next().unwrap();
        assert!((3.0..300.0).contains(&calls), "{name}: {calls}");
    }
    for name in [
        "fetch_failures",
        "acknowledgement_failures",
        "acknowledgements_rejected",
    ] {
        let counter = series(&[&format!("rasynq_{name}_total"), queue]);
        assert_eq!(counter.into_values().collect::<Vec<_>>(), [0.0], "{name}");
    }
}

#[tokio::test]
async fn outcomes_that_redis_rejects_and_calls_that_it_refuses_are_counted() {
    recorder();
    refuse("refused").await;
}

/// Makes Redis reject an outcome, and refuse a call with outcomes and a fetch.
pub(crate) async fn refuse(queue: &str) {
    let world = World::new().await;
    let client = world.client().await;
    let (started, mut starts) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let permits = Arc::clone(&gate);
    let handler = move |_: TaskContext, _: Task| {
        let (started, permits) = (started.clone(), Arc::clone(&permits));
        async move {
            started.send(())?;
            permits.acquire().await?.forget();
            anyhow::Ok(())
        }
    };
    let server = world.server().queue(queue, 1).start(handler).await.unwrap();
    client
        .enqueue(Task::new("t", ""))
        .queue(queue)
        .task_id("1")
        .await
        .unwrap();
    starts.recv().await.unwrap();
    let hash = queue_key(queue, "t:1");
    let _: i64 = world.run(&["HSET", &hash, "rasynq_owner", "another"]).await;
    gate.add_permits(1);
    let of_queue = &*format!(r#"{{queue="{queue}"}}"#);
    becomes(&["rasynq_acknowledgements_rejected_total", of_queue], 1.0).await;

    client
        .enqueue(Task::new("t", ""))
        .queue(queue)
        .task_id("2")
        .await
        .unwrap();
    starts.recv().await.unwrap();
    let (active, aside) = (queue_key(queue, "active"), queue_key(queue, "aside"));
    let _: String = world.run(&["RENAME", &active, &aside]).await;
    let _: String = world.run(&["SET", &active, "no list"]).await;
    gate.add_permits(2);
    becomes_some(&["rasynq_acknowledgement_failures_total", of_queue]).await;
    let task = client.enqueue(Task::new("t", "")).queue(queue);
    task.task_id("3").await.unwrap();
    becomes_some(&["rasynq_fetch_failures_total", of_queue]).await;
    let _: String = world.run(&["RENAME", &aside, &active]).await;
    starts.recv().await.unwrap();
    becomes(
        &[
            "rasynq_runs_total",
            &format!(r#"{{queue="{queue}",type="t",outcome="done"}}"#),
        ],
        3.0,
    )
    .await;
    server.shutdown().await;
}

async fn becomes_some(words: &[&str]) {
    let what = format!("{words:?} is counted");
    let is_so = || async { value(words) > 0.0 };
    crate::common::eventually(&what, crate::common::DEADLINE, is_so).await;
}
