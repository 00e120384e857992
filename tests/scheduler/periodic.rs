//! The periodic task manager, with providers of the test, in memory, and in a file.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rasynq::{
    ConfigProvider, Connection, Entry, ErrorKind, MemoryConfigs, PeriodicTaskManager,
    RunningPeriodicTaskManager, Scheduler, Task,
};

use crate::common::{DEADLINE, Log, World, eventually};

/// What a provider of the test does when it is asked.
#[derive(Clone)]
enum Behaviour {
    Answers(Vec<Entry>),
    Fails(&'static str),
    Panics,
    Hangs,
}

/// A provider whose behaviour the test sets.
#[derive(Clone)]
struct TestProvider {
    behaviour: Arc<Mutex<Behaviour>>,
    asked: Arc<AtomicUsize>,
}

impl TestProvider {
    fn new(behaviour: Behaviour) -> Self {
        Self {
            behaviour: Arc::new(Mutex::new(behaviour)),
            asked: Arc::default(),
        }
    }

    /// Sets the behaviour, and waits until the manager has met it and was through with it.
    async fn set(&self, behaviour: Behaviour) {
        *self.behaviour.lock() = behaviour;
        let asked = self.asked.load(Ordering::Relaxed);
        eventually("the provider is asked again", DEADLINE, || async {
            self.asked.load(Ordering::Relaxed) >= asked + 2
        })
        .await;
    }
}

impl ConfigProvider for TestProvider {
    async fn configs(&self) -> anyhow::Result<Vec<Entry>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let behaviour = self.behaviour.lock().clone();
        match behaviour {
            Behaviour::Answers(entries) => Ok(entries),
            Behaviour::Fails(text) => Err(anyhow::anyhow!(text)),
            Behaviour::Panics => panic!("no entries today"),
            Behaviour::Hangs => std::future::pending().await,
        }
    }
}

fn entry(spec: &str, task_type: &str) -> Entry {
    Entry::new(spec, Task::without_payload(task_type))
}

fn manager(world: &World, provider: impl ConfigProvider) -> PeriodicTaskManager {
    let scheduler = Scheduler::new(&world.connection());
    PeriodicTaskManager::new(scheduler, provider).sync_interval(Duration::from_millis(50))
}

async fn start(world: &World, provider: impl ConfigProvider) -> RunningPeriodicTaskManager {
    manager(world, provider).start().await.unwrap()
}

/// The specs and types of the entries, sorted.
fn listed(manager: &RunningPeriodicTaskManager) -> Vec<String> {
    let entries = manager.entries();
    let name = |entry: &rasynq::EntryInfo| format!("{} {}", entry.spec, entry.task_type);
    let mut listed: Vec<_> = entries.iter().map(name).collect();
    listed.sort();
    listed
}

async fn becomes(manager: &RunningPeriodicTaskManager, expected: &[&str]) {
    let what = format!("the entries are {expected:?}");
    eventually(&what, DEADLINE, || async { listed(manager) == expected }).await;
}

#[tokio::test]
async fn entries_follow_the_provider_and_equal_ones_are_two() {
    let world = World::new().await;
    let configs = MemoryConfigs::new([entry("@daily", "a"), entry("@daily", "a")]);
    let scheduler = Scheduler::new(&world.connection()).register(entry("@daily", "own"));
    let manager = PeriodicTaskManager::new(scheduler, configs.clone());
    let manager = manager.start().await.unwrap();
    assert_eq!(listed(&manager), ["@daily a", "@daily a", "@daily own"]);
    let ids = ids_of(&manager);

    configs.insert(entry("@hourly", "b").name("b"));
    becomes(
        &manager,
        &["@daily a", "@daily a", "@daily own", "@hourly b"],
    )
    .await;
    configs.insert(entry("@weekly", "b").name("b"));
    becomes(
        &manager,
        &["@daily a", "@daily a", "@daily own", "@weekly b"],
    )
    .await;
    assert!(configs.remove("b") && !configs.remove("b"));
    becomes(&manager, &["@daily a", "@daily a", "@daily own"]).await;
    let still = ids_of(&manager);
    assert_eq!(still, ids, "an entry that has not changed was left alone");

    configs.set([entry("@daily", "a")]);
    becomes(&manager, &["@daily a", "@daily own"]).await;
    assert_eq!(ids_of(&manager), ids[..2], "the last of equal ones goes");
    configs.set([]);
    becomes(&manager, &["@daily own"]).await;
    manager.shutdown().await;
}

fn ids_of(manager: &RunningPeriodicTaskManager) -> Vec<String> {
    let entries = manager.entries();
    entries.into_iter().map(|entry| entry.id).collect()
}

#[tokio::test]
async fn entries_of_one_name_have_the_ids_that_they_have_after_a_restart() {
    let world = World::new().await;
    let named = |task_type| entry("@daily", task_type).name("n");
    let plain = || entry("@daily", "a");
    let jittery = || plain().jitter(Duration::from_secs(1));
    let configs = MemoryConfigs::new([named("x"), named("y"), jittery(), plain()]);
    let manager = start(&world, configs.clone()).await;
    configs.set([named("y"), plain()]);
    becomes(&manager, &["@daily a", "@daily y"]).await;
    let after_restart = start(&world, configs).await;
    assert_eq!(ids_of(&manager), ids_of(&after_restart));
    for manager in [manager, after_restart] {
        manager.shutdown().await;
    }
}

