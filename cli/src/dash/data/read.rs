//! Reads what a view needs, and no more: only the visible queues, one page of tasks.

use futures_util::future::{join_all, try_join};
use rasynq::{Error, ErrorKind, Inspector, Result, TaskSelection, TaskState};

use super::convert;
use crate::dash::format::full_count;
use crate::dash::model::action::Selection;
use crate::dash::model::matching_names;
use crate::dash::model::rows::QueueRow;
use crate::dash::model::screen::{Content, Found, GroupList, MAX_GROUPS, Snapshot, TaskList, View};
use crate::failure::{Failure, error_text};

/// What was read: the content of the screen, and queues.
type Read = (Content, Vec<QueueRow>);

/// Reads what a view needs. Of a filtered list of tasks it reads only the queue: the search is made by steps.
pub(super) async fn read(inspector: &Inspector, view: &View) -> Result<Snapshot> {
    let mut snapshot = Snapshot {
        view: view.clone(),
        names: None,
        queues: Vec::new(),
        failure: None,
        content: Content::Queues,
    };
    if let View::Queues {
        search,
        first,
        rows,
    } = view
    {
        let names = inspector.queues().await?;
        let visible = matching_names(&names, search).skip(*first).take(*rows);
        let (rows, failure) = queue_rows(inspector, visible).await;
        match failure {
            Some((_, error)) if rows.is_empty() => return Err(error),
            // A queue with broken keys does not hide the others.
            Some((queue, error)) => {
                snapshot.failure = Some(Failure::of_queue(queue, error).message);
            }
            None => {}
        }
        snapshot.queues = rows;
        snapshot.names = Some(names);
        return Ok(snapshot);
    }
    match read_content(inspector, view).await {
        Ok((content, queues)) => {
            snapshot.content = content;
            snapshot.queues = queues;
        }
        Err(error) if is_gone(&error) => snapshot.content = Content::Nothing(error_text(&error)),
        Err(error) => return Err(error),
    }
    Ok(snapshot)
}

async fn read_content(inspector: &Inspector, view: &View) -> Result<Read> {
    match view {
        View::Queues { .. } => Ok((Content::Queues, Vec::new())),
        View::Tasks {
            selection,
            page,
            page_size,
        } => read_page(inspector, selection, *page, *page_size).await,
        View::Groups { queue } => read_groups(inspector, queue).await,
        View::Task { queue, id } => {
            let details = inspector.task_details(queue, id);
            let (details, queue) = try_join(details, queue_row(inspector, queue)).await?;
            let facts = Box::new(convert::facts(details));
            Ok((Content::Task(facts), vec![queue]))
        }
        View::Servers => {
            let servers = inspector.servers().await?;
            let servers = servers.into_iter().map(convert::server).collect();
            Ok((Content::Servers(servers), Vec::new()))
        }
        View::Schedulers => {
            let (schedulers, entries) =
                try_join(inspector.schedulers(), inspector.scheduler_entries()).await?;
            let schedulers = schedulers.into_iter().map(convert::scheduler).collect();
            let entries = entries.into_iter().map(convert::entry).collect();
            Ok((Content::Schedulers(schedulers, entries), Vec::new()))
        }
        View::History { entry, page_size } => {
            let events = inspector.enqueue_events(entry, 1, (*page_size).into());
            let ticks = events.await?.into_iter().map(convert::tick).collect();
            Ok((Content::History(ticks), Vec::new()))
        }
    }
}

async fn read_page(
    inspector: &Inspector,
    selection: &Selection,
    page: u32,
    page_size: u32,
) -> Result<Read> {
    let queue = queue_row(inspector, &selection.queue).await?;
    if !selection.filter.is_empty() {
        let list = TaskList {
            rows: Vec::new(),
            total: None,
            found: Found::SEARCHING,
        };
        return Ok((Content::Tasks(list), vec![queue]));
    }
    let is_of_all_groups = selection.state == TaskState::Aggregating && selection.group.is_none();
    if is_of_all_groups && queue.groups > MAX_GROUPS {
        let text = format!(
            "The tasks of {} groups are not listed. g and o open a group by its name.",
            full_count(queue.groups)
        );
        return Ok((Content::Nothing(text), vec![queue]));
    }
    let tasks = tasks_of(inspector, selection);
    let tasks = tasks.page(page.into(), page_size.into()).await?;
    let list = TaskList {
        rows: tasks.into_iter().map(convert::task).collect(),
        total: match selection.group {
            None => Some(queue.size_of(selection.state)),
            Some(_) => None,
        },
        found: Found::Unfiltered,
    };
    Ok((Content::Tasks(list), vec![queue]))
}

async fn read_groups(inspector: &Inspector, queue: &str) -> Result<Read> {
    let row = queue_row(inspector, queue).await?;
    let list = match row.groups {
        too_many if too_many > MAX_GROUPS => GroupList::TooMany(too_many),
        _ => {
            let groups = inspector.groups(queue).await?;
            GroupList::Rows(groups.into_iter().map(convert::group).collect())
        }
    };
    Ok((Content::Groups(list), vec![row]))
}

/// The tasks that a selection means, for the library.
pub(super) fn tasks_of(inspector: &Inspector, selection: &Selection) -> TaskSelection {
    let mut tasks = inspector.tasks(&selection.queue, selection.state);
    if let Some(group) = &selection.group {
        tasks = tasks.group(group);
    }
    match selection.filter.is_empty() {
        true => tasks,
        false => tasks.matching(selection.filter.tasks()),
    }
}

pub(super) async fn queue_row(inspector: &Inspector, queue: &str) -> Result<QueueRow> {
    inspector.queue_info(queue).await.map(convert::queue)
}

/// Those of the queues that can be read, and why another one cannot.
async fn queue_rows<'a>(
    inspector: &Inspector,
    names: impl Iterator<Item = &'a str>,
) -> (Vec<QueueRow>, Option<(&'a str, Error)>) {
    let reads = names.map(async |name| (name, queue_row(inspector, name).await));
    let reads = join_all(reads).await;
    let mut rows = Vec::with_capacity(reads.len());
    let mut failure = None;
    for (name, read) in reads {
        match read {
            Ok(row) => rows.push(row),
            // It was deleted after its name was read.
            Err(error) if is_gone(&error) => {}
            Err(error) => failure = Some((name, error)),
        }
    }
    (rows, failure)
}

/// Whether what was asked for is not there any more.
fn is_gone(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::QueueNotFound | ErrorKind::TaskNotFound
    )
}
