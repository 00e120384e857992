//! Ticks on a real Redis: each is stored once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use fred::clients::Client as Fred;
use fred::interfaces::{ClientLike, KeysInterface, ListInterface};
use fred::types::{ClusterHash, CustomCommand, Value};

use crate::broker::{Broker, NewTask, Tick, TickNote, TickResult};
use crate::clock::Uuids;
use crate::connection::Connection;
use crate::error::ErrorKind;
use crate::prepare::prepare;
use crate::task::Task;
use crate::test_support::{Proxy, RedisCluster, RedisServer, RedisServerBuilder};
use crate::wire::QueueKeys;

const HOUR: Duration = Duration::from_secs(3600);
const KEY: &str = "entry";

struct Ticking {
    redis: RedisServer,
    raw: Fred,
    broker: Broker,
    keys: QueueKeys,
}

impl Ticking {
    async fn new() -> Self {
        Self::on(RedisServer::builder()).await
    }

    async fn on(builder: RedisServerBuilder) -> Self {
        let redis = builder.start().await;
        let raw = redis.client().await;
        let connection = Connection::from_uri(&redis.uri()).expect("a URI");
        let broker = Broker::connect(&connection).await.expect("a connection");
        Self {
            redis,
            raw,
            keys: broker.keys("default"),
            broker,
        }
    }

    /// With a proxy in front of Redis, for the broker's commands.
    async fn behind_proxy() -> (Self, Proxy) {
        let mut redis = Self::on(RedisServer::builder().tcp()).await;
        let proxy = Proxy::start(redis.redis.port()).await;
        let connection = Connection::tcp("127.0.0.1", proxy.port());
        let connection = connection.command_timeout(Duration::from_secs(2));
        redis.broker = Broker::connect(&connection).await.expect("a connection");
        // From now on the script is known, so that the proxy sees the task in one piece.
        let warm_up = redis.task(Task::new("any", "").queue("other"));
        let entry_key = "other";
        let tick = Tick {
            entry_key,
            ..tick(redis.ago(1), 1)
        };
        let stored = redis.broker.enqueue_tick(warm_up, tick).await;
        assert_eq!(stored.expect("stored"), TickResult::Enqueued);
        (redis, proxy)
    }

    fn task(&self, task: Task) -> NewTask {
        prepared(&self.broker, task)
    }

    /// The whole second this long ago.
    fn ago(&self, secs: i64) -> DateTime<Utc> {
        let now = self.broker.clock().now().timestamp();
        DateTime::from_timestamp(now - secs, 0).expect("a time")
    }

    async fn tick(&self, task: &NewTask, at: DateTime<Utc>, fencing: i64) -> TickResult {
        let tick = tick(at, fencing);
        self.broker
            .enqueue_tick(task.clone(), tick)
            .await
            .expect("Redis answers")
    }

    async fn note(&self) -> Option<TickNote> {
        let text: Option<String> = self.raw.get(self.keys.tick_note(KEY)).await.expect("GET");
        text.map(|text| TickNote::parse(&text).expect("a note"))
    }

    async fn pending(&self) -> Vec<String> {
        let ids = self.raw.lrange(self.keys.pending(), 0, -1);
        ids.await.expect("LRANGE")
    }

    /// The contents of all keys but the note, without the times of this moment.
    async fn contents(&self) -> Vec<String> {
        let mut contents = Vec::new();
        for key in self.all_keys().await {
            let kind = self
                .run(&["TYPE", &key])
                .await
                .into_string()
                .unwrap_or_default();
            let value = match &*kind {
                _ if key.contains(":tick:") => continue,
                "string" => self.run(&["GET", &key]).await,
                "list" => self.run(&["LRANGE", &key, "0", "-1"]).await,
                "set" => self.run(&["SMEMBERS", &key]).await,
                "zset" => self.run(&["ZRANGE", &key, "0", "-1"]).await,
                _ => {
                    self.run(&[
                        "HMGET",
                        &key,
                        "msg",
                        "state",
                        "unique_key",
                        "group",
                        "rasynq_group",
                    ])
                    .await
                }
            };
            contents.push(format!("{key}: {value:?}"));
        }
        contents
    }

