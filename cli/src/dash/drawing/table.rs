//! A table: titles, rows, and the selected row.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::dash::text;
use crate::dash::theme::Theme;

/// Spaces between two columns.
pub(super) const GAP: usize = 1;

/// Terminals below this width have narrow columns.
const MIN_WIDE: u16 = 70;

/// The width of a column: on terminals of the usual width, and on narrow ones.
pub(super) fn fitting(terminal: u16, usual: usize, narrow: usize) -> usize {
    match terminal < MIN_WIDE {
        true => narrow,
        false => usual,
    }
}

/// A column.
#[derive(Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    /// `None`: what the others leave.
    width: Option<usize>,
    is_right: bool,
}

impl Column {
    pub(super) const fn left(title: &'static str, width: usize) -> Self {
        Self {
            title,
            width: Some(width),
            is_right: false,
        }
    }

    /// For numbers.
    pub(super) const fn right(title: &'static str, width: usize) -> Self {
        Self {
            title,
            width: Some(width),
            is_right: true,
        }
    }

    /// How many columns of the terminal it takes with its gap. 0 if it takes what the others leave.
    pub(super) fn taken(&self) -> usize {
        self.width.map_or(0, |width| width + GAP)
    }

    /// The one that takes what the others leave.
    pub(super) const fn rest(title: &'static str) -> Self {
        Self {
            title,
            width: None,
            is_right: false,
        }
    }
}

/// A text of a row and how it looks.
pub(super) type Cell = (String, Style);

/// A table in an area.
pub(super) struct Table<'a> {
    pub(super) columns: &'a [Column],
    pub(super) area: Rect,
    pub(super) theme: Theme,
}

impl Table<'_> {
    /// How wide the column without a width is.
    pub(super) fn rest_width(&self) -> usize {
        let fixed: usize = self.columns.iter().filter_map(|column| column.width).sum();
        let gaps = GAP * self.columns.len().saturating_sub(1);
        usize::from(self.area.width).saturating_sub(fixed + gaps + 2)
    }

    /// Draws the titles and the visible rows; `selected` counts from the first visible one.
    pub(super) fn draw(
        &self,
        rows: impl Iterator<Item = Vec<Cell>>,
        selected: Option<usize>,
        buffer: &mut Buffer,
    ) {
        let mut lines = self.area.rows();
        let Some(head) = lines.next() else { return };
        let titles = self.columns.iter().map(|column| column.title.to_owned());
        let titles = titles.map(|title| (title, self.theme.title())).collect();
        self.draw_row(titles, head, buffer);
        for (index, (row, line)) in rows.zip(lines).enumerate() {
            self.draw_row(row, line, buffer);
            if selected == Some(index) {
                buffer.set_style(line, self.theme.selected());
            }
        }
    }

    fn draw_row(&self, cells: Vec<Cell>, line: Rect, buffer: &mut Buffer) {
        let mut x = line.x + 1;
        let end = line.right().saturating_sub(1);
        for (column, (content, style)) in self.columns.iter().zip(cells) {
            let width = column.width.unwrap_or_else(|| self.rest_width());
            let room = width.min(usize::from(end.saturating_sub(x)));
            let content = text::printable(&content);
            let shown = text::cut(&content, room);
            let pad = match column.is_right {
                true => room - text::width(&shown),
                false => 0,
            };
            buffer.set_stringn(x + pad as u16, line.y, &shown, room - pad, style);
            x += (width + GAP) as u16;
        }
    }
}
