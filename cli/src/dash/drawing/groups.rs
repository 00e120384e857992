//! The groups of a queue.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::table::{Column, Table};
use crate::dash::format;
use crate::dash::model::Model;
use crate::dash::model::screen::{Content, GroupList, MAX_GROUPS};
use crate::dash::theme::Theme;

pub(super) fn draw(model: &Model, theme: Theme, body: Rect, buffer: &mut Buffer) {
    let place = model.place();
    let columns = [Column::rest("group"), Column::right("tasks", 14)];
    let table = Table {
        columns: &columns,
        area: body,
        theme,
    };
    let groups = model.listed_groups();
    let rows = groups.iter().skip(place.first).map(|group| {
        vec![
            (group.name.clone(), Style::new()),
            (format::full_count(group.size), Style::new()),
        ]
    });
    table.draw(rows, place.selected.checked_sub(place.first), buffer);
    if groups.is_empty() {
        let text = match &place.content {
            Content::Groups(GroupList::TooMany(_)) => format!(
                "More than {} groups are not listed. o opens one by its name.",
                format::full_count(MAX_GROUPS)
            ),
            Content::Groups(_) if place.search.is_empty() => "no groups".to_owned(),
            Content::Groups(_) => "No group's name contains this text.".to_owned(),
            _ => super::unread(model).to_owned(),
        };
        let below = Rect::new(body.x, body.y + 1, body.width, body.height - 1);
        super::draw_empty(&text, theme, below, buffer);
    }
}
