//! Damage to global keys, and queues that are not listed.

use chrono::Utc;
use fred::interfaces::KeysInterface;
use rasynq::{Client, Connection, DamageKind, ErrorKind, Inspector, Repair, Task};

use crate::common::World;
use crate::common::support::RedisCluster;

#[tokio::test]
async fn servers_and_schedulers_that_are_over_are_found_and_removed() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let mut expected = Vec::new();
    for set in ["asynq:servers", "asynq:workers", "asynq:schedulers"] {
        let later = (world.now().await + 60).to_string();
        let _: i64 = world.run(&["ZADD", set, "1", "over", &later, "live"]).await;
        expected.push((set.to_owned(), Some("over".to_owned())));
        let entry = format!("{set}:{{host:1:x}}");
        let _: String = world.run(&["SET", &entry, "x"]).await;
        expected.push((entry, None));
        let _: String = world
            .run(&["SET", &format!("{set}:{{host:1:live}}"), "x", "EX", "9"])
            .await;
    }
    let history = "asynq:scheduler_history:gone";
    let _: i64 = world.run(&["ZADD", history, "1", "event"]).await;
    expected.push((history.to_owned(), None));
    expected.sort();
    let mut examination = inspector.examine_global();
    let mut found = Vec::new();
    while let Some(damage) = examination.next().await {
        let damage = damage.unwrap();
        assert_eq!((damage.kind, &damage.queue), (DamageKind::StaleKey, &None));
        assert_eq!(inspector.repair(&damage).await.unwrap(), Repair::Repaired);
        assert_eq!(inspector.repair(&damage).await.unwrap(), Repair::Gone);
        found.push((damage.key, damage.member));
    }
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(
        inspector.examine_global().next().await.map(Result::unwrap),
        None
    );
    let ttl: i64 = world.run(&["TTL", history]).await;
    assert!(ttl > 600_000, "{ttl}");
    let live: Vec<String> = world.run(&["ZRANGE", "asynq:servers", "0", "-1"]).await;
    assert_eq!(live, ["live"]);
}

#[tokio::test]
async fn the_history_of_an_entry_that_is_not_listed_yet_is_no_damage() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let history = "asynq:scheduler_history:entry";
    let minutes_ago = async |minutes: i64| (world.now().await - 60 * minutes).to_string();
    let add = async |score: String| {
        let _: i64 = world.run(&["ZADD", history, &score, &score]).await;
    };
    // A scheduler of Go writes this at the first tick of an entry, which it lists seconds later.
    add(minutes_ago(0).await).await;
    let mut examination = inspector.examine_global();
    assert_eq!(examination.next().await.map(Result::unwrap), None);
    // The scheduler is gone.
    let _: i64 = world.run(&["DEL", history]).await;
    add(minutes_ago(11).await).await;
    let mut examination = inspector.examine_global();
    let damage = examination.next().await.unwrap().unwrap();
    assert_eq!(
        (damage.kind, damage.key.as_str()),
        (DamageKind::StaleKey, history)
    );
    // It was only cut off from Redis, and goes on.
    add(minutes_ago(0).await).await;
    assert_eq!(inspector.repair(&damage).await.unwrap(), Repair::Gone);
    let ttl: i64 = world.run(&["TTL", history]).await;
    assert_eq!(ttl, -1);
}

#[tokio::test]
async fn a_queue_with_tasks_that_is_not_listed_is_found_once_and_listed() {
    let world = World::new().await;
    let (client, inspector) = (world.client().await, world.inspector().await);
    for group in [false, true] {
        let task = Task::new("any", "").queue("hidden:}x");
        let task = if group { task.group("group") } else { task };
        client.enqueue(task).await.unwrap();
    }
    let _: i64 = world.run(&["DEL", "asynq:queues"]).await;
    let mut examination = inspector.examine_global();
    let damage = examination.next().await.unwrap().unwrap();
    assert_eq!(
        (damage.kind, damage.queue.as_deref()),
        (DamageKind::UnlistedQueue, Some("hidden:}x"))
    );
    assert_eq!(examination.next().await.map(Result::unwrap), None);
    assert_eq!(inspector.repair(&damage).await.unwrap(), Repair::Repaired);
    assert_eq!(inspector.queues().await.unwrap(), ["hidden:}x"]);
    assert_eq!(inspector.repair(&damage).await.unwrap(), Repair::Gone);
}

#[tokio::test]
async fn on_a_cluster_damage_is_found_on_each_node_and_repaired() {
    let cluster = RedisCluster::start().await;
    let connection = Connection::cluster(cluster.addresses());
    let (client, inspector) = (
        Client::connect(&connection).await.unwrap(),
        Inspector::connect(&connection).await.unwrap(),
    );
    let nodes: Vec<String> = (0..3).map(|node| RedisCluster::queue_on(node, 0)).collect();
    for (node, queue) in nodes.iter().enumerate() {
        client
            .enqueue(Task::new("any", "").queue(queue.clone()))
            .await
            .unwrap();
        let lock = format!("asynq:{{{queue}}}:unique:any:leaked");
        let raw = cluster.nodes()[node].client().await;
        let _: () = raw.set(&lock, "gone", None, None, false).await.unwrap();
        let mut examination = inspector.examine(queue.clone());
        let damage = examination.next().await.unwrap().unwrap();
        assert_eq!((damage.kind, &damage.key), (DamageKind::LeakedLock, &lock));
        assert_eq!(inspector.repair(&damage).await.unwrap(), Repair::Repaired);
        assert_eq!(examination.next().await.map(Result::unwrap), None);
    }
    let node = RedisCluster::first_node_of("asynq:queues");
    let raw = cluster.nodes()[node].client().await;
    let _: () = raw.del("asynq:queues").await.unwrap();
    let mut examination = inspector.examine_global();
    let mut found = Vec::new();
    while let Some(damage) = examination.next().await {
        let damage = damage.unwrap();
        assert_eq!(damage.kind, DamageKind::UnlistedQueue);
        assert_eq!(inspector.repair(&damage).await.unwrap(), Repair::Repaired);
        found.extend(damage.queue);
    }
    found.sort();
    let mut expected = nodes.clone();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(inspector.queues().await.unwrap(), expected);
}

