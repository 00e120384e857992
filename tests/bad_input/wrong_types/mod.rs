//! Keys of a wrong type, for example a string where Redis needs a list.
//!
//! Each test breaks one key. No task may be lost, and everything that does not need the key must
//! still work, above all the other queue.

mod acknowledging;
mod fetching;
mod global_keys;
mod inspecting;
mod scheduling;
mod single_tasks;

use std::time::Duration;

use rasynq::{Client, RunningServer, Task};

use crate::common::{HOUR, Log, Scripted, World, eventually, key, logged, queue_key};

/// How soon the healthy queue is served: at once, even on a busy machine.
const SOON: Duration = Duration::from_secs(5);

/// A server of the queues `default` and `healthy`. Tests break keys of `default`.
struct TwoQueues {
    world: World,
    client: Client,
    handler: Scripted,
    log: Log,
    server: RunningServer,
}

impl TwoQueues {
    /// Starts the server, then writes a string to a key of `default`.
    async fn with_string_at(name: &str) -> Self {
        let queues = Self::start().await;
        let _: String = queues.world.run(&["SET", &key(name), "wrong"]).await;
        queues
    }

    async fn start() -> Self {
        let world = World::new().await;
        let handler = Scripted::new();
        let log = Log::capture();
        let server = world
            .server()
            .concurrency(2)
            .queue("default", 1)
            .queue("healthy", 1)
            .start(handler.clone())
            .await
            .unwrap();
        Self {
            client: world.client().await,
            world,
            handler,
            log,
            server,
        }
    }

    /// Enqueues a task to `default`.
    async fn enqueue(&self, id: &str, payload: &str) {
        let task = Task::new("any", payload.to_owned()).task_id(id);
        self.client.enqueue(task).await.unwrap();
    }

    /// Enqueues a task to `default` that is due at once.
    async fn enqueue_due(&self, id: &str) {
        let task = Task::new("any", "ok").process_in(HOUR);
        self.client.enqueue(task).task_id(id).await.unwrap();
        self.world.make_due("scheduled", id).await;
    }

    /// Waits until a fetch from `default` has failed.
    async fn fetch_fails(&self) {
        let words = [logged::FETCH_FAILED, "default", "WRONGTYPE"];
        self.log.line_with(&words).await;
    }

    /// Waits until an acknowledgement to `default` has failed.
    async fn acknowledgement_fails(&self) {
        let words = [logged::ACKNOWLEDGEMENT_FAILED, "default", "WRONGTYPE"];
        self.log.line_with(&words).await;
    }

    /// Runs twelve tasks in the healthy queue: ten pending tasks, a due task, and a failing task.
    async fn the_healthy_queue_is_served(&self) {
        let processed = queue_key("healthy", "processed");
        let before: Option<i64> = self.world.run(&["GET", &processed]).await;
        let wanted = before.unwrap_or_default() + 12;
        let tasks = (0..10).map(|_| Task::new("any", "ok").queue("healthy"));
        for result in self.client.enqueue_batch(tasks).await {
            result.unwrap();
        }
        let id = format!("due {wanted}");
        let later = Task::new("any", "ok").queue("healthy").process_in(HOUR);
        self.client.enqueue(later).task_id(&id).await.unwrap();
        let scheduled = queue_key("healthy", "scheduled");
        let _: i64 = self.world.run(&["ZADD", &scheduled, "1", &id]).await;
        let failing = Task::new("any", "fail x").queue("healthy");
        self.client.enqueue(failing).await.unwrap();
        eventually("the healthy queue is served", SOON, || async {
            let now: Option<i64> = self.world.run(&["GET", &processed]).await;
            now.unwrap_or_default() >= wanted
        })
        .await;
    }

    /// Deletes the broken key of `default`.
    async fn repair(&self, name: &str) {
        let removed: i64 = self.world.run(&["DEL", &key(name)]).await;
        assert_eq!(removed, 1, "{name} was still broken");
    }

    async fn shutdown(self) {
        self.server.shutdown().await;
        self.world.assert_consistent().await;
        assert_eq!(self.world.list("active").await.len(), 0);
    }
}