    async fn all_keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.run(&["KEYS", "*"]).await.convert().expect("keys");
        keys.sort();
        keys
    }

    async fn run(&self, words: &[&str]) -> Value {
        let mut words = words.iter().map(|word| (*word).to_owned());
        let name = words.next().expect("a command");
        let command = CustomCommand::new(name, ClusterHash::FirstKey, false);
        let words: Vec<String> = words.collect();
        self.raw.custom(command, words).await.expect("a reply")
    }
}

fn prepared(broker: &Broker, task: Task) -> NewTask {
    let now = broker.clock().now();
    let prepared = prepare(broker, task, Vec::new(), now, &Uuids::new());
    prepared.expect("a valid task").0
}

fn tick(at: DateTime<Utc>, fencing: i64) -> Tick<'static> {
    Tick {
        entry_key: KEY,
        at,
        fencing,
        ttl: HOUR,
    }
}

#[tokio::test]
async fn the_note_of_an_entry_is_made_once_and_says_when() {
    let redis = Ticking::new().await;
    let made = redis.broker.note_entry(&redis.keys, KEY, HOUR, None);
    let made = made.await.expect("a note");
    let now = redis.broker.clock().now();
    assert!((now - made.last).abs() <= TimeDelta::seconds(1), "{made:?}");
    let expected = TickNote {
        last: made.last,
        fencing: 0,
        anchor: made.last,
        task_id: "".into(),
    };
    assert_eq!(made, expected);
    let older = TickNote {
        last: redis.ago(50),
        fencing: 7,
        anchor: redis.ago(80),
        task_id: "id".into(),
    };
    let again = redis
        .broker
        .note_entry(&redis.keys, KEY, 2 * HOUR, Some(&older));
    assert_eq!(again.await.expect("a note"), made);
    let ttl: i64 = redis.raw.ttl(redis.keys.tick_note(KEY)).await.expect("TTL");
    assert!((7_190..=7_200).contains(&ttl), "{ttl}");
    redis
        .broker
        .forget_entry(&redis.keys, KEY)
        .await
        .expect("DEL");
    assert_eq!(redis.note().await, None);
    let inherited = redis
        .broker
        .note_entry(&redis.keys, KEY, HOUR, Some(&older));
    let expected = TickNote {
        fencing: 0,
        ..older.clone()
    };
    assert_eq!(inherited.await.expect("a note"), expected);
}

#[tokio::test]
async fn a_tick_is_stored_once_whoever_asks() {
    let redis = Ticking::new().await;
    let at = redis.ago(1);
    let first = redis.task(Task::new("any", ""));
    assert_eq!(redis.tick(&first, at, 5).await, TickResult::Enqueued);
    let noted = redis.note().await.expect("a note");
    assert_eq!((noted.last, noted.fencing), (at, 5));
    assert_eq!(noted.task_id, first.id);
    // Without an older note the tick is the anchor.
    assert_eq!(noted.anchor, at);
    let before = redis.all_keys().await;
    // The same call, sent again by its caller.
    assert_eq!(redis.tick(&first, at, 5).await, TickResult::Enqueued);
    let refused = TickResult::AlreadyEnqueued(noted.clone());
    let other = redis.task(Task::new("any", ""));
    for (task, at, fencing) in [
        (&other, at, 5),
        (&other, at, 6),
        (&first, at, 6),
        (&other, redis.ago(2), 6),
        (&other, redis.ago(0), 4),
    ] {
        assert_eq!(redis.tick(task, at, fencing).await, refused);
    }
    assert_eq!(redis.pending().await, [first.id.to_string()]);
    assert_eq!(redis.all_keys().await, before);
    assert_eq!(redis.note().await, Some(noted));
    assert_eq!(
        redis.tick(&other, redis.ago(0), 6).await,
        TickResult::Enqueued
    );
    assert_eq!(redis.pending().await.len(), 2);
}

