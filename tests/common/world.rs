//! A private Redis, seen through the library and raw.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client as Fred;
use fred::error::Error as FredError;
use fred::interfaces::{ClientLike, HashesInterface, SortedSetsInterface};
use fred::types::{ClusterHash, CustomCommand, FromValue, Value};
use prost::Message;
use rasynq::{Client, Connection, Inspector, Server};

use super::support::RedisServerBuilder;
use super::{DEADLINE, Proxy, RedisServer, TaskMessage, eventually};

/// The key of the queue `default` that ends so.
pub fn key(rest: &str) -> String {
    queue_key("default", rest)
}

/// The key of a queue that ends so.
pub fn queue_key(queue: &str, rest: &str) -> String {
    format!("asynq:{{{queue}}}:{rest}")
}

/// The key of the hash of a task in the queue `default`.
pub fn task_key(id: &str) -> String {
    key(&format!("t:{id}"))
}

/// A Redis server of one test.
pub struct World {
    pub redis: RedisServer,
    raw: Fred,
}

impl World {
    /// One on a unix socket.
    pub async fn new() -> Self {
        Self::on(RedisServer::builder()).await
    }

    /// One on a TCP port with a proxy before it, and the way through the proxy. A command that
    /// gets no reply fails soon.
    pub async fn behind_proxy() -> (Self, Proxy, Connection) {
        let world = Self::on(RedisServer::builder().tcp()).await;
        let proxy = Proxy::start(world.redis.port()).await;
        let connection =
            Connection::tcp("127.0.0.1", proxy.port()).command_timeout(Duration::from_secs(2));
        (world, proxy, connection)
    }

    pub async fn on(builder: RedisServerBuilder) -> Self {
        let redis = builder.start().await;
        let raw = redis.client().await;
        Self { redis, raw }
    }

