//! Options, and the message they are stored as.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use rasynq::{ErrorKind, Task, TaskKind, TaskOption, TaskState};
use serde::{Deserialize, Serialize};

use crate::common::logged::DEADLINE_IS_OVER;
use crate::common::{HOUR, Log, TaskMessage, World, key, queue_key, task_key};
use crate::{SECOND, md5_hex};

#[tokio::test]
async fn a_task_without_options_is_pending_with_asynqs_defaults() {
    let world = World::new().await;
    let client = world.client().await;
    let before = Utc::now();
    let info = client
        .enqueue(Task::new("email:welcome", "{}"))
        .await
        .unwrap();
    assert_eq!(info.state, TaskState::Pending);
    assert_eq!(info.queue, "default");
    assert_eq!(info.max_retry, 25);
    assert_eq!(info.timeout, Some(Duration::from_secs(1800)));
    assert_eq!(info.deadline, None);
    assert_eq!(info.retention, Duration::ZERO);
    assert!(info.next_process_at.unwrap() >= before);
    let id = info.id.as_str();
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 4);

    assert_eq!(world.fields(id).await, ["msg", "pending_since", "state"]);
    assert_eq!(world.state(id).await, "pending");
    assert_eq!(
        world.message(id).await,
        TaskMessage {
            task_type: "email:welcome".into(),
            payload: b"{}".into(),
            id: id.into(),
            queue: "default".into(),
            retry: 25,
            timeout: 1800,
            ..TaskMessage::default()
        }
    );
    assert_eq!(world.list("pending").await, [id]);
    assert_eq!(
        world.keys().await,
        ["asynq:queues".to_owned(), key("pending"), task_key(id)]
    );
    let queues: Vec<String> = world.run(&["SMEMBERS", "asynq:queues"]).await;
    assert_eq!(queues, ["default"]);
    let since: i64 = world.run(&["HGET", &task_key(id), "pending_since"]).await;
    let since = chrono::DateTime::from_timestamp_nanos(since);
    assert!((since - before).abs() < TimeDelta::seconds(10), "{since}");
}

#[tokio::test]
async fn every_option_is_stored_in_the_message() {
    let world = World::new().await;
    let client = world.client().await;
    let deadline = Utc::now() + TimeDelta::hours(2);
    let info = client
        .enqueue(Task::new("image:resize", vec![0, 0xff, 1]))
        .queue("critical")
        .max_retry(3)
        .task_id("my id")
        .timeout(Duration::from_millis(90_900))
        .deadline(deadline)
        .unique(HOUR)
        .retention(Duration::from_secs(120))
        .header("trace", "é")
        .header("trace", "abc")
        .header("other", "")
        .await
        .unwrap();
    assert_eq!(info.headers.len(), 2);
    let raw = world
        .bytes(&["HGET", &queue_key("critical", "t:my id"), "msg"])
        .await;
    let lock = queue_key(
        "critical",
        &format!("unique:image:resize:{}", md5_hex(&[0, 0xff, 1])),
    );
    let stored = <TaskMessage as prost::Message>::decode(raw.as_slice()).unwrap();
    assert_eq!(
        stored,
        TaskMessage {
            task_type: "image:resize".into(),
            payload: vec![0, 0xff, 1],
            id: "my id".into(),
            queue: "critical".into(),
            retry: 3,
            timeout: 90,
            deadline: deadline.timestamp(),
            unique_key: lock.clone(),
            retention: 120,
            headers: BTreeMap::from([
                ("trace".to_owned(), "abc".to_owned()),
                ("other".to_owned(), String::new())
            ]),
            ..TaskMessage::default()
        }
    );
    let holder: String = world.run(&["GET", &lock]).await;
    assert_eq!(holder, "my id");
}

#[tokio::test]
async fn the_default_timeout_is_for_tasks_with_neither_timeout_nor_deadline() {
    let world = World::new().await;
    let client = world.client().await;
    let at = Utc::now() + TimeDelta::hours(1);
    let task = || Task::new("any", "");
    for (id, task, timeout, deadline) in [
        ("neither", task(), 1800, 0),
        ("zero", task().timeout(Duration::ZERO), 1800, 0),
        ("timeout", task().timeout(SECOND), 1, 0),
        ("deadline", task().deadline(at), 0, at.timestamp()),
        (
            "both",
            task().deadline(at).timeout(SECOND),
            1,
            at.timestamp(),
        ),
    ] {
        client.enqueue(task).task_id(id).await.unwrap();
        let message = world.message(id).await;
        assert_eq!(
            (message.timeout, message.deadline),
            (timeout, deadline),
            "{id}"
        );
    }
}