#[tokio::test]
async fn a_duplicate_and_a_conflict_use_the_tick_up() {
    let redis = Ticking::new().await;
    let unique = || Task::new("any", "").unique(HOUR);
    let first = redis.task(unique());
    assert_eq!(
        redis.tick(&first, redis.ago(5), 5).await,
        TickResult::Enqueued
    );
    let named = || Task::new("other", "").task_id("named");
    for (task, holder, kind, at) in [
        (
            unique(),
            first.id.to_string(),
            ErrorKind::DuplicateTask,
            redis.ago(4),
        ),
        (named(), String::new(), ErrorKind::Internal, redis.ago(3)),
        (
            named(),
            "named".to_owned(),
            ErrorKind::TaskIdConflict,
            redis.ago(2),
        ),
    ] {
        let task = redis.task(task);
        let stored = redis.broker.enqueue_tick(task.clone(), tick(at, 5)).await;
        let noted = redis.note().await.expect("a note");
        assert_eq!(noted.last, at);
        if holder.is_empty() {
            assert_eq!(stored.expect("stored"), TickResult::Enqueued);
            assert_eq!(noted.task_id, task.id);
            continue;
        }
        let error = stored.expect_err("refused");
        assert_eq!((error.kind(), error.task_id()), (kind, Some(&*holder)));
        assert_eq!(noted.task_id, "");
        // Nobody else enqueues the tick; the same scheduler is told the same again.
        let other = redis.task(Task::new("any", "other"));
        let refused = TickResult::AlreadyEnqueued(noted);
        assert_eq!(redis.tick(&other, at, 6).await, refused);
        let again = redis.broker.enqueue_tick(task, tick(at, 5)).await;
        assert_eq!(again.expect_err("refused").kind(), kind);
    }
    assert_eq!(
        redis.pending().await,
        ["named".to_owned(), first.id.to_string()]
    );
}

#[tokio::test]
async fn a_tick_is_never_stored_before_its_second_by_the_clock_of_redis() {
    let redis = Ticking::new().await;
    let task = redis.task(Task::new("any", ""));
    let result = redis.tick(&task, redis.ago(-2), 5).await;
    let TickResult::TooEarly(wait) = result else {
        panic!("{result:?}");
    };
    assert!(
        wait > Duration::from_millis(500) && wait <= Duration::from_secs(2),
        "{wait:?}"
    );
    assert!(redis.all_keys().await.is_empty());
    tokio::time::sleep(wait).await;
    let at = redis.ago(0);
    assert_eq!(redis.tick(&task, at, 5).await, TickResult::Enqueued);
}

#[tokio::test]
async fn a_tick_stores_every_kind_of_task_as_an_enqueue_does() {
    let redis = Ticking::new().await;
    let with = |task: &Task, id: &str| task.clone().task_id(id);
    for (n, task) in [
        Task::new("any", "{}").header("h", "v"),
        Task::new("unique", "{}").unique(HOUR).retention(HOUR),
        Task::new("grouped", "{}").group("g"),
        Task::new("grouped", "unique").group("g").unique(HOUR),
        Task::new("later", "{}").process_in(HOUR),
        Task::new("later", "grouped")
            .process_in(HOUR)
            .group("g")
            .unique(HOUR),
    ]
    .into_iter()
    .enumerate()
    {
        let mut found = Vec::new();
        for by_tick in [true, false] {
            let task = redis.task(with(&task, "id"));
            if by_tick {
                let at = redis.ago(10 - n as i64);
                assert_eq!(redis.tick(&task, at, 5).await, TickResult::Enqueued);
            } else {
                redis.broker.enqueue_one(task).await.expect("stored");
            }
            found.push(redis.contents().await);
            for key in redis.all_keys().await {
                if !key.contains(":tick:") {
                    redis.run(&["DEL", &key]).await;
                }
            }
        }
        assert_eq!(found[0], found[1], "{task:?}");
    }
}

#[tokio::test]
async fn of_many_schedulers_one_stores_a_tick() {
    let redis = &Ticking::new().await;
    let at = redis.ago(1);
    let calls = (1..=40).map(|n| {
        let task = redis.task(Task::new("any", ""));
        // Some have the same number, as if nothing had told them apart.
        async move { redis.tick(&task, at, n / 4).await }
    });
    let results = futures_util::future::join_all(calls).await;
    let stored = results
        .iter()
        .filter(|result| **result == TickResult::Enqueued);
    assert_eq!(stored.count(), 1);
    assert_eq!(redis.pending().await.len(), 1);
}

