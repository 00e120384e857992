//! Clients without Redis, closed clients and dropped clients.

use std::time::Duration;

use rasynq::{Client, ErrorKind, Task};

use crate::SECOND;
use crate::common::{DEADLINE, World, eventually};

#[tokio::test]
async fn an_enqueue_without_redis_fails_by_name_and_works_again_once_redis_is_back() {
    let mut world = World::new().await;
    let connection = world
        .connection()
        .command_timeout(Duration::from_millis(300));
    let client = Client::connect(&connection).await.unwrap();
    world.redis.kill();
    let task = Task::new("any", "").task_id("one").queue("q");
    let error = client.enqueue(task.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.is_transient());
    assert!(error.to_string().contains("\"one\""), "{error}");
    assert!(error.to_string().contains("\"q\""), "{error}");
    let errors = client.enqueue_batch([task.clone(), task.clone()]).await;
    assert!(errors.iter().all(Result::is_err));
    assert!(client.ping().await.is_err());

    world.redis.restart().await;
    eventually("the client works again", DEADLINE, || async {
        match client.enqueue(task.clone()).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                false
            }
        }
    })
    .await;
    client.ping().await.unwrap();
}

#[tokio::test]
async fn a_closed_client_refuses_further_tasks() {
    let world = World::new().await;
    let client = world.client().await;
    client.ping().await.unwrap();
    client.close().await;
    client.close().await;
    let calls = async {
        assert!(client.ping().await.is_err());
        client.enqueue(Task::new("any", "")).await.unwrap_err()
    };
    let error = tokio::time::timeout(SECOND, calls)
        .await
        .expect("a closed client fails at once");
    assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}");
    assert_eq!(world.list("pending").await.len(), 0);
}

#[tokio::test]
async fn a_dropped_client_leaves_no_connection() {
    let world = World::new().await;
    let clients = || async {
        let list: String = world.run(&["CLIENT", "LIST"]).await;
        list.lines().count()
    };
    let before = clients().await;
    let client = world.client().await;
    client.enqueue(Task::new("any", "")).await.unwrap();
    assert!(clients().await > before);
    drop(client);
    eventually("its connection ends", DEADLINE, || async {
        clients().await == before
    })
    .await;
}
