//! Servers, and what their workers run.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::table::{Cell, Column, Table, fitting};
use crate::dash::format;
use crate::dash::model::Model;
use crate::dash::model::rows::{ServerRow, WorkerRow};
use crate::dash::model::screen::Content;
use crate::dash::text;
use crate::dash::theme::Theme;

fn server_columns(width: u16) -> [Column; 5] {
    [
        Column::left("server", fitting(width, 28, 16)),
        Column::left("status", 8),
        Column::right("up", 7),
        Column::right("runs", 9),
        Column::rest("queues"),
    ]
}

fn worker_columns(width: u16) -> [Column; 6] {
    [
        Column::left("task", fitting(width, 13, 8)),
        Column::left("type", fitting(width, 18, 10)),
        Column::left("queue", fitting(width, 12, 8)),
        Column::right("for", 7),
        Column::left("deadline", 10),
        Column::rest("payload"),
    ]
}

pub(super) fn draw(model: &Model, theme: Theme, body: Rect, buffer: &mut Buffer) {
    let panel_lines = model.panel_lines();
    let list = Rect::new(body.x, body.y, body.width, body.height - panel_lines);
    let place = model.place();
    let servers = model.listed_servers();
    let table = Table {
        columns: &server_columns(body.width),
        area: list,
        theme,
    };
    let rows = servers
        .iter()
        .skip(place.first)
        .map(|server| row(server, model, theme));
    table.draw(rows, place.selected.checked_sub(place.first), buffer);
    if servers.is_empty() {
        let text = match &place.content {
            Content::Servers(_) if place.search.is_empty() => "No server is running.",
            Content::Servers(_) => "No server's name or queue contains this text.",
            _ => super::unread(model),
        };
        let below = Rect::new(list.x, list.y + 1, list.width, list.height - 1);
        super::draw_empty(text, theme, below, buffer);
    }
    let selected = servers.get(place.selected);
    if let (Some(server), 1..) = (selected, panel_lines) {
        let rule = Rect::new(body.x, list.bottom(), body.width, 1);
        let title = format!("runs of {}:{}", text::printable(&server.host), server.pid);
        super::draw_rule(&title, theme, rule, buffer);
        let area = Rect::new(body.x, rule.bottom(), body.width, panel_lines - 1);
        let mut workers: Vec<&WorkerRow> = server.workers.iter().collect();
        workers.sort_by_key(|worker| (worker.started_at, &worker.task_id));
        draw_runs(&workers, 0, None, model, theme, area, buffer);
        if workers.is_empty() {
            let below = Rect::new(area.x, area.y + 1, area.width, 1);
            super::draw_empty("It runs nothing at the moment.", theme, below, buffer);
        }
    }
}

/// The runs of one server or of all.
pub(super) fn draw_workers(model: &Model, theme: Theme, body: Rect, buffer: &mut Buffer) {
    let place = model.place();
    let runs = model.listed_workers();
    let workers: Vec<&WorkerRow> = runs.iter().map(|(_, worker)| *worker).collect();
    let selected = place.selected.checked_sub(place.first);
    draw_runs(&workers, place.first, selected, model, theme, body, buffer);
    if workers.is_empty() {
        let text = match &place.content {
            Content::Servers(_) if place.search.is_empty() => "Nothing runs at the moment.",
            Content::Servers(_) => "No run's task, type, queue or host contains this text.",
            _ => super::unread(model),
        };
        let below = Rect::new(body.x, body.y + 1, body.width, body.height - 1);
        super::draw_empty(text, theme, below, buffer);
    }
}

fn draw_runs(
    workers: &[&WorkerRow],
    first: usize,
    selected: Option<usize>,
    model: &Model,
    theme: Theme,
    area: Rect,
    buffer: &mut Buffer,
) {
    let table = Table {
        columns: &worker_columns(area.width),
        area,
        theme,
    };
    let now = model.redis_now();
    let rest = table.rest_width();
    let rows = workers.iter().skip(first).map(|worker| {
        let deadline = worker
            .deadline
            .map_or_else(|| "·".to_owned(), |at| format::relative(at, now));
        let is_over = worker.deadline.is_some_and(|at| at < now);
        vec![
            (worker.task_id.clone(), Style::new()),
            (worker.task_type.clone(), theme.good()),
            (worker.queue.clone(), Style::new()),
            (format::lasted(worker.started_at, now), theme.bold()),
            (deadline, if is_over { theme.bad() } else { Style::new() }),
            (text::one_line(&worker.payload, rest), theme.dim()),
        ]
    });
    table.draw(rows, selected, buffer);
}

fn row(server: &ServerRow, model: &Model, theme: Theme) -> Vec<Cell> {
    let status = match server.status.as_str() {
        "active" => theme.good(),
        _ => theme.warning(),
    };
    let up = format::lasted(server.started_at, model.redis_now());
    let queues: Vec<String> = server
        .queues
        .iter()
        .map(|(name, weight)| format!("{name} {weight}"))
        .collect();
    let strict = if server.is_strict { "strict: " } else { "" };
    vec![
        (format!("{}:{}", server.host, server.pid), Style::new()),
        (server.status.clone(), status),
        (up, Style::new()),
        (
            format!("{}/{}", server.workers.len(), server.concurrency),
            theme.bold(),
        ),
        (format!("{strict}{}", queues.join(", ")), theme.dim()),
    ]
}
