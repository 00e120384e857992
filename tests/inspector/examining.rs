//! Each kind of damage to tasks and locks, made on purpose: it is found, and repaired without the loss of a task.

use rasynq::{Connection, DamageKind, ErrorKind, Inspector, Repair, Task};

use crate::common::{HOUR, RedisServer, TaskMessage, World, documented_rules, key, task_key};
use crate::damaged::Damaged;

#[tokio::test]
async fn an_id_without_a_task_is_removed_from_each_list_and_set() {
    let damaged = Damaged::new().await;
    let later = (damaged.world.now().await + 600).to_string();
    for place in ["pending", "active"] {
        damaged.run(&["LPUSH", &key(place), "gone"]).await;
        damaged
            .repaired(DamageKind::IdWithoutTask, &key(place), Some("gone"))
            .await;
    }
    for place in [
        "scheduled",
        "retry",
        "archived",
        "completed",
        "g:healthy",
        "g:healthy:7f5c",
    ] {
        damaged.run(&["ZADD", &key(place), &later, "gone"]).await;
        damaged
            .repaired(DamageKind::IdWithoutTask, &key(place), Some("gone"))
            .await;
    }
}

#[tokio::test]
async fn an_id_whose_hash_has_no_message_is_removed_with_the_hash() {
    let damaged = Damaged::new().await;
    damaged.run(&["LPUSH", &key("pending"), "ghost"]).await;
    damaged
        .run(&["HSET", &task_key("ghost"), "state", "active"])
        .await;
    damaged
        .repaired(DamageKind::IdWithoutTask, &key("pending"), Some("ghost"))
        .await;
    assert_eq!(damaged.world.fields("ghost").await, [""; 0]);
}

#[tokio::test]
async fn a_task_without_a_place_goes_where_its_state_says() {
    let damaged = Damaged::new().await;
    for (state, place, now_is) in [
        ("pending", "pending", "pending"),
        ("active", "pending", "pending"),
        ("nonsense", "pending", "pending"),
        ("scheduled", "scheduled", "scheduled"),
        ("retry", "retry", "retry"),
        ("archived", "archived", "archived"),
        ("completed", "completed", "completed"),
        ("aggregating", "g:group", "aggregating"),
    ] {
        let id = format!("lost-{state}");
        damaged.store(&id, state).await;
        if state == "aggregating" {
            damaged
                .run(&["HSET", &task_key(&id), "group", "group"])
                .await;
        }
        let key = task_key(&id);
        damaged
            .repaired(DamageKind::TaskWithoutPlace, &key, Some(&id))
            .await;
        assert_eq!(damaged.places(&id).await, [place], "{state}");
        assert_eq!(damaged.world.state(&id).await, now_is);
        assert_eq!(
            damaged.world.message(&id).await,
            TaskMessage::of(&id, "payload")
        );
    }
    let fields = damaged.world.fields("lost-active").await;
    assert_eq!(fields, ["msg", "pending_since", "state"]);
    let groups: bool = damaged
        .world
        .run(&["SISMEMBER", &key("groups"), "group"])
        .await;
    assert!(groups);
    let now = damaged.world.now().await as f64;
    for place in ["scheduled", "retry", "archived"] {
        let at = damaged.world.scores(place).await[&format!("lost-{place}")];
        assert!(at <= now && at > now - 60.0, "{place}: {at}");
    }
}

#[tokio::test]
async fn a_completed_task_without_a_place_is_kept_for_its_retention() {
    let damaged = Damaged::new().await;
    let message = TaskMessage {
        retention: 500,
        ..TaskMessage::of("lost", "")
    };
    damaged
        .world
        .store("default", "lost", "completed", message.bytes())
        .await;
    damaged
        .repaired(
            DamageKind::TaskWithoutPlace,
            &task_key("lost"),
            Some("lost"),
        )
        .await;
    let until = damaged.world.scores("completed").await["lost"] - damaged.world.now().await as f64;
    assert!((440.0..=500.0).contains(&until), "{until}");
}

