//! What the tests look at: the tasks that ticks have stored.

use prost::Message as _;
use rasynq::{Entry, RunningScheduler, Scheduler, Task};

use crate::common::{DEADLINE, TaskMessage, World, eventually, queue_key};

/// A scheduler on this Redis.
pub(crate) fn scheduler(world: &World) -> Scheduler {
    Scheduler::new(&world.connection())
}

/// Starts a scheduler on this Redis with this entry.
pub(crate) async fn start(world: &World, entry: Entry) -> RunningScheduler {
    scheduler(world).register(entry).start().await.unwrap()
}

/// An entry that ticks every so many seconds.
pub(crate) fn every(secs: u64, task_type: &str) -> Entry {
    Entry::new(format!("@every {secs}s"), Task::without_payload(task_type))
}

/// A pending task of a tick.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pending {
    pub(crate) id: String,
    pub(crate) task_type: String,
    /// Since when (Unix ms).
    pub(crate) since_ms: i64,
}

/// The pending tasks of a queue, the oldest first.
pub(crate) async fn pending_in(world: &World, queue: &str) -> Vec<Pending> {
    let ids: Vec<String> = world
        .run(&["LRANGE", &queue_key(queue, "pending"), "0", "-1"])
        .await;
    let mut all = Vec::new();
    for id in ids.into_iter().rev() {
        let hash = queue_key(queue, &format!("t:{id}"));
        let since: String = world.run(&["HGET", &hash, "pending_since"]).await;
        let message = world.bytes(&["HGET", &hash, "msg"]).await;
        let message = TaskMessage::decode(message.as_slice()).unwrap();
        all.push(Pending {
            id,
            task_type: message.task_type,
            since_ms: since.parse::<i64>().unwrap() / 1_000_000,
        });
    }
    all
}

/// The pending tasks of the queue `default`, the oldest first.
pub(crate) async fn pending(world: &World) -> Vec<Pending> {
    pending_in(world, "default").await
}

/// Waits until the queue `default` has at least this many pending tasks.
pub(crate) async fn pending_reach(world: &World, n: usize) -> Vec<Pending> {
    let what = format!("{n} tasks are pending");
    eventually(&what, DEADLINE, || async {
        let len: usize = world.run(&["LLEN", &queue_key("default", "pending")]).await;
        len >= n
    })
    .await;
    pending(world).await
}

/// The seconds in which tasks became pending, in order.
pub(crate) fn seconds(pending: &[Pending]) -> Vec<i64> {
    pending.iter().map(|task| task.since_ms / 1000).collect()
}

/// The longest time (s) between two ticks of an entry that ticks each second, while its leader dies: the lease, the
/// interval of the other schedulers, and a second until the next tick.
pub(crate) const LONGEST_GAP: i64 = 5;

/// Asserts that no two tasks are of the same second.
#[track_caller]
pub(crate) fn assert_each_once(pending: &[Pending]) {
    let mut all = seconds(pending);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), pending.len(), "{pending:#?}");
}

/// The longest time (s) between two tasks that follow each other.
pub(crate) fn longest_gap(pending: &[Pending]) -> i64 {
    let all = seconds(pending);
    let gaps = all.windows(2).map(|two| two[1] - two[0]);
    gaps.max().unwrap_or(0)
}