    pub fn connection(&self) -> Connection {
        Connection::from_uri(&self.redis.uri()).unwrap()
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.connection()).await.unwrap()
    }

    pub async fn inspector(&self) -> Inspector {
        Inspector::connect(&self.connection()).await.unwrap()
    }

    /// A server that looks often.
    pub fn server(&self) -> Server {
        Self::server_on(&self.connection())
    }

    /// A server that looks often, by this connection.
    pub fn server_on(connection: &Connection) -> Server {
        Server::new(connection)
            .concurrency(4)
            .task_check_interval(Duration::from_millis(20))
            .delayed_task_check_interval(Duration::from_millis(20))
            .janitor_interval(Duration::from_millis(20))
            .shutdown_timeout(Duration::from_secs(2))
    }

    /// Runs a command.
    #[track_caller]
    pub fn run<T: FromValue>(&self, words: &[&str]) -> impl Future<Output = T> + use<'_, T> {
        let caller = std::panic::Location::caller();
        let what = format!("{words:?}");
        let reply = self.try_run(words);
        async move {
            reply
                .await
                .and_then(Value::convert)
                .unwrap_or_else(|error| panic!("{caller}: {what}: {error}"))
        }
    }

    /// Runs a command that may be refused.
    pub fn try_run(
        &self,
        words: &[&str],
    ) -> impl Future<Output = Result<Value, FredError>> + use<'_> {
        let mut words = words.iter().map(|word| (*word).to_owned());
        let command = CustomCommand::new(words.next().unwrap(), ClusterHash::FirstKey, false);
        let words: Vec<String> = words.collect();
        async move { self.raw.custom(command, words).await }
    }

    /// The elements of a list of the queue `default`, from the left.
    pub async fn list(&self, rest: &str) -> Vec<String> {
        self.run(&["LRANGE", &key(rest), "0", "-1"]).await
    }

    /// The members of a sorted set of the queue `default`, with their scores.
    pub async fn scores(&self, rest: &str) -> BTreeMap<String, f64> {
        let members: Vec<(String, f64)> = self
            .raw
            .zrange(key(rest), 0, -1, None, false, None, true)
            .await
            .unwrap();
        members.into_iter().collect()
    }

    /// The fields of a task's hash in the queue `default`; empty if it is gone.
    pub async fn hash(&self, id: &str) -> BTreeMap<String, Bytes> {
        self.raw.hgetall(task_key(id)).await.unwrap()
    }

    /// The names of the fields of a task's hash, sorted.
    pub async fn fields(&self, id: &str) -> Vec<String> {
        self.hash(id).await.into_keys().collect()
    }

    /// The state that a task's hash names; empty if it is gone.
    pub async fn state(&self, id: &str) -> String {
        let state = self.hash(id).await.remove("state").unwrap_or_default();
        String::from_utf8(state.into()).unwrap()
    }

    /// The stored message of a task in the queue `default`.
    pub async fn message(&self, id: &str) -> TaskMessage {
        let message = self.hash(id).await.remove("msg");
        let message = message.unwrap_or_else(|| panic!("task {id:?} is gone"));
        TaskMessage::decode(message).unwrap()
    }

    /// A bytes value.
    pub async fn bytes(&self, words: &[&str]) -> Vec<u8> {
        let bytes: Bytes = self.run(words).await;
        bytes.into()
    }

    /// A counter of the queue `default`; 0 if there is none.
    pub async fn counter(&self, rest: &str) -> i64 {
        let n: Option<i64> = self.run(&["GET", &key(rest)]).await;
        n.unwrap_or_default()
    }

    /// All keys, sorted.
    pub async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.run(&["KEYS", "*"]).await;
        keys.sort();
        keys
    }

    /// The time by Redis' clock (unix s).
    pub async fn now(&self) -> i64 {
        let (secs, _): (i64, i64) = self.run(&["TIME"]).await;
        secs
    }

    /// Waits until a task of the queue `default` is in this state; `""`: gone.
    #[track_caller]
    pub fn task_is<'w>(&'w self, id: &'w str, state: &'w str) -> impl Future<Output = ()> + 'w {
        eventually(
            &format!("task {id:?} is {state:?}"),
            DEADLINE,
            move || async move { self.state(id).await == state },
        )
    }

    /// How often Redis has run these commands, those within scripts too.
    pub async fn calls_of(&self, commands: &[&str]) -> u64 {
        let stats: String = self.run(&["INFO", "commandstats"]).await;
        let calls = |command: &&str| -> u64 {
            let line = stats.lines().find_map(|line| {
                line.strip_prefix(&format!("cmdstat_{command}:calls="))?
                    .split(',')
                    .next()
            });
            line.map_or(0, |calls| calls.parse().unwrap())
        };
        commands.iter().map(calls).sum()
    }

    /// Asks whoever runs this task to cancel it, once a server listens.
    pub async fn cancel(&self, id: &str) {
        eventually("the cancellation is heard", DEADLINE, || async {
            let heard: i64 = self.run(&["PUBLISH", "asynq:cancel", id]).await;
            heard > 0
        })
        .await;
    }

    /// Writes any message as the task of this id in a queue, in this state.
    pub async fn store(&self, queue: &str, id: &str, state: &str, message: impl Into<Bytes>) {
        let hash = queue_key(queue, &format!("t:{id}"));
        let fields: [(&str, Bytes); 2] = [
            ("msg", message.into()),
            ("state", Bytes::copy_from_slice(state.as_bytes())),
        ];
        let fields: Vec<(&str, Value)> = fields.map(|(name, value)| (name, value.into())).into();
        let _: i64 = self.raw.hset(hash, fields).await.unwrap();
    }

    /// Writes a task that lies in pending, as it is.
    pub async fn store_pending(&self, queue: &str, id: &str, message: impl Into<Bytes>) {
        self.store(queue, id, "pending", message).await;
        let _: i64 = self.run(&["LPUSH", &queue_key(queue, "pending"), id]).await;
    }

    /// Writes a task whose server is gone: active, its lease ended so many seconds ago.
    pub async fn store_lost(&self, queue: &str, id: &str, message: impl Into<Bytes>, ago: i64) {
        self.store(queue, id, "active", message).await;
        let _: i64 = self.run(&["LPUSH", &queue_key(queue, "active"), id]).await;
        let ended = (self.now().await - ago).to_string();
        let lease = queue_key(queue, "lease");
        let _: i64 = self.run(&["ZADD", &lease, &ended, id]).await;
    }

    /// Every task's hash is where its state says, and every id has its hash: asynqmon's demands
    /// on the queue `default`.
    pub async fn assert_consistent(&self) {
        for (list, state) in [("pending", "pending"), ("active", "active")] {
            for id in self.list(list).await {
                assert_eq!(self.state(&id).await, state, "{id} in {list}");
            }
        }
        for set in ["scheduled", "retry", "archived", "completed"] {
            for id in self.scores(set).await.keys() {
                assert_eq!(self.state(id).await, set, "{id} in {set}");
            }
        }
    }
}

/// A message with these defaults for what a test writes itself.
impl TaskMessage {
    pub fn of(id: &str, payload: &str) -> Self {
        Self {
            task_type: "any".to_owned(),
            payload: payload.into(),
            id: id.to_owned(),
            queue: "default".to_owned(),
            retry: 25,
            timeout: 1800,
            ..Self::default()
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}
