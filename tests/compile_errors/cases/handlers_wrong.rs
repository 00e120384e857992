use std::rc::Rc;

use rasynq::{TaskContext, TaskKind, debug_handler};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, TaskKind)]
#[task(type = "email:welcome")]
pub struct Welcome {
    pub user_id: u64,
}

#[derive(Serialize, Deserialize, TaskKind)]
#[task(type = "greet")]
pub struct Greeting<'a> {
    pub to: &'a str,
}

#[derive(Serialize, TaskKind)]
#[task(type = "only:written")]
pub struct OnlyWritten {
    pub user_id: u64,
}

#[derive(Serialize, Deserialize)]
pub struct WithoutType {
    pub user_id: u64,
}

pub struct Task;

async fn rest() {}

// argument order

#[debug_handler]
pub async fn swapped(mail: Welcome, cx: TaskContext) -> anyhow::Result<()> { //~ the arguments are in the wrong order: the `TaskContext` comes first
    Ok(())
}

// not async

#[debug_handler]
pub fn blocks(cx: TaskContext, mail: Welcome) -> anyhow::Result<()> { //~ a handler is an `async fn`; `rasynq::blocking(blocks)` makes a handler of a function that blocks
    Ok(())
}

#[debug_handler]
pub fn blocks_for_nothing(cx: TaskContext, mail: Welcome) {} //~ a handler is an `async fn`

#[debug_handler]
pub fn no_future(cx: TaskContext, mail: Welcome) -> u64 { //~ `u64` is not a future
    1
}

// error type

#[debug_handler]
pub async fn text(cx: TaskContext, mail: Welcome) -> Result<(), String> { //~ `String` is not an error that a handler can return
    Ok(())
}

#[debug_handler]
pub async fn boxed(cx: TaskContext, mail: Welcome) -> Result<(), Box<dyn std::error::Error + Send + Sync>> { //~ is not an error that a handler can return
    Ok(())
}

// result

#[debug_handler]
pub async fn nothing(cx: TaskContext, mail: Welcome) { //~ a handler returns a `Result`, not `()`
}

#[debug_handler]
pub async fn number(cx: TaskContext, mail: Welcome) -> u64 { //~ a handler returns a `Result`, not `u64`
    1
}

#[debug_handler]
pub async fn answer(cx: TaskContext, mail: Welcome) -> anyhow::Result<u64> { //~ `u64` is not an answer of a handler
    Ok(1)
}

// not send

#[debug_handler]
pub async fn counts(cx: TaskContext, mail: Welcome) -> anyhow::Result<()> { //~ future cannot be sent between threads safely
    let count = Rc::new(1);
    rest().await;
    drop(count);
    Ok(())
}

// no deserialize

#[debug_handler]
pub async fn only_written(cx: TaskContext, mail: OnlyWritten) -> anyhow::Result<()> { //~ `OnlyWritten: serde::Deserialize<
    Ok(())
}

// no task kind

#[debug_handler]
pub async fn without_type(cx: TaskContext, mail: WithoutType) -> anyhow::Result<()> { //~ `WithoutType` is not the payload of a task type
    Ok(())
}

// first argument

#[debug_handler]
pub async fn number_first(cx: u64, mail: Welcome) -> anyhow::Result<()> { //~ the first argument of a handler is a `TaskContext`, not `u64`
    Ok(())
}

#[debug_handler]
pub async fn payload_alone(mail: Welcome) -> anyhow::Result<()> { //~ a handler takes two arguments
    Ok(())
}

#[debug_handler]
pub async fn three(cx: TaskContext, mail: Welcome, more: u64) -> anyhow::Result<()> { //~ a handler takes two arguments
    Ok(())
}

#[debug_handler]
pub async fn other_task(cx: TaskContext, task: Task) -> anyhow::Result<()> { //~ this `Task` is not `rasynq::Task`
    Ok(())
}

type Alias = WithoutType;

#[debug_handler]
pub async fn alias_without_type(cx: TaskContext, mail: Alias) -> anyhow::Result<()> { //~ `WithoutType` is not the payload of a task type
    Ok(())
}

pub mod only_written {
    #[derive(serde::Serialize, rasynq::TaskKind)]
    #[task(type = "only:written")]
    pub struct Task;
}

#[debug_handler]
pub async fn only_written_task(cx: TaskContext, task: only_written::Task) -> anyhow::Result<()> { //~ `only_written::Task: serde::Deserialize<
    Ok(())
}

// references

#[debug_handler]
pub async fn context(cx: &TaskContext, mail: Welcome) -> anyhow::Result<()> { //~ a handler owns its arguments: remove the `&`
    Ok(())
}

#[debug_handler]
pub async fn payload(cx: TaskContext, mail: &Welcome) -> anyhow::Result<()> { //~ a handler owns its arguments: remove the `&`
    Ok(())
}

#[debug_handler]
pub async fn borrowed(cx: TaskContext, it: Greeting<'_>) -> anyhow::Result<()> { //~ a payload with borrowed fields can be enqueued, but not handled
    Ok(())
}

// unusual

pub struct Mailer;

impl Mailer {
    #[debug_handler]
    pub async fn run(&self, cx: TaskContext, mail: Welcome) -> anyhow::Result<()> { //~ a method is not a handler
        Ok(())
    }
}

#[debug_handler]
pub async fn generic<T: Send>(cx: TaskContext, mail: Welcome) -> anyhow::Result<()> { //~ debug_handler cannot check a function with type parameters
    Ok(())
}

#[debug_handler(strict)] //~ debug_handler takes no arguments
pub async fn strict(cx: TaskContext, mail: Welcome) -> anyhow::Result<()> {
    Ok(())
}

#[debug_handler]
pub struct NoFunction; //~ debug_handler belongs to a function
