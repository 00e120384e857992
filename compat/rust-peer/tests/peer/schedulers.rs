//! Schedulers and periodic task managers.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::driven::{self, DrivenPeer, Redis};

fn inspect(call: &str) -> Value {
    json!({"op": "inspect", "call": call})
}

#[test]
fn entries_are_registered_fire_and_are_unregistered() {
    let redis = Redis::start();
    let mut peer = DrivenPeer::start(&redis);
    peer.ok(json!({"op": "scheduler", "name": "c", "location": "Europe/Berlin", "heartbeat_interval": "200ms"}));
    for bad in [
        json!({"op": "scheduler", "name": "c"}),
        json!({"op": "scheduler", "name": ""}),
        json!({"op": "scheduler", "name": "x", "location": "Moon/Sea"}),
        json!({"op": "scheduler", "name": "x", "colour": 1}),
        json!({"op": "register", "name": "c", "spec": "not a spec", "task": {"type": "tick"}}),
        json!({"op": "register", "name": "c", "spec": "TZ=UTC", "task": {"type": "tick"}}),
        json!({"op": "register", "name": "c", "spec": "@daily"}),
        json!({"op": "register", "name": "c", "spec": "@daily", "task": {"type": "t"}, "colour": 1}),
        json!({"op": "register", "name": "x", "spec": "@daily", "task": {"type": "tick"}}),
        json!({"op": "unregister", "name": "c", "entry": "nobody"}),
    ] {
        peer.refused("invalid", bad);
    }
    let opts = json!([{"queue": "q"}, {"header": ["k", "v"]}, {"timeout": "5s"}]);
    let task = json!({"type": "tick", "payload": {"utf8": "p"}, "opts": [{"max_retry": 3}]});
    let register =
        json!({"op": "register", "name": "c", "spec": "@every 1s", "task": task, "opts": opts});
    let entry = peer.ok(register)["entry"].clone();
    let task = peer.event("enqueued", json!({"entry": entry}))["task"].clone();
    let info = json!({"op": "inspect", "call": "task_info", "queue": "q", "task": task});
    driven::expect(
        &peer.ok(info),
        json!({
            "type": "tick", "payload": {"utf8": "p"}, "headers": {"k": "v"}, "timeout": "5s",
            "max_retry": 3, "state": "pending",
        }),
    );
    let events = json!({"op": "inspect", "call": "enqueue_events", "entry": entry});
    peer.answers(events, |events| {
        let last = events.as_array().unwrap().last();
        last.is_some_and(|event| event["task"] == task && event["at"].is_number())
    });
    peer.answers(inspect("scheduler_entries"), |entries| {
        entries[0]["prev"].is_number() && entries[0]["next"].is_number()
    });
    let entries = peer.ok(inspect("scheduler_entries"));
    assert_eq!(entries.as_array().unwrap().len(), 1, "{entries}");
    driven::expect(
        &entries[0],
        json!({
            "id": entry, "spec": "@every 1s", "type": "tick", "payload": {"utf8": "p"},
            "opts": ["Queue(\"q\")", "Timeout(5s)"],
        }),
    );

    let unregister = json!({"op": "unregister", "name": "c", "entry": entry});
    peer.ok(unregister.clone());
    peer.refused("invalid", unregister);
    assert_eq!(peer.ok(inspect("scheduler_entries")), json!([]));
    let shutdown = json!({"op": "scheduler_shutdown", "name": "c"});
    peer.ok(shutdown.clone());
    assert_eq!(redis.ask(&["ZCARD", "asynq:schedulers"]), "0");
    peer.refused("invalid", shutdown);
    peer.ok(json!({"op": "scheduler", "name": "c"}));
}

#[test]
fn a_refused_enqueue_is_told() {
    let redis = Redis::start();
    let mut peer = DrivenPeer::start(&redis);
    peer.ok(json!({"op": "scheduler", "name": "c"}));
    let unique = json!({
        "op": "register", "name": "c", "spec": "@every 1s", "task": {"type": "t"},
        "opts": [{"unique": "1h"}],
    });
    let entry = peer.ok(unique)["entry"].clone();
    peer.event("enqueued", json!({"entry": entry}));
    let failed = peer.event("enqueue_failed", json!({"entry": entry}));
    assert!(failed["error"].is_string(), "{failed}");
}

