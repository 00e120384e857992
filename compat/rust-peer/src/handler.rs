//! The handlers of a server. They play scripts and report the events of each run.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use rasynq::{HandlerError, HandlerService, IntoHandler, Mux, Run, Task, TaskContext, blocking};
use serde_json::{Map, Value, json};
use tower::Service;

use crate::failure::Failure;
use crate::form::{data, unix_time};
use crate::lines::Lines;
use crate::script::{Outcome, Script, end_of_context};

/// Reports the events of one server.
#[derive(Clone)]
pub(crate) struct Reporter {
    pub(crate) lines: Lines,
    pub(crate) server: Arc<str>,
}

impl Reporter {
    /// Reports an event. The field `server` is added.
    pub(crate) fn report(&self, name: &str, mut fields: Map<String, Value>) {
        fields.insert("server".to_owned(), (*self.server).into());
        self.lines.event(name, fields);
    }

    /// Reports an event of a task. The fields `task` and `server` are added.
    pub(crate) fn report_task(&self, name: &str, task: &str, mut fields: Map<String, Value>) {
        fields.insert("task".to_owned(), task.into());
        self.report(name, fields);
    }
}

/// The fields of an event, from `json!({…})`.
pub(crate) fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// One handler for the pattern `"*"`, otherwise a mux.
pub(crate) fn handlers(
    mut scripts: BTreeMap<String, Script>,
    reporter: &Reporter,
    events: bool,
) -> Result<HandlerService, Failure> {
    if let Some(script) = scripts.remove("*") {
        if !scripts.is_empty() {
            return Err(Failure::invalid(
                "\"*\" stands for a handler without a mux: there can be no other pattern",
            ));
        }
        return scripted(script, reporter, events);
    }
    let mut mux = Mux::new();
    for (pattern, script) in scripts {
        mux = mux.route(pattern, scripted(script, reporter, events)?);
    }
    Ok(mux.into_service()?)
}

fn scripted(script: Script, reporter: &Reporter, events: bool) -> Result<HandlerService, Failure> {
    if !events && script.is_trivial() {
        let nothing = |_: TaskContext, _: Task| std::future::ready(Ok::<(), Infallible>(()));
        return Ok(nothing.into_service()?);
    }
    let script = Arc::new(script);
    let reporter = reporter.clone();
    let run = move |cx: TaskContext, task: Task| {
        let script = match &*script {
            Script::FromPayload => Arc::new(Script::of_payload(task.payload())),
            Script::Attempts(_) => Arc::clone(&script),
        };
        let reporter = reporter.clone();
        async move {
            if !script.blocks(cx.retried()) {
                return perform(&script, cx, &task, reporter, events).await;
            }
            let runtime = tokio::runtime::Handle::current();
            let on_thread = move |cx: TaskContext, task: Task| {
                runtime.block_on(perform(&script, cx, &task, reporter.clone(), events))
            };
            let call = blocking(on_thread).into_service()?.call(Run::new(cx, task));
            call.await.map_err(HandlerError::into_inner)?;
            Ok(())
        }
    };
    Ok(run.into_service()?)
}

/// Plays a script as a run of a task, and reports its events.
async fn perform(
    script: &Script,
    cx: TaskContext,
    task: &Task,
    reporter: Reporter,
    events: bool,
) -> anyhow::Result<()> {
    let mut reported = ReportedRun {
        cx,
        reporter,
        end_is_unreported: events,
    };
    if events {
        reported.start(task);
    }
    let emit = |given: &Map<String, Value>| {
        reported
            .reporter
            .report_task("emit", reported.cx.task_id(), given.clone());
    };
    let outcome = script.play(&reported.cx, emit).await;
    if events {
        reported.end(outcome.name(), outcome.text());
    }
    outcome.into_result()
}

/// Reports the end of a run in any case. If it is dropped before, the server has dropped the handler.
struct ReportedRun {
    cx: TaskContext,
    reporter: Reporter,
    end_is_unreported: bool,
}

impl ReportedRun {
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
        self.reporter
            .report_task("start", cx.task_id(), fields(start));
    }

    fn end(&mut self, outcome: &str, error: Option<String>) {
        self.end_is_unreported = false;
        let end = json!({"outcome": outcome, "error": error});
        self.reporter
            .report_task("end", self.cx.task_id(), fields(end));
    }
}

impl Drop for ReportedRun {
    fn drop(&mut self) {
        if self.end_is_unreported {
            let outcome = Outcome::Context(end_of_context(&self.cx));
            self.end(outcome.name(), outcome.text());
        }
    }
}
