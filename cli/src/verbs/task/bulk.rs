//! `rasynq task runall|archiveall|deleteall`

use rasynq::{BulkProgress, DEFAULT_ARCHIVE_MAX_SIZE, Inspector, TaskSelection};
use serde::Serialize;

use super::change::Change;
use super::selection;
use crate::args::{TaskAllArguments, TaskDeleteAllArguments};
use crate::failure::Failure;
use crate::output::{Output, Progress, printable, tasks_text};

#[derive(Debug, Serialize)]
struct CountView {
    dry_run: bool,
    matched: u64,
}

#[derive(Debug, Serialize)]
struct BulkResultView {
    dry_run: bool,
    examined: u64,
    matched: u64,
    changed: u64,
    trimmed: u64,
}

pub(super) async fn run(
    all: TaskAllArguments,
    change: Change,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let tasks = selection(&all.selection, inspector)?;
    match all.dry_run {
        true => count(tasks, change, output).await,
        false => apply(tasks, change, output).await,
    }
}

/// Deleted tasks do not come back, so somebody who can be asked is asked.
pub(super) async fn delete(
    arguments: TaskDeleteAllArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let TaskDeleteAllArguments { all, yes } = arguments;
    if !yes && !all.dry_run && output.is_interactive() {
        let matched = selection(&all.selection, inspector)?.count().await?;
        if matched > 0 {
            let (state, queue) = (all.selection.state, printable(&all.selection.queue));
            output.confirm(&format!(
                "Delete {} ({state}) of queue {queue}?",
                tasks_text(matched)
            ))?;
        }
    }
    run(all, Change::Delete, inspector, output).await
}

async fn count(tasks: TaskSelection, change: Change, output: &Output) -> Result<(), Failure> {
    let progress = Progress::start("looking");
    let shown = progress.clone();
    let tasks = tasks.on_progress(move |now| shown.show(&now));
    let done = |_| "nothing was changed".to_owned();
    let matched = progress.until_done(tasks.count(), done).await?;
    if output.is_json() {
        return output.print_json(&CountView {
            dry_run: true,
            matched,
        });
    }
    output.print(&match change {
        Change::Run => format!("{} would be pending", tasks_text(matched)),
        Change::Archive => format!("{} would be archived", tasks_text(matched)),
        Change::Delete => format!("{} would be deleted", tasks_text(matched)),
    })
}

async fn apply(tasks: TaskSelection, change: Change, output: &Output) -> Result<(), Failure> {
    let progress = Progress::start(match change {
        Change::Run => "running",
        Change::Archive => "archiving",
        Change::Delete => "deleting",
    });
    let shown = progress.clone();
    let tasks = tasks.on_progress(move |now| shown.show(&now));
    let work = async {
        match change {
            Change::Run => tasks.run().await,
            Change::Archive => tasks.archive().await,
            Change::Delete => tasks.delete().await,
        }
    };
    let done = |last| what_is_done(last, change);
    let result = progress.until_done(work, done).await?;
    if output.is_json() {
        return output.print_json(&BulkResultView {
            dry_run: false,
            examined: result.examined,
            matched: result.matched,
            changed: result.changed,
            trimmed: result.trimmed,
        });
    }
    let changed = result.changed;
    output.print(&match change {
        Change::Run if changed == 1 => "1 task is now pending".to_owned(),
        Change::Run => format!("{changed} tasks are now pending"),
        Change::Archive if result.trimmed > 0 => format!(
            "{} archived; {} deleted, because the archive keeps the newest {DEFAULT_ARCHIVE_MAX_SIZE}",
            tasks_text(changed),
            tasks_text(result.trimmed)
        ),
        Change::Archive => format!("{} archived", tasks_text(changed)),
        Change::Delete => format!("{} deleted", tasks_text(changed)),
    })
}

fn what_is_done(last: BulkProgress, change: Change) -> String {
    let BulkProgress { changed, total, .. } = last;
    format!(
        "at least {changed} of about {total} tasks are {}; the step that was under way may have changed more",
        change.result()
    )
}
