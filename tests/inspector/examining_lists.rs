//! Damage in lists, also in long ones.

use std::sync::{Arc, Mutex};

use rasynq::{BulkProgress, DamageKind, Repair, Task};

use crate::common::{key, task_key};
use crate::damaged::Damaged;

/// Enqueues tasks whose ids are numbers: the newest is at the left.
async fn enqueue(damaged: &Damaged, tasks: usize) {
    let client = damaged.world.client().await;
    for first in (0..tasks).step_by(25_000) {
        let tasks = first..tasks.min(first + 25_000);
        let tasks = tasks.map(|n| Task::new("any", "").task_id(n.to_string()));
        for result in client.enqueue_batch(tasks).await {
            result.unwrap();
        }
    }
}

#[tokio::test]
async fn damage_in_lists_and_sets_of_thousands_is_all_found() {
    let damaged = Damaged::new().await;
    let client = damaged.world.client().await;
    let tasks = (0..3_000).map(|n| Task::new("any", "").task_id(format!("{n}")));
    for result in client.enqueue_batch(tasks).await {
        result.unwrap();
    }
    for n in (0..3_000).step_by(7) {
        damaged.run(&["DEL", &task_key(&n.to_string())]).await;
    }
    for n in 0..500 {
        damaged.store(&format!("lost-{n}"), "pending").await;
    }
    let found = damaged.found().await;
    let count = |kind| found.iter().filter(|(found, ..)| *found == kind).count();
    assert_eq!(count(DamageKind::IdWithoutTask), 429);
    assert_eq!(count(DamageKind::TaskWithoutPlace), 500);
    assert_eq!(found.len(), 929);
}

#[tokio::test]
async fn a_lost_task_beside_a_long_list_is_found_and_not_pushed_twice() {
    let damaged = Damaged::new().await;
    let client = damaged.world.client().await;
    for first in [0, 25_000] {
        let tasks = (first..first + 25_000).map(|n| Task::new("any", "").task_id(format!("{n}")));
        for result in client.enqueue_batch(tasks).await {
            result.unwrap();
        }
    }
    for id in ["one", "two"] {
        damaged.store(id, "pending").await;
    }
    let mut examination = damaged.inspector.examine("default");
    let mut found = Vec::new();
    while let Some(damage) = examination.next().await {
        found.push(damage.unwrap());
    }
    found.sort_by(|a, b| a.member.cmp(&b.member));
    let ids: Vec<Option<&str>> = found.iter().map(|damage| damage.task_id()).collect();
    assert_eq!(ids, [Some("one"), Some("two")]);
    // Somebody else has repaired the first one, long ago: it is in the middle now.
    let pending = key("pending");
    damaged
        .run(&["LINSERT", &pending, "BEFORE", "25000", "one"])
        .await;
    damaged
        .run(&["HSET", &task_key("one"), "pending_since", "1"])
        .await;
    assert_eq!(
        damaged.inspector.repair(&found[0]).await.unwrap(),
        Repair::Gone
    );
    assert_eq!(
        damaged.inspector.repair(&found[1]).await.unwrap(),
        Repair::Repaired
    );
    let count: i64 = damaged.world.run(&["LLEN", &pending]).await;
    assert_eq!(count, 50_003);
    assert_eq!(damaged.found().await, []);
}

#[tokio::test]
async fn of_an_id_that_is_in_a_list_more_than_once_the_one_that_is_fetched_first_stays() {
    for place in ["pending", "active"] {
        let damaged = Damaged::new().await;
        let list = key(place);
        damaged.run(&["DEL", &list]).await;
        for id in ["a", "b", "c"] {
            damaged.store(id, place).await;
            if place == "active" {
                damaged
                    .run(&["ZADD", &key("lease"), "9000000000", id])
                    .await;
            }
        }
        damaged
            .run(&["RPUSH", &list, "a", "b", "a", "c", "a"])
            .await;
        if place == "pending" {
            damaged.run(&["LPUSH", &list, "healthy"]).await;
        } else {
            damaged.run(&["LPUSH", &list, "active"]).await;
        }
        damaged
            .repaired(DamageKind::ListedTwice, &list, Some("a"))
            .await;
        let first = if place == "pending" {
            "healthy"
        } else {
            "active"
        };
        assert_eq!(damaged.world.list(place).await, [first, "b", "c", "a"]);
    }
}

