//! `rasynq doctor`: what it says of damage, and its exit codes.

use fred::interfaces::{KeysInterface, ListInterface, SetsInterface, SortedSetsInterface};
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
    let _: i64 = raw
        .sadd("asynq:{low}:groups", "nothing")
        .await
        .expect("a count");
    let ran = command.run(&["doctor", "--fix", "--json"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_golden("doctor-fix.json", &ran.stdout);
    let found = command.json(&["doctor"]).await;
    assert_eq!(
        found,
        json!({
            "damage": [], "found": 0, "repaired": 0, "left": 0, "examined_queues": 2, "queues": 2, "complete": true
        })
    );
    sample.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_type_is_reported_and_the_next_queue_is_examined() {
    let sample = Sample::new().await;
    let raw = sample.redis.client().await;
    let _: i64 = raw.sadd("asynq:queues", "broken").await.expect("a count");
    let key = "asynq:{broken}:pending";
    let _: () = raw.set(key, "x", None, None, false).await.expect("set");
    let _: i64 = raw
        .sadd("asynq:{low}:groups", "nothing")
        .await
        .expect("a count");
    let command = &sample.command;
    for arguments in [&["doctor"][..], &["doctor", "--fix"]] {
        let ran = command.run(arguments).await;
        assert_eq!(ran.code, 6, "{ran:?}");
        let wrong = "cannot be repaired: wrong_type: asynq:{broken}:pending: the key is a string, not a list";
        assert!(ran.stdout.contains(wrong), "{ran:?}");
        assert!(ran.stdout.contains("asynq:{low}:groups"), "{ran:?}");
    }
    let ran = command.run(&["doctor"]).await;
    let text = "1 found, 0 repaired, 1 left\nrasynq: damage is left: look at a key of another type, and rename or delete it\n";
    assert_eq!(ran.stderr, text);
    let ran = command.run(&["stats"]).await;
    assert!(
        ran.stderr
            .contains("asynq:{broken}:pending is a string, not a list"),
        "{ran:?}"
    );
    let ran = command.run(&["queue", "rm", "broken", "--force"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(command.run(&["doctor"]).await.code, 0);
    let left: i64 = raw.exists(key).await.expect("a count");
    assert_eq!(left, 0);
    sample.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_examined_is_said() {
    let sample = Sample::new().await;
    let raw = sample.redis.client().await;
    let command = &sample.command;
    let ran = command.run(&["doctor", "nope"]).await;
    assert_eq!(ran.stderr.lines().count(), 2, "{ran:?}");
    let ran = command.run(&["doctor", "nope", "low"]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(
        ran.stderr.lines().last(),
        Some("examined 1 of 2 queues: 0 found, 0 repaired, 0 left")
    );
    let _: i64 = raw
        .sadd("asynq:queues", &b"a bad \xff"[..])
        .await
        .expect("a count");
    let ran = command.run(&["doctor"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let text = "rasynq: queue \"a bad \u{fffd}\": a queue whose name is not UTF-8 cannot be examined\n\
        examined 2 of 3 queues: 0 found, 0 repaired, 0 left\n";
    assert_eq!(ran.stderr, text);
    sample.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_pass_repairs_all_that_a_report_has_named() {
    let sample = Sample::new().await;
    let raw = sample.redis.client().await;
    let zadd = async |key: &str, id: &str| {
        let _: i64 = raw
            .zadd(key, None, None, false, false, (1.0, id))
            .await
            .expect("a count");
    };
    zadd("asynq:{low}:g:gg", "ghost4").await;
    zadd(
        "asynq:{low}:g:gz:11111111-2222-3333-4444-555555555555",
        "ug2",
    )
    .await;
    // A queue that is not listed has damage too.
    zadd("asynq:{hidden}:retry", "ghost").await;
    let _: () = raw
        .set("asynq:{slip}:paused", "1", None, None, false)
        .await
        .expect("set");
    let command = &sample.command;
    let ran = command.run(&["doctor"]).await;
    assert!(
        ran.stderr.starts_with("5 found, 0 repaired, 5 left\n"),
        "{ran:?}"
    );
    let ran = command.run(&["doctor", "--json"]).await;
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(
        (&found["found"], found["damage"].as_array().map(Vec::len)),
        (&json!(5), Some(5))
    );
    let ran = command.run(&["doctor", "--fix"]).await;
    assert_eq!(ran.stderr, "5 found, 5 repaired, 0 left\n", "{ran:?}");
    let ran = command.run(&["doctor"]).await;
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (0, "no damage found\n"),
        "{ran:?}"
    );
    let groups: Vec<String> = raw.smembers("asynq:{low}:groups").await.expect("names");
    assert_eq!(groups, [""; 0]);
    sample.end().await;
}
