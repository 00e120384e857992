//! A private Redis server, with the library connected to it and direct access to its keys.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client as Fred;
use fred::error::Error as FredError;
use fred::interfaces::{ClientLike, HashesInterface, SortedSetsInterface};
use fred::types::{ClusterHash, CustomCommand, FromValue, Value};
use prost::Message;
use rasynq::{Client, Connection, Inspector, IntoHandler, RetryDelay, RunningServer, Server};

use super::support::RedisServerBuilder;
use super::{DEADLINE, HOUR, Proxy, RedisServer, TaskMessage, eventually};

/// The key of the queue `default` with this last part.
pub fn key(name: &str) -> String {
    queue_key("default", name)
}

/// The key of a queue with this last part.
pub fn queue_key(queue: &str, name: &str) -> String {
    format!("asynq:{{{queue}}}:{name}")
}

/// The key of the hash of a task in the queue `default`.
pub fn task_key(id: &str) -> String {
    key(&format!("t:{id}"))
}

/// The steps of [`World::go_takes_over`]. In one script, so that no other server takes part.
const GO_TAKES_OVER: &str = "
local active, lease, retry, pending, task = unpack(KEYS)
local id, score = ARGV[1], ARGV[2]
local call = redis.call
call('LREM', active, 0, id) call('ZREM', lease, id) call('ZADD', retry, 1, id)
call('HSET', task, 'state', 'retry')
call('ZREM', retry, id) call('LPUSH', pending, id)
call('HSET', task, 'state', 'pending', 'pending_since', 1)
call('LREM', pending, 1, id) call('LPUSH', active, id)
call('HSET', task, 'state', 'active') call('HDEL', task, 'pending_since')
return call('ZADD', lease, score, id)";

/// The Redis server of one test.
pub struct World {
    pub redis: RedisServer,
    raw: Fred,
}

impl World {
    /// Starts Redis on a unix socket.
    pub async fn new() -> Self {
        Self::on(RedisServer::builder()).await
    }

    /// Starts Redis on a TCP port with a proxy in front of it. The connection goes through the proxy,
    /// and its commands fail after 2 s without a reply.
    pub async fn behind_proxy() -> (Self, Proxy, Connection) {
        let world = Self::on(RedisServer::builder().tcp()).await;
        let proxy = Proxy::start(world.redis.port()).await;
        let connection =
            Connection::tcp("127.0.0.1", proxy.port()).command_timeout(Duration::from_secs(2));
        (world, proxy, connection)
    }

    /// Starts Redis with these settings.
    pub async fn on(builder: RedisServerBuilder) -> Self {
        Self::of(builder.start().await).await
    }

    /// The world of a Redis that runs.
    pub async fn of(redis: RedisServer) -> Self {
        let raw = redis.client().await;
        Self { redis, raw }
    }

    /// The address of this Redis.
    pub fn connection(&self) -> Connection {
        Connection::from_uri(&self.redis.uri()).unwrap()
    }

    /// A new client.
    pub async fn client(&self) -> Client {
        Client::connect(&self.connection()).await.unwrap()
    }

    /// A new inspector.
    pub async fn inspector(&self) -> Inspector {
        Inspector::connect(&self.connection()).await.unwrap()
    }

    /// A server with the settings of [`server_on`](Self::server_on).
    pub fn server(&self) -> Server {
        Self::server_on(&self.connection())
    }

    /// Starts the default server of the tests.
    pub async fn start<M>(&self, handler: impl IntoHandler<M>) -> RunningServer {
        self.server().start(handler).await.unwrap()
    }

    /// Starts the default server of the tests with this number of workers.
    pub async fn start_with_workers<M>(
        &self,
        workers: usize,
        handler: impl IntoHandler<M>,
    ) -> RunningServer {
        let server = self.server().concurrency(workers);
        server.start(handler).await.unwrap()
    }

    /// A server on this connection with four workers and short intervals (20 ms). A failed task waits
    /// an hour for its retry; a shutdown waits 2 s for handlers.
    pub fn server_on(connection: &Connection) -> Server {
        Server::new(connection)
            .concurrency(4)
            .retry_delay(RetryDelay::constant(HOUR))
            .task_check_interval(Duration::from_millis(20))
            .delayed_task_check_interval(Duration::from_millis(20))
            .janitor_interval(Duration::from_millis(20))
            .shutdown_timeout(Duration::from_secs(2))
    }

