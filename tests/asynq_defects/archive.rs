//! Trimming the archive: rows 8 and 9.

use std::time::Duration;

use rasynq::{RunningServer, Task};

use crate::common::{DEADLINE, Scripted, World, eventually, key, task_key};

/// Archives one task, and waits until it is acknowledged: no other task shares the call.
async fn archive(world: &World, client: &rasynq::Client, id: &str) {
    client
        .enqueue(Task::new("any", "skip x").task_id(id))
        .await
        .unwrap();
    let active = key("active");
    eventually("the task is archived", DEADLINE, || async {
        let waiting: i64 = world.run(&["LLEN", &key("pending")]).await;
        let running: i64 = world.run(&["LLEN", &active]).await;
        waiting + running == 0
    })
    .await;
}

async fn server(world: &World, size: u64) -> RunningServer {
    let server = world.server().archive_max_size(size);
    server.start(Scripted::new()).await.unwrap()
}

async fn archived(world: &World) -> i64 {
    world.run(&["ZCARD", &key("archived")]).await
}

async fn hashes(world: &World) -> usize {
    let hashes = world.task_hashes().await;
    hashes.len()
}

// row 9
#[tokio::test]
async fn an_archive_keeps_the_newest_tasks_up_to_its_exact_limit() {
    let world = World::new().await;
    let client = world.client().await;
    let server = server(&world, 3).await;
    for id in ["a", "b", "c", "d", "e"] {
        archive(&world, &client, id).await;
    }
    let kept: Vec<String> = world.scores("archived").await.into_keys().collect();
    assert_eq!(kept, ["c", "d", "e"]);
    assert_eq!(hashes(&world).await, 3);
    world.assert_consistent().await;
    server.shutdown().await;
}

// row 9
#[tokio::test]
async fn an_archive_with_limit_one_keeps_the_task_archived_last() {
    let world = World::new().await;
    let client = world.client().await;
    let server = server(&world, 1).await;
    // Within one second the scores are equal, and Redis orders by id: the newest id comes first.
    for id in ["c", "b", "a"] {
        archive(&world, &client, id).await;
        let kept: Vec<String> = world.scores("archived").await.into_keys().collect();
        assert_eq!(kept, [id]);
        assert_eq!(hashes(&world).await, 1);
    }
    server.shutdown().await;
}

// row 8
#[tokio::test]
async fn an_archive_far_over_its_limit_is_trimmed_in_steps_and_accepts_new_tasks() {
    let world = World::new().await;
    let client = world.client().await;
    let fill = "for i = 1, 22000 do local id = 'old' .. i \
                redis.call('ZADD', KEYS[1], ARGV[1] - 22000 + i, id) \
                redis.call('HSET', KEYS[2] .. id, 'msg', '', 'state', 'archived') end";
    let now = world.now().await.to_string();
    let _: Option<i64> = world
        .run(&["EVAL", fill, "2", &key("archived"), &task_key(""), &now])
        .await;
    let server = server(&world, 10_000).await;
    let mut n = 0;
    while archived(&world).await > 10_000 {
        assert!(n < 30, "the archive does not shrink");
        archive(&world, &client, &format!("new{n}")).await;
        n += 1;
        assert_eq!(world.counter("failed").await, n);
    }
    assert_eq!(archived(&world).await, 10_000);
    assert_eq!(hashes(&world).await, 10_000);
    assert_eq!(world.state("new0").await, "archived");
    assert_eq!(world.state("old22000").await, "archived");
    assert_eq!(world.state("old1").await, "");
    server.shutdown().await;
}

// row 9: the limit and the age are settings
#[tokio::test]
async fn archived_tasks_past_the_maximum_age_are_deleted_with_their_hashes() {
    let world = World::new().await;
    let client = world.client().await;
    let server = world
        .server()
        .archive_max_age(Duration::from_secs(60))
        .start(Scripted::new())
        .await
        .unwrap();
    archive(&world, &client, "old").await;
    archive(&world, &client, "younger").await;
    for (id, ago) in [("old", 61), ("younger", 30)] {
        let at = (world.now().await - ago).to_string();
        let _: i64 = world.run(&["ZADD", &key("archived"), &at, id]).await;
    }
    archive(&world, &client, "new").await;
    let kept: Vec<String> = world.scores("archived").await.into_keys().collect();
    assert_eq!(kept, ["new", "younger"]);
    assert_eq!(hashes(&world).await, 2);
    server.shutdown().await;
}
