//! The functions that are called before and after an enqueue.

use std::sync::{Arc, Mutex};

use crate::common::{Log, World};
use crate::seen::{every, pending_reach, scheduler};

#[tokio::test]
async fn hooks_are_called_before_and_after_each_enqueue_with_what_is_known() {
    let world = World::new().await;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let (before, after) = (Arc::clone(&calls), Arc::clone(&calls));
    let scheduler = scheduler(&world)
        .register(every(1, "tick").name("named").queue("default"))
        .before_enqueue(move |entry| {
            let words = format!("before {:?} {} {:?}", entry.name, entry.spec, entry.options);
            before.lock().unwrap().push(words);
        })
        .after_enqueue(move |entry, result| {
            let task = result.unwrap();
            assert_eq!(entry.task_type, task.task_type);
            after.lock().unwrap().push(format!("after {}", task.id));
        })
        .start()
        .await
        .unwrap();
    let tasks = pending_reach(&world, 2).await;
    scheduler.shutdown().await;
    let before = r#"before Some("named") @every 1s ["Queue(\"default\")"]"#.to_owned();
    let expected: Vec<String> = tasks
        .iter()
        .flat_map(|task| [before.clone(), format!("after {}", task.id)])
        .collect();
    assert_eq!(calls.lock().unwrap()[..4], expected[..4]);
}

#[tokio::test]
async fn a_hook_that_panics_stops_nothing() {
    let world = World::new().await;
    let log = Log::capture();
    let scheduler = scheduler(&world)
        .register(every(1, "tick"))
        .before_enqueue(|_| panic!("before"))
        .after_enqueue(|_, _| panic!("after"))
        .start()
        .await
        .unwrap();
    pending_reach(&world, 3).await;
    scheduler.shutdown().await;
    let panics = log.lines_with(&["ERROR", "a hook panicked", "before enqueue"]);
    assert!(panics.len() >= 3, "{panics:?}");
    let panics = log.lines_with(&["ERROR", "a hook panicked", "after enqueue"]);
    assert!(panics.len() >= 3, "{panics:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_blocks_its_thread_holds_up_no_other_entry() {
    let world = World::new().await;
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let scheduler = scheduler(&world)
        .register(every(1, "blocked"))
        .register(every(1, "free"))
        .before_enqueue(move |entry| {
            if entry.task_type == "blocked" {
                let _ = blocked.lock().unwrap().recv();
            }
        })
        .start()
        .await
        .unwrap();
    let tasks = pending_reach(&world, 3).await;
    assert!(
        tasks.iter().all(|task| task.task_type == "free"),
        "{tasks:?}"
    );
    drop(release);
    scheduler.shutdown().await;
}
