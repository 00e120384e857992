//! Keys that an acknowledgement needs.

use rasynq::Task;

use super::TwoQueues;
use crate::common::{HOUR, Log, RedisServer, Scripted, World, key};

#[tokio::test]
async fn active_that_becomes_a_wrong_type_delays_acknowledgements_until_it_is_repaired() {
    let queues = TwoQueues::start().await;
    queues.enqueue("task", "wait").await;
    queues.handler.has_begun(1).await;
    let _: i64 = queues
        .world
        .run(&["RENAMENX", &key("active"), &key("moved")])
        .await;
    let _: String = queues.world.run(&["SET", &key("active"), "wrong"]).await;
    queues.handler.release(1);
    queues.acknowledgement_fails().await;
    queues.the_healthy_queue_is_served().await;
    let _: String = queues
        .world
        .run(&["RENAME", &key("moved"), &key("active")])
        .await;
    queues.world.task_is("task", "").await;
    assert_eq!(queues.handler.runs_of("task"), 1);
    queues.shutdown().await;
}

/// Ten tasks, numbered from 0, cannot be acknowledged while a string is at this key. Once the key is
/// repaired they reach the state of the same name, and each has run once.
///
/// Many tasks matter because acknowledgements share calls.
async fn delays_its_tasks_and_stops_no_others<F>(
    name: &str,
    enqueue: impl AsyncFn(&TwoQueues, &str),
    meanwhile: F,
) -> TwoQueues
where
    F: AsyncFnOnce(&TwoQueues),
{
    let queues = TwoQueues::with_string_at(name).await;
    enqueue(&queues, "0").await;
    queues.acknowledgement_fails().await;
    queues.enqueue("plain", "ok").await;
    queues.world.task_is("plain", "").await;
    meanwhile(&queues).await;
    for n in 1..10 {
        enqueue(&queues, &n.to_string()).await;
    }
    queues.the_healthy_queue_is_served().await;
    queues.repair(name).await;
    for n in 0..10 {
        let id = n.to_string();
        queues.world.task_is(&id, name).await;
        assert_eq!(queues.handler.runs_of(&id), 1);
    }
    queues
}

#[tokio::test]
async fn retry_of_a_wrong_type_delays_failed_tasks_and_stops_no_others() {
    let queues = delays_its_tasks_and_stops_no_others(
        "retry",
        async |queues, id| queues.enqueue(id, "fail x").await,
        async |queues| {
            queues.enqueue_due("due").await;
            queues.world.task_is("due", "").await;
        },
    )
    .await;
    for n in 0..10 {
        let message = queues.world.message(&n.to_string()).await;
        assert_eq!(message.retried, 1);
    }
    queues.shutdown().await;
}

#[tokio::test]
async fn archived_of_a_wrong_type_delays_archived_tasks_and_stops_no_others() {
    let queues = delays_its_tasks_and_stops_no_others(
        "archived",
        async |queues, id| queues.enqueue(id, "skip x").await,
        async |_| {},
    )
    .await;
    queues.shutdown().await;
}

#[tokio::test]
async fn completed_of_a_wrong_type_delays_completed_tasks_and_stops_no_others() {
    let queues = delays_its_tasks_and_stops_no_others(
        "completed",
        async |queues, id| {
            let task = Task::new("any", "ok").retention(HOUR);
            queues.client.enqueue(task).task_id(id).await.unwrap();
        },
        async |queues| {
            // the watcher or the janitor reports the key, whichever reads it first
            let words = ["completed", "WRONGTYPE"];
            queues.log.line_with(&words).await;
        },
    )
    .await;
    queues.shutdown().await;
}

// Without client tracking the janitor reads the key in each interval.
#[tokio::test]
async fn completed_of_a_wrong_type_fails_the_janitor_where_client_tracking_is_forbidden() {
    let rules = "on >secret ~* &* +@all -client +client|id +client|setname";
    let world = World::on(RedisServer::builder().user_with_rules("bob", rules)).await;
    let _: String = world.run(&["SET", &key("completed"), "wrong"]).await;
    let log = Log::capture();
    let connection = world.connection().username("bob").password("secret");
    let server = World::server_on(&connection)
        .start(Scripted::new())
        .await
        .unwrap();
    log.line_with(&["janitor", "WRONGTYPE"]).await;
    server.shutdown().await;
}

#[tokio::test]
async fn counters_of_a_wrong_type_fail_no_task() {
    let queues = TwoQueues::start().await;
    let day = chrono::Utc::now().date_naive();
    for (n, name) in ["processed", "failed"].into_iter().enumerate() {
        for counter in [name.to_owned(), format!("{name}:{day}")] {
            if n == 0 {
                let _: i64 = queues.world.run(&["LPUSH", &key(&counter), "wrong"]).await;
            } else {
                let _: String = queues.world.run(&["SET", &key(&counter), "wrong"]).await;
            }
        }
    }
    for (id, payload, state) in [
        ("done", "ok", ""),
        ("failed", "fail x", "retry"),
        ("last", "skip x", "archived"),
    ] {
        queues.enqueue(id, payload).await;
        queues.world.task_is(id, state).await;
    }
    queues.the_healthy_queue_is_served().await;
    queues.shutdown().await;
}
