//! Reading where one of many keys has a wrong type: a group, a task, a lock, a scheduler. It hides no other.

use rasynq::{DamageKind, ErrorKind, Inspector, Task, TaskFilter, TaskState};

use crate::common::{HOUR, World, key, task_key};
use crate::support::{add_all, ids};

/// Stores two tasks in each of the groups `a` and `z`, and makes a string of the group `odd` between them, whose task stays.
async fn with_odd_group(world: &World) -> Inspector {
    let task = |id: &str| Task::new("any", "x").task_id(id).group(&id[..1]);
    add_all(world, ["a1", "a2", "z1", "z2"].map(task)).await;
    add_all(world, [Task::new("any", "x").task_id("o1").group("odd")]).await;
    let _: String = world.run(&["SET", &key("g:odd"), "wrong"]).await;
    world.inspector().await
}

#[tokio::test]
async fn a_group_of_a_wrong_type_hides_no_other_group() {
    let world = World::new().await;
    let inspector = with_odd_group(&world).await;
    let all = inspector.tasks("default", TaskState::Aggregating);
    let expected = ["a1", "a2", "z1", "z2"];
    assert_eq!(ids(all.page(1, 30).await.unwrap()), expected);
    assert_eq!(ids(all.page(2, 2).await.unwrap()), ["z1", "z2"]);
    let mut stream = all.stream();
    let mut streamed = Vec::new();
    while let Some(task) = stream.next().await {
        streamed.push(task.unwrap().id);
    }
    assert_eq!(streamed, expected);
    let any = TaskFilter::new().task_type("*");
    assert_eq!(all.count().await.unwrap(), 4);
    assert_eq!(all.clone().matching(any).count().await.unwrap(), 4);

    let groups = inspector.groups("default").await.unwrap();
    let groups: Vec<_> = groups.iter().map(|g| (&*g.group, g.size)).collect();
    assert_eq!(groups, [("a", 2), ("z", 2)]);
    let info = inspector.queue_info("default").await.unwrap();
    assert_eq!((info.aggregating, info.groups), (4, 3));
    assert!(inspector.memory_usage("default").await.unwrap() > 0);
    let odd = all.clone().group("odd");
    assert_eq!(odd.count().await.unwrap(), 0);
    assert_eq!(odd.page(1, 30).await.unwrap(), []);

    assert_eq!(all.archive().await.unwrap().changed, 4);
    assert_eq!(world.state("o1").await, "aggregating");
}

#[tokio::test]
async fn the_examination_tells_of_a_group_of_a_wrong_type() {
    let world = World::new().await;
    let inspector = with_odd_group(&world).await;
    let mut examination = inspector.examine("default");
    let mut found = Vec::new();
    while let Some(damage) = examination.next().await {
        let damage = damage.unwrap();
        found.push((damage.kind, damage.key));
    }
    assert_eq!(found, [(DamageKind::WrongType, key("g:odd"))]);
}

#[tokio::test]
async fn a_task_whose_hash_has_a_wrong_type_is_listed_nowhere_and_its_own_reading_says_so() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.register().await;
    let _: i64 = world.run(&["ZADD", &key("scheduled"), "1", "odd"]).await;
    let _: String = world.run(&["SET", &task_key("odd"), "wrong"]).await;
    let scheduled = inspector.tasks("default", TaskState::Scheduled);
    assert_eq!(scheduled.page(1, 30).await.unwrap(), []);
    let errors = [
        inspector.task_info("default", "odd").await.unwrap_err(),
        inspector.task_details("default", "odd").await.unwrap_err(),
        inspector.enqueue_copy("default", "odd").await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Redis, "{error}");
        assert!(error.to_string().contains("another type"), "{error}");
    }
}

#[tokio::test]
async fn details_are_shown_without_what_has_a_wrong_type() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let task = Task::new("any", "x").task_id("t").group("odd").unique(HOUR);
    add_all(&world, [task]).await;
    let lock = world.message("t").await.unique_key;
    for broken in [&key("g:odd"), &key("lease"), &lock] {
        let _: i64 = world.run(&["DEL", broken]).await;
        let _: i64 = world.run(&["HSET", broken, "field", "wrong"]).await;
    }
    let details = inspector.task_details("default", "t").await.unwrap();
    assert_eq!(details.info.state, TaskState::Aggregating);
    assert_eq!(details.group.as_deref(), Some("odd"));
    assert_eq!(details.grouped_at, None);
    assert_eq!(details.lease_expires_at, None);
    let lock = details.lock.unwrap();
    // Nobody can take it.
    assert_eq!(
        (lock.holder.as_deref(), lock.is_held_by_task),
        (Some(""), false)
    );
}

#[tokio::test]
async fn active_tasks_are_listed_if_the_leases_have_a_wrong_type() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.store_in_each_state().await;
    let _: i64 = world.run(&["DEL", &key("lease")]).await;
    let _: String = world.run(&["SET", &key("lease"), "wrong"]).await;
    let active = inspector.tasks("default", TaskState::Active);
    let listed = active.page(1, 30).await.unwrap();
    assert!(listed.iter().all(|task| !task.is_orphaned));
    assert_eq!(ids(listed), ["a1", "a2"]);
}

#[tokio::test]
async fn a_scheduler_whose_key_is_not_utf8_hides_no_other_scheduler() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let add = r"return redis.call('ZADD', 'asynq:schedulers', 9999999999, 'asynq:schedulers:{\255}', 9999999999, 'asynq:schedulers:{host:1:a}')";
    let _: i64 = world.run(&["EVAL", add, "0"]).await;
    let schedulers = inspector.schedulers().await.unwrap();
    let shown: Vec<_> = schedulers.iter().map(|scheduler| &*scheduler.id).collect();
    assert_eq!(shown, ["host:1:a"]);
    assert_eq!(inspector.scheduler_entries().await.unwrap(), []);
}

#[tokio::test]
async fn a_count_and_a_call_for_all_tasks_agree_on_damaged_data() {
    for filter in [TaskFilter::new(), TaskFilter::new().task_type("*")] {
        let world = World::new().await;
        let inspector = world.inspector().await;
        let task = |id: &str| Task::new("any", "x").task_id(id).process_in(HOUR);
        let known = ["good", "other_state", "no_message", "wrong_type", "gone"];
        add_all(&world, known.map(task)).await;
        let elsewhere = task_key("other_state");
        let _: i64 = world.run(&["HSET", &elsewhere, "state", "retry"]).await;
        let _: i64 = world.run(&["HDEL", &task_key("no_message"), "msg"]).await;
        for broken in ["wrong_type", "gone"] {
            let _: i64 = world.run(&["DEL", &task_key(broken)]).await;
        }
        let _: String = world.run(&["SET", &task_key("wrong_type"), "x"]).await;
        let all = inspector
            .tasks("default", TaskState::Scheduled)
            .matching(filter);
        assert_eq!(all.count().await.unwrap(), 1);
        let mut stream = all.stream();
        assert_eq!(stream.next().await.unwrap().unwrap().id, "good");
        assert!(stream.next().await.is_none());
        let result = all.delete().await.unwrap();
        let counts = [result.examined, result.matched, result.changed];
        assert_eq!(counts, [5, 1, 1]);
    }
}
