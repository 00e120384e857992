//! Moves the cursor through the rows of a list, its pages, or the lines of a text.

use super::Model;
use super::keys::Command;
use super::screen::{Content, Screen};

impl Model {
    pub(super) fn move_cursor(&mut self, command: Command) {
        if matches!(self.place().screen, Screen::Task { .. }) {
            self.scroll(command);
            return;
        }
        let rows = self.list_rows();
        let last = self.row_count().saturating_sub(1);
        let place = self.place();
        let is_loading = place.content == Content::Loading;
        if is_loading && matches!(command, Command::Up | Command::Down) {
            // A key that is held down does not skip the rows of pages that are still to be read.
            return;
        }
        let (selected, page, pages) = (place.selected.min(last), place.page, self.pages());
        let moved = match command {
            Command::Up if selected == 0 && page > 1 => return self.turn_to(page - 1, usize::MAX),
            Command::Down if selected == last && page < pages => return self.turn_to(page + 1, 0),
            Command::PageUp if page > 1 => return self.turn_to(page - 1, selected),
            Command::PageDown if page < pages => return self.turn_to(page + 1, selected),
            Command::First if page > 1 => return self.turn_to(1, 0),
            Command::Last if page < pages => return self.turn_to(pages, usize::MAX),
            Command::Up => selected.saturating_sub(1),
            Command::Down => (selected + 1).min(last),
            Command::PageUp => selected.saturating_sub(rows),
            Command::PageDown => (selected + rows).min(last),
            Command::First => 0,
            _ => last,
        };
        self.select(moved);
    }

    /// Turns to another page of the list of tasks. Its rows are still to be read.
    fn turn_to(&mut self, page: u32, selected: usize) {
        let place = self.place_mut();
        place.page = page;
        place.selected = selected;
        place.first = 0;
        place.key = None;
        place.content = Content::Loading;
    }

    /// Selects a row, and makes it visible.
    pub(super) fn select(&mut self, row: usize) {
        let key = self.row_keys().into_iter().nth(row);
        let rows = self.list_rows();
        let place = self.place_mut();
        place.selected = row;
        place.key = key;
        place.first = place.first.min(row).max((row + 1).saturating_sub(rows));
    }

    /// After the rows have changed: the row that was selected stays so, or the one at its place. Before the cursor was
    /// moved, the first row is selected, whichever it is.
    pub(super) fn follow_selected(&mut self) {
        if matches!(self.place().screen, Screen::Task { .. }) {
            return;
        }
        if matches!(self.place().content, Content::Loading) {
            return;
        }
        let keys = self.row_keys();
        let place = self.place();
        let key = place.key.clone();
        let again = key
            .as_ref()
            .and_then(|key| keys.iter().position(|other| other == key));
        let selected = again.unwrap_or(place.selected.min(keys.len().saturating_sub(1)));
        let rows = self.list_rows();
        let place = self.place_mut();
        // No empty lines at the end while there are rows above.
        place.first = place.first.min(keys.len().saturating_sub(rows));
        self.select(selected);
        if key.is_none() {
            self.place_mut().key = None;
        }
    }

    /// Scrolls the text of a screen, until its last line is the last visible one.
    fn scroll(&mut self, command: Command) {
        let lines = self.list_rows();
        let end = crate::dash::drawing::task_lines(self).saturating_sub(lines);
        let place = self.place_mut();
        let first = place.first.min(end);
        place.first = match command {
            Command::Up => first.saturating_sub(1),
            Command::Down => (first + 1).min(end),
            Command::PageUp => first.saturating_sub(lines),
            Command::PageDown => (first + lines).min(end),
            Command::First => 0,
            _ => end,
        };
    }
}
