//! When tasks are enqueued, and with which options.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rasynq::{Entry, ErrorKind, Missed, Task};

use crate::common::{DEADLINE, HOUR, World, eventually, key};
use crate::seen::{every, pending, pending_reach, scheduler, seconds, start};

#[tokio::test]
async fn a_task_is_pending_in_the_first_50_ms_of_its_second_and_never_before_it() {
    let world = World::new().await;
    let scheduler = start(&world, every(1, "tick")).await;
    let tasks = pending_reach(&world, 6).await;
    scheduler.shutdown().await;
    let seconds = seconds(&tasks);
    assert!(
        seconds.windows(2).all(|two| two[1] == two[0] + 1),
        "{tasks:?}"
    );
    let mut late_ms: Vec<i64> = tasks.iter().map(|task| task.since_ms % 1000).collect();
    late_ms.sort_unstable();
    eprintln!("late by {late_ms:?} ms");
    // On a busy machine some come later.
    assert!(late_ms[late_ms.len() / 2] <= 50, "{late_ms:?}");
}

#[tokio::test]
async fn a_thousand_entries_of_one_second_are_pending_at_once() {
    let world = World::new().await;
    let mut builder = scheduler(&world);
    for n in 0..1_000 {
        builder = builder.register(Entry::new(
            "@every 4s",
            Task::without_payload(format!("tick:{n}")),
        ));
    }
    let scheduler = builder.start().await.unwrap();
    let mut types: Vec<String> = {
        let tasks = pending_reach(&world, 1_000).await;
        let seconds = seconds(&tasks);
        // Registered in one second, or two.
        let firsts = seconds.iter().filter(|second| **second == seconds[0]);
        let of_first_second: Vec<i64> = tasks[..firsts.count()]
            .iter()
            .map(|task| task.since_ms)
            .collect();
        let took_ms = of_first_second[of_first_second.len() - 1] - of_first_second[0];
        eprintln!(
            "{} tasks of one second took {took_ms} ms",
            of_first_second.len()
        );
        assert!(took_ms < 900, "{took_ms}");
        tasks.into_iter().map(|task| task.task_type).collect()
    };
    scheduler.shutdown().await;
    types.truncate(1_000);
    types.sort();
    types.dedup();
    assert_eq!(types.len(), 1_000);
}

#[tokio::test]
async fn the_options_of_the_task_and_of_the_entry_apply() {
    let world = World::new().await;
    let task = Task::new("report", "{}").max_retry(3).queue("low");
    let entry = Entry::new("@every 1s", task)
        .queue("default")
        .timeout(Duration::from_secs(7))
        .retention(HOUR)
        .header("k", "v");
    let scheduler = start(&world, entry).await;
    let tasks = pending_reach(&world, 1).await;
    scheduler.shutdown().await;
    let message = world.message(&tasks[0].id).await;
    assert_eq!(message.task_type, "report");
    assert_eq!(message.payload, b"{}");
    assert_eq!(
        (message.retry, message.timeout, message.retention),
        (3, 7, 3600)
    );
    assert_eq!(message.headers["k"], "v");
}

#[tokio::test]
async fn a_task_with_a_group_joins_it_and_one_for_later_is_scheduled() {
    let world = World::new().await;
    let scheduler = scheduler(&world)
        .register(every(1, "grouped").group("digest"))
        .register(every(1, "later").process_in(HOUR))
        .start()
        .await
        .unwrap();
    eventually("two ticks have come", DEADLINE, || async {
        let scheduled = world.scores("scheduled").await.len();
        world.scores("g:digest").await.len() >= 2 && scheduled >= 2
    })
    .await;
    scheduler.shutdown().await;
    let groups: Vec<String> = world.run(&["SMEMBERS", &key("groups")]).await;
    assert_eq!(groups, ["digest"]);
    assert!(pending(&world).await.is_empty());
}

