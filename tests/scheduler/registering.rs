//! Registering and unregistering entries of a running scheduler.

use rasynq::{Entry, ErrorKind, RunningScheduler, Task};

use crate::common::{DEADLINE, World, eventually};
use crate::seen::{every, pending, pending_reach, scheduler};

fn task() -> Task {
    Task::without_payload("tick")
}

#[tokio::test]
async fn an_entry_can_be_registered_and_unregistered_while_the_scheduler_runs() {
    let world = World::new().await;
    let scheduler = scheduler(&world).start().await.unwrap();
    let inspector = world.inspector().await;
    assert!(scheduler.entries().is_empty());
    let id = scheduler
        .register(every(1, "tick").name("named"))
        .await
        .unwrap();
    // The list is there when the call returns.
    let listed = inspector.scheduler_entries().await.unwrap();
    assert_eq!(listed[0].id, id);
    pending_reach(&world, 2).await;
    scheduler.unregister(&id).await.unwrap();
    assert!(inspector.scheduler_entries().await.unwrap().is_empty());
    let so_far = pending(&world).await;
    // Nothing is left of it.
    let keys = world.keys().await;
    let left: Vec<&String> = keys
        .iter()
        .filter(|key| key.contains("history") || key.contains(":tick:"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let led: i64 = world.run(&["HLEN", "rasynq:{scheduler}:entries"]).await;
    assert_eq!(led, 0);
    let error = scheduler.unregister(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        format!("no scheduler entry has the id {id:?}")
    );
    // Registered again, it begins anew with the same id.
    assert_eq!(
        scheduler
            .register(every(1, "tick").name("named"))
            .await
            .unwrap(),
        id
    );
    let tasks = pending_reach(&world, so_far.len() + 1).await;
    assert_eq!(tasks[..so_far.len()], so_far);
    scheduler.shutdown().await;
}

#[tokio::test]
async fn an_entry_that_is_not_valid_is_refused_by_name_before_anything_starts() {
    let world = World::new().await;
    let bad = || Entry::new("99 * * * *", task()).name("monthly");
    let text = r#"scheduler entry "monthly": cron spec "99 * * * *": minute 99 is above 59"#;
    let refused = scheduler(&world)
        .register(every(1, "tick"))
        .register(bad())
        .start()
        .await;
    let error = refused.err().unwrap();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Invalid, text)
    );
    assert!(world.keys().await.is_empty());
    let running = scheduler(&world).start().await.unwrap();
    assert_eq!(running.register(bad()).await.unwrap_err().to_string(), text);
    let blank = Entry::new("@daily", Task::without_payload(""));
    let error = running.register(blank).await.unwrap_err().to_string();
    assert_eq!(
        error,
        r#"scheduler entry "@daily" for "": task type is blank"#
    );
    assert!(running.entries().is_empty());
    running.shutdown().await;
    let error = running.register(every(1, "tick")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    let error = running.unregister("any").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_wrong_setting_is_refused() {
    let world = World::new().await;
    let interval = std::time::Duration::from_millis(999);
    let refused = scheduler(&world).heartbeat_interval(interval).start().await;
    assert_eq!(
        refused.err().unwrap().to_string(),
        "heartbeat_interval is 999ms, it must be from 1s to 86400s"
    );
}

/// Two schedulers with an entry `@every 1s`, of which two ticks were enqueued.
async fn leader_and_follower(world: &World) -> [RunningScheduler; 2] {
    let start = || scheduler(world).register(every(1, "tick")).start();
    let both = [start().await.unwrap(), start().await.unwrap()];
    pending_reach(world, 2).await;
    both
}

#[tokio::test]
async fn a_follower_that_unregisters_an_entry_leaves_the_leader_alone() {
    let world = World::new().await;
    let [leader, follower] = leader_and_follower(&world).await;
    let id = leader.entries()[0].id.clone();
    follower.unregister(&id).await.unwrap();
    let so_far = pending(&world).await.len();
    let tasks = pending_reach(&world, so_far + 2).await;
    crate::seen::assert_each_once(&tasks);
    assert_eq!(crate::seen::longest_gap(&tasks), 1, "{tasks:?}");
    leader.shutdown().await;
    follower.shutdown().await;
}

#[tokio::test]
async fn an_entry_that_the_leader_unregisters_goes_on_in_the_other_scheduler() {
    let world = World::new().await;
    let [leader, follower] = leader_and_follower(&world).await;
    let id = leader.entries()[0].id.clone();
    leader.unregister(&id).await.unwrap();
    let so_far = pending(&world).await.len();
    let tasks = pending_reach(&world, so_far + 2).await;
    crate::seen::assert_each_once(&tasks);
    assert!(follower.entries()[0].is_led);
    leader.shutdown().await;
    follower.shutdown().await;
}

#[tokio::test]
async fn many_entries_can_be_registered_and_unregistered_at_once() {
    let world = World::new().await;
    let scheduler = scheduler(&world).start().await.unwrap();
    let entry = |n: usize| Entry::new("@yearly", Task::without_payload(format!("tick:{n}")));
    let ids = futures_util::future::join_all((0..200).map(|n| scheduler.register(entry(n)))).await;
    let ids: Vec<String> = ids.into_iter().map(Result::unwrap).collect();
    assert_eq!(scheduler.entries().len(), 200);
    eventually("all are led", DEADLINE, || async {
        scheduler.entries().iter().all(|one| one.is_led)
    })
    .await;
    let gone = futures_util::future::join_all(ids.iter().map(|id| scheduler.unregister(id))).await;
    assert!(gone.iter().all(Result::is_ok), "{gone:?}");
    scheduler.shutdown().await;
}
