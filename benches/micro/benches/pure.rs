//! Parts of the public API that need no Redis: building tasks, decoding typed payloads, routing to a
//! handler, the delay before a retry, cron specs.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rasynq::chrono::DateTime;
use rasynq::{
    Connection, IntoHandler, Mux, RetryDelay, Schedule, Task, TaskContext, TaskKind, TestRun, Tz,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Welcome {
    user_id: u64,
    name: String,
}

impl TaskKind for Welcome {
    const TYPE: &'static str = "email:welcome";
}

async fn typed(_cx: TaskContext, mail: Welcome) -> anyhow::Result<()> {
    black_box(mail.user_id);
    Ok(())
}

async fn untyped(_cx: TaskContext, task: Task) -> anyhow::Result<()> {
    black_box(task.payload().len());
    Ok(())
}

fn tasks(c: &mut Criterion) {
    c.bench_function("task: build with options", |b| {
        b.iter(|| {
            Task::new("email:welcome", black_box("{}"))
                .queue("critical")
                .max_retry(3)
                .timeout(Duration::from_secs(30))
                .header("trace", "1")
        });
    });
    let task = Task::new("email:welcome", r#"{"user_id":7,"name":"Ada"}"#);
    c.bench_function("task: clone", |b| b.iter(|| black_box(&task).clone()));
    c.bench_function("connection: parse a URI", |b| {
        b.iter(|| Connection::from_uri(black_box("redis://:secret@localhost:6379/2")));
    });
}

fn handlers(c: &mut Criterion) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else {
        return;
    };
    let mut group = c.benchmark_group("handler");
    for routes in [1, 100] {
        let mut mux = Mux::new().handle(typed);
        for i in 1..routes {
            mux = mux.route(format!("image:{i}"), untyped);
        }
        let Ok(service) = mux.into_service() else {
            return;
        };
        group.bench_function(format!("typed, mux of {routes}"), |b| {
            b.iter_batched(
                || TestRun::new("email:welcome"),
                |run| runtime.block_on(run.call(service.clone(), r#"{"user_id":7,"name":"Ada"}"#)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn delays(c: &mut Criterion) {
    let task = Task::without_payload("t");
    let error = anyhow::anyhow!("no");
    let delay = RetryDelay::exponential();
    c.bench_function("retry: exponential delay", |b| {
        b.iter(|| delay.delay(black_box(5), &error, &task));
    });
}

fn cron(c: &mut Criterion) {
    c.bench_function("cron: parse", |b| {
        b.iter(|| Schedule::standard(black_box("*/5 9-17 * JAN-NOV MON-FRI")));
    });
    let Some(after) = DateTime::from_timestamp(1_900_000_000, 0) else {
        return;
    };
    for (name, spec) in [
        ("in minutes", "*/5 * * * *"),
        ("in years", "30 9 29 2 *"),
        ("never", "0 0 30 2 *"),
    ] {
        let Ok(schedule) = Schedule::standard(spec) else {
            return;
        };
        c.bench_function(&format!("cron: next time, {name}"), |b| {
            b.iter(|| schedule.next_after(black_box(after), Tz::Europe__Berlin));
        });
    }
}

criterion_group!(pure, tasks, handlers, delays, cron);
criterion_main!(pure);