#[tokio::test]
async fn the_tick_of_a_duplicate_is_over_and_the_next_one_is_tried() {
    let world = World::new().await;
    let results = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&results);
    let scheduler = scheduler(&world)
        .register(every(1, "unique").unique(HOUR))
        .register(every(1, "named").task_id("one"))
        .after_enqueue(move |entry, result| {
            let kind = result.map(|_| ()).map_err(|error| error.kind());
            told.lock().unwrap().push((entry.task_type.clone(), kind));
        })
        .start()
        .await
        .unwrap();
    let of = |task_type: &str| -> Vec<Result<(), ErrorKind>> {
        let all = results.lock().unwrap();
        let own = all.iter().filter(|(other, _)| other == task_type);
        own.map(|(_, result)| *result).collect()
    };
    eventually("three ticks have come", DEADLINE, || async {
        of("unique").len() >= 3 && of("named").len() >= 3
    })
    .await;
    scheduler.shutdown().await;
    let duplicate = Err(ErrorKind::DuplicateTask);
    let conflict = Err(ErrorKind::TaskIdConflict);
    assert_eq!(of("unique")[..3], [Ok(()), duplicate, duplicate]);
    assert_eq!(of("named")[..3], [Ok(()), conflict, conflict]);
    assert_eq!(pending(&world).await.len(), 2);
}

/// Writes the note of an entry that had its last tick two days ago.
async fn note_of_two_days_ago(world: &World, entry: &str) {
    let last = world.now().await - 2 * 24 * 60 * 60;
    let note = format!("{last}:1:{last}:some-id");
    let _: String = world
        .run(&["SET", &format!("rasynq:{{default}}:tick:{entry}"), &note])
        .await;
}

#[tokio::test]
async fn ticks_that_were_missed_make_up_one_run_if_the_entry_wants_it() {
    let world = World::new().await;
    let entry = |name: &str| Entry::new("@every 2h", Task::without_payload(name)).name(name);
    for name in ["skipped", "caught up"] {
        note_of_two_days_ago(&world, name).await;
    }
    for _ in 0..2 {
        let scheduler = scheduler(&world)
            .register(entry("skipped"))
            .register(entry("caught up").missed(Missed::Once))
            .register(entry("never ran before").missed(Missed::Once))
            .register(every(1, "tick"))
            .start()
            .await
            .unwrap();
        let ticked = pending(&world).await.len() + 3;
        pending_reach(&world, ticked).await;
        scheduler.shutdown().await;
        let tasks = pending(&world).await.into_iter();
        let others: Vec<String> = tasks
            .map(|task| task.task_type)
            .filter(|task_type| task_type != "tick")
            .collect();
        assert_eq!(others, ["caught up"]);
    }
}

#[tokio::test]
async fn every_keeps_its_phase_over_a_restart() {
    let world = World::new().await;
    let mut all = Vec::new();
    for n in 1..=3 {
        let scheduler = start(&world, every(3, "tick")).await;
        all = pending_reach(&world, n).await;
        scheduler.shutdown().await;
        // The next start is not in the phase of the ticks.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    let phases: Vec<i64> = seconds(&all).iter().map(|second| second % 3).collect();
    assert!(phases.iter().all(|phase| *phase == phases[0]), "{all:?}");
}

#[tokio::test]
async fn jitter_moves_a_tick_within_its_bound() {
    let world = World::new().await;
    let entry = every(2, "tick").jitter(Duration::from_secs(60));
    let scheduler = start(&world, entry).await;
    let tasks = pending_reach(&world, 4).await;
    scheduler.shutdown().await;
    let anchor = tasks[0].since_ms / 1000 % 2;
    let delays_ms: Vec<i64> = tasks
        .iter()
        .map(|task| (task.since_ms - anchor * 1000) % 2_000)
        .collect();
    // Half of the two seconds, and some time for a busy machine.
    assert!(
        delays_ms.iter().all(|delay| *delay <= 1_200),
        "{delays_ms:?}"
    );
    assert!(delays_ms.iter().any(|delay| *delay != delays_ms[0]));
}
