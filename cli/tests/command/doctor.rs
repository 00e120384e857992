//! `rasynq doctor`: what it says of damage, and its exit codes.

use fred::interfaces::{ListInterface, SetsInterface};
use serde_json::json;

use crate::common::{Sample, assert_golden};

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_reported_and_repaired() {
    let sample = Sample::new().await;
    let raw = sample.redis.client().await;
    let _: i64 = raw
        .lpush("asynq:{low}:pending", "gh\x1bost")
        .await
        .expect("a length");
    let _: i64 = raw
        .sadd("asynq:{low}:groups", "nothing")
        .await
        .expect("a count");
    let command = &sample.command;

    let ran = command.run(&["doctor"]).await;
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(
        ran.stderr
            .contains("2 found, 0 repaired, 2 left\nrasynq: damage is left"),
        "{ran:?}"
    );
    assert_golden("doctor-damage.txt", &ran.stdout);
    let ran = command.run(&["doctor", "low", "--json"]).await;
    assert_eq!(ran.code, 6, "{ran:?}");
    assert_golden("doctor-damage.json", &ran.stdout);
    // another queue is not concerned
    assert_eq!(command.run(&["doctor", "default"]).await.code, 0);

    let ran = command.run(&["doctor", "--fix"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.stderr, "2 found, 2 repaired, 0 left\n");
    assert_golden("doctor-fix.txt", &ran.stdout);
    let found = command.json(&["doctor"]).await;
    assert_eq!(
        found,
        json!({"found": 0, "repaired": 0, "left": 0, "complete": true, "damage": []})
    );
    sample.end().await;
}
