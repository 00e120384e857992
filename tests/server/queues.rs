//! The order in which queues are served, and the number of tasks at the same time.

use std::time::Duration;

use rasynq::{ErrorKind, Server, Task, TaskOption};

use crate::common::logged::{NO_WEIGHT, STRICT_IN_VAIN};
use crate::common::{DEADLINE, HOUR, Log, Scripted, World, eventually, queue_key};

async fn enqueue(world: &World, queue: &str, tasks: usize, payload: &str) {
    let tasks = (0..tasks).map(|n| {
        Task::new("any", payload.to_owned())
            .task_id(format!("{queue} {n}"))
            .option(TaskOption::Queue(queue.to_owned()))
    });
    for result in world.client().await.enqueue_batch(tasks).await {
        result.unwrap();
    }
}

fn of_queue(begun: &[String], queue: &str) -> usize {
    begun.iter().filter(|id| id.starts_with(queue)).count()
}

/// Runs the server until this many runs have begun, and returns the ids of all runs.
async fn serve(server: Server, runs: usize) -> Vec<String> {
    let handler = Scripted::new();
    let until = handler.has_begun(runs);
    server.serve_until(handler.clone(), until).await.unwrap();
    handler.begun()
}

#[tokio::test]
async fn a_strict_server_empties_queues_by_falling_weight() {
    let world = World::new().await;
    for queue in ["low", "mid", "high"] {
        enqueue(&world, queue, 20, "ok").await;
    }
    let server = world
        .server()
        .concurrency(1)
        .strict_priority(true)
        .queue("mid", 2)
        .queue("low", 1)
        .queue("high", 3);
    let begun = serve(server, 60).await;
    let expected: Vec<String> = ["high", "mid", "low"]
        .into_iter()
        .flat_map(|queue| (0..20).map(move |n| format!("{queue} {n}")))
        .collect();
    assert_eq!(begun, expected);
}

#[tokio::test]
async fn a_weighted_server_serves_queues_in_proportion_to_their_weights() {
    let world = World::new().await;
    for queue in ["one", "three"] {
        enqueue(&world, queue, 400, "ok").await;
    }
    let server = world
        .server()
        .concurrency(1)
        .queue("one", 10)
        .queue("three", 30);
    let begun = serve(server, 400).await;
    let share = of_queue(&begun[..400], "three");
    // expected 300, standard deviation 8.7; the range is six standard deviations
    assert!((248..=352).contains(&share), "{share}");
}

#[tokio::test]
async fn free_workers_serve_the_only_queue_with_tasks_whatever_its_weight() {
    let world = World::new().await;
    enqueue(&world, "small", 10, "wait").await;
    let handler = Scripted::new();
    let server = world
        .server()
        .concurrency(10)
        .queue("small", 1)
        .queue("large", 1000)
        .start(handler.clone())
        .await
        .unwrap();
    eventually("ten tasks run at the same time", DEADLINE, || async {
        handler.running() == 10
    })
    .await;
    handler.release(10);
    handler.is_idle().await;
    server.shutdown().await;
}

#[tokio::test]
async fn queues_of_weight_zero_and_queues_not_named_are_not_served() {
    let world = World::new().await;
    for queue in ["default", "zero", "served"] {
        enqueue(&world, queue, 1, "ok").await;
    }
    let server = world.server().queue("served", 1).queue("zero", 0);
    assert_eq!(serve(server, 1).await, ["served 0"]);
    for queue in ["default", "zero"] {
        let pending: i64 = world.run(&["LLEN", &queue_key(queue, "pending")]).await;
        assert_eq!(pending, 1, "{queue}");
    }
}

#[tokio::test]
async fn no_more_tasks_run_at_once_than_there_are_workers_and_none_is_idle() {
    let world = World::new().await;
    enqueue(&world, "default", 10, "wait").await;
    let handler = Scripted::new();
    let server = world.start_with_workers(3, handler.clone()).await;
    for round in 1..=10 {
        handler.has_begun((2 + round).min(10)).await;
        handler.release(1);
    }
    handler.is_idle().await;
    assert_eq!(handler.most_at_once(), 3);
    server.shutdown().await;
    assert_eq!(world.counter("processed").await, 10);
}

#[tokio::test]
async fn tasks_of_a_queue_begin_in_the_order_they_were_enqueued() {
    let world = World::new().await;
    enqueue(&world, "default", 300, "ok").await;
    let begun = serve(world.server().concurrency(1), 300).await;
    let expected: Vec<String> = (0..300).map(|n| format!("default {n}")).collect();
    assert_eq!(begun, expected);
}

#[tokio::test]
async fn a_paused_queue_waits_while_others_are_served() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    inspector.pause_queue("paused").await.unwrap();
    let again = inspector.pause_queue("paused").await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::WrongState);
    for queue in ["paused", "served"] {
        enqueue(&world, queue, 20, "ok").await;
    }
    let handler = Scripted::new();
    let server = world
        .server()
        .queue("paused", 100)
        .queue("served", 1)
        .start(handler.clone())
        .await
        .unwrap();
    handler.has_begun(20).await;
    assert_eq!(of_queue(&handler.begun(), "served"), 20);
    let pending: i64 = world.run(&["LLEN", &queue_key("paused", "pending")]).await;
    assert_eq!(pending, 20);
    inspector.unpause_queue("paused").await.unwrap();
    handler.has_begun(40).await;
    let again = inspector.unpause_queue("paused").await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::WrongState);
    server.shutdown().await;
}

