//! Drives the built program as a runner does, against a Redis of its own.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod driven;

use std::time::Duration;

use driven::{Driven, Redis};
use serde_json::{Value, json};

/// A configuration that does not make tests wait.
fn quick() -> Value {
    json!({
        "concurrency": 4, "task_check_interval": "20ms", "delayed_task_check_interval": "50ms",
        "retry_delay": "0s", "shutdown_timeout": "500ms",
    })
}

fn quick_with(more: Value) -> Value {
    let mut config = quick();
    let fields = more.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(fields);
    config
}

#[test]
fn it_says_who_it_is_and_refuses_what_it_does_not_know() {
    let redis = Redis::start();
    let mut peer = Driven::start(&redis);
    let hello = peer.ok(json!({"op": "hello"}));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        hello,
        json!({"impl": "rust", "version": version, "peer": 1})
    );
    for bad in [
        json!({"op": "hello", "loud": true}),
        json!({"op": "goodbye"}),
        json!({"what": "hello"}),
        json!({"op": "scheduler", "colour": 1}),
        json!({"op": "inspect", "call": "dance"}),
        json!({"op": "inspect", "call": "queues", "queue": "q"}),
        json!({"op": "inspect", "call": "task_info", "queue": "q", "task": null}),
        json!({"op": "ping", "name": "x"}),
    ] {
        peer.refused("invalid", bad);
    }
    for lacking in [
        json!({"op": "scheduler", "name": "c"}),
        json!({"op": "cron", "spec": "* * * * *", "n": 1}),
        json!({"op": "inspect", "call": "queue_info", "queue": "q"}),
        json!({"op": "serve", "name": "s", "config": {"group_max_size": 3}}),
    ] {
        peer.refused("unsupported", lacking);
    }
    peer.send_text("not json");
    assert_eq!(peer.answer(&Value::Null)["err"]["kind"], "invalid");
}

#[test]
fn tasks_are_enqueued_with_all_that_they_have() {
    let redis = Redis::start();
    let mut peer = Driven::start(&redis);
    let task = json!({
        "type": "a", "payload": {"utf8": "<&ü"}, "headers": {"h": "1", "x": "1"},
        "opts": [{"header": ["x", "2"]}, {"queue": "no"}],
    });
    let opts = json!([
        {"queue": "q"}, {"max_retry": 3}, {"task_id": "t"}, {"timeout": "30s"},
        {"deadline": 4_102_444_800_u32}, {"unique": "10m"}, {"retention": "1h"}, {"header": ["y", "3"]},
    ]);
    let info = peer.ok(json!({"op": "enqueue", "task": task, "opts": opts}));
    driven::expect(
        &info,
        json!({
            "id": "t", "queue": "q", "type": "a", "payload": {"utf8": "<&ü"}, "state": "pending",
            "max_retry": 3, "timeout": "30s", "deadline": 4_102_444_800_u32, "retention": "1h0m0s",
            "headers": {"h": "1", "x": "2", "y": "3"},
        }),
    );
    let info = peer.ok(json!({
        "op": "enqueue", "task": {"type": "a", "payload": {"b64": "/wA="}},
        "opts": [{"process_at": 4_102_444_800.25}, {"group": "g"}, {"max_retry": -1}],
    }));
    driven::expect(
        &info,
        json!({
            "state": "scheduled", "next_process_at": 4_102_444_800.25, "max_retry": 0,
            "payload": {"b64": "/wA="}, "queue": "default", "timeout": "30m0s",
        }),
    );
    let past = json!({"op": "enqueue", "task": {"type": "a"}, "opts": [{"process_in": "-1h"}]});
    assert_eq!(peer.ok(past)["state"], "pending");

    let unique = |payload: Value| json!({"op": "enqueue", "task": {"type": "nil", "payload": payload}, "opts": [{"unique": "1m"}]});
    peer.ok(unique(Value::Null));
    peer.ok(unique(json!({"utf8": ""})));
    peer.refused("duplicate", unique(Value::Null));
    let taken = json!([{"queue": "q"}, {"task_id": "t"}]);
    peer.refused(
        "id_conflict",
        json!({"op": "enqueue", "task": {"type": "a"}, "opts": taken}),
    );

    for (task, opts) in [
        (json!({"type": " "}), json!([])),
        (json!({"type": "a"}), json!([{"queue": " "}])),
        (json!({"type": "a"}), json!([{"task_id": ""}])),
        (json!({"type": "a"}), json!([{"group": " "}])),
        (json!({"type": "a"}), json!([{"unique": "999ms"}])),
        (json!({"type": "a"}), json!([{"unique": "-10s"}])),
        (json!({"type": "a"}), json!([{"timeout": "-1s"}])),
        (json!({"type": "a"}), json!([{"timeout": "soon"}])),
        (json!({"type": "a"}), json!([{"timeout": 5}])),
        (json!({"type": "a"}), json!([{"timeout": null}])),
        (json!({"type": "a"}), json!([{"max_retry": 1.5}])),
        (
            json!({"type": "a"}),
            json!([{"max_retry": 3_000_000_000_u32}]),
        ),
        (json!({"type": "a"}), json!([{"deadline": "now"}])),
        (json!({"type": "a"}), json!([{"deadline": 1e300}])),
        (json!({"type": "a"}), json!([{"header": ["k"]}])),
        (json!({"type": "a"}), json!([{"header": ["k", "v", "w"]}])),
        (json!({"type": "a"}), json!([{"queue": "a", "group": "b"}])),
        (json!({"type": "a"}), json!([{"colour": "b"}])),
        (json!({"type": "a", "colour": "b"}), json!([])),
        (json!({"type": "a", "payload": "text"}), json!([])),
        (json!({"type": "a", "payload": {"utf8": null}}), json!([])),
        (json!({"type": "a", "payload": {"b64": "!"}}), json!([])),
        (Value::Null, json!([])),
    ] {
        peer.refused(
            "invalid",
            json!({"op": "enqueue", "task": task, "opts": opts}),
        );
    }
}

