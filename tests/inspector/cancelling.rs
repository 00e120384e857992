//! Cancelling runs: whether a server has heard it.

use std::time::{Duration, Instant};

use rasynq::{Cancellation, Client, Connection, Inspector, Server, Task};

use crate::common::support::RedisCluster;
use crate::common::{DEADLINE, Scripted, World, eventually};

async fn cancelled(inspector: &Inspector, id: &str) -> Cancellation {
    inspector.cancel_processing(id).await.unwrap()
}

#[tokio::test]
async fn nobody_listens_without_a_server() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    assert_eq!(
        cancelled(&inspector, "task").await,
        Cancellation::NobodyListens
    );
}

#[tokio::test]
async fn the_server_that_runs_the_task_confirms_and_another_task_is_not_known() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    let idle = world.start(handler.clone()).await;
    let (client, inspector) = (world.client().await, world.inspector().await);
    eventually("both servers listen", DEADLINE, || async {
        let counts: (String, i64) = world.run(&["PUBSUB", "NUMSUB", "asynq:cancel"]).await;
        counts.1 == 2
    })
    .await;
    for round in 0..2 {
        // The same id again: the confirmation of the first round is still there.
        let task = Task::new("any", "until_cancelled").task_id("task");
        client.enqueue(task).await.unwrap();
        handler.has_begun(round + 1).await;
        assert_eq!(
            cancelled(&inspector, "another").await,
            Cancellation::NotKnown
        );
        let began = Instant::now();
        assert_eq!(cancelled(&inspector, "task").await, Cancellation::Heard);
        assert!(began.elapsed() < Duration::from_secs(1));
        world.task_is("task", "").await;
        assert_eq!(cancelled(&inspector, "task").await, Cancellation::NotKnown);
    }
    let ttl: i64 = world.run(&["TTL", "rasynq:canceled:{task}"]).await;
    assert!((1..=60).contains(&ttl), "{ttl}");
    server.shutdown().await;
    idle.shutdown().await;
}

#[tokio::test]
async fn on_a_cluster_a_confirmation_is_heard_and_its_lack_is_not_known() {
    let cluster = RedisCluster::start().await;
    let connection = Connection::cluster(cluster.addresses());
    let inspector = Inspector::connect(&connection).await.unwrap();
    assert_eq!(cancelled(&inspector, "task").await, Cancellation::NotKnown);
    let handler = Scripted::new();
    let server = Server::new(&connection)
        .start(handler.clone())
        .await
        .unwrap();
    let client = Client::connect(&connection).await.unwrap();
    let task = Task::new("any", "until_cancelled").task_id("task");
    client.enqueue(task).await.unwrap();
    handler.has_begun(1).await;
    eventually("the server hears it", DEADLINE, || async {
        cancelled(&inspector, "task").await == Cancellation::Heard
    })
    .await;
    server.shutdown().await;
}
