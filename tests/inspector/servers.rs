//! Servers, and what they run.

use std::collections::BTreeMap;

use rasynq::chrono::DateTime;

use prost::Message;

use crate::common::{BlockingHandler, Log, ServerInfo, World, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_listed_with_what_it_runs_until_it_is_gone() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let (control, handler) = BlockingHandler::new();
    let server = world.server().queue("default", 3).queue("low", 1);
    let server = server.strict_priority(true);
    let server = server.start(rasynq::blocking(handler)).await.unwrap();
    let client = world.client().await;
    let task = rasynq::Task::new("any", "payload").task_id("t1");
    client.enqueue(task).await.unwrap();
    tokio::task::block_in_place(|| control.next_to_begin());
    let mut shown = Vec::new();
    for _ in 0..100 {
        shown = inspector.servers().await.unwrap();
        if shown.iter().any(|server| !server.active_workers.is_empty()) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let [shown] = shown.as_slice() else {
        panic!("{shown:?}");
    };
    assert_eq!(shown.pid, std::process::id());
    assert_eq!((shown.concurrency, shown.strict_priority), (4, true));
    let queues = [("default".to_owned(), 3), ("low".to_owned(), 1)];
    assert_eq!(shown.queues, BTreeMap::from(queues));
    assert_eq!(shown.status, "active");
    let now = world.now().await;
    let started = shown.started_at.unwrap().timestamp();
    assert!((now - 60..=now).contains(&started));
    let [worker] = shown.active_workers.as_slice() else {
        panic!("{:?}", shown.active_workers);
    };
    assert_eq!((&*worker.task_id, &*worker.task_type), ("t1", "any"));
    assert_eq!(
        (&*worker.payload, &*worker.queue),
        (&b"payload"[..], "default")
    );
    assert!(worker.deadline > worker.started_at && worker.started_at.is_some());
    let details = inspector.task_details("default", "t1").await.unwrap();
    assert_eq!(details.owner.as_ref(), Some(&shown.id));
    let lease = details.lease_expires_at.unwrap().timestamp() - now;
    assert!((10..=31).contains(&lease), "{lease}");

    control.release();
    server.shutdown().await;
    assert_eq!(inspector.servers().await.unwrap(), []);
}

#[tokio::test]
async fn servers_that_are_over_are_removed_and_what_does_not_decode_is_left_out() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let now = world.now().await;
    let server = |host: &str, pid| ServerInfo {
        host: host.to_owned(),
        pid,
        server_id: format!("id-{host}-{pid}"),
        status: "stopped".to_owned(),
        ..ServerInfo::default()
    };
    let over = "asynq:servers:{over:1:id}";
    let _: i64 = world
        .run(&["ZADD", "asynq:servers", &(now - 2).to_string(), over])
        .await;
    let _: i64 = world
        .run(&[
            "ZADD",
            "asynq:workers",
            &(now - 2).to_string(),
            "asynq:workers:{over:1:id}",
        ])
        .await;
    let later = (now + 60).to_string();
    for shown in [server("b", 2), server("b", 1), server("a", 3)] {
        let name = format!(
            "asynq:servers:{{{}:{}:{}}}",
            shown.host, shown.pid, shown.server_id
        );
        let _: i64 = world.run(&["ZADD", "asynq:servers", &later, &name]).await;
        let bytes = String::from_utf8(shown.encode_to_vec()).unwrap();
        let _: String = world.run(&["SET", &name, &bytes]).await;
    }
    // A key that is gone, one of a wrong type, and two that do not decode.
    for name in ["gone", "wrong", "broken"] {
        let _: i64 = world.run(&["ZADD", "asynq:servers", &later, name]).await;
        let _: i64 = world
            .run(&["ZADD", "asynq:workers", &later, &format!("workers:{name}")])
            .await;
    }
    let _: i64 = world.run(&["LPUSH", "wrong", "1"]).await;
    let _: String = world.run(&["SET", "broken", "\x0a"]).await;
    let _: i64 = world.run(&["LPUSH", "workers:wrong", "1"]).await;
    let _: i64 = world.run(&["HSET", "workers:broken", "t1", "\x0a"]).await;

    let log = Log::capture();
    let shown = inspector.servers().await.unwrap();
    let shown: Vec<_> = shown
        .iter()
        .map(|server| {
            (
                &*server.host,
                server.pid,
                &*server.status,
                server.started_at,
            )
        })
        .collect();
    // COMPAT: asynq v0.26.0 reads an absent time as 1970
    let epoch = DateTime::from_timestamp(0, 0);
    let expected = [("a", 3), ("b", 1), ("b", 2)].map(|(host, pid)| (host, pid, "stopped", epoch));
    assert_eq!(shown, expected);
    for text in [
        "what a server shows does not decode",
        "a run that a server shows does not decode",
        "what a server shows cannot be read",
    ] {
        assert!(!log.lines_with(&["WARN", text]).is_empty(), "{text}");
    }
    for set in ["asynq:servers", "asynq:workers"] {
        eventually(
            "those that are over are removed",
            crate::common::DEADLINE,
            || async {
                let left: Vec<String> = world.run(&["ZRANGE", set, "0", "-1"]).await;
                left.iter().all(|key| !key.contains("over"))
            },
        )
        .await;
    }
}