#[tokio::test]
async fn entries_that_differ_only_in_headers_are_two() {
    let world = World::new().await;
    let with = |value: &str| Entry::new("@daily", Task::without_payload("a").header("h", value));
    let configs = MemoryConfigs::new([with("1"), with("2"), entry("@daily", "a").header("h", "3")]);
    let manager = start(&world, configs).await;
    assert_eq!(listed(&manager), ["@daily a"; 3]);
    manager.shutdown().await;
}

#[tokio::test]
async fn a_start_fails_if_the_provider_does_or_if_an_entry_is_not_valid() {
    let world = World::new().await;
    let started = |behaviour| manager(&world, TestProvider::new(behaviour)).start();
    for (behaviour, text) in [
        (
            Behaviour::Fails("no such table"),
            "the provider of periodic tasks failed: no such table",
        ),
        (Behaviour::Panics, "no entries today"),
        (
            Behaviour::Answers(vec![entry("@daily", "a"), entry("@daily", " ")]),
            "task type is blank",
        ),
        (
            Behaviour::Answers(vec![entry("@daily", "a").unique(Duration::ZERO)]),
            "unique TTL is 0ns",
        ),
    ] {
        let error = started(behaviour).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    let error = started(Behaviour::Fails("the cause")).await.err().unwrap();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "the cause");
    assert_eq!(world.run::<u64>(&["DBSIZE"]).await, 0);
}

#[tokio::test]
async fn an_entry_whose_spec_does_not_parse_is_told_once_and_left_out() {
    let world = World::new().await;
    let log = Log::capture();
    let broken = || entry("61 * * * *", "broken");
    let provider = TestProvider::new(Behaviour::Answers(vec![entry("@daily", "a"), broken()]));
    let manager = start(&world, provider.clone()).await;
    assert_eq!(listed(&manager), ["@daily a"]);
    // A spec that has become wrong: the entry stays as it was.
    let both = vec![entry("@dayly", "a"), broken()];
    provider.set(Behaviour::Answers(both)).await;
    assert_eq!(listed(&manager), ["@daily a"]);
    manager.shutdown().await;
    let told = |word: &str| log.lines_with(&["ERROR", "left out", word]).len();
    assert_eq!((told("61 * * * *"), told("@dayly")), (1, 1));
}

#[tokio::test]
async fn a_provider_that_fails_later_is_told_once_and_the_entries_stay() {
    let world = World::new().await;
    let log = Log::capture();
    let one = || Behaviour::Answers(vec![entry("@daily", "a")]);
    let provider = TestProvider::new(one());
    let manager = start(&world, provider.clone()).await;
    for behaviour in [
        Behaviour::Fails("first fault"),
        Behaviour::Fails("second fault"),
        Behaviour::Panics,
        Behaviour::Answers(vec![entry("@hourly", "b"), entry("@daily", "")]),
    ] {
        provider.set(behaviour).await;
        assert_eq!(listed(&manager), ["@daily a"]);
    }
    provider
        .set(Behaviour::Answers(vec![entry("@hourly", "b")]))
        .await;
    becomes(&manager, &["@hourly b"]).await;
    manager.shutdown().await;
    for fault in [
        "first fault",
        "second fault",
        "no entries today",
        "task type is blank",
    ] {
        let told = log.lines_with(&["WARN", "the provider of periodic tasks failed", fault]);
        assert_eq!(told.len(), 1, "{fault}: {told:#?}");
    }
    assert_eq!(log.lines_with(&["answers again"]).len(), 1);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_holds_up_no_shutdown() {
    let world = World::new().await;
    let provider = TestProvider::new(Behaviour::Answers(vec![entry("@daily", "a")]));
    let manager = start(&world, provider.clone()).await;
    *provider.behaviour.lock() = Behaviour::Hangs;
    let asked = provider.asked.load(Ordering::Relaxed);
    eventually("the provider is asked", DEADLINE, || async {
        provider.asked.load(Ordering::Relaxed) > asked
    })
    .await;
    assert_eq!(listed(&manager), ["@daily a"]);
    tokio::time::timeout(Duration::from_secs(5), manager.shutdown())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_start_fails_if_the_provider_does_not_answer_in_time() {
    let connection = Connection::from_uri("redis://127.0.0.1:1").unwrap();
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    for (interval, limit) in [(50, "30s"), (60_000, "60s")] {
        let provider = TestProvider::new(Behaviour::Hangs);
        let manager = PeriodicTaskManager::new(Scheduler::new(&connection), provider)
            .sync_interval(Duration::from_millis(interval));
        let error = manager.start().await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let text = format!("the provider of periodic tasks failed: no answer within {limit}");
        assert_eq!(error.to_string(), text);
    }
    assert_eq!(begun.elapsed().as_secs(), 90);
}

#[tokio::test]
async fn an_entry_that_redis_refuses_is_told_once_and_registered_once_as_soon_as_it_can_be() {
    let world = World::new().await;
    let log = Log::capture();
    // no note can be written here
    let note = "rasynq:{low}:tick:refused";
    let _: u64 = world.run(&["RPUSH", note, "no note"]).await;
    let refused = entry("@daily", "b").name("refused").queue("low");
    let configs = MemoryConfigs::new([entry("@daily", "a"), refused]);
    let manager = start(&world, configs.clone()).await;
    assert_eq!(listed(&manager), ["@daily a"]);
    configs.insert(entry("@daily", "c"));
    becomes(&manager, &["@daily a", "@daily c"]).await;
    let _: u64 = world.run(&["DEL", note]).await;
    becomes(&manager, &["@daily a", "@daily b", "@daily c"]).await;
    manager.shutdown().await;
    let told = log.lines_with(&["WARN", "could not register"]);
    assert_eq!(told.len(), 1, "{told:#?}");
}
