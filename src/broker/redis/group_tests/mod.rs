//! Groups and aggregation sets on a real Redis.

mod forming;
mod reading;
mod returning;
mod storing;

use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client as Fred;
use fred::interfaces::{
    ClientLike, HashesInterface, KeysInterface, SetsInterface, SortedSetsInterface,
};
use fred::types::{ClusterHash, CustomCommand, FromValue};

use super::Broker;
use crate::broker::{
    AggregationSet, ArchiveLimits, FormLimits, Formed, NewTask, ReclaimedSets, StoredAggregate,
};
use crate::connection::Connection;
use crate::test_support::{Proxy, RedisServer};
use crate::wire::{self, Placement, QueueKeys, TaskMessage};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
/// Limits that no test reaches.
const NEVER: FormLimits = FormLimits {
    max_size: None,
    max_delay: None,
    grace_period: HOUR,
};
/// Any task is due.
const AT_ONCE: FormLimits = FormLimits {
    max_size: Some(1_000_000),
    max_delay: Some(Duration::ZERO),
    grace_period: HOUR,
};
const LIMITS: ArchiveLimits = ArchiveLimits {
    max_size: 10_000,
    max_age_secs: 90 * 24 * 60 * 60,
};

struct Groups {
    _redis: RedisServer,
    raw: Fred,
    broker: Broker,
    keys: QueueKeys,
    /// When the test has begun (unix s).
    began: i64,
}

impl Groups {
    async fn new() -> Self {
        let redis = RedisServer::start().await;
        let connection = Connection::from_uri(&redis.uri()).expect("a URI");
        Self::on(redis, &connection).await
    }

    /// With a proxy in front of Redis, for the broker's commands.
    async fn behind_proxy() -> (Self, Proxy) {
        let redis = RedisServer::builder().tcp().start().await;
        let proxy = Proxy::start(redis.port()).await;
        let connection = Connection::tcp("127.0.0.1", proxy.port()).command_timeout(SECOND);
        (Self::on(redis, &connection).await, proxy)
    }

    /// The broker is connected in this way; the tests themselves directly.
    async fn on(redis: RedisServer, connection: &Connection) -> Self {
        let broker = Broker::connect(connection).await.expect("a connection");
        Self {
            raw: redis.client().await,
            keys: broker.keys("default"),
            began: broker.clock().now().timestamp(),
            broker,
            _redis: redis,
        }
    }

    fn now(&self) -> i64 {
        self.broker.clock().now().timestamp()
    }

    /// Adds a task to the group `g`, as if it had joined so long before the test has begun (s).
    async fn join(&self, id: &str, ago: i64) {
        self.join_with(id, ago, &TaskMessage::default()).await;
    }

    async fn join_with(&self, id: &str, ago: i64, message: &TaskMessage) {
        let message = TaskMessage {
            id: id.to_owned(),
            queue: "default".to_owned(),
            group_key: "g".to_owned(),
            ..message.clone()
        };
        self.store(id, wire::encode(&message)).await;
        self.add(id, ago).await;
    }

    async fn store(&self, id: &str, message: Bytes) {
        let fields = vec![
            ("msg", message),
            ("state", "aggregating".into()),
            ("group", "g".into()),
        ];
        let _: () = self
            .raw
            .hset(self.keys.task(id), fields)
            .await
            .expect("HSET");
    }

    async fn add(&self, id: &str, ago: i64) {
        let score = (self.began - ago) as f64;
        self.put(&self.keys.group("g"), score, id).await;
        let _: () = self.raw.sadd(self.keys.groups(), "g").await.expect("SADD");
    }

    /// Many tasks at once, all of them an hour old.
    async fn join_many(&self, n: usize) {
        let ids: Vec<String> = (0..n).map(|i| format!("{i:07}")).collect();
        for part in ids.chunks(1_000) {
            let pipeline = self.raw.pipeline();
            for id in part {
                let fields = vec![
                    ("msg", "\x1a\x01x"),
                    ("state", "aggregating"),
                    ("group", "g"),
                ];
                let _: () = pipeline
                    .hset(self.keys.task(id), fields)
                    .await
                    .expect("HSET");
                let score = (self.began - 3600) as f64;
                let _: () = pipeline
                    .zadd(
                        self.keys.group("g"),
                        None,
                        None,
                        false,
                        false,
                        (score, id.as_str()),
                    )
                    .await
                    .expect("ZADD");
            }
            let _: () = pipeline.last().await.expect("replies");
        }
        let _: () = self.raw.sadd(self.keys.groups(), "g").await.expect("SADD");
    }

