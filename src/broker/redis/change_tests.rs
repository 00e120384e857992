//! Pending tasks are found and removed in lists too long to search.

use bytes::Bytes;
use fred::clients::Client as Fred;
use fred::interfaces::{ClientLike, HashesInterface, KeysInterface, ListInterface, LuaInterface};
use fred::types::{InfoKind, Value};
use sha1_smol::Sha1;

use crate::broker::{Broker, TaskChange, TaskChanged, TasksChanged, TasksToChange};
use crate::connection::Connection;
use crate::test_support::RedisServer;
use crate::wire::{QueueKeys, TaskState};

struct LongList {
    raw: Fred,
    broker: Broker,
    keys: QueueKeys,
    /// The ids, the next to be fetched first.
    ids: Vec<String>,
    _redis: RedisServer,
}

impl LongList {
    async fn of(length: usize) -> Self {
        let redis = RedisServer::start().await;
        let raw = redis.client().await;
        let connection = Connection::from_uri(&redis.uri()).expect("a URI");
        let broker = Broker::connect(&connection).await.expect("a connection");
        let keys = broker.keys("default");
        let ids: Vec<String> = (0..length).map(|n| format!("id-{n}")).collect();
        // In Lua, as the client takes long for so many arguments in a debug build.
        let fill = "for n = 0, ARGV[1] - 1 do redis.call('LPUSH', KEYS[1], 'id-' .. n) end";
        let fill = raw.eval(fill, keys.pending(), length.to_string());
        let _: Value = fill.await.expect("EVAL");
        Self {
            raw,
            broker,
            keys,
            ids,
            _redis: redis,
        }
    }

    /// Deletes the tasks at these positions, after `shifted` other tasks were fetched.
    async fn delete(&mut self, positions: &[usize], shifted: usize) {
        for position in positions {
            let hash = self.keys.task(&self.ids[*position]);
            let fields = vec![("msg", ""), ("state", "pending")];
            let _: () = self.raw.hset(hash, fields).await.expect("HSET");
        }
        let id_of = |position: &usize| Bytes::copy_from_slice(self.ids[*position].as_bytes());
        let tasks = positions
            .iter()
            .map(|position| (id_of(position), Some(*position as i64)));
        let tasks: Vec<_> = tasks.collect();
        let fetch = self.raw.rpop(self.keys.pending(), Some(shifted));
        let _: Vec<String> = fetch.await.expect("RPOP");
        let tasks = TasksToChange {
            states: &[TaskState::Pending],
            group: None,
            tasks: &tasks,
            shift: 0,
        };
        let delete = self
            .broker
            .change_tasks(&self.keys, TaskChange::Delete, &tasks);
        let TasksChanged { shift, tasks, .. } = delete.await.expect("an answer");
        assert!(
            tasks.iter().all(|result| *result == TaskChanged::Yes),
            "{tasks:?}"
        );
        assert_eq!(shift, -(shifted as i64));
        for position in positions {
            let hash = self.keys.task(&self.ids[*position]);
            let found: i64 = self.raw.exists(hash).await.expect("EXISTS");
            assert_eq!(found, 0);
        }
    }

    /// Whether these ids are in the list, the next to be fetched first.
    async fn is(&self, expected: &[String]) -> bool {
        let digest = "local ids = redis.call('LRANGE', KEYS[1], 0, -1) \
                      return redis.sha1hex(table.concat(ids, ','))";
        let digest = self
            .raw
            .eval(digest, self.keys.pending(), Vec::<String>::new());
        let digest: String = digest.await.expect("EVAL");
        let mut expected = expected.to_vec();
        expected.reverse();
        digest == Sha1::from(expected.join(",")).digest().to_string()
    }
}

#[tokio::test]
async fn pending_tasks_near_either_end_leave_the_others_in_their_order() {
    for positions in [[100, 50_000, 99_000], [249_999, 200_000, 160_000]] {
        let mut list = LongList::of(250_000).await;
        list.delete(&positions, 70).await;
        let kept = (70..250_000).filter(|position| !positions.contains(position));
        let kept: Vec<String> = kept.map(|position| list.ids[position].clone()).collect();
        assert!(list.is(&kept).await);
    }
}

#[tokio::test]
async fn the_newest_take_the_places_of_pending_tasks_that_are_far_from_both_ends() {
    let mut list = LongList::of(250_000).await;
    list.delete(&[249_999, 120_000, 130_000, 249_997], 0).await;
    let mut expected = list.ids.clone();
    // From the newest on: 249,999 and 249,997 are deleted themselves, 249,998 fills the place of the latter.
    expected.truncate(249_999);
    let newest = expected.pop().expect("249,998");
    expected[249_997] = newest;
    for position in [130_000, 120_000] {
        expected[position] = expected.pop().expect("a newer task");
    }
    assert!(list.is(&expected).await);
}

#[tokio::test]
async fn a_task_that_has_come_back_at_the_other_end_costs_no_walk() {
    let list = LongList::of(120_000).await;
    let newest = list.ids.last().expect("an id").clone();
    let hash = list.keys.task(&newest);
    let fields = vec![("msg", ""), ("state", "pending")];
    let _: () = list.raw.hset(hash, fields).await.expect("HSET");
    let read = |stats: &str| -> Option<String> {
        let line = stats
            .lines()
            .find(|line| line.starts_with("cmdstat_lrange"))?;
        Some(line.to_owned())
    };
    // It was the tenth to be fetched when it was read, and thousands were fetched since.
    let tasks = TasksToChange {
        states: &[TaskState::Pending],
        group: None,
        tasks: &[(Bytes::from(newest), Some(10))],
        shift: -2_000,
    };
    let delete = list
        .broker
        .change_tasks(&list.keys, TaskChange::Delete, &tasks);
    let TasksChanged { shift, tasks, .. } = delete.await.expect("an answer");
    assert_eq!((shift, tasks), (-2_000, vec![TaskChanged::Moved]));
    let stats: String = list
        .raw
        .info(Some(InfoKind::CommandStats))
        .await
        .expect("INFO");
    assert_eq!(read(&stats), None);
}