    /// Runs a Redis command.
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

    /// Runs a Redis command that may fail.
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
    pub async fn list(&self, name: &str) -> Vec<String> {
        self.run(&["LRANGE", &key(name), "0", "-1"]).await
    }

    /// The members of a sorted set of the queue `default`, with their scores.
    pub async fn scores(&self, name: &str) -> BTreeMap<String, f64> {
        let members: Vec<(String, f64)> = self
            .raw
            .zrange(key(name), 0, -1, None, false, None, true)
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

    /// Runs a Redis command whose reply is a byte string.
    pub async fn bytes(&self, words: &[&str]) -> Vec<u8> {
        let bytes: Bytes = self.run(words).await;
        bytes.into()
    }

    /// A counter of the queue `default`; 0 if the key does not exist.
    pub async fn counter(&self, name: &str) -> i64 {
        let n: Option<i64> = self.run(&["GET", &key(name)]).await;
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

    /// Waits until a task of the queue `default` is in this state; `""` means that its hash is gone.
    #[track_caller]
    pub fn task_is<'w>(&'w self, id: &'w str, state: &'w str) -> impl Future<Output = ()> + 'w {
        eventually(
            &format!("task {id:?} is {state:?}"),
            DEADLINE,
            move || async move { self.state(id).await == state },
        )
    }

