//! The ops of schedulers and of periodic task managers.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use rasynq::{
    ConfigProvider, Connection, Entry, PeriodicTaskManager, RunningPeriodicTaskManager,
    RunningScheduler, Scheduler,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cron::location;
use crate::duration::GoDuration;
use crate::failure::Failure;
use crate::form::{Opt, TaskForm};
use crate::handler::fields;
use crate::lines::Lines;

/// The shortest heartbeat interval that the library takes.
const SHORTEST_HEARTBEAT: Duration = Duration::from_secs(1);

/// `scheduler`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SchedulerForm {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    location: String,
    heartbeat_interval: Option<GoDuration>,
}

impl SchedulerForm {
    /// Starts the scheduler, without entries.
    pub(crate) async fn start(
        self,
        connection: &Connection,
        lines: Lines,
    ) -> Result<Planner, Failure> {
        let scheduler = scheduler(connection, lines, self.heartbeat_interval);
        let scheduler = scheduler.location(location(&self.location)?);
        Ok(Planner::Scheduler(scheduler.start().await?))
    }
}

/// `periodic`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeriodicForm {
    #[serde(default)]
    pub(crate) name: String,
    sync_interval: Option<GoDuration>,
    heartbeat_interval: Option<GoDuration>,
    #[serde(default)]
    file: PathBuf,
}

impl PeriodicForm {
    /// Starts the periodic task manager.
    pub(crate) async fn start(
        self,
        connection: &Connection,
        lines: Lines,
    ) -> Result<Planner, Failure> {
        let scheduler = scheduler(connection, lines, self.heartbeat_interval);
        let mut manager = PeriodicTaskManager::new(scheduler, JsonFile(self.file));
        if let Some(interval) = self.sync_interval {
            manager = manager.sync_interval(interval.positive("sync_interval")?);
        }
        Ok(Planner::Manager(manager.start().await?))
    }
}

/// A scheduler that reports what it enqueues.
fn scheduler(connection: &Connection, lines: Lines, heartbeat: Option<GoDuration>) -> Scheduler {
    let scheduler =
        Scheduler::new(connection).after_enqueue(move |entry, enqueued| match enqueued {
            Ok(task) => lines.event(
                "enqueued",
                fields(json!({"entry": entry.id, "task": task.id})),
            ),
            Err(error) => {
                let error = error.to_string();
                lines.event(
                    "enqueue_failed",
                    fields(json!({"entry": entry.id, "error": error})),
                );
            }
        });
    // asynq: a negative interval means the default, and there is no shortest one
    match heartbeat.map(GoDuration::or_zero) {
        None | Some(Duration::ZERO) => scheduler,
        Some(interval) => scheduler.heartbeat_interval(interval.max(SHORTEST_HEARTBEAT)),
    }
}

/// `register`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterForm {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    spec: String,
    task: TaskForm,
    opts: Option<Vec<Opt>>,
}

impl RegisterForm {
    /// Registers the entry.
    pub(crate) async fn run(self, planner: &Planner) -> Result<Value, Failure> {
        let scheduler = planner.scheduler(&self.name)?;
        let entry = entry(self.spec, &self.task, self.opts)?;
        Ok(json!({"entry": scheduler.register(entry).await?}))
    }
}

/// `unregister`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnregisterForm {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    entry: String,
}

impl UnregisterForm {
    /// Unregisters the entry.
    pub(crate) async fn run(self, planner: &Planner) -> Result<Value, Failure> {
        let scheduler = planner.scheduler(&self.name)?;
        scheduler.unregister(&self.entry).await?;
        Ok(Value::Null)
    }
}

/// An entry. Go's headers are a part of the task, so those of the call do not count as its options.
fn entry(spec: String, task: &TaskForm, opts: Option<Vec<Opt>>) -> Result<Entry, Failure> {
    let (headers, opts): (Vec<_>, Vec<_>) = opts
        .into_iter()
        .flatten()
        .partition(|opt| matches!(opt, Opt::Header(..)));
    let mut entry = Entry::new(spec, task.task(&headers)?);
    for opt in opts {
        entry = entry.option(opt.option()?);
    }
    Ok(entry)
}

/// A scheduler or a periodic task manager.
pub(crate) enum Planner {
    Scheduler(RunningScheduler),
    Manager(RunningPeriodicTaskManager),
}

impl Planner {
    /// The scheduler. The entries of a periodic task manager are not for requests. `name` is for the error.
    fn scheduler(&self, name: &str) -> Result<&RunningScheduler, Failure> {
        match self {
            Self::Scheduler(scheduler) => Ok(scheduler),
            Self::Manager(_) => Err(Failure::invalid(format!(
                "{name:?} is a periodic task manager"
            ))),
        }
    }

    pub(crate) async fn shutdown(&self) {
        match self {
            Self::Scheduler(scheduler) => scheduler.shutdown().await,
            Self::Manager(manager) => manager.shutdown().await,
        }
    }
}

/// The provider of a periodic task manager: a file that is read at each sync.
struct JsonFile(PathBuf);

/// An entry in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryForm {
    #[serde(default)]
    spec: String,
    task: TaskForm,
    opts: Option<Vec<Opt>>,
}

impl ConfigProvider for JsonFile {
    async fn configs(&self) -> anyhow::Result<Vec<Entry>> {
        let name = || self.0.display().to_string();
        let text = tokio::fs::read(&self.0).await.with_context(name)?;
        let forms: Vec<EntryForm> = serde_json::from_slice(&text).with_context(name)?;
        let entries = forms.into_iter().map(|form| {
            // asynq: such an entry fails the sync, one whose spec does not parse is left out
            anyhow::ensure!(!form.spec.is_empty(), "an entry has no spec");
            entry(form.spec, &form.task, form.opts).map_err(anyhow::Error::from)
        });
        entries.collect()
    }
}
