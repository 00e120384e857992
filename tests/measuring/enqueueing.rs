//! Enqueue calls.

use rasynq::{Entry, Scheduler, Task};

use crate::common::{HOUR, World};
use crate::recorder::{becomes, recorder, value};

fn count(queue: &str, outcome: &str) -> f64 {
    let labels = format!(r#"{{queue="{queue}",type="t",outcome="{outcome}"}}"#);
    value(&["rasynq_tasks_enqueued_total", &labels])
}

#[tokio::test]
async fn tasks_are_counted_by_what_became_of_them() {
    recorder();
    let world = World::new().await;
    let client = world.client().await;
    let task = || Task::new("t", "").queue("enqueued");
    client.enqueue(task()).task_id("1").await.unwrap();
    client.enqueue(task()).task_id("1").await.unwrap_err();
    client.enqueue(task()).unique(HOUR).await.unwrap();
    client.enqueue(task()).unique(HOUR).await.unwrap_err();
    for stored in client.enqueue_batch((0..5).map(|_| task())).await {
        stored.unwrap();
    }
    world.set_out_of_memory(true).await;
    client.enqueue(task()).await.unwrap_err();
    let counts =
        ["enqueued", "duplicate", "conflict", "failed"].map(|outcome| count("enqueued", outcome));
    assert_eq!(counts, [7.0, 1.0, 1.0, 1.0]);
    client
        .enqueue(Task::new(" ", ""))
        .queue("enqueued")
        .await
        .unwrap_err();
    assert_eq!(
        crate::recorder::series(&["rasynq_tasks_enqueued_total", "enqueued\",type=\" "]).len(),
        0
    );
}

#[tokio::test]
async fn the_ticks_of_a_scheduler_count_too() {
    recorder();
    let world = World::new().await;
    let entry = Entry::new("@every 1s", Task::new("t", "")).queue("ticks");
    let scheduler = Scheduler::new(&world.connection()).register(entry);
    let scheduler = scheduler.start().await.unwrap();
    let labels = r#"{queue="ticks",type="t",outcome="enqueued"}"#;
    becomes(&["rasynq_tasks_enqueued_total", labels], 2.0).await;
    scheduler.shutdown().await;
}
