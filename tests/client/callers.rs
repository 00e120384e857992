//! Many callers of one client.

use rasynq::{Client, ErrorKind, Task};

use crate::common::World;

#[tokio::test]
async fn concurrent_callers_each_get_their_own_result() {
    let world = World::new().await;
    let client = world.client().await;
    let calls = (0..600).map(|n| {
        let client = client.clone();
        async move {
            // every third call uses the id of the call before
            let id = format!("{}", if n % 3 == 1 { n - 1 } else { n });
            (n, client.enqueue(Task::new("any", "")).task_id(id).await)
        }
    });
    let mut winners = std::collections::BTreeSet::new();
    for (n, result) in futures_util::future::join_all(calls).await {
        let id = if n % 3 == 1 { n - 1 } else { n };
        match result {
            Ok(info) => {
                assert_eq!(info.id, id.to_string());
                assert!(winners.insert(id), "two callers got {id}");
            }
            Err(error) => {
                assert_ne!(n % 3, 2, "{error}");
                assert_eq!(error.kind(), ErrorKind::TaskIdConflict);
                assert_eq!(error.task_id(), Some(id.to_string().as_str()));
            }
        }
    }
    // one of two callers with the same id succeeds
    assert_eq!(winners.len(), 400);
    assert_eq!(world.list("pending").await.len(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_on_runtimes_of_their_own_are_all_served() {
    let world = World::new().await;
    let client = world.client().await;
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                // between two calls nothing polls this runtime, nor any future left on it
                for _ in 0..50 {
                    let task = client.enqueue(Task::new("any", ""));
                    runtime.block_on(async { task.await.unwrap() });
                }
            })
        })
        .collect();
    for caller in callers {
        tokio::task::spawn_blocking(move || caller.join().unwrap())
            .await
            .unwrap();
    }
    assert_eq!(world.list("pending").await.len(), 400);
}

#[tokio::test]
async fn callers_that_are_cancelled_do_not_affect_others() {
    let world = World::new().await;
    let client = world.client().await;
    for round in 0..50 {
        let mut cancelled = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let client = client.clone();
            cancelled.spawn(async move { client.enqueue(Task::new("any", "")).await });
        }
        tokio::task::yield_now().await;
        cancelled.abort_all();
        let task = Task::new("any", "").task_id(format!("kept {round}"));
        client.enqueue(task).await.unwrap();
        assert_eq!(world.state(&format!("kept {round}")).await, "pending");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_tasks_do_not_wait_for_large_ones_of_other_callers() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = Client::connect(&connection).await.unwrap();
    // Redis knows the scripts, and the connection for large commands is open.
    client.enqueue(Task::new("any", "first")).await.unwrap();
    let large = "x".repeat(1 << 20);
    client
        .enqueue(Task::new("any", large.clone()))
        .await
        .unwrap();
    proxy.limit_rate(500_000);
    let mut large_calls = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (client, large) = (client.clone(), large.clone());
        large_calls.spawn(async move { client.enqueue(Task::new("any", large)).await });
    }
    for _ in 0..20 {
        client.enqueue(Task::new("any", "small")).await.unwrap();
    }
    let stored = world.list("pending").await.len();
    assert!(stored < 2 + 4 + 20, "the large ones were stored before");
    large_calls.join_all().await.into_iter().for_each(|stored| {
        stored.unwrap();
    });
    assert_eq!(world.list("pending").await.len(), 2 + 4 + 20);
}