#[tokio::test]
async fn a_task_without_a_place_that_does_not_decode_is_archived_as_it_is() {
    let damaged = Damaged::new().await;
    damaged
        .world
        .store("default", "lost", "pending", "\u{ff}nonsense")
        .await;
    // Both are found at once, because the repair of the first one does not end the second one.
    let mut examination = damaged.inspector.examine("default");
    let damage = examination.next().await.unwrap().unwrap();
    assert_eq!(
        (damage.kind, damage.task_id()),
        (DamageKind::TaskWithoutPlace, Some("lost"))
    );
    let undecodable = examination.next().await.unwrap().unwrap();
    assert_eq!(
        (undecodable.kind, undecodable.task_id()),
        (DamageKind::Undecodable, Some("lost"))
    );
    assert_eq!(examination.next().await.map(Result::unwrap), None);
    assert_eq!(
        damaged.inspector.repair(&damage).await.unwrap(),
        Repair::Repaired
    );
    assert_eq!(damaged.places("lost").await, ["archived"]);
    assert_eq!(damaged.world.state("lost").await, "archived");
    // Now it has a place. Nothing can repair the rest.
    let damage = damaged
        .inspector
        .examine("default")
        .next()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(damage.kind, DamageKind::Undecodable);
    assert_eq!(damage.task_id(), Some("lost"));
    let refused = damaged.inspector.repair(&damage).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_state_that_is_not_that_of_the_place_becomes_that_of_the_place() {
    let damaged = Damaged::new().await;
    let later = (damaged.world.now().await + 600).to_string();
    for (place, state) in [
        ("pending", "active"),
        ("scheduled", "pending"),
        ("retry", "nonsense"),
        ("archived", "retry"),
        ("completed", "archived"),
    ] {
        damaged.store(place, state).await;
        match place {
            "pending" => damaged.run(&["LPUSH", &key(place), place]).await,
            place => damaged.run(&["ZADD", &key(place), &later, place]).await,
        }
        damaged
            .repaired(DamageKind::WrongState, &key(place), Some(place))
            .await;
        assert_eq!(damaged.world.state(place).await, place);
    }
    let fields = damaged.world.fields("pending").await;
    assert_eq!(fields, ["msg", "pending_since", "state"]);
    for (set, group) in [("g:healthy", "healthy"), ("g:healthy:7f5c", "healthy")] {
        damaged.store("grouped", "pending").await;
        damaged.run(&["ZADD", &key(set), "1", "grouped"]).await;
        damaged
            .repaired(DamageKind::WrongState, &key(set), Some("grouped"))
            .await;
        assert_eq!(damaged.world.state("grouped").await, "aggregating");
        assert_eq!(damaged.world.hash("grouped").await["group"], group);
        damaged.run(&["ZREM", &key(set), "grouped"]).await;
    }
}

#[tokio::test]
async fn a_task_in_two_places_stays_in_that_of_its_state() {
    let damaged = Damaged::new().await;
    let later = (damaged.world.now().await + 600).to_string();
    damaged.store("twice", "retry").await;
    damaged.run(&["ZADD", &key("retry"), &later, "twice"]).await;
    damaged.run(&["LPUSH", &key("pending"), "twice"]).await;
    damaged
        .repaired(DamageKind::WrongState, &key("pending"), Some("twice"))
        .await;
    assert_eq!(damaged.places("twice").await, ["retry"]);
    // Also if that is a list, or an aggregation set.
    damaged
        .run(&["ZADD", &key("archived"), &later, "healthy"])
        .await;
    damaged
        .repaired(DamageKind::WrongState, &key("archived"), Some("healthy"))
        .await;
    assert_eq!(damaged.places("healthy").await, ["pending"]);
    damaged
        .run(&["ZADD", &key("archived"), &later, "taken"])
        .await;
    damaged
        .repaired(DamageKind::WrongState, &key("archived"), Some("taken"))
        .await;
    assert_eq!(damaged.world.scores("g:healthy:7f5c").await.len(), 1);
}

#[tokio::test]
async fn an_active_task_without_a_lease_gets_the_one_that_its_server_wrote_or_one_that_expires_now()
{
    let damaged = Damaged::new().await;
    let (world, kind) = (&damaged.world, DamageKind::ActiveWithoutLease);
    damaged.store("go", "active").await;
    damaged.run(&["LPUSH", &key("active"), "go"]).await;
    damaged.repaired(kind, &key("active"), Some("go")).await;
    let now = world.now().await;
    let until = world.scores("lease").await["go"] as i64;
    assert!((now - 60..=now).contains(&until), "{until}");

    damaged.store("rust", "active").await;
    let claim = format!("a1:7@{}", now + 25);
    damaged
        .run(&["HSET", &task_key("rust"), "rasynq_owner", &claim])
        .await;
    damaged.run(&["LPUSH", &key("active"), "rust"]).await;
    damaged.repaired(kind, &key("active"), Some("rust")).await;
    assert_eq!(world.scores("lease").await["rust"] as i64, now + 25);
    assert_eq!(world.hash("rust").await["rasynq_owner"], claim);
}

#[tokio::test]
async fn an_active_task_of_an_asynq_without_leases_is_no_damage() {
    let damaged = Damaged::new().await;
    damaged.store("old", "active").await;
    damaged.run(&["LPUSH", &key("active"), "old"]).await;
    damaged
        .run(&["ZADD", &key("deadlines"), "9000000000", "old"])
        .await;
    assert_eq!(damaged.found().await, []);
}

#[tokio::test]
async fn a_lease_without_an_active_task_is_removed_or_its_task_is_active_again() {
    let damaged = Damaged::new().await;
    let kind = DamageKind::LeaseWithoutActive;
    let later = (damaged.world.now().await + 20).to_string();
    for id in ["gone", "healthy"] {
        damaged.run(&["ZADD", &key("lease"), &later, id]).await;
        damaged.repaired(kind, &key("lease"), Some(id)).await;
        assert!(!damaged.world.scores("lease").await.contains_key(id));
    }
    assert_eq!(damaged.places("healthy").await, ["pending"]);
    damaged.store("lost", "active").await;
    damaged.run(&["ZADD", &key("lease"), &later, "lost"]).await;
    damaged.repaired(kind, &key("lease"), Some("lost")).await;
    assert_eq!(damaged.places("lost").await, ["active"]);
    assert_eq!(
        damaged.world.scores("lease").await["lost"].to_string(),
        later
    );
}

#[tokio::test]
async fn a_lock_is_deleted_if_its_task_is_gone_or_completed_or_has_another_one() {
    let damaged = Damaged::new().await;
    for holder in ["gone", "completed", "healthy"] {
        let lock = key("unique:any:leaked");
        damaged.run(&["SET", &lock, holder, "EX", "600"]).await;
        damaged
            .repaired(DamageKind::LeakedLock, &lock, Some(holder))
            .await;
        assert_eq!(damaged.world.locks().await.len(), 2);
    }
}

#[tokio::test]
async fn a_lock_that_only_the_message_names_is_not_leaked() {
    let damaged = Damaged::new().await;
    // As a Go client adds a unique task to a group.
    damaged
        .run(&["HDEL", &task_key("waiting"), "unique_key"])
        .await;
    assert_eq!(damaged.found().await, []);
}

#[tokio::test]
async fn a_counter_of_a_day_gets_its_time_to_live_and_a_hash_without_a_message_is_deleted() {
    let damaged = Damaged::new().await;
    let today = rasynq::chrono::DateTime::from_timestamp(damaged.world.now().await, 0).unwrap();
    for counter in ["processed", "failed"] {
        let counter = key(&format!("{counter}:{}", today.date_naive()));
        damaged.run(&["SET", &counter, "7"]).await;
        damaged.repaired(DamageKind::StaleKey, &counter, None).await;
        let days = damaged.world.run::<i64>(&["TTL", &counter]).await / 86_400;
        assert!((88..=90).contains(&days), "{days}");
        damaged.run(&["INCR", &counter]).await;
        assert_eq!(damaged.found().await, []);
    }
    damaged
        .run(&["HSET", &task_key("ghost"), "state", "active"])
        .await;
    let ghost = task_key("ghost");
    damaged
        .repaired(DamageKind::GhostTask, &ghost, Some("ghost"))
        .await;
    assert_eq!(damaged.world.fields("ghost").await, [""; 0]);
}

#[tokio::test]
async fn a_message_that_does_not_decode_is_reported_wherever_it_is() {
    let damaged = Damaged::new().await;
    damaged
        .world
        .store_pending("default", "one", "\u{ff}nonsense")
        .await;
    damaged
        .world
        .store("default", "two", "retry", "\u{ff}nonsense")
        .await;
    damaged
        .run(&["ZADD", &key("retry"), "9000000000", "two"])
        .await;
    let found = damaged.found().await;
    let expected =
        ["one", "two"].map(|id| (DamageKind::Undecodable, task_key(id), Some(id.to_owned())));
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_queue_that_does_not_exist_is_not_found_and_a_blank_name_is_invalid() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    for (queue, kind) in [
        ("none", ErrorKind::QueueNotFound),
        (" ", ErrorKind::Invalid),
    ] {
        let mut examination = inspector.examine(queue);
        assert_eq!(examination.next().await.unwrap().unwrap_err().kind(), kind);
        assert!(examination.next().await.is_none());
    }
}

#[tokio::test]
async fn a_name_of_a_queue_is_no_pattern() {
    let world = World::new().await;
    let (client, inspector) = (world.client().await, world.inspector().await);
    for queue in ["a*", "ab", "a[b]", "a\\"] {
        client
            .enqueue(Task::new("any", "").task_id("task"))
            .queue(queue)
            .await
            .unwrap();
        let lock = format!("asynq:{{{queue}}}:unique:any:leaked");
        let _: String = world.run(&["SET", &lock, "gone", "EX", "600"]).await;
        let mut examination = inspector.examine(queue);
        let damage = examination.next().await.unwrap().unwrap();
        assert_eq!((damage.kind, damage.key), (DamageKind::LeakedLock, lock));
        assert!(examination.next().await.is_none(), "{queue}");
    }
}

#[tokio::test]
async fn the_documented_redis_user_may_delete_cancel_examine_and_repair() {
    let rules = format!("on >password {}", documented_rules());
    let builder = RedisServer::builder().user_with_rules("limited", &rules);
    let world = World::on(builder).await;
    let uri = world.redis.uri_with("limited:password@");
    let inspector = Inspector::connect(&Connection::from_uri(&uri).unwrap())
        .await
        .unwrap();
    let client = world.client().await;
    for group in [false, true] {
        let task = Task::new("any", "").unique(HOUR);
        let task = if group {
            task.group("group").task_id("grouped")
        } else {
            task
        };
        let _ = client.enqueue(task).await;
    }
    let message = TaskMessage::of("lost", "").bytes();
    world.store("default", "lost", "aggregating", message).await;
    let _: i64 = world.run(&["SADD", &key("groups"), "empty"]).await;
    let _: String = world.run(&["SET", &key("unique:any:x"), "gone"]).await;
    for mut examination in [inspector.examine("default"), inspector.examine_global()] {
        while let Some(damage) = examination.next().await {
            let repair = inspector.repair(&damage.unwrap()).await.unwrap();
            assert_eq!(repair, Repair::Repaired);
        }
    }
    inspector.cancel_processing("task").await.unwrap();
    inspector.delete_queue("default").force().await.unwrap();
    assert_eq!(world.keys().await, [""; 0]);
}

#[tokio::test]
async fn keys_and_ids_that_are_no_text_are_left_out() {
    let damaged = Damaged::new().await;
    // The id is the byte 255.
    let script = "redis.call('SET', 'asynq:' .. string.char(255), 1) \
        redis.call('LPUSH', 'asynq:{default}:pending', string.char(255)) \
        redis.call('HSET', 'asynq:{default}:t:' .. string.char(255), 'state', 'x') \
        redis.call('ZADD', 'asynq:servers', 1, string.char(255)) \
        return redis.call('ZADD', 'asynq:{default}:aggregation_sets', 1, string.char(255))";
    damaged.run(&["EVAL", script, "0"]).await;
    assert_eq!(damaged.found().await, []);
    let mut examination = damaged.inspector.examine_global();
    assert_eq!(examination.next().await.map(Result::unwrap), None);
}

#[tokio::test]
async fn a_counter_of_a_day_beyond_all_calendars_expires_too() {
    let damaged = Damaged::new().await;
    let counter = key("processed:+262142-12-31");
    damaged.run(&["SET", &counter, "7"]).await;
    damaged.repaired(DamageKind::StaleKey, &counter, None).await;
    let days = damaged.world.run::<i64>(&["TTL", &counter]).await / 86_400;
    assert!((88..=90).contains(&days), "{days}");
}
