//! Groups: rows 2, 3 and 4.

use rasynq::Task;

use crate::common::{DEADLINE, HOUR, Scripted, TaskMessage, World, eventually, key, task_key};

// row 4
#[tokio::test]
async fn the_group_of_a_scheduled_task_is_not_in_the_hash_field_that_go_forwards_by() {
    let world = World::new().await;
    let client = world.client().await;
    client
        .enqueue(Task::new("any", "").group("g").process_in(HOUR))
        .task_id("task")
        .await
        .unwrap();
    assert_eq!(world.state("task").await, "scheduled");
    let fields = world.fields("task").await;
    assert!(!fields.contains(&"group".to_owned()), "{fields:?}");
    assert_eq!(world.message("task").await.group_key, "g");
    let groups: i64 = world.run(&["EXISTS", &key("groups"), &key("g:g")]).await;
    assert_eq!(groups, 0);
}

// rows 3 and 4
#[tokio::test]
async fn a_due_task_joins_its_group_and_the_group_is_registered() {
    let world = World::new().await;
    let client = world.client().await;
    client
        .enqueue(Task::new("any", "").group("g").process_in(HOUR))
        .task_id("ours")
        .await
        .unwrap();
    // a task as Go writes it
    let theirs = TaskMessage {
        group_key: "h".into(),
        ..TaskMessage::of("theirs", "")
    };
    world
        .store("default", "theirs", "scheduled", theirs.bytes())
        .await;
    let hash = task_key("theirs");
    let _: i64 = world.run(&["HSET", &hash, "group", "h"]).await;
    for id in ["ours", "theirs"] {
        world.make_due("scheduled", id).await;
    }
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    for (id, group) in [("ours", "g"), ("theirs", "h")] {
        world.task_is(id, "aggregating").await;
        assert_eq!(world.fields(id).await, ["group", "msg", "state"]);
        let score = world.scores(&format!("g:{group}")).await[id] as i64;
        assert!((world.now().await - score).abs() < 10);
        let known: i64 = world.run(&["SISMEMBER", &key("groups"), group]).await;
        assert_eq!(known, 1, "{group}");
    }
    server.shutdown().await;
    assert_eq!(handler.begun().len(), 0);
}

// row 3
#[tokio::test]
async fn a_reclaimed_set_goes_back_to_a_group_that_is_registered_again() {
    let world = World::new().await;
    // a Go server has crashed while it was aggregating
    let now = world.now().await;
    for (group, deadline) in [("stale", now - 1), ("live", now + 60)] {
        let message = TaskMessage {
            group_key: group.into(),
            ..TaskMessage::of(group, "")
        };
        let id = group;
        let task = message.bytes();
        world.store("default", id, "aggregating", task).await;
        let _: i64 = world.run(&["HSET", &task_key(id), "group", group]).await;
        let set = key(&format!("g:{group}:7f5c"));
        let joined = (now - 200).to_string();
        let _: i64 = world.run(&["ZADD", &set, &joined, id]).await;
        let sets = key("aggregation_sets");
        let deadline = deadline.to_string();
        let _: i64 = world.run(&["ZADD", &sets, &deadline, &set]).await;
    }
    let server = world.start(Scripted::new()).await;
    eventually("the set is reclaimed", DEADLINE, || async {
        world.scores("aggregation_sets").await.len() == 1
    })
    .await;
    assert_eq!(world.scores("g:stale").await["stale"] as i64, now - 200);
    assert_eq!(world.state("stale").await, "aggregating");
    let groups: Vec<String> = world.run(&["SMEMBERS", &key("groups")]).await;
    assert_eq!(groups, ["stale"]);
    assert_eq!(world.scores("g:live:7f5c").await.len(), 1);
    server.shutdown().await;

    let inspector = world.inspector().await;
    let groups = inspector.groups("default").await.unwrap();
    let groups = groups.iter().map(|info| (&*info.group, info.size));
    assert!(groups.eq([("stale", 1)]));
}

// row 2
#[tokio::test]
async fn aggregation_releases_the_locks_of_unique_tasks_and_they_can_be_enqueued_again() {
    let world = World::new().await;
    let client = world.client().await;
    let unique = async |payload: &str| {
        let task = Task::new("any", payload.to_owned()).group("g").unique(HOUR);
        client.enqueue(task).await.unwrap().id
    };
    unique("ours").await;
    let theirs = unique("theirs").await;
    // as Go writes it
    let _: i64 = world.run(&["HDEL", &task_key(&theirs), "unique_key"]).await;
    assert_eq!(world.locks().await.len(), 2);
    let server = world.server().group_max_size(2).aggregate(
        async |group: String, _: Vec<Task>| -> rasynq::Result<Task> {
            Ok(Task::new("digest", group))
        },
    );
    let handler = Scripted::new();
    let server = server.start(handler.clone()).await.unwrap();
    handler.has_begun(1).await;
    assert_eq!(world.locks().await, [""; 0]);
    unique("ours").await;
    unique("theirs").await;
    server.shutdown().await;
}
