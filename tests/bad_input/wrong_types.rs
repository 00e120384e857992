//! Keys of a wrong type in one queue, next to a queue that is well.

use std::time::Duration;

use rasynq::{Client, ErrorKind, RetryDelay, RunningServer, Task};

use crate::common::{DEADLINE, Log, Scripted, TaskMessage, World, eventually, key, queue_key};

const HOUR: Duration = Duration::from_secs(3600);

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

#[tokio::test]
async fn of_pending_refuses_new_tasks_by_name_and_loses_none() {
    let ward = Ward::with_string_at("pending").await;
    let task = Task::new("any", "ok").task_id("task").unique(HOUR);
    let error = ward.client.enqueue(task.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redis);
    for word in ["WRONGTYPE", "\"task\"", "\"default\""] {
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(ward.world.state("task").await, "");
    let locks: Vec<String> = ward.world.run(&["KEYS", &key("unique:*")]).await;
    assert_eq!(locks.len(), 0, "no lock is left behind");
    // what is due stays where it is
    let later = Task::new("any", "ok").process_in(HOUR);
    ward.client.enqueue(later).task_id("due").await.unwrap();
    let _: i64 = ward
        .world
        .run(&["ZADD", &key("scheduled"), "1", "due"])
        .await;
    ward.log
        .line_with(&["could not fetch", "default", "WRONGTYPE"])
        .await;
    ward.log.line_with(&["forward", "WRONGTYPE"]).await;
    ward.the_other_queue_is_served().await;
    assert_eq!(ward.world.state("due").await, "scheduled");
    ward.repair("pending").await;
    ward.client.enqueue(task).await.unwrap();
    ward.world.task_is("task", "").await;
    ward.world.task_is("due", "").await;
    ward.end().await;
}

#[tokio::test]
async fn of_active_stops_one_queue_and_loses_none() {
    let ward = Ward::with_string_at("active").await;
    ward.enqueue("task", "ok").await;
    ward.log
        .line_with(&["could not fetch", "default", "WRONGTYPE"])
        .await;
    ward.the_other_queue_is_served().await;
    assert_eq!(ward.world.state("task").await, "pending");
    ward.repair("active").await;
    ward.world.task_is("task", "").await;
    ward.end().await;
}

#[tokio::test]
async fn of_lease_stops_one_queue_and_loses_none() {
    let ward = Ward::with_string_at("lease").await;
    ward.enqueue("task", "ok").await;
    ward.log
        .line_with(&["could not fetch", "default", "WRONGTYPE"])
        .await;
    ward.the_other_queue_is_served().await;
    assert_eq!(ward.world.state("task").await, "pending");
    ward.repair("lease").await;
    ward.world.task_is("task", "").await;
    ward.end().await;
}

#[tokio::test]
async fn of_active_while_tasks_run_keeps_their_ends_until_it_is_repaired() {
    let ward = Ward::new().await;
    ward.enqueue("task", "hold").await;
    ward.handler.has_begun(1).await;
    let _: i64 = ward
        .world
        .run(&["RENAMENX", &key("active"), &key("aside")])
        .await;
    let _: String = ward.world.run(&["SET", &key("active"), "wrong"]).await;
    ward.handler.release(1);
    ward.log
        .line_with(&["could not acknowledge tasks", "default"])
        .await;
    ward.the_other_queue_is_served().await;
    let _: String = ward
        .world
        .run(&["RENAME", &key("aside"), &key("active")])
        .await;
    ward.world.task_is("task", "").await;
    assert_eq!(ward.handler.runs_of("task"), 1);
    ward.end().await;
}

#[tokio::test]
async fn of_scheduled_refuses_scheduled_tasks_and_still_retries_others() {
    let ward = Ward::with_string_at("scheduled").await;
    let later = Task::new("any", "ok").task_id("later").process_in(HOUR);
    let error = ward.client.enqueue(later.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redis);
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    assert_eq!(ward.world.state("later").await, "");
    let message = TaskMessage::of("again", "ok").bytes();
    ward.world.store("default", "again", "retry", message).await;
    let _: i64 = ward.world.run(&["ZADD", &key("retry"), "1", "again"]).await;
    ward.world.task_is("again", "").await;
    ward.enqueue("plain", "ok").await;
    ward.world.task_is("plain", "").await;
    ward.enqueue("fails", "fail x").await;
    ward.world.task_is("fails", "retry").await;
    ward.log.line_with(&["forward", "WRONGTYPE"]).await;
    ward.the_other_queue_is_served().await;
    ward.repair("scheduled").await;
    ward.client.enqueue(later).await.unwrap();
    ward.end().await;
}

#[tokio::test]
async fn of_retry_keeps_failed_tasks_until_it_is_repaired_and_stops_nobody() {
    let ward = Ward::with_string_at("retry").await;
    ward.enqueue("0", "fail x").await;
    ward.log
        .line_with(&["could not acknowledge tasks", "default", "WRONGTYPE"])
        .await;
    // in the same queue as well
    ward.enqueue("plain", "ok").await;
    ward.world.task_is("plain", "").await;
    let later = Task::new("any", "ok").process_in(HOUR);
    ward.client.enqueue(later).task_id("due").await.unwrap();
    let _: i64 = ward
        .world
        .run(&["ZADD", &key("scheduled"), "1", "due"])
        .await;
    ward.world.task_is("due", "").await;
    // and when there are many of them
    for n in 1..10 {
        ward.enqueue(&n.to_string(), "fail x").await;
    }
    ward.the_other_queue_is_served().await;
    ward.repair("retry").await;
    for n in 0..10 {
        let id = n.to_string();
        ward.world.task_is(&id, "retry").await;
        assert_eq!(ward.handler.runs_of(&id), 1);
        assert_eq!(ward.world.message(&id).await.retried, 1);
    }
    ward.end().await;
}

#[tokio::test]
async fn of_archived_keeps_tasks_until_it_is_repaired_and_stops_nobody() {
    let ward = Ward::with_string_at("archived").await;
    ward.enqueue("0", "skip x").await;
    ward.log
        .line_with(&["could not acknowledge tasks", "default", "WRONGTYPE"])
        .await;
    ward.enqueue("plain", "ok").await;
    ward.world.task_is("plain", "").await;
    // and when there are many of them
    for n in 1..10 {
        ward.enqueue(&n.to_string(), "skip x").await;
    }
    ward.the_other_queue_is_served().await;
    ward.repair("archived").await;
    for n in 0..10 {
        let id = n.to_string();
        ward.world.task_is(&id, "archived").await;
        assert_eq!(ward.handler.runs_of(&id), 1);
    }
    ward.end().await;
}

#[tokio::test]
async fn of_completed_keeps_tasks_until_it_is_repaired_and_stops_nobody() {
    let ward = Ward::with_string_at("completed").await;
    let kept = |n: u32| {
        let task = Task::new("any", "ok").retention(HOUR);
        ward.client.enqueue(task).task_id(n.to_string())
    };
    kept(0).await.unwrap();
    ward.log
        .line_with(&["could not acknowledge tasks", "default", "WRONGTYPE"])
        .await;
    ward.log.line_with(&["janitor", "WRONGTYPE"]).await;
    // tasks of this queue that are not kept do not need it
    ward.enqueue("plain", "ok").await;
    ward.world.task_is("plain", "").await;
    // and when there are many of them
    for n in 1..10 {
        kept(n).await.unwrap();
    }
    ward.the_other_queue_is_served().await;
    ward.repair("completed").await;
    for n in 0..10 {
        let id = n.to_string();
        ward.world.task_is(&id, "completed").await;
        assert_eq!(ward.handler.runs_of(&id), 1);
    }
    ward.end().await;
}

#[tokio::test]
async fn of_a_tasks_hash_concerns_that_task_only() {
    let ward = Ward::new().await;
    let hash = key("t:odd");
    let _: String = ward.world.run(&["SET", &hash, "wrong"]).await;
    let _: i64 = ward.world.run(&["LPUSH", &key("pending"), "odd"]).await;
    for set in ["scheduled", "retry", "completed", "lease"] {
        let _: i64 = ward.world.run(&["ZADD", &key(set), "1", "odd"]).await;
    }
    let taken = Task::new("any", "ok").task_id("odd");
    let error = ward.client.enqueue(taken).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TaskIdConflict);
    ward.enqueue("task", "ok").await;
    ward.world.task_is("task", "").await;
    ward.log.line_with(&["dropped", "default"]).await;
    ward.the_other_queue_is_served().await;
    ward.server.shutdown().await;
    assert_eq!(ward.handler.runs_of("odd"), 0);
}

