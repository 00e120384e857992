//! Tables as asynq's command prints them: columns with two spaces between, dashes below the names.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

const SPACES: usize = 2;

/// A table: the names of its columns, and its rows. All texts are printable already.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(names: [&str; N]) -> Self {
        let dashes = names.map(|name| "-".repeat(name.width()));
        Self {
            rows: vec![names.map(str::to_owned).into(), dashes.into()],
        }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// The lines, without a line feed at the end.
    pub(crate) fn text(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["ID", "Type"]);
        table.row(["日本".to_owned(), "a".to_owned()]);
        table.row(["x".to_owned(), String::new()]);
        assert_eq!(table.text(), "ID    Type\n--    ----\n日本  a\nx");
    }
}
