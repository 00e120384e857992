//! Draws the model, and changes nothing of it.

mod dialogs;
mod frame;
mod groups;
mod help;
mod queues;
mod schedulers;
mod servers;
mod status;
mod table;
mod task;
mod tasks;
#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::model::Model;
use super::model::dialog::Dialog;
use super::model::screen::{Content, Screen};
use super::theme::Theme;

/// Draws the screen that is visible.
pub(crate) fn draw(model: &Model, theme: Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    if model.is_too_small() {
        return frame::draw_too_small(area, buffer);
    }
    let body = frame::draw(model, theme, area, buffer);
    match &model.dialog {
        Some(Dialog::Help(first)) => help::draw(model, theme, *first, body, buffer),
        _ => draw_body(model, theme, body, buffer),
    }
    status::draw(model, theme, area, buffer);
    match &model.dialog {
        Some(Dialog::Confirm(confirm)) => dialogs::draw_confirm(confirm, theme, body, buffer),
        Some(Dialog::Prompt(prompt)) => {
            let status = Rect::new(area.x, area.bottom() - 2, area.width, 1);
            dialogs::draw_prompt(prompt, theme, status, buffer);
        }
        _ => {}
    }
}

fn draw_body(model: &Model, theme: Theme, body: Rect, buffer: &mut Buffer) {
    let place = model.place();
    if let Content::Nothing(reason) = &place.content {
        buffer.set_stringn(
            body.x + 1,
            body.y + 1,
            reason,
            width_in(body),
            theme.warning(),
        );
        return;
    }
    match &place.screen {
        Screen::Queues => queues::draw(model, theme, body, buffer),
        Screen::Tasks { .. } => tasks::draw(model, theme, body, buffer),
        Screen::Groups { .. } => groups::draw(model, theme, body, buffer),
        Screen::Task { .. } => task::draw(model, theme, body, buffer),
        Screen::Servers => servers::draw(model, theme, body, buffer),
        Screen::Workers { .. } => servers::draw_workers(model, theme, body, buffer),
        Screen::Schedulers => schedulers::draw(model, theme, body, buffer),
        Screen::History(_) => schedulers::draw_history(model, theme, body, buffer),
    }
}

/// How many lines the visible task takes.
pub(crate) fn task_lines(model: &Model) -> usize {
    task::lines(model, Theme::new(false)).len()
}

/// How many lines the help takes.
pub(crate) fn help_lines(model: &Model) -> usize {
    help::lines(model, Theme::new(false)).len()
}

/// The columns of a line with a space at both sides.
fn width_in(area: Rect) -> usize {
    usize::from(area.width.saturating_sub(2))
}

/// What stands for rows that have not been read. The status says why, if they cannot be read.
fn unread(model: &Model) -> &'static str {
    match model.trouble() {
        Some(_) => "not read yet",
        None => "reading",
    }
}

/// A line that says why there are no rows.
fn draw_empty(text: &str, theme: Theme, area: Rect, buffer: &mut Buffer) {
    if area.height > 0 {
        buffer.set_stringn(area.x + 1, area.y, text, width_in(area), theme.dim());
    }
}

/// Draws lines of a text from one on, as many as there is room for.
fn draw_lines(lines: &[Line<'_>], first: usize, area: Rect, buffer: &mut Buffer) {
    let first = first.min(lines.len().saturating_sub(usize::from(area.height)));
    let visible = lines.iter().skip(first).zip(area.rows());
    for (line, row) in visible {
        buffer.set_line(row.x + 1, row.y, line, row.width.saturating_sub(2));
    }
}

/// A line across, with a title.
fn draw_rule(title: &str, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let columns = usize::from(area.width);
    let title = super::text::cut(title, columns.saturating_sub(8));
    let left = format!("── {title} ");
    let rest = columns.saturating_sub(super::text::width(&left));
    buffer.set_stringn(area.x, area.y, left, columns, theme.title());
    let x = area.x + area.width.saturating_sub(rest as u16);
    buffer.set_stringn(x, area.y, "─".repeat(rest), rest, theme.dim());
}
