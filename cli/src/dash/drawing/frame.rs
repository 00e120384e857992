//! What is around the body of each screen: the tabs, where one is, what is going on, and the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::dash::format;
use crate::dash::model::keys::{BINDINGS, Binding, Command};
use crate::dash::model::screen::{Content, Found, GroupList, Kind, MAX_FOUND, Screen};
use crate::dash::model::{FRAME_LINES, MIN_SIZE, Model};
use crate::dash::text;
use crate::dash::theme::Theme;

/// Draws the frame without the status, and returns the area of the body.
pub(super) fn draw(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) -> Rect {
    let line = |y: u16| Rect::new(area.x, y, area.width, 1);
    draw_header(model, theme, line(area.y), buffer);
    draw_title(model, theme, line(area.y + 1), buffer);
    draw_keys(model, theme, line(area.bottom() - 1), buffer);
    Rect::new(area.x, area.y + 2, area.width, area.height - FRAME_LINES)
}

pub(super) fn draw_too_small(area: Rect, buffer: &mut Buffer) {
    let lines = [
        "The terminal is too small:".to_owned(),
        format!("{} columns, {} lines.", area.width, area.height),
        format!("It needs {} and {}.", MIN_SIZE.0, MIN_SIZE.1),
        "q quits".to_owned(),
    ];
    for (text, row) in lines.iter().zip(area.rows()) {
        buffer.set_stringn(row.x, row.y, text, usize::from(row.width), Style::new());
    }
}

/// Draws texts from the left, and another one at the right end. The right one is cut first.
fn draw_both_sides(left: Line<'_>, right: Vec<Span<'_>>, area: Rect, buffer: &mut Buffer) {
    let (end, _) = buffer.set_line(area.x, area.y, &left, area.width);
    let room = area.right().saturating_sub(end + 2);
    let right = Line::from(right);
    let width = (right.width() as u16).min(room);
    buffer.set_line(area.right() - width, area.y, &right, width);
}

fn draw_header(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let mut left = vec![Span::styled(" rasynq ", theme.title())];
    let open = model.path().next().map(Screen::kind);
    for (kind, text) in [
        (Kind::Queues, " 1 Queues "),
        (Kind::Servers, " 2 Servers "),
        (Kind::Schedulers, " 3 Schedulers "),
    ] {
        let style = match open == Some(kind) {
            true => theme.selected(),
            false => Style::new(),
        };
        left.push(Span::styled(text, style));
    }
    let now = model.now.utc;
    let state = match model.read_age() {
        Some(age) if model.is_stale() => Span::styled(
            format!("last read {}", format::relative(now - age, now)),
            theme.warning(),
        ),
        Some(_) => Span::styled("live", theme.good()),
        None => Span::styled("connecting", theme.dim()),
    };
    let used: usize = left.iter().map(Span::width).sum();
    let room = usize::from(area.width).saturating_sub(used + state.width() + 4);
    let address = text::printable(&model.address).into_owned();
    let address = text::cut(&address, room).into_owned();
    let right = vec![
        Span::styled(address, theme.dim()),
        Span::raw(" "),
        state,
        Span::raw(" "),
    ];
    draw_both_sides(left.into(), right, area, buffer);
}

fn draw_title(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let right = amount(model);
    let columns = usize::from(area.width);
    let path = path(model).join(" › ");
    let path = text::printable(&path);
    let place = model.place();
    let mut searched = match (&place.search, place.filter.text()) {
        (search, "") if search.is_empty() => String::new(),
        (search, "") => format!("search: {search}"),
        (_, filter) => format!("filter: {filter}"),
    };
    searched = text::printable(&searched).into_owned();
    let room = columns.saturating_sub(text::width(&right) + 6);
    let path = text::cut(
        &path,
        room.saturating_sub(text::width(&searched)).max(room / 2),
    );
    let rest = room.saturating_sub(text::width(&path));
    let left = vec![
        Span::raw(" "),
        Span::styled(path, theme.bold()),
        Span::raw("  "),
        Span::styled(text::cut(&searched, rest), theme.warning()),
    ];
    let right = vec![Span::styled(format!("{right} "), theme.dim())];
    draw_both_sides(left.into(), right, area, buffer);
}

