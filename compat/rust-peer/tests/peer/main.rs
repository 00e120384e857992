//! Tests of the built program, which they drive as a runner does.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod driven;
mod groups;
mod schedulers;

use std::time::Duration;

use driven::{DrivenPeer, Redis};
use serde_json::{Value, json};

/// A configuration with short intervals.
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
fn hello_names_the_implementation_and_unknown_requests_are_refused() {
    let redis = Redis::start();
    let mut peer = DrivenPeer::start(&redis);
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
        json!({"op": "inspect", "call": "dance"}),
        json!({"op": "inspect", "call": "queues", "queue": "q"}),
        json!({"op": "inspect", "call": "task_info", "queue": "q", "task": null}),
        json!({"op": "ping", "name": "x"}),
    ] {
        peer.refused("invalid", bad);
    }
    let lacking = json!({"op": "inspect", "call": "run_all", "queue": "q", "state": "pending"});
    peer.refused("unsupported", lacking);
    peer.send_text("not json");
    assert_eq!(peer.answer(&Value::Null)["err"]["kind"], "invalid");
}

#[test]
fn tasks_are_enqueued_with_all_their_options() {
    let redis = Redis::start();
    let mut peer = DrivenPeer::start(&redis);
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
    let mut peer = DrivenPeer::start(&redis);
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
fn calls_without_redis_fail_with_that_kind() {
    let mut peer = DrivenPeer::start_on("redis-socket:///nowhere/redis.sock");
    peer.refused("redis", json!({"op": "enqueue", "task": {"type": "a"}}));
    peer.refused("redis", json!({"op": "inspect", "call": "queues"}));
    peer.refused("redis", json!({"op": "serve", "name": "s"}));
    // the name is free again
    peer.refused("redis", json!({"op": "serve", "name": "s"}));
}

/// A peer with a server that has a handler for each kind of script.
struct ScriptPeer(DrivenPeer);

impl ScriptPeer {
    fn start(redis: &Redis) -> Self {
        let mut peer = DrivenPeer::start(redis);
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
        Self(peer)
    }

    /// Enqueues a task whose type is also its id.
    #[track_caller]
    fn enqueue(&mut self, kind: &str, payload: Value, more: Value) {
        let mut opts = vec![json!({"task_id": kind}), json!({"retention": "1h"})];
        opts.extend(more.as_array().unwrap().iter().cloned());
        let task = json!({"type": kind, "payload": payload});
        self.0
            .ok(json!({"op": "enqueue", "task": task, "opts": opts}));
    }

    #[track_caller]
    fn ended(&mut self, task: &str, outcome: &str, error: Value) {
        let end = json!({"server": "s", "task": task, "outcome": outcome, "error": error});
        self.0.event("end", end);
    }
}

#[test]
fn runs_of_scripts_that_return_are_reported() {
    let redis = Redis::start();
    let mut peer = ScriptPeer::start(&redis);

    let more = json!([{"max_retry": 7}, {"header": ["k", "v"]}]);
    peer.enqueue("well", json!({"utf8": "p"}), more);
    let start = peer.0.event(
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
    peer.0
        .event("emit", json!({"server": "s", "task": "well", "n": 1}));
    peer.ended("well", "ok", Value::Null);
    peer.0.stored(
        "well",
        json!({"state": "completed", "last_err": "", "result": {"utf8": "r"}}),
    );

    peer.enqueue("again", Value::Null, json!([]));
    peer.ended("again", "error", json!("first"));
    peer.0.event(
        "failed",
        json!({"server": "s", "task": "again", "error": "first"}),
    );
    peer.0
        .event("start", json!({"task": "again", "retried": 1}));
    peer.ended("again", "ok", Value::Null);
    peer.0
        .stored("again", json!({"state": "completed", "last_err": "first"}));

    peer.enqueue("skip", Value::Null, json!([]));
    peer.ended("skip", "skip_retry", json!("enough"));
    peer.0
        .event("failed", json!({"task": "skip", "error": "enough"}));
    peer.0
        .stored("skip", json!({"state": "archived", "last_err": "enough"}));

    peer.enqueue("revoke", Value::Null, json!([]));
    peer.ended("revoke", "revoke", json!("gone"));
    peer.0
        .event("failed", json!({"task": "revoke", "error": "gone"}));

    let script =
        json!({"attempts": [[{"block": "1ms"}, {"return": {"error": "from the payload"}}]]});
    let once = json!([{"max_retry": 0}]);
    peer.enqueue("payload", json!({"utf8": script.to_string()}), once);
    peer.ended("payload", "error", json!("from the payload"));
}

#[test]
fn runs_of_scripts_that_do_not_return_are_reported() {
    let redis = Redis::start();
    let mut peer = ScriptPeer::start(&redis);
    let once = json!([{"max_retry": 0}]);
    let with_timeout = json!([{"max_retry": 0}, {"timeout": "1s"}]);

    peer.enqueue("panic", Value::Null, once.clone());
    peer.ended("panic", "panic", json!("boom"));
    let failed = peer.0.event("failed", json!({"task": "panic"}));
    assert!(
        failed["error"].as_str().unwrap().contains("boom"),
        "{failed}"
    );

    peer.enqueue("sleep", Value::Null, with_timeout.clone());
    peer.ended("sleep", "context", json!("context deadline exceeded"));
    let late = json!({"state": "archived", "last_err": "context deadline exceeded"});
    peer.0.stored("sleep", late.clone());

    peer.enqueue("block", Value::Null, with_timeout);
    peer.0.stored("block", late);
    assert_eq!(peer.0.count("end", &json!({"task": "block"})), 0);
    peer.ended("block", "ok", Value::Null);

    peer.enqueue("await", Value::Null, once.clone());
    peer.0.event("start", json!({"task": "await"}));
    peer.0
        .ok(json!({"op": "inspect", "call": "cancel_processing", "task": "await"}));
    peer.ended("await", "context", json!("context canceled"));
    peer.0.stored(
        "await",
        json!({"state": "archived", "last_err": "context canceled"}),
    );

    peer.enqueue("hasty", Value::Null, once.clone());
    peer.ended("hasty", "error", json!("context did not end"));

    peer.enqueue("nobody", Value::Null, once);
    let error = "handler not found for task \"nobody\"";
    peer.0
        .event("failed", json!({"task": "nobody", "error": error}));
    assert_eq!(peer.0.count("start", &json!({"task": "nobody"})), 0);
}

#[test]
fn servers_have_names_and_are_shut_down_at_the_end_of_stdin() {
    let redis = Redis::start();
    let mut peer = DrivenPeer::start(&redis);
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
        json!({"op": "serve", "name": "x", "config": {"shutdown_timeout": "soon"}}),
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
fn requests_in_flight_are_answered_after_the_end_of_stdin() {
    let redis = Redis::start();
    let mut peer = DrivenPeer::start(&redis);
    let many = json!({"op": "enqueue_many", "n": 500, "callers": 2, "task": {"type": "a"}});
    let id = peer.send(many);
    peer.close();
    driven::expect(&peer.answer(&id)["ok"], json!({"ok": 500}));
}

#[test]
fn a_shutdown_requeues_a_task_whose_handler_blocks() {
    let redis = Redis::start();
    let mut peer = DrivenPeer::start(&redis);
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
fn errors_can_be_no_failures_and_health_is_reported() {
    let redis = Redis::start();
    let mut peer = DrivenPeer::start(&redis);
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
    let mut peer = DrivenPeer::start(&redis);
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
fn the_firings_of_a_cron_spec_are_told() {
    let redis = Redis::start();
    let mut peer = DrivenPeer::start(&redis);
    let cron = |spec: &str, location: &str, after: Value, n: i64| json!({"op": "cron", "spec": spec, "location": location, "after": after, "n": n});
    let firings = [
        (cron("* * * * *", "", json!(0), 2), json!([60, 120])),
        (
            cron("@every 10ms", "UTC", json!(1_699_999_999.5), 2),
            json!([1_700_000_000, 1_700_000_001]),
        ),
        // 02:30 on the day that Berlin skips from 02:00 to 03:00
        (
            cron("30 2 * * *", "Europe/Berlin", json!(1_711_753_200), 1),
            json!([1_711_762_200]),
        ),
        (cron("0 0 30 2 *", "UTC", json!(0), 3), json!([])),
        (cron("@hourly", "UTC", json!(0), 0), json!([])),
    ];
    for (request, times) in firings {
        assert_eq!(peer.ok(request.clone()), times, "{request}");
    }
    for bad in [
        cron("* * * *", "", json!(0), 1),
        cron("TZ=UTC", "", json!(0), 1),
        cron("* * * * *", "Nowhere", json!(0), 1),
        cron("* * * * *", "", json!("now"), 1),
        cron("* * * * *", "", json!(0), -1),
        json!({"op": "cron", "spec": "@daily", "colour": 1}),
    ] {
        peer.refused("invalid", bad);
    }
}

#[test]
fn bad_arguments_end_the_program_with_the_exit_code_2() {
    for args in [&["--redis", "http://localhost"][..], &[], &["--colour"]] {
        let status = driven::program().args(args).status().unwrap();
        assert_eq!(status.code(), Some(2), "{args:?}");
    }
}
