//! Tables as asynq's command prints them: columns with two spaces between, dashes below the names.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

const SPACES: usize = 2;

/// A table: the names of its columns, and its rows. All texts are printable already.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    widths: Vec<usize>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(names: [&str; N]) -> Self {
        Self::of_columns(&names)
    }

    pub(crate) fn of_columns(names: &[&str]) -> Self {
        let header = names.iter().map(|name| (*name).to_owned()).collect();
        let dashes = names.iter().map(|name| "-".repeat(name.width())).collect();
        Self {
            widths: vec![0; names.len()],
            rows: vec![header, dashes],
        }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.push(cells.into());
    }

    pub(crate) fn push(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// How many rows wait to be taken, with the names of the columns and the dashes.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes the rows as lines, without a line feed at the end. Rows that come later stand below them, as far as
    /// they are not wider.
    pub(crate) fn take_text(&mut self) -> String {
        for row in &self.rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let mut text = String::new();
        for row in self.rows.drain(..) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&self.widths) {
                let pad = width - cell.width() + SPACES;
                // Writing into a string cannot fail.
                let _ = write!(line, "{cell}{:pad$}", "");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.truncate(text.trim_end_matches('\n').len());
        text
    }

    /// The whole table as lines, without a line feed at the end.
    pub(crate) fn text(mut self) -> String {
        self.take_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["ID", "Type"]);
        table.row(["日本".to_owned(), "a".to_owned()]);
        table.row(["x".to_owned(), String::new()]);
        assert_eq!(table.take_text(), "ID    Type\n--    ----\n日本  a\nx");
        table.row(["y".to_owned(), "b".to_owned()]);
        assert_eq!(table.text(), "y     b");
    }
}
