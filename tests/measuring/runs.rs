//! Runs: their durations and outcomes, and how many are in progress.

use std::sync::Arc;
use std::time::Duration;

use rasynq::{Answer, Mux, RetryAfter, Revoke, SkipRetry, Task, TaskContext, UnknownType};
use tokio::sync::{Semaphore, mpsc};

use crate::common::{DEADLINE, HOUR, TaskMessage, World, eventually};
use crate::recorder::{PANICS, becomes, becomes_within, recorder, series, value};

async fn answer(_cx: TaskContext, task: Task) -> anyhow::Result<Answer> {
    match task.task_type() {
        "t:fails" => anyhow::bail!("boom"),
        "t:later" => Err(RetryAfter::new(HOUR, "busy").into()),
        "t:skips" => Err(SkipRetry::new("no").into()),
        "t:revokes" => Err(Revoke::new("no").into()),
        "t:snoozes" => Ok(Answer::Snooze(HOUR)),
        "t:panics" => panic!("boom"),
        _ => Ok(Answer::Done),
    }
}

#[tokio::test]
async fn runs_are_counted_by_queue_type_and_outcome() {
    recorder();
    let world = World::new().await;
    let client = world.client().await;
    let kept = Task::new("t:kept", "").retention(HOUR);
    let exhausted = Task::new("t:fails", "").max_retry(0);
    let types = [
        "t:done",
        "t:fails",
        "t:later",
        "t:skips",
        "t:revokes",
        "t:snoozes",
        "t:panics",
    ];
    let tasks = types
        .map(|name| Task::new(name, ""))
        .into_iter()
        .chain([kept, exhausted]);
    for task in tasks {
        client.enqueue(task).queue("outcomes").await.unwrap();
    }
    let server = world.server().queue("outcomes", 1);
    let server = server.is_failure(|error| error.to_string() != "busy");
    let server = server.start(Mux::new().route("t:", answer)).await.unwrap();
    for (task_type, outcome) in [
        ("t:done", "done"),
        ("t:kept", "completed"),
        ("t:fails", "retry"),
        ("t:fails", "archived"),
        ("t:later", "retry_uncounted"),
        ("t:skips", "archived"),
        ("t:revokes", "revoked"),
        ("t:snoozes", "deferred"),
        ("t:panics", "retry"),
    ] {
        let labels = format!(r#"{{queue="outcomes",type="{task_type}",outcome="{outcome}"}}"#);
        becomes(&["rasynq_runs_total", &labels], 1.0).await;
    }
    let total: f64 = series(&["rasynq_runs_total", "outcomes"]).values().sum();
    assert!((total - 9.0).abs() < f64::EPSILON, "{total}");
    let fails = r#"{queue="outcomes",type="t:fails"}"#;
    becomes(&["rasynq_run_duration_seconds_count", fails], 2.0).await;
    becomes(&["rasynq_task_wait_seconds_count", fails], 2.0).await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_run_takes_as_long_as_its_handler_and_counts_as_in_progress_meanwhile() {
    recorder();
    let world = World::new().await;
    let (started, mut starts) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let permits = Arc::clone(&gate);
    let handler = move |_: TaskContext, _: Task| {
        let (started, permits) = (started.clone(), Arc::clone(&permits));
        async move {
            started.send(())?;
            permits.acquire().await?.forget();
            anyhow::Ok(())
        }
    };
    let server = world
        .server()
        .queue("slow", 1)
        .start(handler)
        .await
        .unwrap();
    let client = world.client().await;
    let in_progress = ["rasynq_runs_in_progress", r#"queue="slow""#];
    for _ in 0..3 {
        client
            .enqueue(Task::new("any", ""))
            .queue("slow")
            .await
            .unwrap();
        starts.recv().await.unwrap();
    }
    assert!((value(&in_progress) - 3.0).abs() < f64::EPSILON);
    tokio::time::sleep(Duration::from_millis(100)).await;
    gate.add_permits(3);
    becomes(&in_progress, 0.0).await;
    let sum = ["rasynq_run_duration_seconds_sum", r#"queue="slow""#];
    eventually("the durations are recorded", DEADLINE, || async {
        value(&sum) >= 0.3
    })
    .await;
    assert!(value(&sum) < 30.0, "{}", value(&sum));
    server.shutdown().await;
}

#[tokio::test]
async fn types_without_a_handler_and_messages_that_do_not_decode_share_one_label() {
    recorder();
    let world = World::new().await;
    let client = world.client().await;
    for n in 0..20 {
        let task = Task::new(format!("mistake {n}"), "");
        client.enqueue(task).queue("unknown").await.unwrap();
    }
    world
        .store_pending("unknown", "broken", &b"\xff\xff"[..])
        .await;
    let server = world.server().queue("unknown", 1);
    let server = server.unknown_type(UnknownType::Archive);
    let server = server.start(Mux::new().route("t:", answer)).await.unwrap();
    let labels = r#"{queue="unknown",type="unknown",outcome="archived"}"#;
    becomes(&["rasynq_runs_total", labels], 21.0).await;
    assert_eq!(
        series(&["rasynq_runs_total", r#"queue="unknown""#, "mistake"]).len(),
        0
    );
    becomes(
        &[
            "rasynq_task_wait_seconds_count",
            r#"{queue="unknown",type="unknown"}"#,
        ],
        20.0,
    )
    .await;
    server.shutdown().await;
}

#[tokio::test]
async fn runs_that_lose_their_lease_and_tasks_that_a_shutdown_requeues_are_counted() {
    recorder();
    let world = World::new().await;
    let client = world.client().await;
    let (started, mut starts) = mpsc::unbounded_channel();
    let handler = move |cx: TaskContext, _: Task| {
        let started = started.clone();
        async move {
            started.send(cx.task_id().to_owned())?;
            std::future::pending::<anyhow::Result<()>>().await
        }
    };
    let server = world.server().shutdown_timeout(Duration::from_millis(50));
    let server = server.start(handler).await.unwrap();
    for id in ["lost", "aborted"] {
        client
            .enqueue(Task::new("endless", ""))
            .task_id(id)
            .await
            .unwrap();
        starts.recv().await.unwrap();
    }
    world.go_takes_over("lost").await;
    let runs = r#"{queue="default",type="endless",outcome="#;
    let lost = ["rasynq_runs_total", runs, "lease_lost"];
    becomes_within(&lost, 1.0, 3 * DEADLINE).await;
    server.shutdown().await;
    becomes(&["rasynq_runs_total", runs, "requeued"], 1.0).await;
}

#[tokio::test]
async fn a_recovered_run_is_counted_by_its_cause() {
    recorder();
    recover("recovered").await;
}

/// Makes a server recover the run of another one.
pub(crate) async fn recover(queue: &str) {
    let world = World::new().await;
    let client = world.client().await;
    client
        .enqueue(Task::new("any", ""))
        .queue(queue)
        .process_in(HOUR)
        .await
        .unwrap();
    let message = TaskMessage {
        queue: queue.to_owned(),
        ..TaskMessage::of("lost", "")
    };
    world.store_expired(&message).await;
    let server = world.server().queue(queue, 1);
    let server = server.start(Mux::new().route("any", answer)).await.unwrap();
    let labels = format!(r#"{{queue="{queue}",cause="ended_process"}}"#);
    let shown = crate::recorder::series(&["rasynq_recovered_runs_total", &labels]);
    assert_eq!(shown.into_values().collect::<Vec<_>>(), [0.0]);
    let labels = format!(r#"{{queue="{queue}",cause="expired_lease"}}"#);
    becomes(&["rasynq_recovered_runs_total", &labels], 1.0).await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_recorder_that_panics_stops_no_run_and_no_enqueue() {
    recorder();
    let world = World::new().await;
    let client = world.client().await;
    let server = world.server().queue(PANICS, 1);
    let server = server.start(Mux::new().route("t:", answer)).await.unwrap();
    for _ in 0..30 {
        client
            .enqueue(Task::new("t:done", ""))
            .queue(PANICS)
            .await
            .unwrap();
    }
    let processed = format!("asynq:{{{PANICS}}}:processed");
    eventually("all are done", DEADLINE, || async {
        let done: Option<u64> = world.run(&["GET", &processed]).await;
        done == Some(30)
    })
    .await;
    server.ping().await.unwrap();
    server.shutdown().await;
}