/// Where one is. What is of a queue begins with its name, whatever is below.
fn path(model: &Model) -> Vec<String> {
    let mut path = Vec::new();
    for screen in model.path() {
        if matches!(screen, Screen::Tasks { .. } | Screen::Groups { .. }) {
            path.clear();
        }
        path.push(step(model, screen));
    }
    path
}

/// A screen in the path to the visible one.
fn step(model: &Model, screen: &Screen) -> String {
    match screen {
        Screen::Queues => "Queues".to_owned(),
        Screen::Tasks {
            queue,
            state,
            group,
        } => {
            let paused = model.queues.get(queue);
            let paused = paused.is_some_and(|live| live.row.paused_since.is_some());
            let paused = if paused { " (paused)" } else { "" };
            let group = group.as_ref().map(|group| format!(" › group {group}"));
            format!("{queue}{paused} › {state}{}", group.unwrap_or_default())
        }
        Screen::Groups { queue } => format!("{queue} › groups"),
        Screen::Task { id, .. } => format!("task {id}"),
        Screen::Servers => "Servers".to_owned(),
        Screen::Workers { server: None } => "all runs".to_owned(),
        Screen::Workers { server: Some(id) } => format!("runs of {id}"),
        Screen::Schedulers => "Schedulers".to_owned(),
        Screen::History(entry) => format!("{} {}", entry.spec, entry.task_type),
    }
}

/// How much the list shows.
fn amount(model: &Model) -> String {
    let place = model.place();
    let counted = |count: u64, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{} {many}", format::full_count(count)),
    };
    let rows = model.row_count() as u64;
    match (&place.screen, &place.content) {
        (Screen::Queues, _) if model.names.is_none() => "reading".to_owned(),
        (_, Content::Loading) => "reading".to_owned(),
        (Screen::Queues, _) => counted(rows, "queue", "queues"),
        (_, Content::Tasks(list)) => match list.found {
            Found::Unfiltered => {
                let page = format::full_count(place.page.into());
                match (list.total, model.pages()) {
                    (None, _) => format!("page {page}"),
                    (Some(total), 1) => counted(total, "task", "tasks"),
                    (Some(total), pages) => format!(
                        "{}, page {page} of {}",
                        counted(total, "task", "tasks"),
                        format::full_count(pages.into())
                    ),
                }
            }
            Found::Searching { .. } => format!("searching, {} found", list.rows.len()),
            Found::All => format!("{} found", list.rows.len()),
            Found::First => format!("the first {} found", format::full_count(MAX_FOUND as u64)),
        },
        (_, Content::Groups(GroupList::TooMany(count))) => {
            format!("{} groups", format::full_count(*count))
        }
        (_, Content::Groups(_)) => counted(rows, "group", "groups"),
        (Screen::Servers, _) => counted(rows, "server", "servers"),
        (Screen::Workers { .. }, _) => counted(rows, "run", "runs"),
        (_, Content::Schedulers(..)) => counted(rows, "entry", "entries"),
        (_, Content::History(_)) => counted(rows, "tick", "ticks"),
        _ => String::new(),
    }
}

/// The keys that have a hint and are of use now, as many as fit; help and quit always.
fn draw_keys(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let kind = model.place().screen.kind();
    let hints = BINDINGS
        .iter()
        .filter(|binding| binding.is_on(kind) && !binding.hint.is_empty())
        .filter(|binding| model.is_possible(binding.command));
    let (last, first): (Vec<_>, Vec<_>) =
        hints.partition(|binding| matches!(binding.command, Command::Help | Command::Quit));
    let key = |binding: &Binding| {
        let key = binding.shown.split(' ').next().unwrap_or_default();
        vec![
            Span::raw(" "),
            Span::styled(key, theme.key()),
            Span::raw(format!(" {} ", binding.hint)),
        ]
    };
    let right: Vec<Span<'_>> = last.into_iter().flat_map(key).collect();
    let right_width: usize = right.iter().map(Span::width).sum();
    let mut room = usize::from(area.width).saturating_sub(right_width + 2);
    let mut left = Vec::new();
    for binding in first {
        let spans = key(binding);
        let width: usize = spans.iter().map(Span::width).sum();
        if width > room {
            break;
        }
        room -= width;
        left.extend(spans);
    }
    draw_both_sides(left.into(), right, area, buffer);
}