#[tokio::test]
async fn of_a_tasks_hash_while_it_runs_concerns_that_task_only() {
    let ward = Ward::new().await;
    ward.enqueue("odd", "hold").await;
    ward.handler.has_begun(1).await;
    let _: String = ward.world.run(&["SET", &key("t:odd"), "wrong"]).await;
    ward.handler.release(1);
    ward.log
        .line_with(&["acknowledgement had no effect", "odd"])
        .await;
    ward.enqueue("task", "ok").await;
    ward.world.task_is("task", "").await;
    ward.the_other_queue_is_served().await;
    ward.server.shutdown().await;
}

#[tokio::test]
async fn of_a_lock_keeps_out_duplicates_and_fails_no_acknowledgement() {
    let ward = Ward::new().await;
    let task = Task::new("any", "hold").unique(HOUR);
    ward.client
        .enqueue(task.clone())
        .task_id("task")
        .await
        .unwrap();
    ward.handler.has_begun(1).await;
    let lock = ward.world.message("task").await.unique_key;
    let _: i64 = ward.world.run(&["DEL", &lock]).await;
    let _: i64 = ward.world.run(&["LPUSH", &lock, "wrong"]).await;
    let error = ward.client.enqueue(task).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DuplicateTask, "{error}");
    ward.handler.release(1);
    ward.world.task_is("task", "").await;
    ward.end().await;
}

