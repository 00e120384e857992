//! What a scrape shows.

use std::collections::BTreeSet;

use fred::types::Value;

use crate::process::{Exporter, ask, command, failure_of, series};
use crate::sample::{ODD, Sample, run};
use crate::support::{DEADLINE, RedisServer, eventually};

#[tokio::test]
async fn a_scrape_shows_queues_servers_and_schedulers() {
    let sample = Sample::new().await;
    let exporter = Exporter::start(&sample.redis, &[]).await;
    let series = series(&exporter.scrape().await);
    for (name, value) in [
        (
            r#"asynq_tasks_enqueued_total{queue="a",state="active"}"#,
            3.0,
        ),
        (
            r#"asynq_tasks_enqueued_total{queue="a",state="pending"}"#,
            0.0,
        ),
        (
            r#"asynq_tasks_enqueued_total{queue="a",state="scheduled"}"#,
            10.0,
        ),
        (
            r#"asynq_tasks_enqueued_total{queue="a",state="retry"}"#,
            5.0,
        ),
        (
            r#"asynq_tasks_enqueued_total{queue="a",state="archived"}"#,
            5.0,
        ),
        (
            r#"asynq_tasks_enqueued_total{queue="a",state="completed"}"#,
            10.0,
        ),
        (
            r#"asynq_tasks_enqueued_total{queue="b \"2\"",state="pending"}"#,
            3.0,
        ),
        (r#"asynq_queue_size{queue="a"}"#, 36.0),
        (r#"asynq_queue_size{queue="b \"2\""}"#, 3.0),
        (r#"asynq_queue_latency_seconds{queue="a"}"#, 0.0),
        (r#"asynq_tasks_processed_total{queue="a"}"#, 30.0),
        (r#"asynq_tasks_failed_total{queue="a"}"#, 10.0),
        (r#"asynq_queue_paused_total{queue="a"}"#, 0.0),
        (r#"asynq_queue_paused_total{queue="b \"2\""}"#, 1.0),
        (r#"rasynq_queue_up{queue="a"}"#, 1.0),
        (r#"rasynq_queue_orphaned_tasks{queue="a"}"#, 0.0),
        (r#"rasynq_queue_groups{queue="a"}"#, 3.0),
        (r#"rasynq_queue_aggregating_tasks{queue="a"}"#, 3.0),
        (r#"rasynq_queue_aggregating_is_estimate{queue="a"}"#, 0.0),
        (r#"rasynq_queue_servers{queue="a"}"#, 1.0),
        (r#"rasynq_queue_servers{queue="b \"2\""}"#, 0.0),
        (r#"rasynq_queue_longest_run_seconds{queue="b \"2\""}"#, 0.0),
        (r#"rasynq_servers{status="active"}"#, 1.0),
        ("rasynq_worker_slots", 30.0),
        ("rasynq_workers_busy", 3.0),
        ("rasynq_schedulers", 1.0),
        ("rasynq_scheduler_entries", 1.0),
        (r#"rasynq_scheduler_lag_seconds{type="daily"}"#, 0.0),
        ("rasynq_redis_up", 1.0),
        ("rasynq_exporter_queues_left_out", 0.0),
    ] {
        assert_eq!(series.get(name), Some(&value), "{name}: {series:#?}");
    }
    let longest = DEADLINE.as_secs_f64();
    for (name, least, most) in [
        (
            r#"asynq_queue_latency_seconds{queue="b \"2\""}"#,
            0.001,
            longest,
        ),
        (
            r#"asynq_queue_memory_usage_approx_bytes{queue="a"}"#,
            3_000.0,
            100_000.0,
        ),
        // Times of failures are whole seconds.
        (
            r#"rasynq_queue_oldest_archived_age_seconds{queue="a"}"#,
            0.0,
            longest,
        ),
        (
            r#"rasynq_queue_longest_run_seconds{queue="a"}"#,
            0.001,
            longest,
        ),
        ("rasynq_exporter_reading_seconds", 0.000_1, longest),
    ] {
        let value = series[name];
        assert!((least..most).contains(&value), "{name} is {value}");
    }
}

#[tokio::test]
async fn a_lease_that_has_expired_shows_as_an_orphan_and_a_tick_that_is_overdue_as_lag() {
    let sample = Sample::new().await;
    let exporter = Exporter::start(&sample.redis, &[]).await;
    let redis = &sample.redis;
    let expire = "local id = redis.call('LINDEX', KEYS[1], 0)
redis.call('ZADD', KEYS[2], 1, id)";
    run(
        redis,
        &["EVAL", expire, "2", "asynq:{a}:active", "asynq:{a}:lease"],
    )
    .await;
    // An entry of another scheduler: its id, spec, type, and the next tick, a second after 1970.
    let entry = "\x0a\x01e\x12\x09@every 1s\x1a\x05stuck\x32\x02\x08\x01";
    let list = "asynq:schedulers:{h:1:x}";
    run(redis, &["RPUSH", list, entry]).await;
    run(redis, &["ZADD", "asynq:schedulers", "99999999999", list]).await;
    let series = series(&exporter.scrape().await);
    assert_eq!(
        series[r#"rasynq_queue_orphaned_tasks{queue="a"}"#] as u32,
        1
    );
    assert!(series[r#"rasynq_scheduler_lag_seconds{type="stuck"}"#] > 1e9);
    assert_eq!(series["rasynq_schedulers"] as u32, 2);
    assert_eq!(series["rasynq_scheduler_entries"] as u32, 2);
}

#[tokio::test]
async fn options_choose_the_queues_and_leave_out_the_memory() {
    let sample = Sample::new().await;
    let options = ["--queues", "a,missing", "--no-memory"];
    let exporter = Exporter::start(&sample.redis, &options).await;
    let scrape = exporter.scrape().await;
    let series = series(&scrape);
    assert!(series.contains_key(r#"asynq_queue_size{queue="a"}"#));
    assert!(!scrape.contains(r#"queue="b"#), "{scrape}");
    assert!(
        !series.keys().any(|name| name.contains("memory")),
        "{scrape}"
    );
}

#[tokio::test]
async fn a_queue_with_a_broken_key_hides_no_other_queue() {
    let sample = Sample::new().await;
    run(&sample.redis, &["SADD", "asynq:queues", "broken"]).await;
    run(&sample.redis, &["SET", "asynq:{broken}:pending", "no list"]).await;
    let exporter = Exporter::start(&sample.redis, &[]).await;
    let series = series(&exporter.scrape().await);
    let odd = ODD.replace('"', "\\\"");
    let up = |queue: &str| series[&format!("rasynq_queue_up{{queue=\"{queue}\"}}")] as u32;
    assert_eq!(["broken", "a", &odd].map(up), [0, 1, 1]);
    assert!(!series.contains_key(r#"asynq_queue_size{queue="broken"}"#));
}

#[tokio::test]
async fn pages_and_methods_that_are_not_served_are_refused() {
    let redis = RedisServer::start().await;
    let exporter = Exporter::start(&redis, &[]).await;
    let page = exporter.get("/metrics").await;
    let kind = "content-type: text/plain; version=0.0.4; charset=utf-8";
    assert!(page.head.contains(kind), "{page:?}");
    assert_eq!(exporter.get("/healthz").await.text, "ok\n");
    assert!(exporter.get("/").await.text.contains("/metrics"));
    assert_eq!(exporter.get("/metric").await.status, 404);
    let post = ask(exporter.address, "POST /metrics").await;
    assert_eq!(post.status, 405);
    assert!(post.head.contains("allow: get, head"), "{post:?}");
    let head = ask(exporter.address, "HEAD /metrics").await;
    assert_eq!((head.status, &*head.text), (200, ""));
    assert_eq!(exporter.terminate().await, Some(0));
}

#[tokio::test]
async fn a_port_that_is_taken_ends_the_exporter_with_a_clear_error() {
    let redis = RedisServer::start().await;
    let exporter = Exporter::start(&redis, &[]).await;
    let address = exporter.address.to_string();
    let (code, text) = failure_of(command(&redis.uri(), &["--listen", &address])).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains(&format!("listening on {address}: ")),
        "{text}"
    );
}

#[tokio::test]
async fn it_listens_on_a_name_or_on_all_addresses_and_refuses_what_is_neither() {
    let redis = RedisServer::start().await;
    for listen in ["localhost:0", ":0"] {
        let exporter = Exporter::start(&redis, &["--listen", listen]).await;
        assert_eq!(exporter.get("/healthz").await.status, 200, "{listen}");
    }
    for listen in ["9876", "localhost", ":", "localhost:99999"] {
        let (code, text) = failure_of(command(&redis.uri(), &["--listen", listen])).await;
        assert_eq!(code, Some(2), "{listen}: {text}");
        assert!(text.contains("ADDRESS:PORT or :PORT"), "{text}");
    }
}

#[tokio::test]
async fn scrapes_at_the_same_time_share_one_reading() {
    let redis = RedisServer::start().await;
    let exporter = Exporter::start(&redis, &[]).await;
    exporter.scrape().await;
    let calls = async || {
        let Value::String(stats) = run(&redis, &["INFO", "commandstats"]).await else {
            panic!("no text");
        };
        let calls = stats
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_smembers:calls="));
        calls.map_or(0, |rest| {
            rest.split(',').next().unwrap().parse::<u64>().unwrap()
        })
    };
    let before = calls().await;
    redis.pause();
    let scrapes: Vec<_> = (0..10)
        .map(|_| tokio::spawn(ask(exporter.address, "GET /metrics")))
        .collect();
    // All connections are open before Redis answers again.
    let are_open = || async { connections_of(&exporter) == 10 };
    eventually("all scrapes have begun", DEADLINE, are_open).await;
    redis.resume();
    for scrape in scrapes {
        assert_eq!(scrape.await.unwrap().status, 200);
    }
    let asked = calls().await - before;
    assert!((1..=2).contains(&asked), "{asked}");
}

/// How many connections to its port the exporter has accepted. It has other sockets too: to Redis, and for signals.
fn connections_of(exporter: &Exporter) -> usize {
    let process = exporter.process.id();
    let port = format!(":{:04X}", exporter.address.port());
    let table = std::fs::read_to_string(format!("/proc/{process}/net/tcp")).unwrap();
    let rows = table
        .lines()
        .map(|row| Vec::from_iter(row.split_whitespace()));
    // The columns are the local address, the state (1: established) and the inode.
    let open = rows.filter(|row| row[1].ends_with(&port) && row[3] == "01");
    let open: BTreeSet<String> = open.map(|row| format!("socket:[{}]", row[9])).collect();
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let links = files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
    links
        .filter(|link| open.contains(&*link.to_string_lossy()))
        .count()
}
