//! The tasks of a queue in one state.

use rasynq::TaskState;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::table::{Cell, Column, Table, fitting};
use crate::dash::format;
use crate::dash::model::Model;
use crate::dash::model::rows::{STATES, TaskRow};
use crate::dash::model::screen::{Content, Screen};
use crate::dash::text;
use crate::dash::theme::Theme;

/// Terminals of this width show whole UUIDs.
const MIN_COLUMNS_WITH_IDS: u16 = 120;

pub(super) fn draw(model: &Model, theme: Theme, body: Rect, buffer: &mut Buffer) {
    let place = model.place();
    let Screen::Tasks { queue, state, .. } = &place.screen else {
        return;
    };
    if let Some(live) = model.queues.get(queue) {
        super::queues::draw_rates(live, theme, body, buffer);
    }
    let tabs = Rect::new(body.x, body.y + 1, body.width, 1);
    draw_states(model, queue, *state, theme, tabs, buffer);
    let area = Rect::new(body.x, body.y + 2, body.width, body.height - 2);
    let columns = columns(*state, body.width);
    let table = Table {
        columns: &columns,
        area,
        theme,
    };
    let now = model.redis_now();
    let rest = table.rest_width();
    let rows = model
        .tasks()
        .iter()
        .skip(place.first)
        .map(|task| row(task, *state, now, rest, theme));
    table.draw(rows, place.selected.checked_sub(place.first), buffer);
    if model.tasks().is_empty() {
        let text = match &place.content {
            Content::Tasks(list) if list.found.is_searching() => "searching",
            Content::Tasks(_) if place.filter.is_empty() => "no tasks in this state",
            Content::Tasks(_) => "no task matches the filter",
            _ => super::unread(model),
        };
        let below = Rect::new(area.x, area.y + 1, area.width, area.height - 1);
        super::draw_empty(text, theme, below, buffer);
    }
}

/// A short name for each state, so that all with their numbers fit into 80 columns.
fn short(state: TaskState) -> &'static str {
    match state {
        TaskState::Active => "active",
        TaskState::Scheduled => "sched",
        TaskState::Retry => "retry",
        TaskState::Archived => "arch",
        TaskState::Completed => "compl",
        TaskState::Aggregating => "aggr",
        _ => "pending",
    }
}

fn draw_states(
    model: &Model,
    queue: &str,
    open: TaskState,
    theme: Theme,
    area: Rect,
    buffer: &mut Buffer,
) {
    let mut spans = Vec::new();
    for state in STATES {
        let live = model.queues.get(queue);
        let size = live.map(|live| live.row.size_of(state));
        let count = size.map_or_else(|| "·".to_owned(), format::short_count);
        let style = match (state == open, size) {
            (true, _) => theme.selected(),
            (_, None | Some(0)) => theme.dim(),
            _ => theme.state(state),
        };
        spans.push(Span::styled(format!(" {} {count} ", short(state)), style));
    }
    buffer.set_line(area.x, area.y, &Line::from(spans), area.width);
}

fn columns(state: TaskState, width: u16) -> Vec<Column> {
    let id_width = match width >= MIN_COLUMNS_WITH_IDS {
        true => 36,
        false => fitting(width, 13, 8),
    };
    let mut columns = vec![
        Column::left("id", id_width),
        Column::left("type", fitting(width, 20, 12)),
    ];
    let tries = Column::right("tries", 6);
    match state {
        TaskState::Active => {
            columns.extend([tries, Column::left("lease", 8), Column::rest("payload")])
        }
        TaskState::Scheduled => {
            columns.extend([Column::left("due", 10), Column::rest("payload")]);
        }
        TaskState::Retry => {
            columns.extend([tries, Column::left("due", 10), Column::rest("last error")])
        }
        TaskState::Archived => columns.extend([
            tries,
            Column::left("failed", 10),
            Column::rest("last error"),
        ]),
        TaskState::Completed => {
            columns.extend([Column::left("completed", 10), Column::rest("result")]);
        }
        TaskState::Aggregating => {
            columns.extend([Column::left("group", 16), Column::rest("payload")]);
        }
        _ => columns.extend([tries, Column::rest("payload")]),
    }
    columns
}

fn row(
    task: &TaskRow,
    state: TaskState,
    now: chrono::DateTime<chrono::Utc>,
    rest: usize,
    theme: Theme,
) -> Vec<Cell> {
    let plain = Style::new();
    let moment = |moment: Option<chrono::DateTime<chrono::Utc>>| {
        let text = moment.map(|moment| format::relative(moment, now));
        (text.unwrap_or_else(|| "·".to_owned()), plain)
    };
    let tries = (format!("{}/{}", task.retried, task.max_retry), plain);
    let payload = || (text::one_line(&task.payload, rest), plain);
    let error = || {
        (
            text::one_line(task.last_error.as_bytes(), rest),
            theme.bad(),
        )
    };
    let mut cells = vec![
        (task.id.clone(), plain),
        match task.is_undecodable {
            true => ("(does not decode)".to_owned(), theme.bad()),
            false => (task.task_type.clone(), theme.state(state)),
        },
    ];
    match state {
        TaskState::Active => {
            let lease = match task.is_orphaned {
                true => ("orphaned".to_owned(), theme.bad()),
                false => ("held".to_owned(), theme.dim()),
            };
            cells.extend([tries, lease, payload()]);
        }
        TaskState::Scheduled => cells.extend([moment(task.next_process_at), payload()]),
        TaskState::Retry => cells.extend([tries, moment(task.next_process_at), error()]),
        TaskState::Archived => cells.extend([tries, moment(task.last_failed_at), error()]),
        TaskState::Completed => {
            let result = (text::one_line(&task.result, rest), plain);
            cells.extend([moment(task.completed_at), result]);
        }
        TaskState::Aggregating => cells.extend([(task.group.clone(), plain), payload()]),
        _ => cells.extend([tries, payload()]),
    }
    cells
}
