//! Starting and stopping schedulers.

use std::time::Duration;

use rasynq::{Connection, ErrorKind, Inspector, Scheduler};

use crate::common::{DEADLINE, Log, RedisServer, World, documented_rules, eventually};
use crate::seen::{assert_each_once, every, pending, pending_reach, scheduler, start};

#[tokio::test]
async fn run_until_ends_with_its_future_and_leaves_nothing_behind() {
    let world = World::new().await;
    let ticked = async { drop(pending_reach(&world, 2).await) };
    let builder = scheduler(&world).register(every(1, "tick"));
    builder.run_until(ticked).await.unwrap();
    let keys = world.keys().await;
    let own: Vec<&String> = keys.iter().filter(|key| key.contains("schedul")).collect();
    // The last fencing number stays for the schedulers to come.
    assert_eq!(own, ["rasynq:{scheduler}:leader"]);
    assert_eq!(world.connected_clients().await, 1);
}

#[tokio::test]
async fn a_scheduler_that_has_ended_answers_no_more() {
    let world = World::new().await;
    let scheduler = start(&world, every(1, "tick")).await;
    scheduler.ping().await.unwrap();
    scheduler.shutdown().await;
    scheduler.shutdown().await;
    scheduler.wait().await;
    assert_eq!(
        scheduler.ping().await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    assert!(!scheduler.is_leader() && !scheduler.entries()[0].is_led);
}

#[tokio::test]
async fn a_dropped_scheduler_warns_and_ends() {
    let world = World::new().await;
    let log = Log::capture();
    drop(start(&world, every(1, "tick")).await);
    log.line_with(&["WARN", "a running scheduler was dropped, shutting it down"])
        .await;
    log.line_with(&["INFO", "scheduler shut down"]).await;
    assert_eq!(world.connected_clients().await, 1);
}

#[tokio::test]
async fn a_redis_that_refuses_the_login_is_an_error_of_the_start() {
    let world = World::new().await;
    let uri = world.redis.uri_with("nobody:wrong@");
    let connection = Connection::from_uri(&uri).unwrap();
    let refused = Scheduler::new(&connection).start().await;
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::Redis);
}

#[tokio::test]
async fn schedulers_can_be_started_and_stopped_again_and_again() {
    let world = World::new().await;
    let rounds = async |shift_ms: u64| {
        for n in 0..15 {
            let builder = scheduler(&world).register(every(1, "tick"));
            let scheduler = builder.start().await.unwrap();
            tokio::time::sleep(Duration::from_millis(shift_ms * (n % 4))).await;
            match n % 3 {
                0 => scheduler.shutdown().await,
                1 => drop(scheduler),
                _ => {
                    let (one, other) = (scheduler.shutdown(), scheduler.shutdown());
                    tokio::join!(one, other);
                }
            }
        }
    };
    tokio::join!(rounds(7), rounds(130), rounds(290));
    eventually("all have left", DEADLINE, || async {
        world.connected_clients().await == 1
    })
    .await;
    assert_each_once(&pending(&world).await);
    let listed: Vec<String> = world.run(&["ZRANGE", "asynq:schedulers", "0", "-1"]).await;
    assert!(listed.is_empty(), "{listed:?}");
}

