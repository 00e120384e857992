//! How long tasks wait from pending to the start of their runs, by Redis' clock.

use rasynq::{Mux, Task, TaskContext};

use crate::common::{DEADLINE, World, eventually, queue_key};
use crate::recorder::{becomes, recorder, value};

const SECS: i64 = 1_000;

async fn done(_cx: TaskContext, _task: Task) -> anyhow::Result<()> {
    Ok(())
}

/// Lets the pending tasks of a queue run, and returns how many waits are recorded, and their sum (s).
async fn waits(world: &World, queue: &str, tasks: usize) -> (f64, f64) {
    let server = world.server().concurrency(1).queue(queue, 1);
    let server = server.start(Mux::new().route("t", done)).await;
    let server = server.unwrap_or_else(|error| panic!("{error}"));
    let labels = format!(r#"{{queue="{queue}",type="t"}}"#);
    becomes(
        &["rasynq_run_duration_seconds_count", &labels],
        tasks as f64,
    )
    .await;
    server.shutdown().await;
    let value = |name| value(&[name, &labels]);
    (
        value("rasynq_task_wait_seconds_count"),
        value("rasynq_task_wait_seconds_sum"),
    )
}

/// Sets since when a task is pending, as a Go program writes it.
async fn pending_for(world: &World, queue: &str, id: &str, secs: i64) {
    let since = ((world.now().await - secs) * 1_000_000_000).to_string();
    let task = queue_key(queue, &format!("t:{id}"));
    let _: i64 = world.run(&["HSET", &task, "pending_since", &since]).await;
}

#[tokio::test]
async fn a_wait_counts_from_when_the_task_became_pending_to_the_start_of_its_run() {
    recorder();
    let world = World::new().await;
    let client = world.client().await;
    for n in 0..20 {
        let id = n.to_string();
        let task = client
            .enqueue(Task::new("t", ""))
            .queue("since")
            .task_id(&id);
        task.await.unwrap();
        pending_for(&world, "since", &id, SECS).await;
    }
    let (count, sum) = waits(&world, "since", 20).await;
    assert!((count - 20.0).abs() < f64::EPSILON, "{count}");
    let least = (20 * SECS) as f64;
    assert!(
        (least..least + 20.0 * DEADLINE.as_secs_f64()).contains(&sum),
        "{sum}"
    );
}

#[tokio::test]
async fn a_large_message_has_a_wait_too_and_a_task_without_the_time_has_none() {
    recorder();
    let world = World::new().await;
    let client = world.client().await;
    let large = Task::new("t", vec![b'x'; 300 << 10]);
    client
        .enqueue(large)
        .queue("large")
        .task_id("large")
        .await
        .unwrap();
    pending_for(&world, "large", "large", SECS).await;
    client
        .enqueue(Task::new("t", ""))
        .queue("large")
        .task_id("without")
        .await
        .unwrap();
    let hash = queue_key("large", "t:without");
    let _: i64 = world.run(&["HDEL", &hash, "pending_since"]).await;
    client
        .enqueue(Task::new("t", ""))
        .queue("large")
        .task_id("wrong")
        .await
        .unwrap();
    let hash = queue_key("large", "t:wrong");
    let _: i64 = world.run(&["HSET", &hash, "pending_since", "soon"]).await;
    let (count, sum) = waits(&world, "large", 3).await;
    assert!((count - 1.0).abs() < f64::EPSILON, "{count}");
    let least = SECS as f64;
    assert!(
        (least..least + 2.0 * DEADLINE.as_secs_f64()).contains(&sum),
        "{sum}"
    );
}

#[tokio::test]
async fn a_wait_begins_anew_when_a_retry_becomes_pending() {
    recorder();
    let world = World::new().await;
    let client = world.client().await;
    let task = client
        .enqueue(Task::new("t", ""))
        .queue("forwarded")
        .task_id("1");
    task.process_in(crate::common::HOUR).await.unwrap();
    let scheduled = queue_key("forwarded", "scheduled");
    let _: i64 = world.run(&["ZADD", &scheduled, "1", "1"]).await;
    let (count, sum) = waits(&world, "forwarded", 1).await;
    assert!((count - 1.0).abs() < f64::EPSILON, "{count}");
    assert!(sum < DEADLINE.as_secs_f64(), "{sum}");
    eventually("the task is done", DEADLINE, || async {
        world.hash("1").await.is_empty()
    })
    .await;
}
