//! What schedulers show, and what the inspector reads of it.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use fred::clients::Client as Fred;
use fred::interfaces::{ClientLike, KeysInterface, ListInterface, SortedSetsInterface};

use super::{EnqueueEvent, SchedulerEntryInfo, SchedulerInfo};
use crate::broker::{SchedulerKeys, Str};
use crate::connection::Connection;
use crate::error::ErrorKind;
use crate::inspector::Inspector;
use crate::test_support::{RedisCluster, RedisServer};
use crate::wire::{self, SchedulerEnqueueEvent, SchedulerEntry, Timestamp, keys};

const TTL: Duration = Duration::from_secs(20);

async fn start() -> (RedisServer, Fred, Inspector) {
    let redis = RedisServer::start().await;
    let raw = redis.client().await;
    let connection = Connection::from_uri(&redis.uri()).expect("a URI");
    let inspector = Inspector::connect(&connection).await.expect("a connection");
    (redis, raw, inspector)
}

fn at(secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + secs, 0).expect("a time")
}

fn entry(id: &str, payload: Vec<u8>) -> SchedulerEntry {
    SchedulerEntry {
        id: id.to_owned(),
        spec: "@every 30s".to_owned(),
        task_type: "report".to_owned(),
        task_payload: payload.into(),
        enqueue_options: vec!["Queue(\"low\")".to_owned()],
        next_enqueue_time: Some(at(30).into()),
        prev_enqueue_time: Some(Timestamp::from_moment(None)),
    }
}

fn event(n: i64) -> Bytes {
    wire::encode(&SchedulerEnqueueEvent {
        task_id: format!("task-{n}"),
        enqueue_time: Some(at(n).into()),
    })
}

