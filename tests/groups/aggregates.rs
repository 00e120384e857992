//! What the aggregator gets, and what becomes of its task.

use std::time::Duration;

use rasynq::{Client, Connection, Server, Task, TaskKind};
use serde::{Deserialize, Serialize};

use crate::common::{
    HOUR, Log, RedisServer, Scripted, World, documented_rules, eventually, key, logged,
};
use crate::support::{LONG, add, add_all, join, member, only_aggregating};

#[tokio::test]
async fn the_aggregator_gets_the_tasks_in_the_order_in_which_they_were_added_with_their_headers() {
    let world = World::new().await;
    let server = only_aggregating(&world).await.group_max_size(3).aggregate(
        async |group: String, tasks: Vec<Task>| -> anyhow::Result<Task> {
            let lines = tasks.iter().map(|task| {
                let payload = String::from_utf8_lossy(task.payload());
                format!("{} {payload} {:?}", task.task_type(), task.headers())
            });
            Ok(Task::new(group, lines.collect::<Vec<_>>().join("\n")))
        },
    );
    let server = server.start(Scripted::new()).await.unwrap();
    let client = world.client().await;
    for (type_, header) in [("c", "1"), ("a", "2"), ("b", "3")] {
        let task = Task::new(type_, "x").header("n", header).group("digest");
        client.enqueue(task).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1_050)).await;
    }
    world.has_pending(1).await;
    let expected = "c x {\"n\": \"1\"}\na x {\"n\": \"2\"}\nb x {\"n\": \"3\"}";
    assert_eq!(world.pending().await, [expected]);
    server.shutdown().await;
}

#[tokio::test]
async fn the_options_and_headers_of_an_aggregate_count_but_not_its_queue() {
    let world = World::new().await;
    let server = only_aggregating(&world).await.group_max_size(2).aggregate(
        async |group: String, _: Vec<Task>| -> rasynq::Result<Task> {
            let task = Task::new("digest", group.clone())
                .task_id(&group)
                .queue("elsewhere");
            let task = task.max_retry(3).retention(HOUR).header("user", &group);
            Ok(match &*group {
                "later" => task.process_in(HOUR).timeout(Duration::from_secs(7)),
                "unique" => task.unique(HOUR),
                _ => task.group("all"),
            })
        },
    );
    let server = server.start(Scripted::new()).await.unwrap();
    let client = world.client().await;
    add(&client, "later", [1, 2]).await;
    add(&client, "unique", [3, 4]).await;
    add(&client, "grouped", [5, 6]).await;
    world.task_is("later", "scheduled").await;
    let message = world.message("later").await;
    assert_eq!(
        (message.retry, message.timeout, message.retention),
        (3, 7, 3600)
    );
    assert_eq!(
        (&*message.queue, &*message.headers["user"]),
        ("default", "later")
    );
    world.task_is("unique", "pending").await;
    assert_eq!(world.locks().await.len(), 1);
    world.task_is("grouped", "aggregating").await;
    assert_eq!(world.group_names().await, ["all"]);
    let queues: Vec<String> = world.run(&["SMEMBERS", "asynq:queues"]).await;
    assert_eq!(queues, ["default"]);
    server.shutdown().await;
}

#[derive(Serialize, Deserialize)]
struct Note {
    text: String,
}

impl TaskKind for Note {
    const TYPE: &'static str = "note";
}

fn joins_notes(server: Server) -> Server {
    server.aggregate_typed(
        async |group: String, notes: Vec<Note>| -> anyhow::Result<Task> {
            let texts: Vec<_> = notes.into_iter().map(|note| note.text).collect();
            Ok(Task::new(group, texts.join(" ")))
        },
    )
}

