//! A Redis that is down, read-only, out of memory, or that refuses the connection.

use std::time::Duration;

use rasynq::{Client, Connection, ErrorKind, Inspector, Server, Task};

use crate::common::{
    DEADLINE, FakeRedis, HOUR, Log, RedisServer, Scripted, World, bulk, eventually, logged,
};

/// The error with which a client, an inspector and a server fail to connect; all have the same kind.
async fn refused(connection: &Connection) -> rasynq::Error {
    let server = Server::new(connection);
    let errors = [
        Client::connect(connection).await.err().unwrap(),
        Inspector::connect(connection).await.err().unwrap(),
        server.start(Scripted::new()).await.err().unwrap(),
    ];
    for error in &errors {
        assert_eq!(error.kind(), errors[0].kind(), "{error}");
    }
    let [error, ..] = errors;
    error
}

#[tokio::test]
async fn a_redis_that_is_down_at_the_start_is_unavailable_and_named() {
    let mut world = World::new().await;
    world.redis.kill();
    let error = refused(&world.connection()).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let place = world.redis.socket().display().to_string();
    assert!(error.to_string().contains(&place), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_repeat_it() {
    let world = World::on(RedisServer::builder().password("right")).await;
    for userinfo in ["", ":wrong-secret@"] {
        let connection = Connection::from_uri(&world.redis.uri_with(userinfo)).unwrap();
        let error = refused(&connection).await;
        assert_eq!(error.kind(), ErrorKind::Redis, "{error}");
        assert!(!format!("{error:?}").contains("wrong-secret"), "{error:?}");
    }
    Client::connect(&world.connection()).await.unwrap();
}

#[tokio::test]
async fn a_redis_that_is_too_old_is_an_error_with_both_versions() {
    let fake = FakeRedis::start(|words| match words[0].to_uppercase().as_str() {
        "INFO" => bulk("# Server\r\nredis_version:6.0.16\r\n"),
        "HELLO" => "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n6.0.16\r\n\
             $5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n\
             $4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n"
            .to_owned(),
        "PING" => "+PONG\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    })
    .await;
    let error = refused(&Connection::tcp("127.0.0.1", fake.port())).await;
    assert_eq!(error.kind(), ErrorKind::UnsupportedRedis, "{error}");
    for version in ["6.0.16", "6.2"] {
        assert!(error.to_string().contains(version), "{error}");
    }
}

#[tokio::test]
async fn a_read_only_replica_refuses_new_tasks_and_loses_no_others() {
    let world = World::new().await;
    let client = world.client().await;
    let handler = Scripted::new();
    let log = Log::capture();
    let server = world.start_with_workers(2, handler.clone()).await;
    for (id, payload) in [
        ("done", "wait"),
        ("failed", "wait_then_fail x"),
        ("waits", "ok"),
    ] {
        let task = Task::new("any", payload).task_id(id);
        client.enqueue(task).await.unwrap();
    }
    handler.has_begun(2).await;
    let _: String = world.run(&["REPLICAOF", "127.0.0.1", "1"]).await;
    let task = Task::new("any", "ok").task_id("next");
    let error = client.enqueue(task.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("read-only"), "{error}");
    handler.release(2);
    log.line_with(&[logged::ACKNOWLEDGEMENT_FAILED, "read-only"])
        .await;
    log.line_with(&[logged::FETCH_FAILED, "read-only"]).await;
    let _: String = world.run(&["REPLICAOF", "NO", "ONE"]).await;
    world.task_is("done", "").await;
    world.task_is("failed", "retry").await;
    world.task_is("waits", "").await;
    client.enqueue(task).await.unwrap();
    world.task_is("next", "").await;
    assert_eq!(handler.begun().len(), 4);
    server.shutdown().await;
}

#[tokio::test]
async fn a_redis_out_of_memory_refuses_new_tasks_by_name_and_stores_no_part_of_them() {
    let world = World::new().await;
    let client = world.client().await;
    client
        .enqueue(Task::new("any", "").task_id("before"))
        .await
        .unwrap();
    let keys = world.keys().await;
    world.set_out_of_memory(true).await;
    let task = || Task::new("any", "x").task_id("task");
    for task in [
        task(),
        task().unique(HOUR),
        task().process_in(HOUR),
        task().group("g"),
    ] {
        let error = client.enqueue(task.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Redis, "{error}");
        for word in ["OOM", "\"task\"", "\"default\""] {
            assert!(error.to_string().contains(word), "{error}");
        }
        let batch = client.enqueue_batch([task]).await;
        assert!(batch[0].is_err());
    }
    assert_eq!(world.keys().await, keys);
    world.set_out_of_memory(false).await;
    client.enqueue(task().unique(HOUR)).await.unwrap();
}

#[tokio::test]
async fn a_redis_out_of_memory_still_accepts_acknowledgements_and_renews_leases() {
    let world = World::new().await;
    let client = world.client().await;
    let handler = Scripted::new();
    let server = world.start_with_workers(5, handler.clone()).await;
    for (id, payload) in [
        ("done", "wait"),
        ("failed", "wait_then_fail x"),
        ("kept", "wait"),
        ("long", "wait"),
    ] {
        let task = Task::new("any", payload).task_id(id);
        let keep = if id == "kept" { HOUR } else { Duration::ZERO };
        client.enqueue(task.retention(keep)).await.unwrap();
        handler.has_begun(handler.begun().len().max(1)).await;
    }
    handler.has_begun(4).await;
    client
        .enqueue(Task::new("any", "ok").task_id("waits").queue("default"))
        .await
        .unwrap();
    world.task_is("waits", "").await;
    world.set_out_of_memory(true).await;
    handler.release(3);
    world.task_is("done", "").await;
    world.task_is("failed", "retry").await;
    world.task_is("kept", "completed").await;
    world.set_out_of_memory(false).await;
    world.shorten_lease("long").await;
    world.set_out_of_memory(true).await;
    world.lease_is_renewed("long").await;
    world.set_out_of_memory(false).await;
    handler.release(1);
    world.task_is("long", "").await;
    server.shutdown().await;
    world.assert_consistent().await;
    assert_eq!(handler.begun().len(), 5);
}

#[tokio::test]
async fn a_redis_out_of_memory_leaves_waiting_tasks_where_they_are() {
    let world = World::new().await;
    let client = world.client().await;
    let log = Log::capture();
    client
        .enqueue(Task::new("any", "ok").task_id("pending"))
        .await
        .unwrap();
    client
        .enqueue(Task::new("any", "ok").process_in(HOUR))
        .task_id("due")
        .await
        .unwrap();
    world.make_due("scheduled", "due").await;
    let handler = Scripted::new();
    let inspector = world.inspector().await;
    inspector.pause_queue("default").await.unwrap();
    let server = world
        .server()
        .delayed_task_check_interval(Duration::from_millis(20))
        .start(handler.clone())
        .await
        .unwrap();
    eventually("the due task is forwarded", DEADLINE, || async {
        world.state("due").await == "pending"
    })
    .await;
    world.set_out_of_memory(true).await;
    inspector.unpause_queue("default").await.unwrap();
    log.line_with(&[logged::FETCH_FAILED, "default", "OOM"])
        .await;
    assert_eq!(world.list("pending").await, ["due", "pending"]);
    world.assert_consistent().await;
    world.set_out_of_memory(false).await;
    for id in ["pending", "due"] {
        world.task_is(id, "").await;
    }
    server.shutdown().await;
    assert_eq!(handler.begun(), ["pending", "due"]);
}

#[tokio::test]
async fn a_redis_that_hangs_and_resumes_loses_no_task() {
    let world = World::new().await;
    let connection = world
        .connection()
        .command_timeout(Duration::from_millis(500));
    let client = world.client().await;
    let handler = Scripted::new();
    let log = Log::capture();
    let server = World::server_on(&connection)
        .start(handler.clone())
        .await
        .unwrap();
    for n in 0..4 {
        let task = Task::new("any", "wait").task_id(n.to_string()).max_retry(0);
        client.enqueue(task).await.unwrap();
    }
    handler.has_begun(4).await;
    world.redis.pause();
    handler.release(4);
    log.line_with(&[logged::ACKNOWLEDGEMENT_FAILED]).await;
    log.line_with(&[logged::FETCH_FAILED]).await;
    world.redis.resume();
    for n in 0..4 {
        world.task_is(&n.to_string(), "").await;
    }
    client
        .enqueue(Task::new("any", "ok").task_id("next"))
        .await
        .unwrap();
    world.task_is("next", "").await;
    assert_eq!(handler.begun().len(), 5);
    assert_eq!(world.scores("archived").await.len(), 0);
    server.shutdown().await;
    assert_eq!(world.list("active").await.len(), 0);
}

#[tokio::test]
async fn a_flushed_redis_is_used_again() {
    let world = World::new().await;
    let client = world.client().await;
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    client
        .enqueue(Task::new("any", "wait").task_id("forgotten"))
        .await
        .unwrap();
    handler.has_begun(1).await;
    // Redis forgets the scripts, too
    let _: String = world.run(&["FLUSHALL"]).await;
    let _: String = world.run(&["SCRIPT", "FLUSH"]).await;
    handler.release(1);
    client
        .enqueue(Task::new("any", "ok").task_id("next"))
        .await
        .unwrap();
    world.task_is("next", "").await;
    eventually("the new task is counted", DEADLINE, || async {
        world.counter("processed").await == 1
    })
    .await;
    server.shutdown().await;
    assert_eq!(world.state("forgotten").await, "");
}

#[tokio::test]
async fn a_lock_without_permission_refuses_only_its_own_task() {
    let rules = "on nopass &* +@all ~asynq:queues ~asynq:{default}:t:* ~asynq:{default}:g* \
         ~asynq:{default}:pending ~asynq:{default}:scheduled";
    let world = World::on(RedisServer::builder().user_with_rules("bob", rules)).await;
    let connection = Connection::from_uri(&world.redis.uri_with("bob@")).unwrap();
    let client = Client::connect(&connection).await.unwrap();
    let task = |id: &str| Task::new("any", "").task_id(id);
    let batch = [
        task("before"),
        task("unique").unique(HOUR),
        task("unique and later").unique(HOUR).process_in(HOUR),
        task("after"),
    ];
    let results = client.enqueue_batch(batch).await;
    for refused in [&results[1], &results[2]] {
        let error = refused.as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Redis, "{error}");
        assert!(error.to_string().contains("unique"), "{error}");
    }
    assert!(results[0].is_ok() && results[3].is_ok(), "{results:?}");
    assert_eq!(world.list("pending").await, ["after", "before"]);
    assert_eq!(world.state("unique").await, "");
    assert_eq!(world.scores("scheduled").await.len(), 0);
    world.assert_consistent().await;
}
