//! Large messages, and thin links.

use std::sync::Arc;

use anyhow::anyhow;
use rasynq::{Task, TaskContext};
use tokio::sync::Semaphore;

use crate::common::{HOUR, World};

/// A payload of one MB.
fn megabyte() -> String {
    "x".repeat(1_000_000)
}

/// How many bytes Redis has received from all clients.
async fn received(world: &World) -> u64 {
    let stats: String = world.run(&["INFO", "stats"]).await;
    let bytes = stats
        .lines()
        .find_map(|line| line.strip_prefix("total_net_input_bytes:"));
    bytes.expect("a number").trim().parse().expect("a number")
}

#[tokio::test]
async fn an_acknowledgement_does_not_send_the_payload_again() {
    let world = World::new().await;
    let client = world.client().await;
    let task = |task_type: &str| Task::new(task_type, megabyte());
    for (id, task) in [
        ("retry", task("fail")),
        ("archived", task("fail").max_retry(0)),
        ("completed", task("succeed").retention(HOUR)),
    ] {
        client.enqueue(task).task_id(id).await.unwrap();
        let (begun, may_end) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let gates = (Arc::clone(&begun), Arc::clone(&may_end));
        let server = world
            .start(move |_: TaskContext, task: Task| {
                let (begun, may_end) = gates.clone();
                async move {
                    begun.add_permits(1);
                    may_end.acquire().await?.forget();
                    match task.task_type() {
                        "fail" => Err(anyhow!("boom")),
                        _ => Ok(()),
                    }
                }
            })
            .await;
        begun.acquire().await.unwrap().forget();
        let before = received(&world).await;
        may_end.add_permits(1);
        world.task_is(id, id).await;
        server.shutdown().await;
        let sent = received(&world).await - before;
        assert!(sent < 200_000, "{id}: {sent} bytes");
        let message = world.message(id).await;
        assert_eq!(message.payload, megabyte().into_bytes(), "{id}");
        assert_eq!(message.error_msg.is_empty(), id == "completed");
        world.assert_consistent().await;
    }
}