#[tokio::test]
async fn entries_read_back_and_those_that_do_not_decode_are_left_out() {
    let (_redis, raw, inspector) = start().await;
    let damaged = SchedulerKeys::new("damaged");
    let written = inspector.broker.write_scheduler(&damaged, Vec::new(), TTL);
    written.await.expect("written");
    let set = raw.set(&*damaged.entries, "x", None, None, false);
    let _: () = set.await.expect("SET");
    let scheduler = SchedulerKeys::new("host:7:uuid");
    let entries = vec![
        wire::encode(&entry("one", b"{}".to_vec())),
        Bytes::from_static(b"\x0a\xff"),
    ];
    let written = inspector.broker.write_scheduler(&scheduler, entries, TTL);
    written.await.expect("written");
    let shown = inspector.scheduler_entries().await.expect("entries");
    let expected = SchedulerEntryInfo {
        id: "one".to_owned(),
        spec: "@every 30s".to_owned(),
        task_type: "report".to_owned(),
        payload: Bytes::from_static(b"{}"),
        options: vec!["Queue(\"low\")".to_owned()],
        next: Some(at(30)),
        previous: None,
    };
    assert_eq!(shown, [expected]);
    let ttl: i64 = raw.ttl(&*scheduler.entries).await.expect("TTL");
    assert!((15..=20).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn an_entry_that_another_scheduler_has_taken_over_is_listed_as_that_one_shows_it() {
    let (_redis, _raw, inspector) = start().await;
    let lists = [
        ("host:7:killed", 10, [("one", 1), ("two", 1)]),
        ("host:8:took-over", 20, [("one", 2), ("three", 2)]),
        ("host:9:killed-before", 5, [("three", 0), ("four", 0)]),
    ];
    for (id, ttl, entries) in lists {
        let shown = |(id, next)| {
            let next_enqueue_time = Some(at(next).into());
            wire::encode(&SchedulerEntry {
                next_enqueue_time,
                ..entry(id, Vec::new())
            })
        };
        let entries = entries.into_iter().map(shown).collect();
        let (keys, ttl) = (SchedulerKeys::new(id), Duration::from_secs(ttl));
        let written = inspector.broker.write_scheduler(&keys, entries, ttl);
        written.await.expect("written");
    }
    let shown = inspector.scheduler_entries().await.expect("entries");
    let mut shown: Vec<_> = shown.into_iter().map(|one| (one.id, one.next)).collect();
    shown.sort();
    let expected = [("four", 0), ("one", 2), ("three", 2), ("two", 1)];
    assert_eq!(
        shown,
        expected.map(|(id, next)| (id.to_owned(), Some(at(next))))
    );
}

#[tokio::test]
async fn schedulers_are_counted_without_a_look_at_their_entries() {
    let (_redis, raw, inspector) = start().await;
    for n in 0..20 {
        let entries = vec![wire::encode(&entry("one", Vec::new())); n];
        let keys = SchedulerKeys::new(&format!("host:{n}:uuid"));
        let written = inspector.broker.write_scheduler(&keys, entries, TTL);
        written.await.expect("written");
    }
    let shown = inspector.schedulers().await.expect("schedulers");
    assert!(shown.iter().all(|one| one.entries == one.pid as usize));
    assert_eq!(shown.len(), 20);
    let stats: String = raw
        .info(Some(fred::types::InfoKind::CommandStats))
        .await
        .expect("INFO");
    assert!(!stats.contains("cmdstat_lrange"), "{stats}");
}

#[tokio::test]
async fn schedulers_are_listed_until_their_score_has_passed_or_they_are_cleared() {
    let (_redis, raw, inspector) = start().await;
    let broker = &inspector.broker;
    let (leader, follower) = ("my:host:7:aaa", "host:8:bbb");
    for id in [leader, follower] {
        broker.lead(id, &[], 0).await.expect("a lease");
    }
    let keys = [leader, follower].map(SchedulerKeys::new);
    let entries = vec![wire::encode(&entry("one", Vec::new())); 3];
    let written = broker.write_scheduler(&keys[0], entries, TTL).await;
    written.expect("written");
    let written = broker.write_scheduler(&keys[1], Vec::new(), TTL).await;
    written.expect("written");
    // Another program's.
    let other: (f64, &str) = (4e9, "asynq:schedulers:{other}");
    let add = raw.zadd(keys::SCHEDULERS, None, None, false, false, other);
    let _: () = add.await.expect("ZADD");
    let scheduler = |id: &str, host: &str, pid, is_leader, entries| SchedulerInfo {
        id: id.to_owned(),
        host: host.to_owned(),
        pid,
        is_leader,
        entries,
    };
    let shown = inspector.schedulers().await.expect("schedulers");
    let expected = [
        scheduler(follower, "host", 8, false, 0),
        scheduler(leader, "my:host", 7, true, 3),
        scheduler("other", "", 0, false, 0),
    ];
    assert_eq!(shown, expected);

    let over = (1.0, &*keys[1].entries);
    let add = raw.zadd(keys::SCHEDULERS, None, None, false, false, over);
    let _: () = add.await.expect("ZADD");
    let shown = inspector.schedulers().await.expect("schedulers");
    assert_eq!(shown, expected[1..]);
    let listed: i64 = raw.zcard(keys::SCHEDULERS).await.expect("ZCARD");
    assert_eq!(listed, 2);

    broker.clear_scheduler(&keys[0]).await.expect("cleared");
    broker.leave(leader, &[]).await.expect("left");
    let shown = inspector.schedulers().await.expect("schedulers");
    assert_eq!(shown, expected[2..]);
    let left: i64 = raw.exists(&*keys[0].entries).await.expect("EXISTS");
    assert_eq!(left, 0);
    assert_eq!(broker.scheduler_leader().await.expect("a reply"), None);
}

#[tokio::test]
async fn a_list_of_any_length_is_never_seen_in_part() {
    let (_redis, raw, inspector) = start().await;
    let scheduler = SchedulerKeys::new("host:7:uuid");
    let raw_entry = |n: usize| wire::encode(&entry(&n.to_string(), vec![b'x'; 700]));
    let write = |n: usize| {
        let entries = (0..n).map(raw_entry).collect();
        inspector.broker.write_scheduler(&scheduler, entries, TTL)
    };
    let lengths = [1_700, 1, 0, 2_345];
    write(lengths[0]).await.expect("written");
    let writing = async {
        for n in lengths.into_iter().cycle().skip(1).take(20) {
            write(n).await.expect("written");
        }
    };
    let reading = async {
        loop {
            let n: usize = raw.llen(&*scheduler.entries).await.expect("LLEN");
            assert!(lengths.contains(&n), "{n}");
        }
    };
    tokio::select! {
        () = writing => {}
        () = reading => {}
    }
    write(1_700).await.expect("written");
    let mut ids: Vec<usize> = inspector
        .scheduler_entries()
        .await
        .expect("entries")
        .into_iter()
        .map(|entry| entry.id.parse().expect("a number"))
        .collect();
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..1_700));
    let spare: i64 = raw.exists(&*scheduler.spare_entries).await.expect("EXISTS");
    assert_eq!(spare, 0);
}

#[tokio::test]
async fn entries_that_redis_has_lost_halfway_are_not_shown() {
    let (_redis, raw, inspector) = start().await;
    let scheduler = SchedulerKeys::new("host:7:uuid");
    let entries: Vec<Bytes> = vec![wire::encode(&entry("one", Vec::new())); 100_000];
    let writing = inspector.broker.write_scheduler(&scheduler, entries, TTL);
    let losing = async {
        loop {
            let lost: i64 = raw.del(&*scheduler.spare_entries).await.expect("DEL");
            if lost == 1 {
                return;
            }
        }
    };
    let (written, ()) = futures_util::future::join(writing, losing).await;
    let error = written.expect_err("lost");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let shown: i64 = raw.exists(&*scheduler.entries).await.expect("EXISTS");
    assert_eq!(shown, 0);
}

