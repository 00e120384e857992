//! Schedulers, their entries, and what an entry has enqueued.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::table::{Column, Table, fitting};
use crate::dash::format;
use crate::dash::model::Model;
use crate::dash::model::rows::SchedulerRow;
use crate::dash::model::screen::Content;
use crate::dash::text;
use crate::dash::theme::Theme;

fn entry_columns(width: u16) -> [Column; 5] {
    [
        Column::left("spec", fitting(width, 18, 12)),
        Column::left("next", 10),
        Column::left("last", 12),
        Column::left("type", fitting(width, 20, 10)),
        Column::rest("queue"),
    ]
}

const TICK_COLUMNS: [Column; 3] = [
    Column::left("enqueued (UTC)", 19),
    Column::left("", 12),
    Column::rest("task"),
];

pub(super) fn draw(model: &Model, theme: Theme, body: Rect, buffer: &mut Buffer) {
    let place = model.place();
    if let Content::Schedulers(schedulers, _) = &place.content {
        let line = Rect::new(body.x, body.y, body.width, 1);
        let text = running(schedulers);
        super::draw_empty(
            &text::cut(&text, super::width_in(line)),
            theme,
            line,
            buffer,
        );
    }
    let area = Rect::new(body.x, body.y + 1, body.width, body.height - 1);
    let table = Table {
        columns: &entry_columns(body.width),
        area,
        theme,
    };
    let now = model.redis_now();
    let entries = model.listed_entries();
    let rows = entries.iter().skip(place.first).map(|entry| {
        // Schedulers write their list at intervals, so a tick may be over before the list says so.
        let next = entry.next.map(|next| match next > now {
            true => format::relative(next, now),
            false => "due".to_owned(),
        });
        let last = entry.previous.map(|last| format::relative(last, now));
        vec![
            (entry.spec.clone(), theme.key()),
            (next.unwrap_or_else(|| "never".to_owned()), theme.bold()),
            (last.unwrap_or_else(|| "·".to_owned()), Style::new()),
            (entry.task_type.clone(), Style::new()),
            (entry.queue(), theme.dim()),
        ]
    });
    table.draw(rows, place.selected.checked_sub(place.first), buffer);
    if entries.is_empty() {
        let text = match &place.content {
            Content::Schedulers(..) if place.search.is_empty() => "No scheduler has entries.",
            Content::Schedulers(..) => "No entry's spec, type, queue or id contains this text.",
            _ => super::unread(model),
        };
        let below = Rect::new(area.x, area.y + 1, area.width, area.height - 1);
        super::draw_empty(text, theme, below, buffer);
    }
}

/// The schedulers in one line.
fn running(schedulers: &[SchedulerRow]) -> String {
    if schedulers.is_empty() {
        return "No scheduler is running.".to_owned();
    }
    let each: Vec<String> = schedulers
        .iter()
        .map(|scheduler| {
            let leads = if scheduler.is_leader { " leads" } else { "" };
            let host = text::printable(&scheduler.host);
            format!(
                "{host}:{}{leads} ({} entries)",
                scheduler.pid, scheduler.entries
            )
        })
        .collect();
    each.join("  ")
}

/// What an entry has enqueued, the newest first.
pub(super) fn draw_history(model: &Model, theme: Theme, body: Rect, buffer: &mut Buffer) {
    let place = model.place();
    let table = Table {
        columns: &TICK_COLUMNS,
        area: body,
        theme,
    };
    let now = model.redis_now();
    let ticks = model.listed_ticks();
    let rows = ticks.iter().skip(place.first).map(|tick| {
        vec![
            (format::moment(tick.enqueued_at), Style::new()),
            (format::relative(tick.enqueued_at, now), theme.dim()),
            (tick.task_id.clone(), Style::new()),
        ]
    });
    table.draw(rows, place.selected.checked_sub(place.first), buffer);
    if ticks.is_empty() {
        let text = match &place.content {
            Content::History(_) if place.search.is_empty() => "It has enqueued nothing yet.",
            Content::History(_) => "No task's id contains this text.",
            _ => super::unread(model),
        };
        let below = Rect::new(body.x, body.y + 1, body.width, body.height - 1);
        super::draw_empty(text, theme, below, buffer);
    }
}