#[tokio::test]
async fn a_queue_of_any_name_is_served() {
    let world = World::new().await;
    let names = ["a{b}c", "späť 日本", "a/b", "{}", "%s"];
    for name in names {
        enqueue(&world, name, 1, "ok").await;
    }
    let server = names
        .into_iter()
        .fold(world.server(), |server, name| server.queue(name, 1));
    let mut begun = serve(server, 5).await;
    begun.sort();
    let mut expected = names.map(|name| format!("{name} 0"));
    expected.sort();
    assert_eq!(begun, expected);
}

#[tokio::test]
async fn a_server_whose_queues_all_have_weight_zero_says_that_it_serves_the_default_queue() {
    let world = World::new().await;
    let log = Log::capture();
    enqueue(&world, "default", 1, "ok").await;
    let server = world.server().queue("mail", 0);
    assert_eq!(serve(server, 1).await, ["default 0"]);
    assert_eq!(log.lines_with(&["WARN", NO_WEIGHT]).len(), 1);
    serve_nothing(world.server().queue("mail", 0).queue("default", 1)).await;
    assert_eq!(log.lines_with(&["WARN", NO_WEIGHT]).len(), 1);
}

#[tokio::test]
async fn a_server_says_that_strict_priority_needs_two_weights() {
    let world = World::new().await;
    for (weights, warnings) in [
        (&[][..], 1),
        (&[("one", 3)], 1),
        (&[("one", 3), ("two", 3), ("none", 0)], 1),
        (&[("one", 3), ("two", 2), ("three", 2)], 0),
    ] {
        let log = Log::capture();
        let server = world.server().strict_priority(true);
        let server = weights.iter().fold(server, |server, (name, weight)| {
            server.queue(*name, *weight)
        });
        serve_nothing(server).await;
        let lines = log.lines_with(&["WARN", STRICT_IN_VAIN]);
        assert_eq!(lines.len(), warnings, "{weights:?}");
    }
    let log = Log::capture();
    serve_nothing(world.server()).await;
    assert_eq!(log.lines_with(&["WARN", STRICT_IN_VAIN]).len(), 0);
}

#[tokio::test]
async fn a_queue_that_is_added_twice_is_refused() {
    let world = World::new().await;
    let server = world.server().queue("mail", 6).queue("mail", 1);
    let error = server.start(Scripted::new()).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("\"mail\""), "{error}");
}

/// Starts the server and shuts it down.
async fn serve_nothing(server: Server) {
    server.serve_until(Scripted::new(), async {}).await.unwrap();
}

/// How many fetches Redis has received: in these tests only the fetch script calls LRANGE.
async fn fetches(world: &World) -> u64 {
    world.calls_of(&["lrange"]).await
}

/// A server of a hundred queues with falling weights.
fn hundred_queues(world: &World) -> Server {
    (0..100).fold(world.server(), |server, n| {
        server.queue(format!("q{n}"), 100 - n)
    })
}

#[tokio::test]
async fn the_only_task_of_a_hundred_queues_is_found_with_few_fetches() {
    for strict in [true, false] {
        let world = World::new().await;
        enqueue(&world, "q99", 1, "ok").await;
        let server = hundred_queues(&world)
            .concurrency(2)
            .strict_priority(strict)
            .task_check_interval(HOUR);
        serve(server, 1).await;
        let fetches = fetches(&world).await;
        assert!(fetches < 40, "strict: {strict}, fetches: {fetches}");
    }
}

#[tokio::test]
async fn a_strict_server_fetches_from_many_queues_at_once_in_their_order() {
    let world = World::new().await;
    for n in (0..100).rev() {
        enqueue(&world, &format!("q{n}"), 1 + n % 3, "wait").await;
    }
    let handler = Scripted::new();
    let server = hundred_queues(&world)
        .concurrency(100)
        .strict_priority(true)
        .start(handler.clone())
        .await
        .unwrap();
    handler.has_begun(100).await;
    // the tasks of the first queues have the slots, and no others
    let mut begun: Vec<usize> = handler
        .begun()
        .iter()
        .map(|id| id[1..id.find(' ').unwrap()].parse().unwrap())
        .collect();
    begun.sort_unstable();
    let expected: Vec<usize> = (0..100)
        .flat_map(|n| std::iter::repeat_n(n, 1 + n % 3))
        .take(100)
        .collect();
    assert_eq!(begun, expected);
    handler.release(199);
    handler.has_begun(199).await;
    handler.is_idle().await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_task_runs_before_the_other_queues_of_its_sweep_have_answered() {
    let (world, proxy, connection) = World::behind_proxy().await;
    proxy.delay_replies(Duration::from_millis(50));
    enqueue(&world, "q0", 1, "ok").await;
    let handler = Scripted::new();
    let server = (0..5).fold(World::server_on(&connection), |server, n| {
        server.queue(format!("q{n}"), 100 - n)
    });
    let server = server
        .strict_priority(true)
        .task_check_interval(HOUR)
        .start(handler.clone())
        .await
        .unwrap();
    handler.has_begun(1).await;
    let fetches = fetches(&world).await;
    assert!(fetches < 4, "{fetches}");
    server.shutdown().await;
}
