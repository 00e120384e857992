//! The queues: how many tasks are in which state, and what the selected queue did lately.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::table::{Cell, Column, Table};
use crate::dash::format;
use crate::dash::model::Model;
use crate::dash::model::rates::{LiveQueue, Sample};
use crate::dash::model::rows::STATES;
use crate::dash::text;
use crate::dash::theme::Theme;

const COLUMNS: [Column; 11] = [
    Column::rest("queue"),
    Column::right("pend", 5),
    Column::right("activ", 5),
    Column::right("sched", 5),
    Column::right("retry", 5),
    Column::right("archv", 5),
    Column::right("compl", 5),
    Column::right("aggr", 5),
    Column::right("done/s", 6),
    Column::right("fail/s", 6),
    Column::right("latency", 7),
];

/// The columns that narrow terminals leave out, the first one first, so that names keep their room.
const LEFT_OUT: [usize; 5] = [7, 6, 3, 9, 10];
const MIN_NAME_COLUMNS: usize = 14;

/// Terminals of this width have a sparkline in each row.
const MIN_COLUMNS_WITH_SPARKLINES: u16 = 100;
const SPARKLINE_COLUMNS: usize = 16;

/// Latencies from here on are marked.
const LONG_LATENCY: Duration = Duration::from_secs(60);

pub(super) fn draw(model: &Model, theme: Theme, body: Rect, buffer: &mut Buffer) {
    let panel_lines = model.panel_lines();
    let list = Rect::new(body.x, body.y, body.width, body.height - panel_lines);
    let shown = shown(usize::from(body.width));
    let mut columns = chosen(&shown, COLUMNS);
    if body.width >= MIN_COLUMNS_WITH_SPARKLINES {
        columns.push(Column::left("done/s lately", SPARKLINE_COLUMNS));
    }
    let place = model.place();
    let names = model.listed_names();
    let table = Table {
        columns: &columns,
        area: list,
        theme,
    };
    let rows = names.iter().skip(place.first).map(|name| {
        let mut cells = row(name, model.queues.get(*name), theme);
        let sparkline = cells.split_off(COLUMNS.len().min(cells.len()));
        let mut cells = chosen(&shown, cells);
        cells.extend(sparkline);
        cells
    });
    let selected = place.selected.checked_sub(place.first);
    table.draw(rows, selected, buffer);
    if names.is_empty() {
        let text = match (&model.names, place.search.is_empty()) {
            (None, _) => "reading the queues",
            (_, true) => "There are no queues. A queue appears with its first task.",
            (_, false) => "No queue's name contains this text.",
        };
        let line = Rect::new(list.x, list.y + 1, list.width, list.height - 1);
        super::draw_empty(text, theme, line, buffer);
    }
    if panel_lines > 0 {
        let panel = Rect::new(body.x, list.bottom(), body.width, panel_lines);
        draw_panel(model, theme, panel, buffer);
    }
}

/// Which of the columns a terminal of this width shows.
fn shown(width: usize) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..COLUMNS.len()).collect();
    for left_out in LEFT_OUT {
        let taken: usize = shown.iter().map(|index| COLUMNS[*index].taken()).sum();
        if width.saturating_sub(taken + 2) >= MIN_NAME_COLUMNS {
            break;
        }
        shown.retain(|index| *index != left_out);
    }
    shown
}

/// Those at these places.
fn chosen<T>(shown: &[usize], all: impl IntoIterator<Item = T>) -> Vec<T> {
    let all = all.into_iter().enumerate();
    all.filter(|(index, _)| shown.contains(index))
        .map(|(_, item)| item)
        .collect()
}

fn row(name: &str, live: Option<&LiveQueue>, theme: Theme) -> Vec<Cell> {
    let is_paused = live.is_some_and(|live| live.row.paused_since.is_some());
    let mut cells = match is_paused {
        true => vec![(format!("‖ {name}"), theme.warning())],
        false => vec![(name.to_owned(), Style::new())],
    };
    let Some(live) = live else {
        let unknown = || ("·".to_owned(), theme.dim());
        cells.extend(std::iter::repeat_with(unknown).take(COLUMNS.len() - 1));
        return cells;
    };
    for state in STATES {
        let size = live.row.size_of(state);
        let style = match size {
            0 => theme.dim(),
            _ => theme.state(state),
        };
        cells.push((format::short_count(size), style));
    }
    let rate = |rate: Option<f64>| match rate {
        Some(rate) => format::rate(rate),
        None => "·".to_owned(),
    };
    let latest = live.latest();
    let failed = latest.map(|sample| sample.failed_per_sec);
    let is_failing = failed.is_some_and(|rate| rate >= 0.05);
    cells.push((
        rate(latest.map(|sample| sample.processed_per_sec)),
        Style::new(),
    ));
    cells.push((
        rate(failed),
        if is_failing { theme.bad() } else { theme.dim() },
    ));
    cells.push((format::span(live.row.latency), latency_style(live, theme)));
    let values = live.samples().map(|sample| sample.processed_per_sec);
    cells.push((format::sparkline(values, SPARKLINE_COLUMNS), theme.good()));
    cells
}

