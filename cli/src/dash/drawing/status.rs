//! What is going on: in the line above the keys, and over the last lines of the body if it is longer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use crate::dash::format;
use crate::dash::model::action::Advance;
use crate::dash::model::screen::{Content, Found};
use crate::dash::model::{Job, Model};
use crate::dash::text;
use crate::dash::theme::Theme;

/// How many lines a text takes at most.
const MAX_STATUS_LINES: usize = 3;

/// What is going on: why what is shown is old, and an action that runs, what the last one came to, or how far a search is.
/// What is longer than the line lies over the last lines of the body.
pub(super) fn draw(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let trouble = model.trouble().map(|text| (text.to_owned(), theme.bad()));
    let action = if let Some(job) = model.jobs.last() {
        Some((running(model, job), theme.warning()))
    } else if let Some(notice) = &model.notice {
        let style = match notice.is_failure {
            true => theme.bad(),
            false => theme.good(),
        };
        Some((notice.text.clone(), style))
    } else if trouble.is_none() {
        searching(model).map(|text| (text, theme.dim()))
    } else {
        None
    };
    let columns = super::width_in(area);
    let texts = trouble.into_iter().chain(action);
    let lines: Vec<_> = texts
        .flat_map(|(text, style)| {
            let lines = status_lines(&text, columns).into_iter();
            lines.map(move |line| (line, style))
        })
        .collect();
    let first = area.bottom() - 1 - lines.len() as u16;
    for ((text, style), y) in lines.iter().zip(first..) {
        let line = Rect::new(area.x, y, area.width, 1);
        Clear.render(line, buffer);
        buffer.set_stringn(line.x + 1, y, text, columns, *style);
    }
}

/// A text in at most [`MAX_STATUS_LINES`] lines.
fn status_lines(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    text::wrap_words(&text::printable(text), columns, &mut lines);
    if lines.len() > MAX_STATUS_LINES {
        lines.truncate(MAX_STATUS_LINES);
        let last = &mut lines[MAX_STATUS_LINES - 1];
        *last = format!("{}…", text::cut(last, columns - 1));
    }
    lines
}

/// How far the search for the filter is.
fn searching(model: &Model) -> Option<String> {
    let Content::Tasks(list) = &model.place().content else {
        return None;
    };
    let Found::Searching { examined, total } = list.found else {
        return None;
    };
    let searched = match total {
        0 => "searching".to_owned(),
        total => format!(
            "searched {} of about {} tasks",
            format::full_count(examined),
            format::full_count(total)
        ),
    };
    Some(format!("{searched}, Esc ends the search"))
}

fn running(model: &Model, job: &Job) -> String {
    let others = match model.jobs.len() {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let Advance {
        examined,
        changed,
        total,
    } = job.advance;
    let done = format::full_count(changed);
    let advance = match total {
        Some(total) => format!(
            "{} of about {} read, {done} done",
            format::full_count(examined),
            format::full_count(total),
        ),
        None if changed > 0 => format!("{done} done"),
        None => "running".to_owned(),
    };
    let what = job.action.describe();
    format!("{advance}, x stops it{others}: {what}")
}
