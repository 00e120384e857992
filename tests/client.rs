//! Enqueueing, and what is then in Redis.

#![expect(clippy::unwrap_used, reason = "what a test expects")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use common::{TaskMessage, World, key, queue_key, task_key};
use rasynq::{Client, ErrorKind, Task, TaskKind, TaskOption, TaskState};
use serde::{Deserialize, Serialize};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

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

fn md5_hex(bytes: &[u8]) -> String {
    format!("{:x}", md5::compute(bytes))
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
async fn later_options_override_and_those_of_the_call_come_last() {
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
async fn what_asynq_refuses_is_refused_before_redis_is_asked() {
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

#[tokio::test]
async fn a_duplicate_names_the_holder_of_the_lock() {
    let world = World::new().await;
    let client = world.client().await;
    let task = Task::new("email", "x").unique(HOUR);
    client.enqueue(task.clone()).task_id("first").await.unwrap();
    let error = client
        .enqueue(task.clone())
        .task_id("second")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DuplicateTask);
    assert_eq!(error.task_id(), Some("first"));
    assert!(error.to_string().contains("task already exists"), "{error}");
    assert_eq!(world.state("second").await, "");
    // another queue, type or payload is another lock, and so is no payload at all
    client.enqueue(task.clone()).queue("other").await.unwrap();
    for other in [
        Task::new("email2", "x"),
        Task::new("email", "y"),
        Task::new("email", ""),
        Task::without_payload("email"),
    ] {
        client.enqueue(other).unique(HOUR).await.unwrap();
    }
    let exists: i64 = world.run(&["EXISTS", &key("unique:email:")]).await;
    assert_eq!(exists, 1, "the lock without a payload ends after the type");
}

#[tokio::test]
async fn an_id_conflict_names_the_id() {
    let world = World::new().await;
    let client = world.client().await;
    let task = Task::new("any", "x").task_id("taken");
    client.enqueue(task.clone()).await.unwrap();
    for task in [
        task.clone(),
        task.clone().unique(HOUR),
        task.clone().process_in(HOUR),
        task.clone().process_in(HOUR).unique(HOUR),
        task.clone().group("g"),
        task.clone().group("g").unique(HOUR),
    ] {
        let error = client.enqueue(task).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TaskIdConflict);
        assert_eq!(error.task_id(), Some("taken"));
        assert!(error.to_string().contains("\"taken\""), "{error}");
    }
    assert_eq!(world.list("pending").await, ["taken"]);
    assert_eq!(
        world.keys().await,
        ["asynq:queues".to_owned(), key("pending"), task_key("taken")]
    );
    client.enqueue(task).queue("other").await.unwrap();
}

#[tokio::test]
async fn a_lock_lasts_for_its_ttl_and_for_the_wait_before() {
    let world = World::new().await;
    let client = world.client().await;
    for (payload, wait, group, ttl) in [
        ("now", None, None, 60),
        ("later", Some(HOUR), None, 3660),
        ("grouped", None, Some("g"), 60),
    ] {
        let mut task = Task::new("any", payload)
            .task_id(payload)
            .unique(Duration::from_secs(60));
        if let Some(wait) = wait {
            task = task.process_in(wait);
        }
        if let Some(group) = group {
            task = task.group(group);
        }
        client.enqueue(task).await.unwrap();
        let lock = key(&format!("unique:any:{}", md5_hex(payload.as_bytes())));
        let found: i64 = world.run(&["TTL", &lock]).await;
        assert!((ttl - 3..=ttl).contains(&found), "{payload}: {found}");
        let field: String = world.run(&["HGET", &task_key(payload), "unique_key"]).await;
        assert_eq!(field, lock);
        assert_eq!(world.message(payload).await.unique_key, lock);
    }
}

#[tokio::test]
async fn each_task_of_a_batch_has_its_own_true_result() {
    let world = World::new().await;
    let client = world.client().await;
    let unique = Task::new("once", "x").unique(HOUR);
    client
        .enqueue(Task::new("any", "").task_id("old"))
        .await
        .unwrap();
    let results = client
        .enqueue_batch([
            Task::new("any", "").task_id("plain"),
            Task::new("any", "").task_id("old"),
            unique.clone().task_id("unique"),
            unique.clone().task_id("duplicate"),
            Task::new("any", "").task_id("later").process_in(HOUR),
            Task::new("any", "").task_id("grouped").group("g"),
            Task::new("any", "").task_id("elsewhere").queue("other"),
            Task::new("", ""),
            Task::new("any", "").task_id("plain"),
            Task::new("any", "").task_id("last").header("h", "v"),
        ])
        .await;
    let told: Vec<_> = results
        .iter()
        .map(|result| match result {
            Ok(info) => (info.id.as_str(), Ok(info.state)),
            Err(error) => (error.task_id().unwrap_or_default(), Err(error.kind())),
        })
        .collect();
    assert_eq!(
        told,
        [
            ("plain", Ok(TaskState::Pending)),
            ("old", Err(ErrorKind::TaskIdConflict)),
            ("unique", Ok(TaskState::Pending)),
            ("unique", Err(ErrorKind::DuplicateTask)),
            ("later", Ok(TaskState::Scheduled)),
            ("grouped", Ok(TaskState::Aggregating)),
            ("elsewhere", Ok(TaskState::Pending)),
            ("", Err(ErrorKind::Invalid)),
            ("plain", Err(ErrorKind::TaskIdConflict)),
            ("last", Ok(TaskState::Pending)),
        ]
    );
    assert_eq!(
        world.list("pending").await,
        ["last", "unique", "plain", "old"]
    );
    assert_eq!(world.message("last").await.headers["h"], "v");
    world.assert_consistent().await;
    assert!(client.enqueue_batch([]).await.is_empty());
}

#[tokio::test]
async fn a_batch_of_a_thousand_keeps_its_order_in_each_queue() {
    let world = World::new().await;
    let client = world.client().await;
    let tasks = (0..1000).map(|n| {
        Task::new("any", vec![b'x'; 2000])
            .task_id(format!("{n:04}"))
            .queue(["default", "a", "b"][n % 3])
    });
    let results = client.enqueue_batch(tasks).await;
    for (n, result) in results.iter().enumerate() {
        assert_eq!(result.as_ref().unwrap().id, format!("{n:04}"));
    }
    for (first, queue) in ["default", "a", "b"].into_iter().enumerate() {
        let ids: Vec<String> = world
            .run(&["LRANGE", &queue_key(queue, "pending"), "0", "-1"])
            .await;
        let expected: Vec<String> = (first..1000)
            .step_by(3)
            .map(|n| format!("{n:04}"))
            .rev()
            .collect();
        assert_eq!(ids, expected, "{queue}");
    }
}

#[tokio::test]
async fn a_batch_is_few_commands_however_many_tasks_it_holds() {
    let world = World::new().await;
    let client = world.client().await;
    client.enqueue(Task::new("any", "")).await.unwrap();
    let _: String = world.run(&["CONFIG", "RESETSTAT"]).await;
    let tasks = (0..500).map(|n| Task::new("any", "").queue(["a", "b"][n % 2]));
    for result in client.enqueue_batch(tasks).await {
        result.unwrap();
    }
    let calls = world.calls_of(&["evalsha", "eval", "sadd"]).await;
    assert!((4..=16).contains(&calls), "{calls}");
}

#[tokio::test]
async fn callers_at_the_same_moment_each_get_their_own_result() {
    let world = World::new().await;
    let client = world.client().await;
    let calls = (0..600).map(|n| {
        let client = client.clone();
        async move {
            // every third id is taken by the one before
            let id = format!("{}", if n % 3 == 1 { n - 1 } else { n });
            (n, client.enqueue(Task::new("any", "")).task_id(id).await)
        }
    });
    let mut winners = std::collections::BTreeSet::new();
    for (n, result) in futures_util::future::join_all(calls).await {
        let id = if n % 3 == 1 { n - 1 } else { n };
        match result {
            Ok(info) => {
                assert_eq!(info.id, id.to_string());
                assert!(winners.insert(id), "two callers got {id}");
            }
            Err(error) => {
                assert_ne!(n % 3, 2, "{error}");
                assert_eq!(error.kind(), ErrorKind::TaskIdConflict);
                assert_eq!(error.task_id(), Some(id.to_string().as_str()));
            }
        }
    }
    // of two callers with one id, one has it
    assert_eq!(winners.len(), 400);
    assert_eq!(world.list("pending").await.len(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_on_runtimes_of_their_own_are_all_served() {
    let world = World::new().await;
    let client = world.client().await;
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                // between two calls the runtime rests, and whatever was left on it
                for _ in 0..50 {
                    let task = client.enqueue(Task::new("any", ""));
                    runtime.block_on(async { task.await.unwrap() });
                }
            })
        })
        .collect();
    for caller in callers {
        tokio::task::spawn_blocking(move || caller.join().unwrap())
            .await
            .unwrap();
    }
    assert_eq!(world.list("pending").await.len(), 400);
}

