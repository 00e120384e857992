//! Handlers: what can be one, what it returns, how a mux chooses it, and what a server stores of it.
//!
//! All but `on_redis` run without a server.

#![expect(clippy::unwrap_used, reason = "a failed expectation fails the test")]

#[path = "../common/mod.rs"]
mod common;

mod context;
mod kinds;
mod layers;
mod mux;
mod on_redis;
mod panics;
mod payloads;

use anyhow::Context as _;
use rasynq::{Answer, HandlerService, IntoHandler, Run, Task, TaskContext, TaskKind, TestRun};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Welcome {
    user_id: u64,
}

impl TaskKind for Welcome {
    const TYPE: &'static str = "email:welcome";
}

async fn welcome(cx: TaskContext, mail: Welcome) -> anyhow::Result<()> {
    cx.write_result(format!("welcome {}", mail.user_id)).await?;
    Ok(())
}

async fn untyped(cx: TaskContext, task: Task) -> anyhow::Result<()> {
    cx.write_result(format!("{} {}", task.task_type(), task.payload().len()))
        .await?;
    Ok(())
}

/// A handler that writes its name as the result.
fn named(name: &'static str) -> HandlerService {
    HandlerService::from_tower(tower::service_fn(move |run: Run| async move {
        run.context.write_result(name).await?;
        Ok::<_, anyhow::Error>(Answer::Done)
    }))
}

/// The result that the handler writes for a task of this type.
async fn result_of<M>(handler: impl IntoHandler<M>, task_type: &str) -> anyhow::Result<String> {
    let run = TestRun::new(task_type);
    run.call(handler, "{}").await?;
    let result = run.result().context("no result")?;
    Ok(String::from_utf8(result.to_vec())?)
}

fn text(error: &anyhow::Error) -> String {
    format!("{error:#}")
}
