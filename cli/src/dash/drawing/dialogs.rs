//! Questions and typed lines over a screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget};

use crate::dash::format;
use crate::dash::model::action::Advance;
use crate::dash::model::dialog::{Confirm, Count, Prompt, Purpose};
use crate::dash::model::filter::FIELDS;
use crate::dash::text;
use crate::dash::theme::Theme;

/// The widest question.
const MAX_COLUMNS: u16 = 64;

/// Draws a question in the middle of the body.
pub(super) fn draw_confirm(confirm: &Confirm, theme: Theme, body: Rect, buffer: &mut Buffer) {
    let width = MAX_COLUMNS.min(body.width - 2);
    let columns = usize::from(width - 4);
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (index, line) in confirm.lines.iter().enumerate() {
        let style = if index == 0 {
            theme.bold()
        } else {
            Style::new()
        };
        let mut parts = Vec::new();
        text::wrap_words(&text::printable(line), columns, &mut parts);
        lines.extend(parts.into_iter().map(|part| Line::styled(part, style)));
    }
    lines.extend(count(confirm, theme));
    lines.push(Line::default());
    lines.push(answers(confirm, theme));
    // The answers are always seen, whatever the length of names.
    let room = usize::from(body.height.saturating_sub(2));
    if lines.len() > room {
        lines.drain(room.saturating_sub(2)..lines.len() - 2);
    }
    let height = (lines.len() as u16 + 2).min(body.height);
    let area = Rect::new(
        body.x + (body.width - width) / 2,
        body.y + (body.height - height) / 2,
        width,
        height,
    );
    Clear.render(area, buffer);
    Block::bordered()
        .border_style(theme.warning())
        .render(area, buffer);
    for (line, y) in lines.iter().zip(area.y + 1..area.bottom() - 1) {
        buffer.set_line(area.x + 2, y, line, width - 4);
    }
}

fn count<'a>(confirm: &Confirm, theme: Theme) -> Option<Line<'a>> {
    let (text, style) = match &confirm.count {
        Count::NotNeeded => return None,
        Count::Counting(_, advance) => (counting(*advance), theme.dim()),
        Count::Known(0) => ("There are none.".to_owned(), theme.warning()),
        Count::Known(1) => ("1 task".to_owned(), theme.warning()),
        Count::Known(count) => (
            format!("{} tasks", format::full_count(*count)),
            theme.warning(),
        ),
        Count::Failed(error) => (
            format!("They cannot be counted: {}", text::printable(error)),
            theme.bad(),
        ),
    };
    Some(Line::styled(text, style))
}

fn counting(advance: Advance) -> String {
    match advance.total {
        Some(total) => format!(
            "counting, {} of about {} examined",
            format::full_count(advance.examined),
            format::full_count(total)
        ),
        None => "counting".to_owned(),
    }
}

fn answers<'a>(confirm: &Confirm, theme: Theme) -> Line<'a> {
    if let Some((_, input)) = &confirm.typed {
        return Line::from(vec![
            Span::styled("> ", theme.key()),
            Span::raw(text::printable(input).into_owned()),
            Span::styled(" ", theme.selected()),
            Span::styled("  Esc", theme.key()),
            Span::raw(" no"),
        ]);
    }
    let mut spans = Vec::new();
    if confirm.is_ready() {
        spans.push(Span::styled("y", theme.key()));
        spans.push(Span::raw(" yes   "));
    }
    spans.push(Span::styled("n", theme.key()));
    spans.push(Span::raw(" no"));
    Line::from(spans)
}

/// Draws the line that is typed, with its end visible.
pub(super) fn draw_prompt(prompt: &Prompt, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let label = format!(" {}: ", text::printable(&prompt.purpose.label()));
    let columns = usize::from(area.width);
    let input = text::printable(&prompt.input).into_owned();
    let room = columns.saturating_sub(text::width(&label) + 2);
    let mut shown = input.as_str();
    while text::width(shown) > room {
        let mut chars = shown.chars();
        chars.next();
        shown = chars.as_str();
    }
    let used = text::width(&label) + text::width(shown) + 3;
    let advice = match (&prompt.mistake, &prompt.purpose) {
        (Some(mistake), _) => (text::printable(mistake).into_owned(), theme.bad()),
        (None, Purpose::Filter) if prompt.input.is_empty() => (FIELDS.to_owned(), theme.dim()),
        _ => (String::new(), theme.dim()),
    };
    let advice_room = columns.saturating_sub(used + 1);
    let line = Line::from(vec![
        Span::styled(label, theme.title()),
        Span::raw(shown.to_owned()),
        Span::styled(" ", theme.selected()),
        Span::raw("  "),
        Span::styled(text::cut(&advice.0, advice_room).into_owned(), advice.1),
    ]);
    buffer.set_style(area, Style::reset());
    buffer.set_line(area.x, area.y, &Line::raw(" ".repeat(columns)), area.width);
    buffer.set_line(area.x, area.y, &line, area.width);
}