#[test]
fn enqueue_events_come_in_pages() {
    let redis = Redis::start();
    let mut peer = DrivenPeer::start(&redis);
    // the message of an event whose task has that id, without a time
    for n in 1..=3 {
        let event = format!("\"\\n\\x01{n}\"");
        redis.ask(&["ZADD", "asynq:scheduler_history:e", &n.to_string(), &event]);
    }
    let mut page = |fields: Value| {
        let mut request = json!({"op": "inspect", "call": "enqueue_events", "entry": "e"});
        let more = fields.as_object().unwrap().clone();
        request.as_object_mut().unwrap().extend(more);
        let events = peer.ok(request);
        let tasks = events.as_array().unwrap().iter();
        tasks.map(|event| event["task"].clone()).collect::<Value>()
    };
    assert_eq!(page(json!({})), json!(["3", "2", "1"]));
    assert_eq!(page(json!({"page_size": 2})), json!(["3", "2"]));
    assert_eq!(page(json!({"page": 2, "page_size": 2})), json!(["1"]));
    assert_eq!(page(json!({"page": -1, "page_size": 1})), json!(["3"]));
    assert_eq!(page(json!({"page_size": 0})), json!(["3", "2", "1"]));
    assert_eq!(page(json!({"page": 9})), json!([]));
}

/// A directory with the file of a periodic task manager.
struct Entries(TempDir);

impl Entries {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> std::path::PathBuf {
        Path::new(self.0.path()).join("entries.json")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
    }

    fn periodic(&self) -> Value {
        json!({
            "op": "periodic", "name": "m", "sync_interval": "200ms", "heartbeat_interval": "100ms",
            "file": self.path(),
        })
    }
}

#[test]
fn a_periodic_task_manager_follows_its_file() {
    let redis = Redis::start();
    let mut peer = DrivenPeer::start(&redis);
    let file = Entries::new();
    peer.refused("invalid", file.periodic());
    for bad in [
        "no json",
        r#"[{"spec":"","task":{"type":"a"}}]"#,
        r#"[{"spec":"@daily"}]"#,
        r#"[{"spec":"@daily","task":{"type":"a"},"x":1}]"#,
    ] {
        file.write(bad);
        peer.refused("invalid", file.periodic());
    }
    file.write(
        r#"[{"spec":"@every 1s","task":{"type":"one"},"opts":[{"queue":"q"},{"header":["k","v"]}]},
            {"spec":"never","task":{"type":"bad"}}]"#,
    );
    peer.ok(file.periodic());
    let register = json!({"op": "register", "name": "m", "spec": "@daily", "task": {"type": "a"}});
    peer.refused("invalid", register);
    peer.refused(
        "invalid",
        json!({"op": "unregister", "name": "m", "entry": "x"}),
    );
    let task = peer.event("enqueued", json!({}))["task"].clone();
    let info = json!({"op": "inspect", "call": "task_info", "queue": "q", "task": task});
    driven::expect(
        &peer.ok(info),
        json!({"type": "one", "headers": {"k": "v"}}),
    );

    file.write(r#"[{"spec":"@every 1s","task":{"type":"two"}}]"#);
    peer.answers(inspect("scheduler_entries"), |entries| {
        entries.as_array().unwrap().len() == 1 && entries[0]["type"] == "two"
    });
    peer.ok(json!({"op": "scheduler_shutdown", "name": "m"}));
    assert_eq!(peer.ok(inspect("scheduler_entries")), json!([]));
}

#[test]
fn schedulers_are_shut_down_at_the_end_of_stdin() {
    let redis = Redis::start();
    let mut peer = DrivenPeer::start(&redis);
    let file = Entries::new();
    file.write(r#"[{"spec":"@every 1s","task":{"type":"one"}}]"#);
    peer.ok(file.periodic());
    peer.ok(json!({"op": "scheduler", "name": "c"}));
    let register = json!({"op": "register", "name": "c", "spec": "@daily", "task": {"type": "t"}});
    peer.ok(register);
    assert_eq!(redis.ask(&["ZCARD", "asynq:schedulers"]), "2");
    peer.close();
    assert_eq!(redis.ask(&["ZCARD", "asynq:schedulers"]), "0");
}

#[test]
fn a_scheduler_starts_without_redis_and_tells_each_tick_that_fails() {
    let mut peer = DrivenPeer::start_on("redis-socket:///nowhere/redis.sock");
    peer.ok(json!({"op": "scheduler", "name": "c"}));
    let register =
        json!({"op": "register", "name": "c", "spec": "@every 2s", "task": {"type": "t"}});
    let entry = peer.ok(register)["entry"].clone();
    peer.event("enqueue_failed", json!({"entry": entry}));
    peer.ok(json!({"op": "scheduler_shutdown", "name": "c"}));
}
