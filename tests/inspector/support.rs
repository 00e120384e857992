//! What these tests share: tasks in each state.

use rasynq::{Client, Connection, Inspector, Task, TaskInfo, TaskState};

use crate::common::support::RedisCluster;
use crate::common::{TaskMessage, World, key};

/// A cluster, and a client and an inspector on it.
pub async fn on_cluster() -> (RedisCluster, Client, Inspector) {
    let cluster = RedisCluster::start().await;
    let connection = Connection::cluster(cluster.addresses());
    let client = Client::connect(&connection).await.unwrap();
    let inspector = Inspector::connect(&connection).await.unwrap();
    (cluster, client, inspector)
}

impl World {
    /// Writes a task of the queue `default` into a sorted set.
    pub async fn store_scored(&self, set: &str, state: &str, score: i64, message: &TaskMessage) {
        self.store("default", &message.id, state, message.bytes())
            .await;
        let _: i64 = self
            .run(&["ZADD", &key(set), &score.to_string(), &message.id])
            .await;
    }

    /// Makes the queue `default` known.
    pub async fn register(&self) {
        let _: i64 = self.run(&["SADD", "asynq:queues", "default"]).await;
    }

    /// Writes tasks of the queue `default`: two in each state, and three pending ones.
    pub async fn store_in_each_state(&self) {
        self.register().await;
        let of = |id: &str| TaskMessage::of(id, "payload");
        for id in ["p1", "p2", "p3"] {
            self.store_pending("default", id, of(id).bytes()).await;
        }
        self.store_lost("default", "a1", of("a1").bytes(), 1).await;
        self.store_lost("default", "a2", of("a2").bytes(), -60)
            .await;
        for (set, letter) in [
            ("scheduled", "s"),
            ("retry", "r"),
            ("archived", "d"),
            ("completed", "c"),
        ] {
            // Lower scores come first, whatever the order of the ids is.
            for (n, score) in [(1, 2_000_000_020), (2, 2_000_000_010)] {
                let message = of(&format!("{letter}{n}"));
                self.store_scored(set, set, score, &message).await;
            }
        }
        for (group, id) in [("z", "g1"), ("a", "g2")] {
            let message = TaskMessage {
                group_key: group.to_owned(),
                ..of(id)
            };
            let set = format!("g:{group}");
            self.store_scored(&set, "aggregating", 2_000_000_000, &message)
                .await;
            let _: i64 = self.run(&["SADD", &key("groups"), group]).await;
        }
    }
}

/// Enqueues these tasks, all at once.
pub async fn add_all(world: &World, tasks: impl IntoIterator<Item = Task>) {
    for stored in world.client().await.enqueue_batch(tasks).await {
        stored.unwrap();
    }
}

/// The ids of a page of the queue `default`.
pub async fn page(inspector: &Inspector, state: TaskState, page: u64, size: u64) -> Vec<String> {
    ids(inspector
        .tasks("default", state)
        .page(page, size)
        .await
        .unwrap())
}

pub fn ids(tasks: impl IntoIterator<Item = TaskInfo>) -> Vec<String> {
    tasks.into_iter().map(|task| task.id).collect()
}
