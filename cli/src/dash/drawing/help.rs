//! The help: all keys, and what can be typed as a filter.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::dash::model::Model;
use crate::dash::model::filter::FIELDS;
use crate::dash::model::keys::{BINDINGS, Binding};
use crate::dash::text;
use crate::dash::theme::Theme;

/// Columns of the keys.
const KEY_COLUMNS: usize = 15;

pub(super) fn draw(model: &Model, theme: Theme, first: usize, body: Rect, buffer: &mut Buffer) {
    super::draw_lines(&lines(model, theme), first, body, buffer);
}

/// The lines of the help: first the keys of the visible screen, then those of others.
pub(super) fn lines(model: &Model, theme: Theme) -> Vec<Line<'static>> {
    let kind = model.place().screen.kind();
    let columns = usize::from(model.size.0.saturating_sub(2));
    let mut lines = Vec::new();
    let (here, elsewhere): (Vec<&Binding>, Vec<&Binding>) =
        BINDINGS.iter().partition(|binding| binding.is_on(kind));
    lines.push(Line::styled("Keys on this screen", theme.title()));
    add_keys(&here, Style::new(), columns, theme, &mut lines);
    lines.push(Line::default());
    lines.push(Line::styled("On other screens", theme.title()));
    add_keys(&elsewhere, theme.dim(), columns, theme, &mut lines);
    lines.push(Line::default());
    lines.push(Line::styled("Filter of tasks", theme.title()));
    let fields = format!("Terms with spaces between them, all must hold: {FIELDS}");
    let mut parts = Vec::new();
    text::wrap_words(&fields, columns, &mut parts);
    lines.extend(parts.into_iter().map(Line::raw));
    lines
}

fn add_keys(
    bindings: &[&Binding],
    style: Style,
    columns: usize,
    theme: Theme,
    lines: &mut Vec<Line<'static>>,
) {
    for binding in bindings {
        let mut parts = Vec::new();
        text::wrap_words(binding.what, columns - KEY_COLUMNS, &mut parts);
        for (index, part) in parts.into_iter().enumerate() {
            let keys = if index == 0 { binding.shown } else { "" };
            lines.push(Line::from(vec![
                Span::styled(format!("{keys:<KEY_COLUMNS$}"), theme.key()),
                Span::styled(part, style),
            ]));
        }
    }
}
