//! Periodic tasks from a YAML file, with its default sync interval of minutes.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rasynq::{PeriodicTaskManager, RunningPeriodicTaskManager, Scheduler, YamlFile};
use tempfile::TempDir;

use crate::common::{DEADLINE, Log, World, eventually};
use crate::seen::{pending, seconds};

struct Tasks {
    world: World,
    _directory: TempDir,
    path: PathBuf,
}

impl Tasks {
    async fn new(text: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let tasks = Self {
            world: World::new().await,
            path: directory.path().join("tasks.yaml"),
            _directory: directory,
        };
        tasks.write(text);
        tasks
    }

    /// Replaces the file.
    fn write(&self, text: &str) {
        let new = self.path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, &self.path).unwrap();
    }

    async fn start(&self) -> RunningPeriodicTaskManager {
        let scheduler = Scheduler::new(&self.world.connection());
        let manager = PeriodicTaskManager::new(scheduler, YamlFile::new(&self.path));
        manager.start().await.unwrap()
    }

    /// The payloads of the pending tasks, oldest first.
    async fn payloads(&self) -> Vec<String> {
        let mut payloads = Vec::new();
        for id in self.world.list("pending").await.iter().rev() {
            let message = self.world.message(id).await;
            payloads.push(String::from_utf8(message.payload.to_vec()).unwrap());
        }
        payloads
    }

    async fn has_payload(&self, payload: &str) {
        let what = format!("a task with {payload} is pending");
        eventually(&what, DEADLINE, || async {
            self.payloads().await.iter().any(|other| other == payload)
        })
        .await;
    }
}

#[tokio::test]
async fn an_added_line_takes_effect_within_a_second_and_its_payload_arrives() {
    let tasks = Tasks::new("configs: []").await;
    let manager = tasks.start().await;
    assert_eq!(manager.entries().len(), 0);
    tasks.write(
        "configs:\n  - cronspec: '@every 1s'\n    task_type: a\n    payload: {user_id: 42, html: <p>}\n",
    );
    let begin = Instant::now();
    eventually("the entry is there", DEADLINE, || async {
        manager.entries().len() == 1
    })
    .await;
    // half of it is for a busy machine
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
    tasks
        .has_payload(r#"{"html":"\u003cp\u003e","user_id":42}"#)
        .await;
    manager.shutdown().await;
}

#[tokio::test]
async fn a_file_with_a_mistake_ends_the_start_and_later_changes_nothing() {
    let tasks =
        Tasks::new("configs:\n  - task_type: a\n    cronspec: '@daily'\n    timeout: 30\n").await;
    let name = tasks.path.display().to_string();
    let scheduler = Scheduler::new(&tasks.world.connection());
    let error = PeriodicTaskManager::new(scheduler, YamlFile::new(&tasks.path))
        .start()
        .await;
    let error = error.err().unwrap().to_string();
    assert!(
        error.contains(&format!("{name}:4:14: timeout: expected a duration")),
        "{error}"
    );

    let log = Log::capture();
    tasks.write("configs: [{task_type: a, cronspec: '@daily'}]");
    let manager = tasks.start().await;
    tasks.write("configs:\n\t- task_type: b\n");
    log.line_with(&[
        "WARN",
        "provider of periodic tasks failed",
        &format!("{name}:2:2: "),
    ])
    .await;
    fs::remove_file(&tasks.path).unwrap();
    log.line_with(&["WARN", "provider of periodic tasks failed", "No such file"])
        .await;
    assert_eq!(manager.entries().len(), 1);
    tasks.write("configs:\n  - task_type: a\n    cronspec: '@daily'\n  - task_type: b\n    cronspec: 60 * * * *\n");
    log.line_with(&["ERROR", "left out", &format!("{name}:5:15: ")])
        .await;
    log.line_with(&["answers again"]).await;
    assert_eq!(manager.entries().len(), 1);
    manager.shutdown().await;
}

/// The entry changes several times a second. Its ticks go on as if it did not.
#[tokio::test]
async fn an_entry_that_changes_keeps_its_phase_and_loses_no_tick() {
    let text =
        |n: u32| format!("configs: [{{cronspec: '@every 2s', task_type: a, payload: 'form {n}'}}]");
    let tasks = Tasks::new(&text(0)).await;
    let manager = tasks.start().await;
    tasks.has_payload("form 0").await;
    for n in 1..=20 {
        tasks.write(&text(n));
        // the file rests for long enough to be read
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    tasks.has_payload("form 20").await;
    manager.shutdown().await;
    let seconds = seconds(&pending(&tasks.world).await);
    let gaps: Vec<i64> = seconds.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        gaps.len() >= 6 && gaps.iter().all(|gap| *gap == 2),
        "{seconds:?}"
    );
    let payloads = tasks.payloads().await;
    assert!(
        payloads.iter().collect::<HashSet<_>>().len() >= 6,
        "{payloads:?}"
    );
}