#[tokio::test]
async fn a_typed_aggregator_gets_payloads_and_what_it_cannot_take_is_archived() {
    let world = World::new().await;
    let log = Log::capture();
    let server = joins_notes(only_aggregating(&world).await.group_max_size(4));
    let server = server.start(Scripted::new()).await.unwrap();
    let client = world.client().await;
    let text = "a".to_owned();
    client.enqueue(Note { text }).group("notes").await.unwrap();
    client
        .enqueue(Task::new("note", "{}").group("notes").task_id("empty"))
        .await
        .unwrap();
    client.enqueue(member("notes", "other")).await.unwrap();
    // It does not even decode as a message.
    world
        .store("default", "broken", "aggregating", &b"\xff"[..])
        .await;
    let _: i64 = world.run(&["ZADD", &key("g:notes"), "1", "broken"]).await;
    world.has_pending(1).await;
    assert_eq!(world.pending().await, ["a"]);
    for (id, text) in [
        ("empty", "payload of task type \"note\" does not decode as"),
        (
            "other",
            "the aggregate function takes tasks of type \"note\"",
        ),
    ] {
        assert_eq!(world.state(id).await, "archived");
        let error = world.message(id).await.error_msg;
        assert!(error.starts_with(text), "{error}");
    }
    assert_eq!(world.state("broken").await, "archived");
    assert_eq!(world.hash("broken").await["msg"], &b"\xff"[..]);
    assert_eq!(world.scores("archived").await.len(), 3);
    assert_eq!(log.lines_with(&[logged::UNDECODABLE, "broken"]).len(), 1);
    assert!(world.sets().await.is_empty());
    server.shutdown().await;
}

#[tokio::test]
async fn a_set_of_which_the_aggregator_can_take_no_task_leaves_nothing_behind() {
    let world = World::new().await;
    let server = joins_notes(only_aggregating(&world).await.group_max_size(2));
    let server = server.start(Scripted::new()).await.unwrap();
    add(&world.client().await, "notes", [1, 2]).await;
    eventually("both are archived", LONG, || async {
        world.scores("archived").await.len() == 2 && world.sets().await.is_empty()
    })
    .await;
    assert_eq!(world.pending().await, [""; 0]);
    assert_eq!(world.group_names().await, [""; 0]);
    server.shutdown().await;
}

#[tokio::test]
async fn the_locks_of_unique_members_are_freed() {
    let world = World::new().await;
    let server = only_aggregating(&world).await.group_max_size(3);
    let server = server.start(Scripted::new()).await.unwrap();
    let client = world.client().await;
    for payload in ["1", "2", "3"] {
        let task = Task::new("member", payload).group("g").unique(HOUR);
        client.enqueue(task).await.unwrap();
    }
    world.has_pending(1).await;
    assert_eq!(world.locks().await, [""; 0]);
    server.shutdown().await;
}

#[tokio::test]
async fn two_servers_share_the_groups_and_each_task_is_in_one_aggregate() {
    let world = World::new().await;
    let client = world.client().await;
    world.pause("default").await;
    let server = async || {
        let server = world.server().aggregate(join).group_max_size(7);
        let server = server.group_grace_period(Duration::from_secs(1));
        server.start(Scripted::new()).await.unwrap()
    };
    let servers = [server().await, server().await];
    let tasks = (0..3_000).map(|n| member(&format!("g{}", n % 100), &n.to_string()));
    add_all(&client, tasks).await;
    eventually("all groups are aggregated", LONG, || async {
        world.group_names().await.is_empty() && world.sets().await.is_empty()
    })
    .await;
    let pending = world.pending().await;
    let mut seen: Vec<usize> = pending
        .iter()
        .flat_map(|payload| payload.split(' '))
        .map(|id| id.parse().unwrap())
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..3_000).collect::<Vec<_>>());
    for server in servers {
        server.shutdown().await;
    }
}

#[tokio::test]
async fn the_documented_permissions_are_enough_for_groups() {
    let rules = format!("on >password {}", documented_rules());
    let redis = RedisServer::builder().user_with_rules("rasynq", &rules);
    let world = World::on(redis).await;
    world.pause("default").await;
    let log = Log::capture();
    let uri = world.redis.uri_with("rasynq:password@");
    let connection = Connection::from_uri(&uri).unwrap();
    let server = joins_notes(World::server_on(&connection)).group_max_size(3);
    let server = server.start(Scripted::new()).await.unwrap();
    let client = Client::connect(&connection).await.unwrap();
    let text = "a".to_owned();
    let note = client.enqueue(Note { text }).group("notes");
    note.unique(Duration::from_secs(60)).await.unwrap();
    add(&client, "notes", ["other", "another"]).await;
    world.has_pending(1).await;
    assert_eq!(world.scores("archived").await.len(), 2);
    assert!(world.sets().await.is_empty());
    server.shutdown().await;
    let refused = log.lines_with(&["permission"]);
    assert!(refused.is_empty(), "{refused:?}");
}
