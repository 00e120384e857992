//! The handlers of a server: scripts, and what is told of their runs.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use rasynq::{HandlerError, HandlerService, IntoHandler, Mux, Run, Task, TaskContext, blocking};
use serde_json::{Map, Value, json};
use tower::Service;

use crate::failure::Failure;
use crate::form::{data, unix_time};
use crate::lines::Lines;
use crate::script::{Ending, Script, cause};

/// Tells the events of one server.
#[derive(Clone)]
pub(crate) struct Teller {
    pub(crate) lines: Lines,
    pub(crate) server: Arc<str>,
}

impl Teller {
    /// Tells an event with these fields, of which some are always there.
    pub(crate) fn tell(&self, name: &str, mut fields: Map<String, Value>) {
        fields.insert("server".to_owned(), (*self.server).into());
        self.lines.event(name, fields);
    }

    /// Tells an event of a task.
    pub(crate) fn tell_task(&self, name: &str, task: &str, mut fields: Map<String, Value>) {
        fields.insert("task".to_owned(), task.into());
        self.tell(name, fields);
    }
}

/// The fields of an event, from `json!({…})`.
pub(crate) fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// One handler for `"*"`, a mux otherwise.
pub(crate) fn handlers(
    mut scripts: BTreeMap<String, Script>,
    teller: &Teller,
    events: bool,
) -> Result<HandlerService, Failure> {
    if let Some(script) = scripts.remove("*") {
        if !scripts.is_empty() {
            return Err(Failure::invalid(
                "\"*\" stands for a handler without a mux: no other pattern can be beside it",
            ));
        }
        return scripted(script, teller, events);
    }
    let mut mux = Mux::new();
    for (pattern, script) in scripts {
        mux = mux.route(pattern, scripted(script, teller, events)?);
    }
    Ok(mux.into_service()?)
}

fn scripted(script: Script, teller: &Teller, events: bool) -> Result<HandlerService, Failure> {
    if !events && script.is_trivial() {
        let nothing = |_: TaskContext, _: Task| std::future::ready(Ok::<(), Infallible>(()));
        return Ok(nothing.into_service()?);
    }
    let script = Arc::new(script);
    let teller = teller.clone();
    let run = move |cx: TaskContext, task: Task| {
        let script = match &*script {
            Script::FromPayload => Arc::new(Script::of_payload(task.payload())),
            Script::Attempts(_) => Arc::clone(&script),
        };
        let teller = teller.clone();
        async move {
            if !script.blocks(cx.retried()) {
                return perform(&script, cx, &task, teller, events).await;
            }
            let runtime = tokio::runtime::Handle::current();
            let on_thread = move |cx: TaskContext, task: Task| {
                runtime.block_on(perform(&script, cx, &task, teller.clone(), events))
            };
            let answer = blocking(on_thread).into_service()?.call(Run::new(cx, task));
            answer.await.map_err(HandlerError::into_inner)?;
            Ok(())
        }
    };
    Ok(run.into_service()?)
}

/// Plays a script as a run of a task, and tells it.
async fn perform(
    script: &Script,
    cx: TaskContext,
    task: &Task,
    teller: Teller,
    events: bool,
) -> anyhow::Result<()> {
    let mut told = ToldRun {
        cx,
        teller,
        end_is_due: events,
    };
    if events {
        told.start(task);
    }
    let emit = |given: &Map<String, Value>| {
        told.teller
            .tell_task("emit", told.cx.task_id(), given.clone());
    };
    let ending = script.play(&told.cx, emit).await;
    if events {
        told.end(ending.outcome(), ending.text());
    }
    ending.answer()
}

/// A run whose end is told in any case: dropped, it was ended from outside.
struct ToldRun {
    cx: TaskContext,
    teller: Teller,
    end_is_due: bool,
}

impl ToldRun {
    fn start(&self, task: &Task) {
        let cx = &self.cx;
        let start = json!({
            "type": task.task_type(),
            "payload": data(task.payload()),
            "headers": task.headers(),
            "queue": cx.queue(),
            "retried": cx.retried(),
            "max_retry": cx.max_retry(),
            "deadline": unix_time(cx.deadline()),
        });
        self.teller.tell_task("start", cx.task_id(), fields(start));
    }

    fn end(&mut self, outcome: &str, error: Option<String>) {
        self.end_is_due = false;
        let end = json!({"outcome": outcome, "error": error});
        self.teller.tell_task("end", self.cx.task_id(), fields(end));
    }
}

impl Drop for ToldRun {
    fn drop(&mut self) {
        if self.end_is_due {
            let ending = Ending::Context(cause(&self.cx));
            self.end(ending.outcome(), ending.text());
        }
    }
}