#[tokio::test]
async fn the_newest_thousand_events_are_kept_and_read_in_pages() {
    let (_redis, raw, inspector) = start().await;
    let record = |n: i64| {
        let broker = &inspector.broker;
        broker.record_enqueue_event("entry", event(n), at(n), TTL)
    };
    for n in 0..1_003 {
        record(n).await.expect("recorded");
    }
    let expected = |n: i64| EnqueueEvent {
        task_id: format!("task-{n}"),
        enqueued_at: at(n),
    };
    let page = |page, size| inspector.enqueue_events("entry", page, size);
    let first = page(1, 3).await.expect("events");
    assert_eq!(first, [1_002, 1_001, 1_000].map(expected));
    let second = page(2, 3).await.expect("events");
    assert_eq!(second, [999, 998, 997].map(expected));
    let last = page(10, 100).await.expect("events");
    assert_eq!(last.len(), 100);
    assert_eq!(last[99], expected(3));
    assert!(page(11, 100).await.expect("events").is_empty());
    assert_eq!(page(1, u64::MAX).await.expect("events").len(), 1_000);
    for (number, size) in [(0, 10), (1, 0)] {
        let error = page(number, size).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }

    let history = keys::scheduler_history("entry");
    let bad = (at(5_000).timestamp() as f64, &b"\x0a\xff"[..]);
    let add = raw.zadd(&*history, None, None, false, false, bad);
    let _: () = add.await.expect("ZADD");
    let left = page(1, 2).await.expect("events");
    assert_eq!(left, [expected(1_002)]);
    let ttl: i64 = raw.ttl(&*history).await.expect("TTL");
    assert!((15..=20).contains(&ttl), "{ttl}");

    let ids: Vec<Str> = ["entry", "other"].map(Str::from_static).into();
    let broker = &inspector.broker;
    broker.delete_histories(&ids).await.expect("deleted");
    assert!(page(1, 10).await.expect("events").is_empty());
    assert_eq!(raw.exists::<i64, _>(&*history).await.expect("EXISTS"), 0);
}

#[tokio::test]
async fn a_history_that_another_program_has_made_too_long_is_trimmed_in_steps() {
    let (_redis, raw, inspector) = start().await;
    let history = keys::scheduler_history("entry");
    let events: Vec<(f64, Bytes)> = (0..3_500).map(|n| (n as f64, event(n))).collect();
    let add = raw.zadd(&*history, None, None, false, false, events);
    let _: () = add.await.expect("ZADD");
    for left in [2_501, 1_502, 1_000, 1_000] {
        let time = at(left) + TimeDelta::days(1);
        let record = inspector
            .broker
            .record_enqueue_event("entry", event(left + 9_000), time, TTL);
        record.await.expect("recorded");
        let events: i64 = raw.zcard(&*history).await.expect("ZCARD");
        assert_eq!(events, left);
    }
}

#[tokio::test]
async fn schedulers_show_their_entries_on_a_cluster() {
    let cluster = RedisCluster::start().await;
    let connection = Connection::cluster(cluster.addresses());
    let inspector = Inspector::connect(&connection).await.expect("a connection");
    let broker = &inspector.broker;
    for n in 0..10 {
        let id = format!("host:{n}:uuid");
        broker.lead(&id, &[], 0).await.expect("a lease");
        let one = |n: usize| wire::encode(&entry(&format!("{id}/{n}"), Vec::new()));
        let entries = (0..600).map(one).collect();
        let keys = SchedulerKeys::new(&id);
        let written = broker.write_scheduler(&keys, entries, TTL);
        written.await.expect("written");
        let record = broker.record_enqueue_event(&id, event(n), at(n), TTL);
        record.await.expect("recorded");
        let events = inspector.enqueue_events(&id, 1, 10).await.expect("events");
        assert_eq!(events.len(), 1);
    }
    let shown = inspector.schedulers().await.expect("schedulers");
    let leaders: Vec<u32> = shown
        .iter()
        .filter(|s| s.is_leader)
        .map(|s| s.pid)
        .collect();
    assert_eq!((shown.len(), leaders), (10, vec![0]));
    let entries = inspector.scheduler_entries().await.expect("entries");
    assert_eq!(entries.len(), 6_000);
    let ids: Vec<Str> = (0..10).map(|n| format!("host:{n}:uuid").into()).collect();
    broker.delete_histories(&ids).await.expect("deleted");
    for id in &ids {
        broker
            .clear_scheduler(&SchedulerKeys::new(id))
            .await
            .expect("cleared");
        let events = inspector.enqueue_events(id, 1, 10).await.expect("events");
        assert!(events.is_empty());
    }
    assert!(inspector.schedulers().await.expect("schedulers").is_empty());
}
