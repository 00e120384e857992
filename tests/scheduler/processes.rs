//! Schedulers in processes of their own: killed, frozen, and asked to end.

use std::process::Stdio;
use std::time::Duration;

use rasynq::{Connection, Scheduler};
use tokio::process::{Child, Command};

use crate::common::{DEADLINE, World, eventually};
use crate::seen::{LONGEST_GAP, assert_each_once, every, longest_gap, pending, pending_reach};

/// The environment variable with the address of Redis for [`a_process_that_schedules`].
const URI: &str = "RASYNQ_TEST_SCHEDULER_URI";

/// The main function of the processes that the tests below start. Without the variable it does nothing.
#[tokio::test]
async fn a_process_that_schedules() {
    let Ok(uri) = std::env::var(URI) else { return };
    let redis = Connection::from_uri(&uri).unwrap();
    let scheduler = || Scheduler::new(&redis).register(every(1, "tick"));
    // A process may have several.
    let (first, second) = tokio::join!(scheduler().run(), scheduler().run());
    first.unwrap();
    second.unwrap();
}

/// A process with two schedulers.
struct Schedulers {
    process: Child,
    pid: u32,
}

impl Schedulers {
    /// Starts this test program as two schedulers in another process.
    async fn start(world: &World) -> Self {
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::a_process_that_schedules"])
            .env(URI, world.redis.uri())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pid = process.id().unwrap();
        let all = Self { process, pid };
        eventually("its schedulers are listed", DEADLINE, || async {
            all.listed(world).await.len() == 2
        })
        .await;
        all
    }

    /// The keys of its schedulers.
    async fn listed(&self, world: &World) -> Vec<String> {
        let all: Vec<String> = world.run(&["ZRANGE", "asynq:schedulers", "0", "-1"]).await;
        let pid = format!(":{}:", self.pid);
        all.into_iter().filter(|key| key.contains(&pid)).collect()
    }

    async fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid.to_string())
            .status()
            .await
            .unwrap();
        assert!(status.success());
    }
}

/// The index of the process with the leader.
async fn leading(world: &World, all: &[Schedulers]) -> usize {
    let id: String = world
        .run(&["HGET", "rasynq:{scheduler}:leader", "id"])
        .await;
    let leads = |one: &Schedulers| id.contains(&format!(":{}:", one.pid));
    all.iter().position(leads).unwrap()
}

async fn three(world: &World) -> Vec<Schedulers> {
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(Schedulers::start(world).await);
    }
    all
}

#[tokio::test]
async fn a_killed_leader_leaves_a_gap_no_longer_than_the_takeover_and_nothing_comes_twice() {
    let world = World::new().await;
    let mut all = three(&world).await;
    pending_reach(&world, 3).await;
    for _ in 0..2 {
        let at = leading(&world, &all).await;
        let mut killed = all.remove(at);
        killed.process.kill().await.unwrap();
        let so_far = pending(&world).await.len();
        pending_reach(&world, so_far + 3).await;
    }
    let tasks = pending(&world).await;
    eprintln!("longest gap: {} s", longest_gap(&tasks));
    assert_each_once(&tasks);
    assert!(longest_gap(&tasks) <= LONGEST_GAP, "{tasks:?}");
}

#[tokio::test]
async fn a_frozen_leader_that_wakes_enqueues_nothing_twice() {
    let world = World::new().await;
    let all = three(&world).await;
    pending_reach(&world, 2).await;
    let frozen = leading(&world, &all).await;
    all[frozen].signal("STOP").await;
    // Longer than its lease.
    let so_far = pending(&world).await.len();
    pending_reach(&world, so_far + 5).await;
    assert_ne!(leading(&world, &all).await, frozen);
    all[frozen].signal("CONT").await;
    let so_far = pending(&world).await.len();
    let tasks = pending_reach(&world, so_far + 4).await;
    assert_each_once(&tasks);
    assert!(longest_gap(&tasks) <= LONGEST_GAP, "{tasks:?}");
}

#[tokio::test]
async fn a_sigterm_removes_the_list_and_the_histories_and_a_sigtstp_has_no_effect() {
    let world = World::new().await;
    let mut one = Schedulers::start(&world).await;
    one.signal("TSTP").await;
    let tasks = pending_reach(&world, 3).await;
    assert_each_once(&tasks);
    let keys = world.keys().await;
    for prefix in ["asynq:schedulers:{", "asynq:scheduler_history:"] {
        let found = keys.iter().any(|key| key.starts_with(prefix));
        assert!(found, "{prefix}: {keys:?}");
    }
    one.signal("TERM").await;
    let status = tokio::time::timeout(DEADLINE, one.process.wait()).await;
    assert!(status.unwrap().unwrap().success());
    let keys = world.keys().await;
    let left: Vec<&String> = keys
        .iter()
        .filter(|key| key.starts_with("asynq:scheduler"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let members: Vec<String> = world
        .run(&["ZRANGE", "rasynq:{scheduler}:members", "0", "-1"])
        .await;
    assert!(members.is_empty(), "{members:?}");
}

#[tokio::test]
async fn a_scheduler_that_ends_while_another_one_runs_keeps_the_histories() {
    let world = World::new().await;
    let one = Schedulers::start(&world).await;
    let mut two = Schedulers::start(&world).await;
    pending_reach(&world, 2).await;
    two.signal("TERM").await;
    let status = tokio::time::timeout(DEADLINE, two.process.wait()).await;
    assert!(status.unwrap().unwrap().success());
    let so_far = pending(&world).await.len();
    let tasks = pending_reach(&world, so_far + 2).await;
    assert_each_once(&tasks);
    let keys = world.keys().await;
    let history = keys
        .iter()
        .any(|key| key.starts_with("asynq:scheduler_history:"));
    assert!(history, "{keys:?}");
    assert_eq!(one.listed(&world).await.len(), 2);
    assert!(longest_gap(&tasks) <= Duration::from_secs(3).as_secs() as i64);
}