#[test]
fn batches_and_series_are_enqueued() {
    let redis = Redis::start();
    let mut peer = Driven::start(&redis);
    let item = |opts: Value| json!({"task": {"type": "a"}, "opts": opts});
    let answers = peer.ok(json!({"op": "enqueue_batch", "items": [
        item(json!([{"task_id": "1"}])),
        item(json!([{"task_id": "1"}])),
        item(json!([{"timeout": "-1s"}])),
        {"task": {"type": ""}},
        item(json!([{"group": "g"}])),
    ]}));
    assert_eq!(answers[0]["ok"]["id"], "1");
    assert_eq!(answers[1]["err"]["kind"], "id_conflict");
    assert_eq!(answers[2]["err"]["kind"], "invalid");
    assert_eq!(answers[3]["err"]["kind"], "invalid");
    assert_eq!(answers[4]["ok"]["state"], "aggregating");

    for batch in [0, 7] {
        let queue = format!("q{batch}");
        let task = json!({"type": "a", "payload": {"utf8": "no %d"}, "opts": [{"queue": queue}]});
        let many = json!({
            "op": "enqueue_many", "n": 200, "callers": 8, "batch": batch, "id_prefix": "p", "task": task,
        });
        driven::expect(&peer.ok(many.clone()), json!({"ok": 200, "err": 0}));
        driven::expect(&peer.ok(many), json!({"ok": 0, "err": 200}));
        let last = json!({"op": "inspect", "call": "task_info", "queue": queue, "task": "p199"});
        assert_eq!(peer.ok(last)["payload"], json!({"utf8": "no 199"}));
    }
    peer.refused(
        "invalid",
        json!({"op": "enqueue_many", "n": -1, "task": {"type": "a"}}),
    );
}

#[test]
fn without_redis_calls_say_so() {
    let mut peer = Driven::start_on("redis-socket:///nowhere/redis.sock");
    peer.refused("redis", json!({"op": "enqueue", "task": {"type": "a"}}));
    peer.refused("redis", json!({"op": "inspect", "call": "queues"}));
    peer.refused("redis", json!({"op": "serve", "name": "s"}));
    // the name is free again
    peer.refused("redis", json!({"op": "serve", "name": "s"}));
}