    /// Waits until a counter of the queue `default` has at least this value.
    #[track_caller]
    pub fn counter_reaches<'w>(
        &'w self,
        counter: &'w str,
        value: i64,
    ) -> impl Future<Output = ()> + 'w {
        eventually(
            &format!("the counter {counter:?} is {value}"),
            DEADLINE,
            move || async move { self.counter(counter).await >= value },
        )
    }

    /// Sets the score of a task to the past: a scheduled task or a retry becomes due; a completed task
    /// or a lease expires.
    pub async fn make_due(&self, set: &str, id: &str) {
        let _: i64 = self.run(&["ZADD", &key(set), "1", id]).await;
    }

    /// Sets the lease of a task to end in 20 s, as if it had been renewed 10 s ago.
    pub async fn shorten_lease(&self, id: &str) {
        self.end_lease_in(id, 20).await;
    }

    /// Sets the lease of a task to end this many seconds from now, as if its own server had written it.
    pub async fn end_lease_in(&self, id: &str, secs: i64) {
        let until = self.now().await + secs;
        let claim = self.hash(id).await.remove("rasynq_owner").unwrap();
        let claim = String::from_utf8(claim.into()).unwrap();
        let owner = claim.split_once('@').unwrap().0;
        let claim = format!("{owner}@{until}");
        let write = ["HSET", &task_key(id), "rasynq_owner", &claim];
        let _: i64 = self.run(&write).await;
        let until = until.to_string();
        let _: i64 = self.run(&["ZADD", &key("lease"), &until, id]).await;
    }

    /// Does what Go servers do with a task whose lease has expired: one recovers it, one forwards it when it is
    /// due, and one fetches it. The message stays as it is. Returns the score of the new lease.
    pub async fn go_takes_over(&self, id: &str) -> i64 {
        let until = self.now().await + 31;
        let score = until.to_string();
        let keys = [
            key("active"),
            key("lease"),
            key("retry"),
            key("pending"),
            task_key(id),
        ];
        let mut call = vec!["EVAL", GO_TAKES_OVER, "5"];
        call.extend(keys.iter().map(String::as_str));
        call.extend([id, &score]);
        let _: Value = self.try_run(&call).await.unwrap();
        until
    }

    /// Waits until the lease of a task has more than 25 s left: a heartbeat has renewed it.
    #[track_caller]
    pub fn lease_is_renewed<'w>(&'w self, id: &'w str) -> impl Future<Output = ()> + 'w {
        eventually("the lease is renewed", DEADLINE, move || async move {
            self.scores("lease").await[id] as i64 > self.now().await + 25
        })
    }

    /// Gives a task another owner token, as if another server had fetched it.
    pub async fn claim_for_another_server(&self, id: &str) {
        let claim = ["HSET", &task_key(id), "rasynq_owner", "another"];
        let _: i64 = self.run(&claim).await;
    }

    /// Makes Redis refuse commands that need memory, or accept them again.
    pub async fn set_out_of_memory(&self, out_of_memory: bool) {
        let bytes = if out_of_memory { "1" } else { "0" };
        let _: String = self.run(&["CONFIG", "SET", "maxmemory", bytes]).await;
    }

    /// The keys of the unique locks in the queue `default`.
    pub async fn locks(&self) -> Vec<String> {
        self.run(&["KEYS", &key("unique:*")]).await
    }

    /// The keys of the task hashes in the queue `default`.
    pub async fn task_hashes(&self) -> Vec<String> {
        self.run(&["KEYS", &task_key("*")]).await
    }

    /// How many clients are connected to Redis, including this test's own connection.
    pub async fn connected_clients(&self) -> usize {
        let list: String = self.run(&["CLIENT", "LIST"]).await;
        list.lines().count()
    }

    /// How often Redis has run these commands, including calls from scripts.
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

    /// How many commands Redis has run, including calls from scripts.
    pub async fn all_calls(&self) -> u64 {
        let stats: String = self.run(&["INFO", "commandstats"]).await;
        let calls = |line: &str| line.split("calls=").nth(1)?.split(',').next()?.parse().ok();
        stats
            .lines()
            .filter_map(|line| -> Option<u64> { calls(line) })
            .sum()
    }

    /// Publishes a cancellation of this task, again until a server receives it.
    pub async fn cancel(&self, id: &str) {
        eventually("a server receives the cancellation", DEADLINE, || async {
            let receivers: i64 = self.run(&["PUBLISH", "asynq:cancel", id]).await;
            receivers > 0
        })
        .await;
    }

    /// Writes the hash of a task with this message and state, and no list entry.
    pub async fn store(&self, queue: &str, id: &str, state: &str, message: impl Into<Bytes>) {
        let hash = queue_key(queue, &format!("t:{id}"));
        let fields: [(&str, Bytes); 2] = [
            ("msg", message.into()),
            ("state", Bytes::copy_from_slice(state.as_bytes())),
        ];
        let fields: Vec<(&str, Value)> = fields.map(|(name, value)| (name, value.into())).into();
        let _: i64 = self.raw.hset(hash, fields).await.unwrap();
    }

    /// Writes a pending task with this message, which may be invalid.
    pub async fn store_pending(&self, queue: &str, id: &str, message: impl Into<Bytes>) {
        self.store(queue, id, "pending", message).await;
        let _: i64 = self.run(&["LPUSH", &queue_key(queue, "pending"), id]).await;
    }

    /// Writes the active task of a server that has crashed. Its lease expired `ago` seconds ago.
    pub async fn store_lost(&self, queue: &str, id: &str, message: impl Into<Bytes>, ago: i64) {
        self.store(queue, id, "active", message).await;
        let _: i64 = self.run(&["LPUSH", &queue_key(queue, "active"), id]).await;
        let expired_at = (self.now().await - ago).to_string();
        let lease = queue_key(queue, "lease");
        let _: i64 = self.run(&["ZADD", &lease, &expired_at, id]).await;
    }

    /// [`store_lost`](Self::store_lost) for a valid message. The lease expired 60 s ago, which is longer
    /// than a recoverer waits.
    pub async fn store_expired(&self, message: &TaskMessage) {
        self.store_lost(&message.queue, &message.id, message.bytes(), 60)
            .await;
    }

    /// Asserts that no task of the queue `default` is active or has a lease.
    #[track_caller]
    pub fn assert_none_active(&self) -> impl Future<Output = ()> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let active = self.list("active").await;
            assert!(active.is_empty(), "{caller}: active: {active:?}");
            let leased = self.scores("lease").await;
            assert!(leased.is_empty(), "{caller}: leased: {leased:?}");
        }
    }

    /// Asserts for the queue `default` what asynqmon relies on: every listed id has a hash, and the
    /// state in the hash names the list.
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

impl TaskMessage {
    /// A message of type `any` in the queue `default` with asynq's default limits.
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

    /// The encoded message.
    pub fn bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}
