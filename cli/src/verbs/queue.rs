//! `rasynq queue …`

use std::future::IntoFuture;

use rasynq::{BulkProgress, ErrorKind, Inspector, QueueInfo};
use serde::Serialize;

use super::each::Each;
use crate::args::{
    QueueCommand, QueueHistoryArguments, QueueInspectArguments, QueueRemoveArguments,
};
use crate::failure::{Failure, FailureKind};
use crate::output::{Output, Progress, Table, error_rate, printable, span, tasks_text, time};
use crate::views::{DayView, QueueView, StateCounts, bytes_text, history_table, yes_or_no};

pub(super) async fn run(
    command: QueueCommand,
    is_cluster: bool,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        QueueCommand::List => list(is_cluster, inspector, output).await,
        QueueCommand::Inspect(arguments) => inspect(arguments, inspector, output).await,
        QueueCommand::History(arguments) => history(arguments, inspector, output).await,
        QueueCommand::Pause(names) => pause(names.queues, true, inspector, output).await,
        QueueCommand::Unpause(names) => pause(names.queues, false, inspector, output).await,
        QueueCommand::Remove(arguments) => remove(arguments, inspector, output).await,
    }
}

#[derive(Debug, Serialize)]
struct NameView {
    queue: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_key_slot: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cluster_nodes: Vec<String>,
}

async fn list(is_cluster: bool, inspector: &Inspector, output: &Output) -> Result<(), Failure> {
    let mut views = Vec::new();
    for queue in inspector.queues().await? {
        let mut view = NameView {
            queue,
            cluster_key_slot: None,
            cluster_nodes: Vec::new(),
        };
        if is_cluster {
            view.cluster_key_slot = Some(inspector.cluster_key_slot(&view.queue).await?);
            let nodes = inspector.cluster_nodes(&view.queue).await?;
            view.cluster_nodes = nodes.into_iter().map(|node| node.address).collect();
        }
        views.push(view);
    }
    if output.is_json() {
        return output.print_json(&views);
    }
    if views.is_empty() {
        output.note("no queues");
        return Ok(());
    }
    if !is_cluster {
        let names: Vec<_> = views.iter().map(|view| printable(&view.queue)).collect();
        return output.print(&names.join("\n"));
    }
    let mut table = Table::new(["Queue", "Cluster KeySlot", "Cluster Nodes"]);
    for view in &views {
        table.row([
            printable(&view.queue).into_owned(),
            view.cluster_key_slot.unwrap_or_default().to_string(),
            printable(&view.cluster_nodes.join(" ")).into_owned(),
        ]);
    }
    output.print(&table.text())
}

async fn inspect(
    arguments: QueueInspectArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let mut each = Each::in_sections(output);
    for queue in &arguments.names.queues {
        let read = async {
            let info = inspector.queue_info(queue).await?;
            let memory = match arguments.memory {
                true => Some(inspector.memory_usage(queue).await?),
                false => None,
            };
            let text = queue_text(&info, memory, output);
            Ok((QueueView::of(&info, memory), text))
        };
        let read = read.await.map_err(|error| Failure::of_queue(queue, error));
        each.done(read)?;
    }
    each.end()
}

fn queue_text(info: &QueueInfo, memory: Option<u64>, output: &Output) -> String {
    let mut counters = Table::new(["", "processed", "failed", "error rate"]);
    for (name, processed, failed) in [
        ("today", info.processed, info.failed),
        ("in total", info.processed_total, info.failed_total),
    ] {
        counters.row([
            name.to_owned(),
            processed.to_string(),
            failed.to_string(),
            error_rate(failed, processed),
        ]);
    }
    let paused = match info.paused_since {
        Some(since) => format!("yes, since {}", time(since)),
        None => yes_or_no(false).to_owned(),
    };
    let memory = memory.map(|bytes| format!("\nMemory:  about {}", bytes_text(bytes)));
    format!(
        "{}\nName:    {}\nSize:    {}\nGroups:  {}\nPaused:  {paused}\nLatency: {}{}\n\n{}\n{}\n\n{}\n{}",
        output.heading("Queue Info"),
        printable(&info.queue),
        info.size(),
        info.groups,
        span(info.latency),
        memory.unwrap_or_default(),
        output.heading("Task Count by State"),
        StateCounts::from(info).table().text(),
        output.heading(&format!("Daily Stats {} UTC", info.read_at.date_naive())),
        counters.text(),
    )
}

