//! Each kind of damage, made on purpose: it is found, and repaired without the loss of a task.

use fred::interfaces::KeysInterface;
use rasynq::{Client, Connection, DamageKind, ErrorKind, Inspector, Repair, Task};

use crate::common::support::RedisCluster;
use crate::common::{HOUR, RedisServer, TaskMessage, World, documented_rules, key, task_key};

struct Damaged {
    world: World,
    inspector: Inspector,
}

/// What an examination finds: kind, key and member, sorted.
type Found = Vec<(DamageKind, String, Option<String>)>;

impl Damaged {
    /// A queue without damage that has tasks in all states, groups, a lease and locks.
    async fn new() -> Self {
        let world = World::new().await;
        let client = world.client().await;
        let task = |id: &str| Task::new("any", id.to_owned()).task_id(id.to_owned());
        client.enqueue(task("healthy")).unique(HOUR).await.unwrap();
        client
            .enqueue(task("later"))
            .process_in(HOUR)
            .await
            .unwrap();
        client
            .enqueue(task("waiting"))
            .group("healthy")
            .unique(HOUR)
            .await
            .unwrap();
        client
            .enqueue(task("taken"))
            .group("healthy")
            .await
            .unwrap();
        let _: i64 = world.run(&["ZREM", &key("g:healthy"), "taken"]).await;
        let set = key("g:healthy:7f5c");
        let _: i64 = world.run(&["ZADD", &set, "1", "taken"]).await;
        let later = (world.now().await + 600).to_string();
        let _: i64 = world
            .run(&["ZADD", &key("aggregation_sets"), &later, &set])
            .await;
        for state in ["retry", "archived", "completed"] {
            let message = TaskMessage::of(state, "").bytes();
            world.store("default", state, state, message).await;
            let _: i64 = world.run(&["ZADD", &key(state), &later, state]).await;
        }
        world
            .store_lost(
                "default",
                "active",
                TaskMessage::of("active", "").bytes(),
                -600,
            )
            .await;
        let inspector = world.inspector().await;
        let damaged = Self { world, inspector };
        assert_eq!(damaged.found().await, []);
        damaged
    }

    async fn found(&self) -> Found {
        let mut found = Vec::new();
        let mut examination = self.inspector.examine("default");
        while let Some(damage) = examination.next().await {
            let damage = damage.unwrap();
            assert_eq!(damage.queue.as_deref(), Some("default"));
            found.push((damage.kind, damage.key, damage.member));
        }
        found.sort();
        found
    }

    /// Writes a task that is in no list and no set.
    async fn store(&self, id: &str, state: &str) {
        self.world
            .store("default", id, state, TaskMessage::of(id, "payload").bytes())
            .await;
    }

    /// Asserts that exactly this damage is found, and repairs it. Then nothing is left.
    async fn repaired(&self, kind: DamageKind, key: &str, member: Option<&str>) {
        let expected = (kind, key.to_owned(), member.map(str::to_owned));
        assert_eq!(self.found().await, [expected]);
        let mut examination = self.inspector.examine("default");
        let damage = examination.next().await.unwrap().unwrap();
        assert!(
            damage.to_string().starts_with(&format!("{kind}: {key}: ")),
            "{damage}"
        );
        assert_eq!(
            self.inspector.repair(&damage).await.unwrap(),
            Repair::Repaired
        );
        assert_eq!(self.found().await, []);
        assert_eq!(self.inspector.repair(&damage).await.unwrap(), Repair::Gone);
        self.world.assert_consistent().await;
    }

    async fn run(&self, words: &[&str]) {
        self.world.try_run(words).await.unwrap();
    }

    /// In which lists and sets a task is.
    async fn places(&self, id: &str) -> Vec<String> {
        let mut places = Vec::new();
        for place in ["pending", "active"] {
            let found: Option<i64> = self.world.run(&["LPOS", &key(place), id]).await;
            places.extend(found.map(|_| place.to_owned()));
        }
        for place in ["scheduled", "retry", "archived", "completed", "g:group"] {
            let found: Option<String> = self.world.run(&["ZSCORE", &key(place), id]).await;
            places.extend(found.map(|_| place.to_owned()));
        }
        places
    }
}

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
async fn the_last_id_of_a_group_is_removed_with_the_groups_name() {
    let damaged = Damaged::new().await;
    damaged.run(&["ZADD", &key("g:group"), "1", "gone"]).await;
    damaged.run(&["SADD", &key("groups"), "group"]).await;
    damaged
        .repaired(DamageKind::IdWithoutTask, &key("g:group"), Some("gone"))
        .await;
    let groups: Vec<String> = damaged.world.run(&["SMEMBERS", &key("groups")]).await;
    assert_eq!(groups, ["healthy"]);
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
    let expected = (
        DamageKind::TaskWithoutPlace,
        task_key("lost"),
        Some("lost".to_owned()),
    );
    assert_eq!(damaged.found().await, [expected]);
    let damage = damaged
        .inspector
        .examine("default")
        .next()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        damaged.inspector.repair(&damage).await.unwrap(),
        Repair::Repaired
    );
    assert_eq!(damaged.places("lost").await, ["archived"]);
    assert_eq!(damaged.world.state("lost").await, "archived");
    // Now it has a place, and is reported as what it is. Nothing can repair it.
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
async fn an_empty_group_leaves_the_names_and_an_unlisted_one_joins_them() {
    let damaged = Damaged::new().await;
    damaged.run(&["SADD", &key("groups"), "empty"]).await;
    damaged
        .repaired(DamageKind::EmptyGroup, &key("groups"), Some("empty"))
        .await;
    damaged.run(&["SREM", &key("groups"), "healthy"]).await;
    damaged
        .repaired(DamageKind::UnlistedGroup, &key("g:healthy"), None)
        .await;
    let groups: Vec<String> = damaged.world.run(&["SMEMBERS", &key("groups")]).await;
    assert_eq!(groups, ["healthy"]);
}

