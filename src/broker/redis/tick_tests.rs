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
use crate::test_support::{RedisServer, RedisServerBuilder};
use crate::wire::QueueKeys;

const HOUR: Duration = Duration::from_secs(3600);
const KEY: &str = "entry";

struct Ticking {
    _redis: RedisServer,
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
            _redis: redis,
            raw,
            keys: broker.keys("default"),
            broker,
        }
    }

    fn task(&self, task: Task) -> NewTask {
        let now = self.broker.clock().now();
        let (task, _) =
            prepare(&self.broker, task, Vec::new(), now, &Uuids::new()).expect("a valid task");
        task
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
