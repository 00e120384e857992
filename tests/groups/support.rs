//! What these tests share: tasks in groups, and an aggregator that joins them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rasynq::{Client, RunningServer, Server, Task};
use tokio::sync::Notify;

use crate::common::{Scripted, World, eventually, key, queue_key};

/// A deadline for effects that come after seconds.
pub const LONG: Duration = Duration::from_secs(20);

/// An aggregate of type `joined`: the payloads in their order, separated by blanks. Its id is the group's name with
/// the first payload, so that a test finds it.
pub async fn join(group: String, tasks: Vec<Task>) -> anyhow::Result<Task> {
    let payloads = tasks
        .iter()
        .map(|task| String::from_utf8_lossy(task.payload()));
    let payloads: Vec<_> = payloads.collect();
    let id = format!("{group}:{}", payloads[0]);
    Ok(Task::new("joined", payloads.join(" ")).task_id(id))
}

/// Tells a test that an aggregator was called. A shutdown before that puts a set back without a call.
#[derive(Clone, Default)]
pub struct Called(Arc<Notify>);

impl Called {
    /// For the aggregator.
    pub fn tell(&self) {
        self.0.notify_one();
    }

    /// For the test.
    pub async fn wait(&self) {
        let told = tokio::time::timeout(LONG, self.0.notified()).await;
        told.expect("the aggregator is called");
    }
}

/// A server that aggregates with [`join`], never by a grace period. It runs no task: this pauses its only queue.
pub async fn only_aggregating(world: &World) -> Server {
    world.pause("default").await;
    let hour = Duration::from_secs(3600);
    world.server().aggregate(join).group_grace_period(hour)
}

/// Starts a server whose handler nobody looks at.
pub async fn start(server: Server) -> RunningServer {
    server.start(Scripted::new()).await.unwrap()
}

/// A task of a group in the queue `default`. Its payload is its id.
pub fn member(group: &str, id: &str) -> Task {
    Task::new("member", id.to_owned()).group(group).task_id(id)
}

/// Adds tasks to a group in the queue `default`, one after the other.
pub async fn add(client: &Client, group: &str, ids: impl IntoIterator<Item = impl ToString>) {
    for id in ids {
        client
            .enqueue(member(group, &id.to_string()))
            .await
            .unwrap();
    }
}

/// Adds tasks all at once.
pub async fn add_all(client: &Client, tasks: impl IntoIterator<Item = Task>) {
    for stored in client.enqueue_batch(tasks).await {
        stored.unwrap();
    }
}

impl World {
    /// Pauses a queue.
    pub async fn pause(&self, queue: &str) {
        self.inspector().await.pause_queue(queue).await.unwrap();
    }

    /// The tasks that wait in a group of the queue `default`, with the times at which they joined.
    pub async fn group(&self, group: &str) -> BTreeMap<String, f64> {
        self.scores(&format!("g:{group}")).await
    }

    /// The names of the groups of the queue `default`, sorted.
    pub async fn group_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.run(&["SMEMBERS", &key("groups")]).await;
        names.sort();
        names
    }

    /// The keys of the aggregation sets of the queue `default`, with their deadlines.
    pub async fn sets(&self) -> BTreeMap<String, f64> {
        self.scores("aggregation_sets").await
    }

    /// Makes the deadlines of all these sets pass. Returns their keys.
    pub async fn end_sets(&self) -> Vec<String> {
        let sets: Vec<String> = self.sets().await.into_keys().collect();
        for set in &sets {
            let _: i64 = self
                .run(&["ZADD", &key("aggregation_sets"), "1", set])
                .await;
        }
        sets
    }

    /// The payloads of the aggregates of a queue that are pending, the oldest first.
    pub async fn pending_of(&self, queue: &str) -> Vec<String> {
        let mut ids: Vec<String> = self
            .run(&["LRANGE", &queue_key(queue, "pending"), "0", "-1"])
            .await;
        ids.reverse();
        let mut payloads = Vec::new();
        let inspector = self.inspector().await;
        for id in ids {
            let info = inspector.task_info(queue, &id).await.unwrap();
            payloads.push(String::from_utf8(info.payload.to_vec()).unwrap());
        }
        payloads
    }

    /// The same for the queue `default`.
    pub async fn pending(&self) -> Vec<String> {
        self.pending_of("default").await
    }

    /// Waits until so many tasks are pending in the queue `default`.
    #[track_caller]
    pub fn has_pending(&self, tasks: usize) -> impl Future<Output = ()> + '_ {
        eventually(
            &format!("{tasks} tasks are pending"),
            LONG,
            move || async move { self.list("pending").await.len() >= tasks },
        )
    }

    /// Waits until the group has so many tasks.
    #[track_caller]
    pub fn group_has<'w>(
        &'w self,
        group: &'w str,
        tasks: usize,
    ) -> impl Future<Output = ()> + use<'w> {
        let what = format!("the group {group:?} has {tasks} tasks");
        eventually(&what, LONG, move || async move {
            self.group(group).await.len() == tasks
        })
    }

    /// When a task became pending, in milliseconds by Redis' clock.
    pub async fn pending_since_ms(&self, id: &str) -> i64 {
        let nanos = self.hash(id).await.remove("pending_since").unwrap();
        let nanos: i64 = String::from_utf8(nanos.to_vec()).unwrap().parse().unwrap();
        nanos / 1_000_000
    }
}
