//! Examinations and repairs beside a running server under load: they find no damage where there is none, and repair
//! damage without losing a task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rasynq::{Client, DamageKind, Inspector, Repair, RunningServer, Task, TaskContext};
use tokio::task::JoinHandle;

use crate::common::{DEADLINE, HOUR, TaskMessage, World, eventually, key, task_key};

/// A server, and clients that enqueue to it all the time: plain, unique, scheduled, grouped and kept tasks, some of
/// which fail.
struct Load {
    server: RunningServer,
    producers: Vec<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
}

async fn handle(task: Task) -> anyhow::Result<()> {
    match task.payload().first() {
        Some(b'f') => anyhow::bail!("on purpose"),
        _ => Ok(()),
    }
}

impl Load {
    async fn start(world: &World) -> Self {
        let done = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&done);
        let server = world
            .server()
            .concurrency(8)
            .retry_delay(rasynq::RetryDelay::constant(Duration::from_secs(1)))
            .aggregate(|_, tasks: Vec<Task>| async move {
                anyhow::Ok(Task::new("aggregate", format!("{}", tasks.len())))
            })
            .group_grace_period(Duration::from_secs(1))
            .group_max_size(20)
            .start(move |_: TaskContext, task: Task| {
                counted.fetch_add(1, Ordering::SeqCst);
                handle(task)
            })
            .await
            .unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let mut producers = Vec::new();
        for kind in 0..6 {
            let (client, is_over) = (world.client().await, Arc::clone(&is_over));
            producers.push(tokio::spawn(produce(client, is_over, kind)));
        }
        Self {
            server,
            producers,
            is_over,
            done,
        }
    }

    async fn stop(self) {
        self.is_over.store(true, Ordering::SeqCst);
        for producer in self.producers {
            producer.await.unwrap();
        }
        self.server.shutdown().await;
    }
}

async fn produce(client: Client, is_over: Arc<AtomicBool>, kind: usize) {
    let mut n = 0;
    while !is_over.load(Ordering::SeqCst) {
        n += 1;
        let task = Task::new("any", format!("{kind}-{n}"));
        let task = match kind {
            0 => task,
            1 => task.unique(HOUR).retention(Duration::from_secs(1)),
            2 => task.process_in(Duration::from_millis(500)).unique(HOUR),
            3 => task.group(format!("group-{}", n % 7)),
            4 => task.group(format!("unique-{}", n % 50)).unique(HOUR),
            _ => Task::new("any", format!("fails {n}"))
                .max_retry(1)
                .unique(HOUR),
        };
        client.enqueue(task).await.unwrap();
        if n % 20 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn examined(inspector: &Inspector) -> Vec<rasynq::Damage> {
    let mut found = Vec::new();
    for mut examination in [inspector.examine("default"), inspector.examine_global()] {
        while let Some(damage) = examination.next().await {
            found.push(damage.unwrap());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_examination_beside_a_server_under_load_finds_no_damage() {
    let world = World::new().await;
    let load = Load::start(&world).await;
    let inspector = world.inspector().await;
    load_is_going(&load).await;
    for _ in 0..15 {
        assert_eq!(examined(&inspector).await, []);
    }
    load.stop().await;
    assert_eq!(examined(&inspector).await, []);
}

async fn load_is_going(load: &Load) {
    eventually("tasks are running", DEADLINE, || async {
        load.done.load(Ordering::SeqCst) > 500
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_beside_a_server_under_load_is_repaired_and_no_task_is_lost() {
    let world = World::new().await;
    let load = Load::start(&world).await;
    let inspector = world.inspector().await;
    load_is_going(&load).await;
    for n in 0..50 {
        for (id, state) in [
            ("p", "pending"),
            ("a", "active"),
            ("s", "scheduled"),
            ("r", "retry"),
        ] {
            let id = format!("{id}-{n}");
            world
                .store("default", &id, state, TaskMessage::of(&id, "x").bytes())
                .await;
        }
        let group = format!("lost-{n}");
        let id = format!("g-{n}");
        world
            .store(
                "default",
                &id,
                "aggregating",
                TaskMessage::of(&id, "x").bytes(),
            )
            .await;
        let _: i64 = world.run(&["HSET", &task_key(&id), "group", &group]).await;
        let _: i64 = world
            .run(&["ZADD", &key(&format!("g:{group}")), "1", &id])
            .await;
        let lock = key(&format!("unique:any:{n}"));
        let _: String = world.run(&["SET", &lock, "gone", "EX", "600"]).await;
        let _: i64 = world
            .run(&["ZADD", &key("lease"), "9000000000", &format!("gone-{n}")])
            .await;
        let _: i64 = world
            .run(&["ZADD", &key("archived"), "9000000000", &format!("gone-{n}")])
            .await;
    }
    let found = examined(&inspector).await;
    for kind in [
        DamageKind::TaskWithoutPlace,
        DamageKind::UnlistedGroup,
        DamageKind::LeakedLock,
        DamageKind::LeaseWithoutActive,
        DamageKind::IdWithoutTask,
    ] {
        assert!(
            found.iter().any(|damage| damage.kind == kind),
            "{kind}: {found:?}"
        );
    }
    for damage in &found {
        let repair = inspector.repair(damage).await.unwrap();
        assert!(matches!(repair, Repair::Repaired | Repair::Gone));
    }
    assert_eq!(examined(&inspector).await, []);
    eventually(
        "every task that was lost has run",
        Duration::from_secs(60),
        || async {
            let hashes = world.task_hashes().await;
            let prefix = task_key("");
            let lost = |hash: &&String| {
                let id = hash.strip_prefix(&prefix).unwrap();
                ["p-", "a-", "s-", "r-", "g-"]
                    .iter()
                    .any(|start| id.starts_with(start))
            };
            hashes.iter().find(lost).is_none()
        },
    )
    .await;
    load.stop().await;
    assert_eq!(examined(&inspector).await, []);
}