#[tokio::test]
async fn a_tick_that_redis_refuses_leaves_nothing_behind_and_can_be_tried_again() {
    let redis = Ticking::new().await;
    let noted = redis.broker.note_entry(&redis.keys, KEY, HOUR, None);
    let noted = noted.await.expect("a note");
    let at = noted.last + TimeDelta::seconds(1);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for (task, key) in [
        (Task::new("any", ""), redis.keys.pending()),
        (Task::new("any", "").unique(HOUR), redis.keys.pending()),
        (
            Task::new("any", "").process_in(HOUR),
            redis.keys.scheduled(),
        ),
        (Task::new("any", "").group("g"), redis.keys.groups()),
        (
            Task::new("any", "").unique(HOUR).group("g"),
            &redis.keys.group("g"),
        ),
        (Task::new("any", ""), "asynq:queues"),
    ] {
        let task = redis.task(task);
        redis.run(&["SET", key, "wrong"]).await;
        let before = redis.all_keys().await;
        let stored = redis.broker.enqueue_tick(task.clone(), tick(at, 5)).await;
        let error = stored.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Redis, "{error}");
        assert!(error.to_string().contains("WRONGTYPE"), "{error}");
        let added: Vec<String> = redis.all_keys().await;
        let added = added
            .into_iter()
            .filter(|key| !before.contains(key) && key != "asynq:queues");
        assert_eq!(added.collect::<Vec<_>>(), Vec::<String>::new(), "{key}");
        assert_eq!(redis.note().await, Some(noted.clone()));
        redis.run(&["DEL", key]).await;
    }
    let task = redis.task(Task::new("any", ""));
    redis.run(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let stored = redis.broker.enqueue_tick(task.clone(), tick(at, 5)).await;
    let error = stored.expect_err("refused");
    assert!(error.to_string().contains("OOM"), "{error}");
    assert_eq!(redis.note().await, Some(noted.clone()));
    assert!(redis.pending().await.is_empty());
    redis.run(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(redis.tick(&task, at, 5).await, TickResult::Enqueued);
    let after = redis.note().await.expect("a note");
    assert_eq!((after.last, after.anchor), (at, noted.anchor));
}

#[tokio::test]
async fn a_refused_tick_without_a_note_leaves_none() {
    let redis = Ticking::new().await;
    redis.run(&["SET", redis.keys.pending(), "wrong"]).await;
    let task = redis.task(Task::new("any", ""));
    let stored = redis.broker.enqueue_tick(task, tick(redis.ago(1), 5)).await;
    stored.expect_err("refused");
    assert_eq!(redis.note().await, None);
}

#[tokio::test]
async fn a_note_that_is_not_one_is_replaced_unless_its_key_has_a_wrong_type() {
    let redis = Ticking::new().await;
    let key = redis.keys.tick_note(KEY);
    let ahead = format!("{}:9:7:id", redis.ago(-3_700).timestamp());
    for text in ["", "x", "1:2", "1:2:3", &ahead] {
        redis.run(&["SET", &key, text]).await;
        let made = redis.broker.note_entry(&redis.keys, KEY, HOUR, None);
        let made = made.await.expect("a note");
        assert_eq!((made.fencing, &*made.task_id), (0, ""), "{text}");
        redis.run(&["SET", &key, text]).await;
        let at = redis.ago(1);
        let task = redis.task(Task::new("any", ""));
        assert_eq!(
            redis.tick(&task, at, 5).await,
            TickResult::Enqueued,
            "{text}"
        );
        assert_eq!(redis.note().await.expect("a note").anchor, at);
    }
    // A little ahead: the clocks of the nodes of a cluster may differ.
    redis
        .run(&[
            "SET",
            &key,
            &format!("{}:9:7:id", redis.ago(-3_500).timestamp()),
        ])
        .await;
    let task = redis.task(Task::new("any", ""));
    let result = redis.tick(&task, redis.ago(1), 10).await;
    assert!(
        matches!(result, TickResult::AlreadyEnqueued(_)),
        "{result:?}"
    );

    redis.run(&["DEL", &key]).await;
    redis.run(&["LPUSH", &key, "x"]).await;
    let before = redis.pending().await;
    let stored = redis.broker.enqueue_tick(task, tick(redis.ago(1), 5)).await;
    let error = stored.expect_err("refused").to_string();
    assert!(
        error.contains("WRONGTYPE") && error.contains(&key),
        "{error}"
    );
    let made = redis.broker.note_entry(&redis.keys, KEY, HOUR, None).await;
    assert_eq!(made.expect_err("refused").kind(), ErrorKind::Redis);
    assert_eq!(redis.pending().await, before);
}

#[tokio::test]
async fn a_lost_reply_changes_neither_the_tick_nor_its_result() {
    let (redis, proxy) = Ticking::behind_proxy().await;
    let marked = |id: &str| Task::new("any", "marked").task_id(id);
    let lost = |task: NewTask, secs: i64| {
        proxy.lose_reply_to("marked");
        redis.broker.enqueue_tick(task, tick(redis.ago(secs), 5))
    };
    let first = redis.task(Task::new("any", "marked").unique(HOUR));
    let stored = lost(first.clone(), 9).await;
    assert_eq!(stored.expect("stored"), TickResult::Enqueued);
    // The outcome of the first attempt is that of the call, also if the task that is in the way looks the same.
    let stored = lost(redis.task(Task::new("any", "marked").unique(HOUR)), 8).await;
    let error = stored.expect_err("refused");
    assert_eq!(
        (error.kind(), error.task_id()),
        (ErrorKind::DuplicateTask, Some(&*first.id))
    );
    let stored = lost(redis.task(marked("given")), 7).await;
    assert_eq!(stored.expect("stored"), TickResult::Enqueued);
    let before = redis.ago(6);
    let stored = lost(redis.task(marked("given")), 6).await;
    let error = stored.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::TaskIdConflict);
    assert_eq!(proxy.lost(), 4);
    assert_eq!(
        redis.pending().await,
        ["given".to_owned(), first.id.to_string()]
    );
    assert!(redis.note().await.expect("a note").last >= before);
}