fn latency_style(live: &LiveQueue, theme: Theme) -> Style {
    match live.row.latency {
        latency if latency >= LONG_LATENCY => theme.warning(),
        _ => Style::new(),
    }
}

/// The selected queue in numbers and sparklines.
fn draw_panel(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let Some(name) = model.selected_name() else {
        return;
    };
    let Some(live) = model.queues.get(&name) else {
        return super::draw_rule(&text::printable(&name), theme, area, buffer);
    };
    let row = &live.row;
    let mut title = text::printable(&name).into_owned();
    if let Some(since) = row.paused_since {
        let paused = format::since(since, model.redis_now());
        title += &format!(", paused for {}", format::span(paused));
    }
    super::draw_rule(&title, theme, area, buffer);
    let latest = live.latest();
    let rate = |of: fn(&Sample) -> f64| match &latest {
        Some(sample) => format!("{}/s", format::rate(of(sample))),
        None => "·".to_owned(),
    };
    let facts = [
        (
            "processed",
            rate(|sample| sample.processed_per_sec),
            (|sample: &Sample| sample.processed_per_sec) as fn(&Sample) -> f64,
            format!("{} today", format::full_count(row.processed_today)),
            theme.good(),
        ),
        (
            "failed",
            rate(|sample| sample.failed_per_sec),
            |sample| sample.failed_per_sec,
            format!("{} today", format::full_count(row.failed_today)),
            theme.bad(),
        ),
        (
            "latency",
            format::span(row.latency),
            |sample| sample.latency_secs,
            String::new(),
            theme.warning(),
        ),
    ];
    let columns = super::width_in(area);
    for ((label, value, of, today, style), line) in facts.into_iter().zip(area.rows().skip(1)) {
        let today = format!("  {today:<18}");
        let room = columns.saturating_sub(20 + text::width(&today));
        let spans = vec![
            Span::styled(format!("{label:<10}"), theme.dim()),
            Span::raw(format!("{value:>8}  ")),
            Span::styled(format::sparkline(live.samples().map(of), room), style),
            Span::styled(today, theme.dim()),
        ];
        buffer.set_line(line.x + 1, line.y, &Line::from(spans), columns as u16);
    }
    let mut sizes = match row.size() {
        1 => "1 task".to_owned(),
        size => format!("{} tasks", format::full_count(size)),
    };
    if row.is_estimate {
        sizes = format!("about {sizes}");
    }
    match row.groups {
        0 => {}
        1 => sizes += ", 1 group",
        groups => sizes += &format!(", {} groups", format::full_count(groups)),
    }
    let mut spans = vec![Span::raw(sizes)];
    if row.orphaned > 0 {
        let orphaned = format!(", {} orphaned", format::full_count(row.orphaned));
        spans.push(Span::styled(orphaned, theme.bad()));
    }
    let last = area.bottom() - 1;
    buffer.set_line(area.x + 1, last, &Line::from(spans), columns as u16);
}

/// The rates and the latency of a queue in one line.
pub(super) fn draw_rates(live: &LiveQueue, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let columns = super::width_in(area);
    // Three labels with their values take 16 columns each.
    let room = (columns / 3).saturating_sub(19);
    let latest = live.latest();
    let rate = |of: fn(&Sample) -> f64| match &latest {
        Some(sample) => format!("{}/s", format::rate(of(sample))),
        None => "·".to_owned(),
    };
    let part = |label: &str, value: String, of: fn(&Sample) -> f64, style: Style| {
        let sparkline = format::sparkline(live.samples().map(of), room);
        [
            Span::styled(format!("{label} "), theme.dim()),
            Span::raw(format!("{value:>7} ")),
            Span::styled(sparkline, style),
            Span::raw("  "),
        ]
    };
    let processed = |sample: &Sample| sample.processed_per_sec;
    let failed = |sample: &Sample| sample.failed_per_sec;
    let mut spans = Vec::new();
    spans.extend(part("processed", rate(processed), processed, theme.good()));
    spans.extend(part("failed", rate(failed), failed, theme.bad()));
    let latency = format::span(live.row.latency);
    let style = latency_style(live, theme);
    spans.extend(part(
        "latency",
        latency,
        |sample| sample.latency_secs,
        style,
    ));
    buffer.set_line(area.x + 1, area.y, &Line::from(spans), columns as u16);
}
