//! `rasynq task ls`

use chrono::{DateTime, Utc};
use rasynq::{Inspector, TaskInfo, TaskSelection, TaskState};

use super::selection;
use crate::args::TaskListArguments;
use crate::failure::Failure;
use crate::output::{Output, json_text, printable};
use crate::views::{TaskView, task_row, task_table};

/// After so many lines a long list goes on below what is printed.
const LINES_AT_ONCE: usize = 500;

pub(super) async fn run(
    arguments: TaskListArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let tasks = selection(&arguments.selection, inspector)?;
    let (queue, state) = (&arguments.selection.queue, arguments.selection.state);
    let count = match (arguments.all, output.is_json()) {
        (true, true) => return all_as_json(&tasks, output).await,
        (true, false) => all_as_table(&tasks, state, inspector, output).await?,
        (false, _) => {
            let page = tasks.page(arguments.page, arguments.size).await?;
            if output.is_json() {
                let views: Vec<TaskView> = page.iter().map(TaskView::from).collect();
                return output.print_json(&views);
            }
            print_page(&page, state, inspector.redis_time().await, output)?;
            page.len()
        }
    };
    if count == 0 {
        output.note(&format!("no {state} tasks in queue {}", printable(queue)));
    }
    Ok(())
}

fn print_page(
    page: &[TaskInfo],
    state: TaskState,
    now: DateTime<Utc>,
    output: &Output,
) -> Result<(), Failure> {
    if page.is_empty() {
        return Ok(());
    }
    let mut table = task_table(state);
    for task in page {
        table.push(task_row(task, state, now));
    }
    output.print(&table.text())
}

async fn all_as_table(
    tasks: &TaskSelection,
    state: TaskState,
    inspector: &Inspector,
    output: &Output,
) -> Result<usize, Failure> {
    let mut table = task_table(state);
    let mut stream = tasks.stream();
    let mut count = 0;
    while let Some(task) = stream.next().await {
        table.push(task_row(&task?, state, inspector.redis_time().await));
        count += 1;
        if table.len() >= LINES_AT_ONCE {
            output.print(&table.take_text())?;
        }
    }
    if count > 0 && table.len() > 0 {
        output.print(&table.take_text())?;
    }
    Ok(count)
}

/// One document, written task by task.
async fn all_as_json(tasks: &TaskSelection, output: &Output) -> Result<(), Failure> {
    let mut stream = tasks.stream();
    let Some(first) = stream.next().await else {
        return output.print("[]");
    };
    let mut waiting = json_text(&TaskView::from(&first?));
    output.print("[")?;
    while let Some(task) = stream.next().await {
        output.print(&format!("{},", indented(&waiting)))?;
        waiting = json_text(&TaskView::from(&task?));
    }
    output.print(&indented(&waiting))?;
    output.print("]")
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}
