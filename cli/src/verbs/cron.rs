//! `rasynq cron …`

use chrono::Utc;
use rasynq::{Inspector, Schedule};
use serde::Serialize;

use super::each::Each;
use super::task::print_enqueued;
use crate::args::{CronCommand, CronHistoryArguments, CronNextArguments, CronRunArguments};
use crate::failure::{Failure, FailureKind};
use crate::output::{Output, Table, printable, time, until};
use crate::views::{EntryHistoryView, EntryView, entry_table, event_table, rfc3339};

pub(super) async fn run(
    command: CronCommand,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        CronCommand::List => list(inspector, output).await,
        CronCommand::History(arguments) => history(arguments, inspector, output).await,
        CronCommand::Run(arguments) => run_entry(&arguments, inspector, output).await,
        CronCommand::Next(arguments) => next(&arguments, output),
    }
}

async fn list(inspector: &Inspector, output: &Output) -> Result<(), Failure> {
    let mut entries = inspector.scheduler_entries().await?;
    entries.sort_by(|a, b| (&a.spec, &a.task_type, &a.id).cmp(&(&b.spec, &b.task_type, &b.id)));
    if output.is_json() {
        let views: Vec<EntryView> = entries.iter().map(EntryView::from).collect();
        return output.print_json(&views);
    }
    if entries.is_empty() {
        output.note("no scheduler entries");
        return Ok(());
    }
    output.print(&entry_table(&entries, inspector.redis_time().await).text())
}

async fn history(
    arguments: CronHistoryArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let mut each = Each::in_sections(output);
    for entry in &arguments.entries {
        let read = async {
            let (page, size) = (arguments.page, arguments.size);
            let events = inspector.enqueue_events(entry, page, size).await?;
            let table = match events.is_empty() {
                true => {
                    check_entry(entry, inspector).await?;
                    "no tasks on this page".to_owned()
                }
                false => event_table(&events).text(),
            };
            let text = format!("Entry: {}\n\n{table}", printable(entry));
            Ok((EntryHistoryView::of(entry, &events), text))
        };
        each.done(read.await)?;
    }
    each.end()
}

/// Fails if no scheduler has the entry, and it has no history either.
async fn check_entry(id: &str, inspector: &Inspector) -> Result<(), Failure> {
    let entries = inspector.scheduler_entries().await?;
    let is_known = entries.iter().any(|entry| entry.id == id)
        || !inspector.enqueue_events(id, 1, 1).await?.is_empty();
    match is_known {
        true => Ok(()),
        false => Err(no_entry(id)),
    }
}

async fn run_entry(
    arguments: &CronRunArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let entries = inspector.scheduler_entries().await?;
    let entry = entries.iter().find(|entry| entry.id == arguments.entry);
    let entry = entry.ok_or_else(|| no_entry(&arguments.entry))?;
    let info = inspector.enqueue_entry(entry).await?;
    print_enqueued(&info, output)
}

fn no_entry(id: &str) -> Failure {
    let text = format!("no scheduler has an entry {id:?}");
    Failure::new(FailureKind::EntryNotFound, text)
}

#[derive(Debug, Serialize)]
struct NextView<'a> {
    spec: &'a str,
    description: String,
    zone: &'static str,
    next: Vec<String>,
}

/// When a spec fires next. It asks nobody.
pub(super) fn next(arguments: &CronNextArguments, output: &Output) -> Result<(), Failure> {
    let schedule = match arguments.cronexpr {
        true => Schedule::cronexpr(&arguments.spec)?,
        false => Schedule::standard(&arguments.spec)?,
    };
    let now = arguments.after.unwrap_or_else(Utc::now);
    let zone = arguments.zone;
    let times: Vec<_> = schedule
        .upcoming(now, zone)
        .take(arguments.count as usize)
        .collect();
    if output.is_json() {
        return output.print_json(&NextView {
            spec: &arguments.spec,
            description: schedule.describe(),
            zone: zone.name(),
            next: times.into_iter().map(rfc3339).collect(),
        });
    }
    let description = schedule.describe();
    if times.is_empty() {
        return output.print(&format!(
            "{description}\n\nnever in the years that are searched"
        ));
    }
    let from = match arguments.after {
        Some(_) => "From --after",
        None => "From now",
    };
    let mut table = Table::new(["Next", from, "In the zone"]);
    for at in times {
        let local = at.with_timezone(&zone).format("%a %Y-%m-%d %H:%M:%S %Z");
        table.row([time(at), until(at, now), local.to_string()]);
    }
    output.print(&format!("{description}\n\n{}", table.text()))
}