#[derive(Debug, Serialize)]
struct HistoryView<'a> {
    queue: &'a str,
    days: Vec<DayView>,
}

async fn history(
    arguments: QueueHistoryArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let mut each = Each::in_sections(output);
    for queue in &arguments.names.queues {
        let days = inspector.history(queue, arguments.days).await;
        let shown = days.map(|days| {
            let table = history_table(&days).text();
            let text = format!("Queue: {}\n\n{table}", printable(queue));
            let days = days.iter().map(DayView::from).collect();
            (HistoryView { queue, days }, text)
        });
        each.done(shown.map_err(|error| Failure::of_queue(queue, error)))?;
    }
    each.end()
}

#[derive(Debug, Serialize)]
struct QueueResultView<'a> {
    queue: &'a str,
    result: &'static str,
}

async fn pause(
    queues: Vec<String>,
    pauses: bool,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let known = match pauses {
        true => inspector.queues().await?,
        false => Vec::new(),
    };
    let mut each = Each::new(output);
    for queue in &queues {
        let is_new = pauses && !known.contains(queue);
        let (changed, result) = match pauses {
            true => (inspector.pause_queue(queue).await, "paused"),
            false => (inspector.unpause_queue(queue).await, "unpaused"),
        };
        let view = QueueResultView { queue, result };
        let line = format!("queue {} is {result}", printable(queue));
        if is_new && changed.is_ok() {
            // asynq allows it, and a slip looks the same.
            output.note(&format!("there is no queue {} yet", printable(queue)));
        }
        let changed = changed.map_err(|error| Failure::of_queue(queue, error));
        each.done(changed.map(|()| (view, line)))?;
    }
    each.end()
}

async fn remove(
    arguments: QueueRemoveArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let is_forced = arguments.force.is_on();
    let mut each = Each::new(output);
    for queue in &arguments.names.queues {
        // Removed tasks do not come back, so somebody who can be asked is asked.
        let asks = is_forced && !arguments.yes && output.is_interactive();
        let confirmed = match asks {
            true => confirm_removal(queue, inspector, output).await,
            false => Ok(()),
        };
        let removed = match confirmed {
            Ok(()) => remove_one(queue, is_forced, inspector).await,
            Err(failure) => Err(failure),
        };
        let view = QueueResultView {
            queue,
            result: "removed",
        };
        let line = format!("queue {} is removed", printable(queue));
        let kind = removed.as_ref().err().map(|failure| failure.kind);
        each.done(removed.map(|()| (view, line)))?;
        if kind == Some(FailureKind::Interrupted) {
            break;
        }
    }
    each.end()
}

async fn confirm_removal(
    queue: &str,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let name = printable(queue);
    let tasks = match inspector.queue_info(queue).await {
        Ok(info) => tasks_text(info.size()),
        // A key of another type: then nobody can count.
        Err(error) if error.kind() == ErrorKind::Redis => "all that it has".to_owned(),
        Err(error) => return Err(error.into()),
    };
    output.confirm(&format!("Remove queue {name} with {tasks}?"))
}

async fn remove_one(queue: &str, is_forced: bool, inspector: &Inspector) -> Result<(), Failure> {
    let progress = Progress::start("removing");
    let shown = progress.clone();
    let mut call = inspector
        .delete_queue(queue)
        .on_progress(move |now| shown.show(&now));
    if is_forced {
        call = call.force();
    }
    let what_is_done = |BulkProgress { changed, total, .. }| match total {
        // An answer may have been lost.
        0 => format!(
            "no task of queue {queue} is known to be deleted; `rasynq queue rm --force {queue}` tries again"
        ),
        _ => format!(
            "at least {changed} of about {total} tasks of queue {queue} are deleted; `rasynq queue rm --force {queue}` or \
             `rasynq doctor --fix {queue}` removes the rest"
        ),
    };
    let removed = progress.until_done(call.into_future(), what_is_done).await;
    removed.map_err(|mut failure| {
        if matches!(failure.kind, FailureKind::Library(_)) {
            failure.name_queue(queue);
        }
        match failure.kind {
            FailureKind::Library(ErrorKind::QueueNotEmpty) => {
                let hint = "; --force removes it with its tasks";
                failure.message.push_str(hint);
            }
            FailureKind::Library(ErrorKind::Unavailable) => {
                let done = what_is_done(progress.last());
                failure.message.push_str(&format!("; {done}"));
            }
            _ => {}
        }
        failure
    })
}
