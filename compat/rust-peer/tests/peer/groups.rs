//! The aggregation of groups.

use serde_json::{Value, json};

use crate::driven::{DrivenPeer, Redis};
use crate::quick_with;

#[test]
fn settings_of_groups_are_those_of_asynq() {
    let redis = Redis::start();
    let mut peer = DrivenPeer::start(&redis);
    let serve = |config: Value| json!({"op": "serve", "name": "s", "config": quick_with(config)});
    for bad in [
        json!({"group_grace_period": "999ms"}),
        json!({"group_grace_period": "-1s"}),
        json!({"aggregate": {"type": "sum", "colour": 1}}),
        json!({"aggregate": {"type": "sum", "opts": [{"timeout": "-1s"}]}}),
    ] {
        peer.refused("invalid", serve(bad));
    }
    let aggregate = json!({"type": "sum", "separator": ",", "opts": [{"queue": "other"}]});
    peer.ok(serve(json!({
        "group_grace_period": "0s", "group_max_delay": "500ms", "group_max_size": -1,
        "aggregate": aggregate,
    })));
}

#[test]
fn groups_are_aggregated_and_told() {
    let redis = Redis::start();
    let mut peer = DrivenPeer::start(&redis);
    for n in 0..4 {
        let opts = json!([{"group": "g"}, {"task_id": format!("{n}")}]);
        let task = json!({"type": "part", "payload": {"utf8": format!("{n}")}});
        peer.ok(json!({"op": "enqueue", "task": task, "opts": opts}));
    }
    let groups = json!({"op": "inspect", "call": "groups", "queue": "default"});
    assert_eq!(peer.ok(groups.clone()), json!([{"group": "g", "size": 4}]));
    let aggregate = json!({
        "type": "whole", "separator": "+",
        "opts": [{"task_id": "w"}, {"header": ["a", "b"]}, {"queue": "other"}],
    });
    peer.ok(json!({
        "op": "serve", "name": "s", "handlers": {"whole": {}},
        "config": quick_with(json!({"group_max_size": 3, "aggregate": aggregate})),
    }));
    let aggregated = json!({"server": "s", "group": "g", "ids": null, "n": 3});
    peer.event("aggregate", aggregated);
    peer.event(
        "start",
        json!({
            "task": "w", "type": "whole", "payload": {"utf8": "0+1+2"}, "headers": {"a": "b"},
            "queue": "default",
        }),
    );
    assert_eq!(peer.ok(groups), json!([{"group": "g", "size": 1}]));
    let unknown = json!({"op": "inspect", "call": "groups", "queue": "x"});
    assert_eq!(peer.ok(unknown), json!([]));
}
