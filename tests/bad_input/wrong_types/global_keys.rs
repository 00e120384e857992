//! The sets that all queues and servers share.

use rasynq::{ErrorKind, Task};

use crate::common::{Log, Scripted, World};

#[tokio::test]
async fn a_set_of_queues_of_a_wrong_type_refuses_every_new_task_and_stores_none() {
    let world = World::new().await;
    let client = world.client().await;
    let _: String = world.run(&["SET", "asynq:queues", "wrong"]).await;
    let task = Task::new("any", "").task_id("task");
    let error = client.enqueue(task).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redis, "{error}");
    assert!(error.to_string().contains("asynq:queues"), "{error}");
    assert_eq!(world.state("task").await, "");
}

#[tokio::test]
async fn sets_of_servers_of_a_wrong_type_stop_no_task() {
    let world = World::new().await;
    let handler = Scripted::new();
    let log = Log::capture();
    let server = world.start(handler.clone()).await;
    for set in ["asynq:servers", "asynq:workers"] {
        let _: String = world.run(&["SET", set, "wrong"]).await;
    }
    let client = world.client().await;
    client
        .enqueue(Task::new("any", "wait").task_id("task"))
        .await
        .unwrap();
    handler.has_begun(1).await;
    world.shorten_lease("task").await;
    // a heartbeat renews leases first, so that its other parts cannot prevent it
    world.lease_is_renewed("task").await;
    log.line_with(&["heartbeat", "WRONGTYPE"]).await;
    handler.release(1);
    world.task_is("task", "").await;
    server.shutdown().await;
}
