//! The rows of a list: which there are, and which one is selected.

use crossterm::event::KeyCode;
use rasynq::TaskState;

use super::{Bench, tasks};
use crate::dash::model::fixtures::{queue, read_at};
use crate::dash::model::screen::{Content, Found, Snapshot, TaskList, View};
use crate::dash::model::{Effect, Message};

#[test]
fn only_the_visible_queues_are_asked_for() {
    let rows = (0..1000).map(|n| queue(&format!("q{n:04}"))).collect();
    let mut bench = Bench::with_queues(rows);
    let rows_on_screen = bench.model.list_rows();
    assert_eq!(rows_on_screen, 14);
    bench.press(KeyCode::End);
    let expected = View::Queues {
        search: String::new(),
        first: 1000 - rows_on_screen,
        rows: rows_on_screen,
    };
    assert_eq!(bench.model.view(), expected);
    assert_eq!(bench.model.selected_name().as_deref(), Some("q0999"));
}

#[test]
fn the_selected_queue_stays_selected_when_others_appear_before_it() {
    let mut bench = Bench::with_queues(vec![queue("b"), queue("c")]);
    bench.press(KeyCode::Down);
    bench.read_queues(vec![queue("a"), queue("b"), queue("c")]);
    assert_eq!(bench.model.selected_name().as_deref(), Some("c"));
    bench.read_queues(vec![queue("a"), queue("b")]);
    assert_eq!(bench.model.selected_name().as_deref(), Some("b"));
}

#[test]
fn the_first_row_is_selected_until_the_cursor_is_moved() {
    let mut bench = Bench::with_queues(vec![queue("b"), queue("c")]);
    bench.read_queues(vec![queue("a"), queue("b"), queue("c")]);
    assert_eq!(bench.model.selected_name().as_deref(), Some("a"));
}

#[test]
fn a_search_shows_its_rows_while_it_is_typed_and_escape_takes_it_back() {
    let mut bench = Bench::with_queues(vec![queue("Mail"), queue("default"), queue("email")]);
    bench.press(KeyCode::Char('/'));
    bench.type_text("mail");
    assert_eq!(bench.model.listed_names(), ["Mail", "email"]);
    assert_eq!(bench.model.selected_name().as_deref(), Some("Mail"));
    bench.press(KeyCode::Esc);
    assert_eq!(bench.model.row_count(), 3);
    bench.press(KeyCode::End);
    bench.press(KeyCode::Char('/'));
    bench.type_text("ema");
    bench.press(KeyCode::Enter);
    assert_eq!(bench.model.listed_names(), ["email"]);
    // Keys are keys again.
    assert_eq!(bench.press(KeyCode::Char('q')), [Effect::Quit]);
    bench.press(KeyCode::Esc);
    assert_eq!(bench.model.row_count(), 3);
}

#[test]
fn a_late_read_for_another_screen_changes_nothing_but_the_queues() {
    let mut bench = Bench::on_tasks(TaskState::Pending, 1, tasks(&["a"], TaskState::Pending));
    let view = bench.model.view();
    bench.press(KeyCode::Right);
    let late = Snapshot {
        view,
        names: None,
        queues: vec![queue("default")],
        failure: None,
        content: Content::Tasks(TaskList {
            rows: tasks(&["a"], TaskState::Pending),
            total: Some(1),
            found: Found::Unfiltered,
        }),
    };
    bench.send(Message::Read(Box::new(late), read_at()));
    assert_eq!(bench.model.place().content, Content::Loading);
    assert_eq!(bench.model.current_task(), None);
}