#[tokio::test]
async fn later_options_override_and_options_of_the_call_come_last() {
    let world = World::new().await;
    let client = world.client().await;
    let task = Task::new("any", "")
        .max_retry(1)
        .max_retry(2)
        .queue("elsewhere")
        .header("a", "task")
        .header("b", "task");
    let info = client
        .enqueue(task)
        .queue("default")
        .option(TaskOption::MaxRetry(3))
        .header("a", "call")
        .process_in(HOUR)
        .process_at(Utc::now() - TimeDelta::hours(1))
        .await
        .unwrap();
    assert_eq!(info.max_retry, 3);
    assert_eq!(info.state, TaskState::Pending);
    let message = world.message(&info.id).await;
    assert_eq!(message.retry, 3);
    assert_eq!(message.headers["a"], "call");
    assert_eq!(message.headers["b"], "task");
}

#[tokio::test]
async fn a_task_for_later_is_scheduled_to_the_whole_second() {
    let world = World::new().await;
    let client = world.client().await;
    let at = Utc::now() + TimeDelta::milliseconds(3_600_700);
    let info = client
        .enqueue(Task::new("any", ""))
        .task_id("at")
        .process_at(at)
        .await
        .unwrap();
    assert_eq!(info.state, TaskState::Scheduled);
    assert_eq!(info.next_process_at, Some(at));
    let before = Utc::now().timestamp();
    client
        .enqueue(Task::new("any", ""))
        .task_id("in")
        .process_in(HOUR)
        .await
        .unwrap();
    let scores = world.scores("scheduled").await;
    assert_eq!(scores["at"], at.timestamp() as f64);
    let wait = scores["in"] as i64 - before;
    assert!((3600..3605).contains(&wait), "{wait}");
    assert_eq!(world.fields("at").await, ["msg", "state"]);
    assert_eq!(world.state("at").await, "scheduled");
    assert_eq!(world.list("pending").await.len(), 0);
}

#[tokio::test]
async fn a_task_with_a_group_waits_in_it() {
    let world = World::new().await;
    let client = world.client().await;
    let info = client
        .enqueue(Task::new("any", ""))
        .task_id("1")
        .group("mails")
        .await
        .unwrap();
    assert_eq!(info.state, TaskState::Aggregating);
    assert_eq!(info.group, "mails");
    assert_eq!(info.next_process_at, None);
    assert_eq!(world.fields("1").await, ["group", "msg", "state"]);
    assert_eq!(world.state("1").await, "aggregating");
    assert_eq!(world.message("1").await.group_key, "mails");
    let groups: Vec<String> = world.run(&["SMEMBERS", &key("groups")]).await;
    assert_eq!(groups, ["mails"]);
    let added = world.scores("g:mails").await["1"] as i64;
    assert!((world.now().await - added).abs() <= 5);
}

#[tokio::test]
async fn options_that_asynq_refuses_are_refused_before_redis_is_asked() {
    let mut world = World::new().await;
    let client = world.client().await;
    world.redis.kill();
    let task = || Task::new("any", "");
    for (task, text) in [
        (Task::new(" \t", ""), "task type is blank"),
        (task().queue(" "), "queue"),
        (task().task_id(" "), "task id is blank"),
        (task().group(""), "group is blank"),
        (task().unique(Duration::from_millis(999)), "unique TTL"),
        (task().max_retry(u32::MAX), "max retry"),
        (task().process_in(Duration::MAX), "process in"),
        (task().timeout(Duration::MAX), "timeout"),
        (task().retention(Duration::MAX), "retention"),
    ] {
        let error = client.enqueue(task.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(text), "{error}");
        let in_batch = client.enqueue_batch([task]).await.remove(0).unwrap_err();
        assert_eq!(in_batch.to_string(), error.to_string());
    }
}