#[tokio::test]
async fn an_attempt_that_arrives_after_its_repetition_has_no_effect() {
    let (redis, proxy) = Ticking::behind_proxy().await;
    for (n, forgotten) in [false, true].into_iter().enumerate() {
        proxy.hold_request("marked");
        let task = redis.task(Task::new("any", "marked"));
        let at = redis.ago(5 - n as i64);
        let stored = redis.broker.enqueue_tick(task.clone(), tick(at, 5)).await;
        assert_eq!(stored.expect("the second attempt"), TickResult::Enqueued);
        // The task runs and is deleted; the entry may be unregistered too.
        redis
            .run(&["DEL", redis.keys.pending(), &redis.keys.task(&task.id)])
            .await;
        if forgotten {
            redis
                .broker
                .forget_entry(&redis.keys, KEY)
                .await
                .expect("deleted");
        }
        let before = redis.all_keys().await;
        let replies = proxy.release().await;
        assert_eq!(replies.len(), 1);
        assert_eq!(redis.all_keys().await, before);
    }
}

#[tokio::test]
async fn on_a_cluster_the_note_is_on_the_node_of_its_queue() {
    let cluster = RedisCluster::start().await;
    let connection = Connection::cluster(cluster.addresses());
    let broker = Broker::connect(&connection).await.expect("a connection");
    for node in 0..3 {
        let queue = RedisCluster::queue_on(node, 0);
        let keys = broker.keys(&queue);
        let noted = broker.note_entry(&keys, KEY, HOUR, None).await;
        let noted = noted.expect("a note");
        let now = broker.clock().now();
        let at = DateTime::from_timestamp(now.timestamp() + 1, 0).expect("a time");
        let task = prepared(&broker, Task::new("any", "").queue(&queue));
        let mut early = 0;
        loop {
            match broker.enqueue_tick(task.clone(), tick(at, 5)).await {
                Ok(TickResult::TooEarly(wait)) => tokio::time::sleep(wait).await,
                result => break assert_eq!(result.expect("stored"), TickResult::Enqueued),
            }
            early += 1;
            assert!(early < 5);
        }
        let other = prepared(&broker, Task::new("any", "").queue(&queue));
        let refused = broker.enqueue_tick(other, tick(at, 6)).await.expect("told");
        let expected = TickNote {
            last: at,
            fencing: 5,
            anchor: noted.anchor,
            task_id: task.id.clone(),
        };
        assert_eq!(refused, TickResult::AlreadyEnqueued(expected));
        assert!(broker.queue_exists(&queue).await.expect("told"));
        broker.forget_entry(&keys, KEY).await.expect("deleted");
    }
}