    async fn form(&self, set_id: &str, limits: FormLimits) -> Formed {
        let formed = self.broker.form_set(&self.keys, "g", set_id, limits).await;
        formed.expect("Redis answers")
    }

    /// A set of tasks of the group, which is due or has such a set.
    async fn formed(&self, set_id: &str, limits: FormLimits) -> AggregationSet {
        match self.form(set_id, limits).await {
            Formed::Set(set) => set,
            other => panic!("{set_id}, {limits:?}: {other:?}"),
        }
    }

    /// A set of all tasks of the group, read.
    async fn set(&self) -> AggregationSet {
        let mut set = self.formed("set", AT_ONCE).await;
        self.broker.read_set(&mut set).await.expect("Redis answers");
        set
    }

    async fn reclaim(&self) -> ReclaimedSets {
        let (reclaimed, result) = self.broker.reclaim_sets(&self.keys).await;
        result.expect("Redis answers");
        reclaimed
    }

    async fn members(&self, key: &str) -> Vec<String> {
        let members = self.raw.zrange(key, 0, -1, None, false, None, false);
        members.await.expect("ZRANGE")
    }

    async fn group(&self) -> Vec<String> {
        self.members(&self.keys.group("g")).await
    }

    async fn scores(&self) -> Vec<(String, f64)> {
        let members = self
            .raw
            .zrange(self.keys.group("g"), 0, -1, None, false, None, true);
        members.await.expect("ZRANGE")
    }

    async fn names(&self) -> Vec<String> {
        let names = self
            .broker
            .group_names(&self.keys)
            .await
            .expect("Redis answers");
        names.iter().map(ToString::to_string).collect()
    }

    async fn exists(&self, key: &str) -> bool {
        self.raw.exists::<i64, _>(key).await.expect("EXISTS") == 1
    }

    async fn state(&self, id: &str) -> Option<String> {
        self.raw
            .hget(self.keys.task(id), "state")
            .await
            .expect("HGET")
    }

    async fn wrong_type(&self, key: &str) {
        self.write(key, "text").await;
    }

    /// A key with a text, as a lock with its holder.
    async fn write(&self, key: &str, text: &str) {
        let written = self.raw.set(key, text, None, None, false);
        let _: () = written.await.expect("SET");
    }

    /// A member of a sorted set.
    async fn put(&self, key: &str, score: f64, member: &str) {
        let member = (score, member);
        let added = self.raw.zadd(key, None, None, false, false, member);
        let _: () = added.await.expect("ZADD");
    }

    /// The deadline of a set becomes one that is over.
    async fn expire(&self, set: &str) {
        self.expire_in(self.keys.aggregation_sets(), set).await;
    }

    async fn expire_in(&self, sets: &str, set: &str) {
        self.put(sets, (self.now() - 1) as f64, set).await;
    }

    /// Runs a Redis command.
    async fn run<T: FromValue>(&self, words: &[&str]) -> T {
        let name = words[0].to_owned();
        let command = CustomCommand::new(name, ClusterHash::FirstKey, false);
        let reply = self.raw.custom(command, words[1..].to_vec()).await;
        reply.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// All keys, sorted, each with its value as `DUMP` shows it.
    async fn dump(&self) -> Vec<(String, Bytes)> {
        let mut keys: Vec<String> = self.run(&["KEYS", "*"]).await;
        keys.sort();
        let mut dump = Vec::new();
        for key in keys {
            let value = self.run(&["DUMP", &key]).await;
            dump.push((key, value));
        }
        dump
    }

    fn aggregate(&self, id: &str) -> NewTask {
        let message = TaskMessage {
            r#type: "digest".to_owned(),
            id: id.to_owned(),
            queue: "default".to_owned(),
            ..TaskMessage::default()
        };
        NewTask {
            keys: self.keys.clone(),
            id: id.to_owned().into(),
            id_is_random: false,
            message: wire::encode(&message),
            placement: Placement::Pending,
            group: String::new(),
            lock: None,
        }
    }

    async fn store_aggregate(&self, set: &AggregationSet, id: &str) -> StoredAggregate {
        let stored = self.broker.store_aggregate(set, &self.aggregate(id)).await;
        stored.expect("Redis answers")
    }

    /// Stores the aggregate `digest` of a large set whose server ends before it has deleted the tasks of the set.
    async fn store_without_deletion(&self, set: &AggregationSet) {
        let digest = self.aggregate("digest");
        let stored = self.broker.try_store_aggregate(set, &digest).await;
        assert_eq!(stored.expect("Redis answers"), StoredAggregate::Stored);
    }
}
