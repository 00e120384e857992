//! Keys of a wrong type: a string where a list, a set or a hash should be.
//!
//! Each test breaks one key and checks two things: no task is lost, and everything that does not
//! need the key still works, above all the other queue.

mod fetching;
mod global_keys;
mod outcomes;
mod single_tasks;
mod waiting;

use std::time::Duration;

use rasynq::{Client, RunningServer, Task};

use crate::common::{HOUR, Log, Scripted, World, eventually, key, queue_key};

/// How soon a queue is served that is well: at once, on a busy machine.
const SOON: Duration = Duration::from_secs(5);

/// A server of the queues `default` and `well`; in `default` something is wrong.
struct Ward {
    world: World,
    client: Client,
    handler: Scripted,
    log: Log,
    server: RunningServer,
}

impl Ward {
    /// With a string where the key of `default` that ends so should be something else.
    async fn with_string_at(rest: &str) -> Self {
        let ward = Self::new().await;
        let _: String = ward.world.run(&["SET", &key(rest), "wrong"]).await;
        ward
    }

    async fn new() -> Self {
        let world = World::new().await;
        let handler = Scripted::new();
        let log = Log::capture();
        let server = world
            .server()
            .concurrency(2)
            .queue("default", 1)
            .queue("well", 1)
            .retry_delay(RetryDelay::constant(HOUR))
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

    async fn enqueue(&self, id: &str, payload: &str) {
        let task = Task::new("any", payload.to_owned()).task_id(id);
        self.client.enqueue(task).await.unwrap();
    }

    /// Ten tasks of the queue that is well, a retry and a due one among them, get through.
    async fn the_other_queue_is_served(&self) {
        let done = queue_key("well", "processed");
        let before: Option<i64> = self.world.run(&["GET", &done]).await;
        let wanted = before.unwrap_or_default() + 12;
        let tasks = (0..10).map(|_| Task::new("any", "ok").queue("well"));
        for result in self.client.enqueue_batch(tasks).await {
            result.unwrap();
        }
        let id = format!("due {wanted}");
        let later = Task::new("any", "ok").queue("well").process_in(HOUR);
        self.client.enqueue(later).task_id(&id).await.unwrap();
        let scheduled = queue_key("well", "scheduled");
        let _: i64 = self.world.run(&["ZADD", &scheduled, "1", &id]).await;
        let failing = Task::new("any", "fail x").queue("well");
        self.client.enqueue(failing).await.unwrap();
        eventually("the other queue is served", SOON, || async {
            let now: Option<i64> = self.world.run(&["GET", &done]).await;
            now.unwrap_or_default() >= wanted
        })
        .await;
    }

    async fn repair(&self, rest: &str) {
        let removed: i64 = self.world.run(&["DEL", &key(rest)]).await;
        assert_eq!(removed, 1, "{rest} was still there");
    }

    async fn end(self) {
        self.server.shutdown().await;
        self.world.assert_consistent().await;
        assert_eq!(self.world.list("active").await.len(), 0);
    }
}

const HOUR: Duration = Duration::from_secs(3600);