#[tokio::test]
async fn the_documented_permissions_are_enough() {
    let rules = format!("on >password {}", documented_rules());
    let redis = RedisServer::builder().user_with_rules("rasynq", &rules);
    let world = World::on(redis).await;
    let log = Log::capture();
    let uri = world.redis.uri_with("rasynq:password@");
    let connection = Connection::from_uri(&uri).unwrap();
    let scheduler = Scheduler::new(&connection)
        .heartbeat_interval(Duration::from_secs(1))
        .register(every(1, "tick").unique(Duration::from_secs(60)))
        .register(every(1, "grouped").group("g"))
        .register(every(1, "later").process_in(Duration::from_secs(60)))
        .start()
        .await
        .unwrap();
    let id = scheduler.register(every(1, "tock")).await.unwrap();
    pending_reach(&world, 3).await;
    let inspector = Inspector::connect(&connection).await.unwrap();
    assert_eq!(inspector.scheduler_entries().await.unwrap().len(), 4);
    assert_eq!(inspector.schedulers().await.unwrap().len(), 1);
    eventually("a tick is in the history", DEADLINE, || async {
        !inspector
            .enqueue_events(&id, 1, 10)
            .await
            .unwrap()
            .is_empty()
    })
    .await;
    scheduler.unregister(&id).await.unwrap();
    scheduler.shutdown().await;
    let refused = log.lines_with(&["permission"]);
    assert!(refused.is_empty(), "{refused:?}");
}

#[tokio::test]
async fn a_start_that_fails_leaves_no_leader_behind() {
    let world = World::new().await;
    // The list cannot be written.
    let _: String = world.run(&["SET", "asynq:schedulers", "other"]).await;
    let refused = scheduler(&world).register(every(1, "tick")).start().await;
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::Redis);
    assert_none_leads(&world).await;
}

/// Asserts that no scheduler is alive.
async fn assert_none_leads(world: &World) {
    let members: Vec<String> = world
        .run(&["ZRANGE", "rasynq:{scheduler}:members", "0", "-1"])
        .await;
    assert!(members.is_empty(), "{members:?}");
    let has_leader: i64 = world
        .run(&["HEXISTS", "rasynq:{scheduler}:leader", "id"])
        .await;
    assert_eq!(has_leader, 0);
}

#[tokio::test]
async fn a_hook_that_blocks_its_thread_does_not_keep_the_scheduler_listed() {
    let world = World::new().await;
    let (unblock, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = std::sync::Mutex::new(blocked);
    let builder = scheduler(&world)
        .register(every(1, "tick"))
        .after_enqueue(move |_, _| {
            let _ = blocked.lock().unwrap().recv();
        });
    // The scheduler has a runtime of its own, so that the hook does not block the test.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let start = async move { builder.start().await.unwrap() };
    let scheduler = runtime.spawn(start).await.unwrap();
    // tokio does not hand timers and I/O over while one thread is blocked and the others sleep. Work wakes them.
    let works = async {
        loop {
            runtime.spawn(async {}).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let ends = async {
        pending_reach(&world, 1).await;
        scheduler.shutdown().await;
    };
    tokio::select! {
        () = ends => {}
        () = works => {}
        () = tokio::time::sleep(DEADLINE) => panic!("the scheduler does not end"),
    }
    assert_none_leads(&world).await;
    let keys = world.keys().await;
    // From here on the blocked part may end as it likes.
    drop(unblock);
    runtime.shutdown_background();
    assert!(!keys.iter().any(|key| key.starts_with("asynq:schedulers")));
}

#[tokio::test]
async fn registrations_on_their_way_show_no_scheduler_that_has_left() {
    let world = World::new().await;
    let scheduler = std::sync::Arc::new(scheduler(&world).start().await.unwrap());
    let registering: Vec<_> = (0..8)
        .map(|n| {
            let scheduler = std::sync::Arc::clone(&scheduler);
            tokio::spawn(async move {
                let mut error = None;
                while error.is_none() {
                    let entry = every(3_600, &format!("tick:{n}"));
                    error = scheduler.register(entry).await.err();
                }
                error
            })
        })
        .collect();
    eventually("some are registered", DEADLINE, || async {
        scheduler.entries().len() >= 8
    })
    .await;
    scheduler.shutdown().await;
    for task in registering {
        let error = task.await.unwrap().unwrap();
        assert_eq!(error.kind(), ErrorKind::Closed);
    }
    assert_none_leads(&world).await;
    let keys = world.keys().await;
    assert!(!keys.iter().any(|key| key.starts_with("asynq:schedulers")));
}