#[tokio::test]
async fn damage_in_a_long_list_is_repaired_where_it_is() {
    let damaged = Damaged::new().await;
    enqueue(&damaged, 50_000).await;
    let pending = key("pending");
    let order = |mut list: Vec<String>| {
        list.retain(|id| !matches!(id.as_str(), "ghost" | "x"));
        list
    };
    let before = damaged.world.list("pending").await;
    damaged.store("x", "retry").await;
    damaged
        .run(&["ZADD", &key("retry"), "9000000000", "x"])
        .await;
    // Far from each other, in the middle, and near the ends.
    for (pivot, id) in [
        ("49000", "7"),
        ("26000", "ghost"),
        ("24000", "ghost"),
        ("25000", "x"),
        ("30000", "29999"),
        ("20", "9"),
    ] {
        damaged
            .run(&["LINSERT", &pending, "BEFORE", pivot, id])
            .await;
    }
    let found = damaged.found().await;
    let of = |kind, id: &str| (kind, pending.clone(), Some(id.to_owned()));
    let expected = [
        of(DamageKind::IdWithoutTask, "ghost"),
        of(DamageKind::WrongState, "x"),
        of(DamageKind::ListedTwice, "29999"),
        of(DamageKind::ListedTwice, "7"),
        of(DamageKind::ListedTwice, "9"),
    ];
    assert_eq!(found, expected);
    assert_eq!(damaged.repaired_in_one_pass().await, 5);
    assert_eq!(order(damaged.world.list("pending").await), before);
    assert_eq!(damaged.world.state("x").await, "retry");
}

#[tokio::test]
async fn a_list_that_moves_while_it_is_examined_has_no_id_twice() {
    let damaged = Damaged::new().await;
    enqueue(&damaged, 3_000).await;
    let moving = Arc::new(Mutex::new(0_u64));
    let steps = Arc::clone(&moving);
    let mut examination = damaged.inspector.examine("default").on_progress(move |_| {
        *steps.lock().unwrap() += 1;
    });
    // A damage in each page, so that the examination stops there.
    for n in (0..3_000).step_by(100) {
        damaged.run(&["DEL", &task_key(&n.to_string())]).await;
    }
    let client = damaged.world.client().await;
    let mut found = Vec::new();
    while let Some(damage) = examination.next().await {
        found.push(damage.unwrap());
        for _ in 0..7 {
            client.enqueue(Task::new("any", "")).await.unwrap();
        }
        damaged
            .run(&["RPOPLPUSH", &key("pending"), &key("pending")])
            .await;
    }
    assert!(*moving.lock().unwrap() > 6);
    let twice = found
        .iter()
        .filter(|damage| damage.kind == DamageKind::ListedTwice);
    assert_eq!(twice.count(), 0);
}

#[tokio::test]
async fn a_batch_that_is_enqueued_meanwhile_costs_one_search_of_the_list() {
    for last_of_the_page_leaves in [false, true] {
        let damaged = Damaged::new().await;
        enqueue(&damaged, 3_000).await;
        // The first page of 500 has a damage, so that the examination stops there.
        damaged.run(&["LPUSH", &key("pending"), "gone"]).await;
        let mut examination = damaged.inspector.examine("default");
        let first = examination.next().await.unwrap().unwrap();
        assert_eq!(first.kind, DamageKind::IdWithoutTask);
        if last_of_the_page_leaves {
            damaged
                .inspector
                .delete_task("default", "2501")
                .await
                .unwrap();
        }
        let batch = (0..2_000).map(|_| Task::new("any", ""));
        let client = damaged.world.client().await;
        for result in client.enqueue_batch(batch).await {
            result.unwrap();
        }
        let before = damaged.world.calls_of(&["lpos"]).await;
        assert_eq!(examination.next().await.map(Result::unwrap), None);
        assert_eq!(damaged.world.calls_of(&["lpos"]).await - before, 1);
    }
}

#[tokio::test]
async fn an_examination_tells_how_far_it_is() {
    let damaged = Damaged::new().await;
    enqueue(&damaged, 2_000).await;
    damaged.run(&["LPUSH", &key("pending"), "gone"]).await;
    let told: Arc<Mutex<Vec<BulkProgress>>> = Arc::default();
    for examination in [
        damaged.inspector.examine("default"),
        damaged.inspector.examine_global(),
    ] {
        told.lock().unwrap().clear();
        let hook = Arc::clone(&told);
        let mut examination = examination.on_progress(move |now| hook.lock().unwrap().push(now));
        let mut found = 0;
        while let Some(damage) = examination.next().await {
            damage.unwrap();
            found += 1;
        }
        let told = told.lock().unwrap();
        assert!(told.is_sorted_by_key(|now| now.examined));
        assert!(
            told.iter()
                .all(|now| now.examined <= now.total && now.changed == 0)
        );
        let last = told.last().unwrap();
        assert_eq!((last.examined, last.matched), (last.total, found));
        assert!(last.total >= 2_000, "{last:?}");
    }
}