#[tokio::test]
async fn of_the_paused_flag_is_paused_as_for_go() {
    let ward = Ward::new().await;
    let _: i64 = ward.world.run(&["LPUSH", &key("paused"), "wrong"]).await;
    ward.enqueue("task", "ok").await;
    ward.the_other_queue_is_served().await;
    assert_eq!(ward.world.state("task").await, "pending");
    ward.repair("paused").await;
    ward.world.task_is("task", "").await;
    ward.end().await;
}

#[tokio::test]
async fn of_counters_fails_no_task() {
    let ward = Ward::new().await;
    let day = chrono::Utc::now().date_naive();
    for (n, name) in ["processed", "failed"].into_iter().enumerate() {
        for rest in [name.to_owned(), format!("{name}:{day}")] {
            if n == 0 {
                let _: i64 = ward.world.run(&["LPUSH", &key(&rest), "wrong"]).await;
            } else {
                let _: String = ward.world.run(&["SET", &key(&rest), "wrong"]).await;
            }
        }
    }
    for (id, payload, state) in [
        ("done", "ok", ""),
        ("failed", "fail x", "retry"),
        ("last", "skip x", "archived"),
    ] {
        ward.enqueue(id, payload).await;
        ward.world.task_is(id, state).await;
    }
    ward.the_other_queue_is_served().await;
    ward.end().await;
}

#[tokio::test]
async fn of_groups_refuses_grouped_tasks_and_leaves_no_trace_of_them() {
    for rest in ["groups", "g:mails"] {
        let ward = Ward::with_string_at(rest).await;
        let task = Task::new("any", "").task_id("task").group("mails");
        let error = ward.client.enqueue(task.unique(HOUR)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Redis, "{rest}");
        assert!(error.to_string().contains("WRONGTYPE"), "{error}");
        let mut keys = ward.world.keys().await;
        keys.retain(|name| name.starts_with(&key("")));
        assert_eq!(keys, [key(rest)]);
        ward.end().await;
    }
}

#[tokio::test]
async fn of_a_group_keeps_its_due_tasks_and_stops_no_other_due_task() {
    let ward = Ward::with_string_at("g:mails").await;
    for (id, group) in [("a grouped", Some("mails")), ("b plain", None)] {
        let mut task = Task::new("any", "ok").task_id(id).process_in(HOUR);
        if let Some(group) = group {
            task = task.group(group);
        }
        ward.client.enqueue(task).await.unwrap();
        let _: i64 = ward.world.run(&["ZADD", &key("scheduled"), "1", id]).await;
    }
    ward.log
        .line_with(&["cannot join their groups", "default"])
        .await;
    ward.world.task_is("b plain", "").await;
    assert_eq!(ward.world.state("a grouped").await, "scheduled");
    ward.the_other_queue_is_served().await;
    ward.repair("g:mails").await;
    // it was put off
    let due = ["ZADD", &key("scheduled"), "1", "a grouped"];
    let _: i64 = ward.world.run(&due).await;
    ward.world.task_is("a grouped", "aggregating").await;
    ward.end().await;
}

#[tokio::test]
async fn of_the_set_of_queues_refuses_every_new_task_and_stores_none() {
    let world = World::new().await;
    let client = world.client().await;
    let _: String = world.run(&["SET", "asynq:queues", "wrong"]).await;
    let task = Task::new("any", "").task_id("task");
    let error = client.enqueue(task).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redis, "{error}");
    assert!(error.to_string().contains("asynq:queues"), "{error}");
    assert_eq!(world.state("task").await, "");
}

#[tokio::test]
async fn of_the_sets_of_servers_stops_no_task() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = world.server().start(handler.clone()).await.unwrap();
    let log = Log::capture();
    for set in ["asynq:servers", "asynq:workers"] {
        let _: String = world.run(&["SET", set, "wrong"]).await;
    }
    let client = world.client().await;
    client
        .enqueue(Task::new("any", "hold").task_id("task"))
        .await
        .unwrap();
    handler.has_begun(1).await;
    let soon = (world.now().await + 20).to_string();
    let _: i64 = world.run(&["ZADD", &key("lease"), &soon, "task"]).await;
    // leases come first, whatever becomes of the rest
    eventually("the lease is renewed", DEADLINE, || async {
        world.scores("lease").await["task"] as i64 > world.now().await + 25
    })
    .await;
    log.line_with(&["heartbeat", "WRONGTYPE"]).await;
    handler.release(1);
    world.task_is("task", "").await;
    server.shutdown().await;
}