#[test]
fn scripts_are_played_and_told() {
    let redis = Redis::start();
    let mut peer = Driven::start(&redis);
    let one = |step: Value| json!({"attempts": [[step]]});
    peer.ok(json!({"op": "serve", "name": "s", "config": quick(), "events": true, "handlers": {
        "well": {"attempts": [[{"result": {"utf8": "r"}}, {"emit": {"n": 1}}]]},
        "again": {"attempts": [[{"return": {"error": "first"}}], [{"sleep": "1ms"}, {"return": "ok"}]]},
        "skip": one(json!({"return": {"skip_retry": "enough"}})),
        "revoke": one(json!({"return": {"revoke": "gone"}})),
        "panic": one(json!({"panic": "boom"})),
        "sleep": one(json!({"sleep": "30s"})),
        "block": one(json!({"block": "1500ms"})),
        "await": one(json!({"await_end": "30s"})),
        "hasty": one(json!({"await_end": "1ms"})),
        "payload": {"from_payload": true},
    }}));
    let enqueue = |peer: &mut Driven, kind: &str, payload: Value, more: Value| {
        let mut opts = vec![json!({"task_id": kind}), json!({"retention": "1h"})];
        opts.extend(more.as_array().unwrap().iter().cloned());
        let task = json!({"type": kind, "payload": payload});
        peer.ok(json!({"op": "enqueue", "task": task, "opts": opts}));
    };
    let ended = |peer: &mut Driven, task: &str, outcome: &str, error: Value| {
        let end = json!({"server": "s", "task": task, "outcome": outcome, "error": error});
        peer.event("end", end);
    };
    let once = json!([{"max_retry": 0}]);
    let hurried = json!([{"max_retry": 0}, {"timeout": "1s"}]);

    let more = json!([{"max_retry": 7}, {"header": ["k", "v"]}]);
    enqueue(&mut peer, "well", json!({"utf8": "p"}), more);
    let start = peer.event(
        "start",
        json!({
            "server": "s", "task": "well", "type": "well", "payload": {"utf8": "p"},
            "headers": {"k": "v"}, "queue": "default", "retried": 0, "max_retry": 7,
        }),
    );
    assert!(
        start["deadline"].is_number() && start["at"].is_number(),
        "{start}"
    );
    peer.event("emit", json!({"server": "s", "task": "well", "n": 1}));
    ended(&mut peer, "well", "ok", Value::Null);
    peer.stored(
        "well",
        json!({"state": "completed", "last_err": "", "result": {"utf8": "r"}}),
    );

    enqueue(&mut peer, "again", Value::Null, json!([]));
    ended(&mut peer, "again", "error", json!("first"));
    peer.event(
        "failed",
        json!({"server": "s", "task": "again", "error": "first"}),
    );
    peer.event("start", json!({"task": "again", "retried": 1}));
    ended(&mut peer, "again", "ok", Value::Null);
    peer.stored("again", json!({"state": "completed", "last_err": "first"}));

    enqueue(&mut peer, "skip", Value::Null, json!([]));
    ended(&mut peer, "skip", "skip_retry", json!("enough"));
    peer.event("failed", json!({"task": "skip", "error": "enough"}));
    peer.stored("skip", json!({"state": "archived", "last_err": "enough"}));

    enqueue(&mut peer, "revoke", Value::Null, json!([]));
    ended(&mut peer, "revoke", "revoke", json!("gone"));
    peer.event("failed", json!({"task": "revoke", "error": "gone"}));

    enqueue(&mut peer, "panic", Value::Null, once.clone());
    ended(&mut peer, "panic", "panic", json!("boom"));
    let failed = peer.event("failed", json!({"task": "panic"}));
    assert!(
        failed["error"].as_str().unwrap().contains("boom"),
        "{failed}"
    );

    enqueue(&mut peer, "sleep", Value::Null, hurried.clone());
    ended(
        &mut peer,
        "sleep",
        "context",
        json!("context deadline exceeded"),
    );
    let late = json!({"state": "archived", "last_err": "context deadline exceeded"});
    peer.stored("sleep", late.clone());

    enqueue(&mut peer, "block", Value::Null, hurried);
    peer.stored("block", late);
    assert_eq!(peer.count("end", &json!({"task": "block"})), 0);
    ended(&mut peer, "block", "ok", Value::Null);

    enqueue(&mut peer, "await", Value::Null, once.clone());
    peer.event("start", json!({"task": "await"}));
    peer.ok(json!({"op": "inspect", "call": "cancel_processing", "task": "await"}));
    ended(&mut peer, "await", "context", json!("context canceled"));
    peer.stored(
        "await",
        json!({"state": "archived", "last_err": "context canceled"}),
    );

    enqueue(&mut peer, "hasty", Value::Null, once.clone());
    ended(&mut peer, "hasty", "error", json!("context did not end"));

    let script = json!({"attempts": [[{"block": "1ms"}, {"return": {"error": "as told"}}]]});
    enqueue(
        &mut peer,
        "payload",
        json!({"utf8": script.to_string()}),
        once.clone(),
    );
    ended(&mut peer, "payload", "error", json!("as told"));

    enqueue(&mut peer, "nobody", Value::Null, once);
    let error = "handler not found for task \"nobody\"";
    peer.event("failed", json!({"task": "nobody", "error": error}));
    assert_eq!(peer.count("start", &json!({"task": "nobody"})), 0);
}