#[tokio::test]
async fn callers_that_give_up_harm_no_others() {
    let world = World::new().await;
    let client = world.client().await;
    for round in 0..50 {
        let mut given_up = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let client = client.clone();
            given_up.spawn(async move { client.enqueue(Task::new("any", "")).await });
        }
        tokio::task::yield_now().await;
        given_up.abort_all();
        let task = Task::new("any", "").task_id(format!("stays {round}"));
        client.enqueue(task).await.unwrap();
        assert_eq!(world.state(&format!("stays {round}")).await, "pending");
    }
}

#[tokio::test]
async fn without_redis_an_enqueue_fails_by_name_and_works_again_once_it_is_back() {
    let mut world = World::new().await;
    let connection = world
        .connection()
        .command_timeout(Duration::from_millis(300));
    let client = Client::connect(&connection).await.unwrap();
    world.redis.kill();
    let task = Task::new("any", "").task_id("one").queue("q");
    let error = client.enqueue(task.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.is_transient());
    assert!(error.to_string().contains("\"one\""), "{error}");
    assert!(error.to_string().contains("\"q\""), "{error}");
    let errors = client.enqueue_batch([task.clone(), task.clone()]).await;
    assert!(errors.iter().all(Result::is_err));
    assert!(client.ping().await.is_err());

    world.redis.restart().await;
    common::eventually("the client works again", common::DEADLINE, || async {
        match client.enqueue(task.clone()).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                false
            }
        }
    })
    .await;
    client.ping().await.unwrap();
}

#[tokio::test]
async fn a_closed_client_refuses_further_tasks() {
    let world = World::new().await;
    let client = world.client().await;
    client.ping().await.unwrap();
    client.close().await;
    client.close().await;
    let calls = async {
        assert!(client.ping().await.is_err());
        client.enqueue(Task::new("any", "")).await.unwrap_err()
    };
    let error = tokio::time::timeout(SECOND, calls)
        .await
        .expect("nobody waits for a connection that will not come");
    assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}");
    assert_eq!(world.list("pending").await.len(), 0);
}

#[tokio::test]
async fn a_dropped_client_leaves_no_connection() {
    let world = World::new().await;
    let clients = || async {
        let list: String = world.run(&["CLIENT", "LIST"]).await;
        list.lines().count()
    };
    let before = clients().await;
    let client = world.client().await;
    client.enqueue(Task::new("any", "")).await.unwrap();
    assert!(clients().await > before);
    drop(client);
    common::eventually("its connection ends", common::DEADLINE, || async {
        clients().await == before
    })
    .await;
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
async fn names_of_any_characters_are_kept_as_they_are() {
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