#[tokio::test]
async fn more_servers_that_are_over_than_fit_into_one_step_are_all_found() {
    let world = World::new().await;
    let mut add = vec!["ZADD".to_owned(), "asynq:servers".to_owned()];
    for n in 0..2_500 {
        add.extend(["1".to_owned(), format!("server-{n}")]);
    }
    let add: Vec<&str> = add.iter().map(String::as_str).collect();
    let _: i64 = world.run(&add).await;
    let mut examination = world.inspector().await.examine_global();
    let mut found = 0;
    while let Some(damage) = examination.next().await {
        damage.unwrap();
        found += 1;
    }
    assert_eq!(found, 2_500);
}

#[tokio::test]
async fn the_pause_of_a_queue_that_does_not_exist_is_found_and_removed_after_a_week() {
    let world = World::new().await;
    let (client, inspector) = (world.client().await, world.inspector().await);
    // Paused on purpose, before its first task.
    inspector.pause_queue("soon").await.unwrap();
    let pause = async |queue: &str| {
        inspector.pause_queue(queue).await.unwrap();
        let eight_days_ago = (Utc::now().timestamp() - 8 * 24 * 3600).to_string();
        let key = format!("asynq:{{{queue}}}:paused");
        let _: String = world.run(&["SET", &key, &eight_days_ago]).await;
    };
    for queue in ["slip", "used", "empty"] {
        pause(queue).await;
    }
    client
        .enqueue(Task::new("any", "").queue("used"))
        .await
        .unwrap();
    let _: i64 = world.run(&["SADD", "asynq:queues", "empty"]).await;
    let mut examination = inspector.examine_global();
    let damage = examination.next().await.unwrap().unwrap();
    assert_eq!(examination.next().await.map(Result::unwrap), None);
    let found = (damage.kind, damage.queue.as_deref(), damage.key.as_str());
    let key = "asynq:{slip}:paused";
    assert_eq!(found, (DamageKind::StaleKey, Some("slip"), key));
    assert_eq!(inspector.repair(&damage).await.unwrap(), Repair::Repaired);
    assert_eq!(inspector.repair(&damage).await.unwrap(), Repair::Gone);
    let left: i64 = world.run(&["EXISTS", key]).await;
    assert_eq!(left, 0);
    // It was used meanwhile.
    pause("slip").await;
    client
        .enqueue(Task::new("any", "").queue("slip"))
        .await
        .unwrap();
    assert_eq!(inspector.repair(&damage).await.unwrap(), Repair::Gone);
    assert!(inspector.queue_info("slip").await.unwrap().is_paused());
}

#[tokio::test]
async fn a_global_key_of_another_type_is_reported_and_hides_nothing_else() {
    let world = World::new().await;
    let (client, inspector) = (world.client().await, world.inspector().await);
    client.enqueue(Task::new("any", "")).await.unwrap();
    for (key, right) in [
        ("asynq:queues", "set"),
        ("asynq:servers", "zset"),
        ("asynq:workers", "zset"),
        ("asynq:schedulers", "zset"),
    ] {
        let _: i64 = world.run(&["DEL", key]).await;
        let _: String = world.run(&["SET", key, "x"]).await;
        let entry = format!("{}:{{host:1:x}}", "asynq:servers");
        let _: String = world.run(&["SET", &entry, "x"]).await;
        let mut examination = inspector.examine_global();
        let damage = examination.next().await.unwrap().unwrap();
        assert_eq!(
            (damage.kind, damage.key.as_str()),
            (DamageKind::WrongType, key)
        );
        assert_eq!(damage.detail, format!("the key is a string, not a {right}"));
        let refused = inspector.repair(&damage).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        let next = examination.next().await.unwrap().unwrap();
        assert_eq!((next.kind, next.key), (DamageKind::StaleKey, entry));
        assert_eq!(examination.next().await.map(Result::unwrap), None);
        // A queue with tasks is examined although nothing says whether it is listed.
        let mut examination = inspector.examine("default");
        assert_eq!(examination.next().await.map(Result::unwrap), None);
        let _: i64 = world.run(&["DEL", key]).await;
        let _: i64 = world.run(&["SADD", "asynq:queues", "default"]).await;
    }
}

#[tokio::test]
async fn a_pause_that_does_not_say_its_time_is_old_and_hides_nothing_else() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let _: i64 = world.run(&["RPUSH", "asynq:{list}:paused", "x"]).await;
    let _: String = world.run(&["SET", "asynq:{text}:paused", "yes"]).await;
    let mut examination = inspector.examine_global();
    let mut found = Vec::new();
    while let Some(damage) = examination.next().await {
        let damage = damage.unwrap();
        assert_eq!(inspector.repair(&damage).await.unwrap(), Repair::Repaired);
        found.push((damage.kind, damage.key));
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    let stale = |key: &str| (DamageKind::StaleKey, key.to_owned());
    assert_eq!(
        found,
        ["asynq:{list}:paused", "asynq:{text}:paused"].map(stale)
    );
}