#[tokio::test]
async fn an_aggregation_set_that_is_not_listed_is_listed_with_a_deadline_that_is_over() {
    let damaged = Damaged::new().await;
    let set = key("g:healthy:7f5c");
    damaged.run(&["ZREM", &key("aggregation_sets"), &set]).await;
    // Its task has no place that anybody knows, until the set is listed.
    let mut examination = damaged.inspector.examine("default");
    let damage = examination.next().await.unwrap().unwrap();
    assert_eq!(
        (damage.kind, damage.key.as_str()),
        (DamageKind::UnlistedGroup, &*set)
    );
    let lost = examination.next().await.unwrap().unwrap();
    assert_eq!(
        (lost.kind, lost.task_id()),
        (DamageKind::TaskWithoutPlace, Some("taken"))
    );
    for (damage, expected) in [(damage, Repair::Repaired), (lost, Repair::Gone)] {
        assert_eq!(damaged.inspector.repair(&damage).await.unwrap(), expected);
    }
    assert_eq!(damaged.found().await, []);
    assert_eq!(damaged.world.scores("aggregation_sets").await[&set], 0.0);
}

#[tokio::test]
async fn an_aggregation_set_that_does_not_exist_leaves_the_list_once_its_deadline_is_over() {
    let damaged = Damaged::new().await;
    let set = key("g:gone:7f5c");
    let later = (damaged.world.now().await + 600).to_string();
    damaged
        .run(&["ZADD", &key("aggregation_sets"), &later, &set])
        .await;
    assert_eq!(damaged.found().await, []);
    damaged
        .run(&["ZADD", &key("aggregation_sets"), "1", &set])
        .await;
    damaged
        .repaired(DamageKind::StaleKey, &key("aggregation_sets"), Some(&set))
        .await;
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
async fn damage_in_lists_and_sets_of_thousands_is_all_found() {
    let damaged = Damaged::new().await;
    let client = damaged.world.client().await;
    let tasks = (0..3_000).map(|n| Task::new("any", "").task_id(format!("{n}")));
    for result in client.enqueue_batch(tasks).await {
        result.unwrap();
    }
    for n in (0..3_000).step_by(7) {
        damaged.run(&["DEL", &task_key(&n.to_string())]).await;
    }
    for n in 0..500 {
        damaged.store(&format!("lost-{n}"), "pending").await;
    }
    let found = damaged.found().await;
    let count = |kind| found.iter().filter(|(found, ..)| *found == kind).count();
    assert_eq!(count(DamageKind::IdWithoutTask), 429);
    assert_eq!(count(DamageKind::TaskWithoutPlace), 500);
    assert_eq!(found.len(), 929);
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
    let mut examination = inspector.examine_servers();
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
        inspector.examine_servers().next().await.map(Result::unwrap),
        None
    );
    let ttl: i64 = world.run(&["TTL", history]).await;
    assert!(ttl > 600_000, "{ttl}");
    let live: Vec<String> = world.run(&["ZRANGE", "asynq:servers", "0", "-1"]).await;
    assert_eq!(live, ["live"]);
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
    let mut examination = inspector.examine_servers();
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
    for mut examination in [inspector.examine("default"), inspector.examine_servers()] {
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
    let mut examination = inspector.examine_servers();
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
async fn a_lost_task_beside_a_long_list_is_found_and_not_pushed_twice() {
    let damaged = Damaged::new().await;
    let client = damaged.world.client().await;
    for first in [0, 25_000] {
        let tasks = (first..first + 25_000).map(|n| Task::new("any", "").task_id(format!("{n}")));
        for result in client.enqueue_batch(tasks).await {
            result.unwrap();
        }
    }
    for id in ["one", "two"] {
        damaged.store(id, "pending").await;
    }
    let mut examination = damaged.inspector.examine("default");
    let mut found = Vec::new();
    while let Some(damage) = examination.next().await {
        found.push(damage.unwrap());
    }
    found.sort_by(|a, b| a.member.cmp(&b.member));
    let ids: Vec<Option<&str>> = found.iter().map(|damage| damage.task_id()).collect();
    assert_eq!(ids, [Some("one"), Some("two")]);
    // Somebody else has repaired the first one, long ago: it is in the middle now.
    let pending = key("pending");
    damaged
        .run(&["LINSERT", &pending, "BEFORE", "25000", "one"])
        .await;
    damaged
        .run(&["HSET", &task_key("one"), "pending_since", "1"])
        .await;
    assert_eq!(
        damaged.inspector.repair(&found[0]).await.unwrap(),
        Repair::Gone
    );
    assert_eq!(
        damaged.inspector.repair(&found[1]).await.unwrap(),
        Repair::Repaired
    );
    let count: i64 = damaged.world.run(&["LLEN", &pending]).await;
    assert_eq!(count, 50_003);
    assert_eq!(damaged.found().await, []);
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
    let mut examination = damaged.inspector.examine_servers();
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

#[tokio::test]
async fn more_servers_that_are_over_than_fit_into_one_step_are_all_found() {
    let world = World::new().await;
    let mut add = vec!["ZADD".to_owned(), "asynq:servers".to_owned()];
    for n in 0..2_500 {
        add.extend(["1".to_owned(), format!("server-{n}")]);
    }
    let add: Vec<&str> = add.iter().map(String::as_str).collect();
    let _: i64 = world.run(&add).await;
    let mut examination = world.inspector().await.examine_servers();
    let mut found = 0;
    while let Some(damage) = examination.next().await {
        damage.unwrap();
        found += 1;
    }
    assert_eq!(found, 2_500);
}