#[test]
fn servers_have_names_and_end_in_order() {
    let redis = Redis::start();
    let mut peer = Driven::start(&redis);
    let serve = |name: &str, queue: &str| {
        json!({
            "op": "serve", "name": name, "config": quick_with(json!({"queues": {queue: 1}})),
            "handlers": {"*": {"attempts": [[{"emit": {"tag": "here"}}, {"return": "ok"}]]}},
            "events": false,
        })
    };
    peer.ok(serve("one", "a"));
    peer.refused("invalid", serve("one", "b"));
    peer.ok(serve("two", "b"));
    for bad in [
        json!({"op": "serve", "name": ""}),
        json!({"op": "serve", "name": "x", "config": {"colour": 1}}),
        json!({"op": "serve", "name": "x", "config": {"shutdown_timeout": "-1s"}}),
        json!({"op": "serve", "name": "x", "handlers": {" ": {}}}),
        json!({"op": "serve", "name": "x", "handlers": {"*": {}, "a": {}}}),
        json!({"op": "serve", "name": "x", "handlers": {"a": {"attempts": [[{"dance": "1s"}]]}}}),
        json!({"op": "stop", "name": "x"}),
        json!({"op": "shutdown", "name": "x"}),
    ] {
        peer.refused("invalid", bad);
    }
    peer.ok(json!({"op": "ping", "name": "one"}));

    let enqueue = |id: &str| json!({"op": "enqueue", "task": {"type": "t"}, "opts": [{"queue": "a"}, {"task_id": id}]});
    peer.ok(enqueue("1"));
    peer.event("emit", json!({"server": "one", "task": "1", "tag": "here"}));
    peer.ok(json!({"op": "stop", "name": "one"}));
    peer.ok(enqueue("2"));
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(peer.count("emit", &json!({"task": "2"})), 0);
    let ended = peer.ok(json!({"op": "shutdown", "name": "one"}));
    assert!(ended["ms"].as_u64().unwrap() < 5000, "{ended}");
    peer.ok(serve("one", "a"));
    peer.event("emit", json!({"server": "one", "task": "2"}));
    assert_eq!(
        peer.count("start", &json!({})) + peer.count("end", &json!({})),
        0
    );

    assert_eq!(redis.ask(&["ZCARD", "asynq:servers"]), "2");
    peer.close();
    assert_eq!(redis.ask(&["ZCARD", "asynq:servers"]), "0");
}

#[test]
fn requests_in_hand_are_answered_at_the_end() {
    let redis = Redis::start();
    let mut peer = Driven::start(&redis);
    let many = json!({"op": "enqueue_many", "n": 500, "callers": 2, "task": {"type": "a"}});
    let id = peer.send(many);
    peer.close();
    driven::expect(&peer.answer(&id)["ok"], json!({"ok": 500}));
}

#[test]
fn a_shutdown_gives_back_what_blocks() {
    let redis = Redis::start();
    let mut peer = Driven::start(&redis);
    peer.ok(json!({
        "op": "serve", "name": "s", "config": quick(),
        "handlers": {"*": {"attempts": [[{"block": "3s"}]]}},
    }));
    peer.ok(json!({"op": "enqueue", "task": {"type": "t"}, "opts": [{"task_id": "1"}]}));
    peer.event("start", json!({"task": "1"}));
    peer.ok(json!({"op": "shutdown", "name": "s"}));
    peer.stored("1", json!({"state": "pending", "retried": 0}));
    peer.event("end", json!({"task": "1", "outcome": "ok"}));
}

#[test]
fn some_errors_are_no_failures_and_health_is_told() {
    let redis = Redis::start();
    let mut peer = Driven::start(&redis);
    let config =
        json!({"not_failure": "busy", "retry_delay": "1h", "health_check_interval": "50ms"});
    peer.ok(json!({
        "op": "serve", "name": "s", "config": quick_with(config),
        "handlers": {"*": {"attempts": [[{"return": {"error": "too busy now"}}]]}},
    }));
    peer.event("health", json!({"server": "s", "error": null}));
    peer.ok(json!({"op": "enqueue", "task": {"type": "t"}, "opts": [{"task_id": "1"}]}));
    let retried = json!({"state": "retry", "retried": 0, "last_err": "too busy now"});
    peer.stored("1", retried);
}

#[test]
fn queues_are_inspected() {
    let redis = Redis::start();
    let mut peer = Driven::start(&redis);
    assert_eq!(
        peer.ok(json!({"op": "inspect", "call": "queues"})),
        json!([])
    );
    peer.ok(json!({"op": "enqueue", "task": {"type": "t"}, "opts": [{"queue": "q"}]}));
    assert_eq!(
        peer.ok(json!({"op": "inspect", "call": "queues"})),
        json!(["q"])
    );
    for call in ["pause_queue", "unpause_queue"] {
        let request = json!({"op": "inspect", "call": call, "queue": "q"});
        peer.ok(request.clone());
        peer.refused("wrong_state", request);
    }
    let info =
        |queue: &str| json!({"op": "inspect", "call": "task_info", "queue": queue, "task": "x"});
    peer.refused("task_not_found", info("q"));
    peer.refused("queue_not_found", info("x"));
}

#[test]
fn a_bad_uri_ends_it_with_2() {
    for args in [&["--redis", "http://localhost"][..], &[], &["--colour"]] {
        let status = driven::program().args(args).status().unwrap();
        assert_eq!(status.code(), Some(2), "{args:?}");
    }
}
