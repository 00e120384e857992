//! The ops that enqueue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use rasynq::{Client, Task};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::form::{Opt, TaskForm, Template, info};

/// `enqueue`, and an item of `enqueue_batch`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnqueueForm {
    task: TaskForm,
    opts: Option<Vec<Opt>>,
}

impl EnqueueForm {
    /// Enqueues one task.
    pub(crate) async fn run(self, client: &Client) -> Result<Value, Failure> {
        let mut call = client.enqueue(self.task.task(&[])?);
        for opt in self.opts.iter().flatten() {
            call = call.option(opt.option()?);
        }
        Ok(info(&call.await?))
    }
}

/// `enqueue_batch`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchForm {
    items: Option<Vec<EnqueueForm>>,
}

impl BatchForm {
    /// Enqueues all valid items in one call, and answers with the result of each item.
    pub(crate) async fn run(self, client: &Client) -> Result<Value, Failure> {
        let mut tasks = Vec::new();
        let mut refused = Vec::new();
        for item in self.items.iter().flatten() {
            match item.task.task(item.opts.as_deref().unwrap_or_default()) {
                Ok(task) => {
                    tasks.push(task);
                    refused.push(None);
                }
                Err(failure) => refused.push(Some(failure)),
            }
        }
        let mut results = client.enqueue_batch(tasks).await.into_iter();
        let answers = refused.into_iter().map(|refused| {
            let result = match refused {
                Some(failure) => Err(failure),
                None => match results.next() {
                    Some(result) => result.map_err(Failure::from),
                    None => Err(Failure::other("the batch call has no result for this task")),
                },
            };
            match result {
                Ok(task) => json!({"ok": info(&task)}),
                Err(failure) => json!({"err": failure}),
            }
        });
        Ok(answers.collect())
    }
}

/// `enqueue_many`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManyForm {
    #[serde(default)]
    n: u64,
    #[serde(default)]
    callers: u64,
    #[serde(default)]
    batch: u64,
    task: TaskForm,
    opts: Option<Vec<Opt>>,
    id_prefix: Option<String>,
}

impl ManyForm {
    /// Enqueues the tasks with concurrent callers.
    pub(crate) async fn run(self, client: &Client) -> Result<Value, Failure> {
        let opts = self.opts.as_deref().unwrap_or_default();
        let series = Arc::new(Series {
            n: self.n,
            step: self.batch.max(1),
            next: AtomicU64::new(0),
            shared: self.task.task(opts)?,
            numbered: match self.task.numbered() {
                Some(text) => Some((self.task.template(opts)?, text.to_owned())),
                None => None,
            },
            id_prefix: self.id_prefix,
        });
        let callers = self.callers.max(1).min(self.n.max(1));
        let start = Instant::now();
        let mut running = JoinSet::new();
        for _ in 0..callers {
            let (series, client) = (Arc::clone(&series), client.clone());
            running.spawn(async move {
                if self.batch > 0 {
                    series.call_in_batches(&client).await
                } else {
                    series.call_one_by_one(&client).await
                }
            });
        }
        let mut failures = Failures::default();
        while let Some(caller) = running.join_next().await {
            failures.add(caller.map_err(|error| Failure::other(error.to_string()))?);
        }
        let seconds = start.elapsed().as_secs_f64();
        if let Some(first) = failures.first {
            tracing::warn!(failed = failures.count, first, "enqueue_many");
        }
        Ok(json!({"ok": self.n - failures.count, "err": failures.count, "seconds": seconds}))
    }
}

/// The tasks of `enqueue_many`. Each caller takes the next numbers until all are taken.
struct Series {
    n: u64,
    step: u64,
    next: AtomicU64,
    shared: Task,
    /// For numbered payloads: the task without its payload, and the text with `%d` in it.
    numbered: Option<(Template, String)>,
    id_prefix: Option<String>,
}

impl Series {
    /// Takes the next numbers; `None` once all are taken.
    fn take(&self) -> Option<std::ops::Range<u64>> {
        let first = self.next.fetch_add(self.step, Ordering::Relaxed);
        (first < self.n).then(|| first..(first + self.step).min(self.n))
    }

    fn task(&self, i: u64) -> Task {
        let task = match &self.numbered {
            None => self.shared.clone(),
            Some((template, text)) => {
                template.task(Some(Bytes::from(text.replace("%d", &i.to_string()))))
            }
        };
        match &self.id_prefix {
            None => task,
            Some(prefix) => task.task_id(format!("{prefix}{i}")),
        }
    }

    async fn call_one_by_one(&self, client: &Client) -> Failures {
        let mut failures = Failures::default();
        while let Some(range) = self.take() {
            for i in range {
                if let Err(error) = client.enqueue(self.task(i)).await {
                    failures.note(&error);
                }
            }
        }
        failures
    }

    async fn call_in_batches(&self, client: &Client) -> Failures {
        let mut failures = Failures::default();
        while let Some(range) = self.take() {
            for result in client.enqueue_batch(range.map(|i| self.task(i))).await {
                if let Err(error) = result {
                    failures.note(&error);
                }
            }
        }
        failures
    }
}

/// How many calls failed, and the first error.
#[derive(Default)]
struct Failures {
    count: u64,
    first: Option<String>,
}

impl Failures {
    fn note(&mut self, error: &rasynq::Error) {
        self.count += 1;
        self.first.get_or_insert_with(|| error.to_string());
    }

    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.take().or(other.first);
    }
}