#[derive(Serialize, Deserialize)]
struct Welcome {
    user_id: u64,
}

impl TaskKind for Welcome {
    const TYPE: &'static str = "email:welcome";
}

#[tokio::test]
async fn a_typed_payload_is_enqueued_under_its_type() {
    let world = World::new().await;
    let client = world.client().await;
    let info = client
        .enqueue(Welcome { user_id: 42 })
        .max_retry(7)
        .await
        .unwrap();
    let message = world.message(&info.id).await;
    assert_eq!(message.task_type, "email:welcome");
    assert_eq!(message.payload, br#"{"user_id":42}"#);
    assert_eq!(message.retry, 7);
}

#[tokio::test]
async fn names_with_any_characters_are_kept_unchanged() {
    let world = World::new().await;
    let client = world.client().await;
    for (queue, id, task_type) in [
        ("a{b}c", "1", "t"),
        ("späť 日本", "x:y:z", "größe:1"),
        ("a/b", "a/b", "a/b"),
        ("line\nbreak", "line\nbreak", "nul\0"),
        ("'\"\\", "'\"\\", "%s"),
    ] {
        let info = client
            .enqueue(Task::new(task_type, vec![0xff, 0, b'\r', b'\n']))
            .queue(queue)
            .task_id(id)
            .await
            .unwrap();
        assert_eq!((info.queue.as_str(), info.id.as_str()), (queue, id));
        let raw = world
            .bytes(&["HGET", &queue_key(queue, &format!("t:{id}")), "msg"])
            .await;
        let message = <TaskMessage as prost::Message>::decode(raw.as_slice()).unwrap();
        assert_eq!(message.task_type, task_type);
        assert_eq!(message.payload, [0xff, 0, b'\r', b'\n']);
    }
    let mut queues = world.inspector().await.queues().await.unwrap();
    queues.sort();
    assert_eq!(queues.len(), 5);
}

#[cfg(feature = "macros")]
#[tokio::test]
async fn the_call_overrides_the_task_and_the_task_overrides_its_type() {
    #[derive(Serialize, Deserialize, TaskKind)]
    #[task(
        type = "report",
        queue = "critical",
        max_retry = 5,
        timeout = "30s",
        retention = "1h"
    )]
    struct Report {
        month: u8,
    }
    let world = World::new().await;
    let client = world.client().await;
    let info = client.enqueue(Report { month: 5 }).await.unwrap();
    assert_eq!((info.queue.as_str(), info.max_retry), ("critical", 5));
    assert_eq!(info.timeout, Some(Duration::from_secs(30)));
    assert_eq!(info.retention, HOUR);
    let task = Task::typed(&Report { month: 5 })
        .unwrap()
        .max_retry(6)
        .queue("low");
    let info = client.enqueue(task).queue("lower").await.unwrap();
    assert_eq!((info.queue.as_str(), info.max_retry), ("lower", 6));
    assert_eq!(info.timeout, Some(Duration::from_secs(30)));
}

// asynq: accepts such a task, and each of its runs fails
#[tokio::test]
async fn a_deadline_before_the_first_run_is_stored_and_logged() {
    let world = World::new().await;
    let client = world.client().await;
    let now = Utc::now();
    let task =
        |id: &str, deadline: TimeDelta| Task::new("any", "x").task_id(id).deadline(now + deadline);
    let (minute, hour) = (TimeDelta::minutes(1), TimeDelta::hours(1));
    let log = Log::capture();
    let fine = [
        task("late", minute),
        task("later", hour + minute).process_in(HOUR),
        Task::new("any", "x").process_in(HOUR),
    ];
    let over = [
        task("over", -minute),
        task("in", minute).process_in(HOUR),
        task("at", hour).process_at(now + hour),
    ];
    for result in client.enqueue_batch(fine).await {
        result.unwrap();
    }
    assert_eq!(log.lines_with(&["WARN"]), [""; 0]);
    for task in over {
        let info = client.enqueue(task).await.unwrap();
        let words = ["WARN", DEADLINE_IS_OVER, &format!("task_id={:?}", info.id)];
        assert_eq!(log.lines_with(&words).len(), 1, "{words:?}");
        assert!(world.message(&info.id).await.deadline > 0);
    }
}
