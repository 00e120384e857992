//! The cursor, pages, and texts that scroll.

use crossterm::event::KeyCode;
use rasynq::TaskState;

use super::{Bench, tasks};
use crate::dash::model::Message;
use crate::dash::model::fixtures::{facts, task};
use crate::dash::model::rows::TaskRow;
use crate::dash::model::screen::{Content, View};

#[test]
fn the_cursor_goes_over_the_end_of_a_page_to_the_next_page() {
    let mut bench = Bench::on_tasks(TaskState::Archived, 1_000_000, Vec::new());
    let rows = bench.model.list_rows();
    assert_eq!(rows, 17);
    let page = |from: usize| -> Vec<TaskRow> {
        let ids = from..from + rows;
        ids.map(|n| task(&n.to_string(), TaskState::Archived))
            .collect()
    };
    bench.read_tasks(1_000_000, page(0));
    for _ in 0..rows {
        bench.press(KeyCode::Down);
    }
    let View::Tasks { page: asked, .. } = bench.model.view() else {
        panic!("{:?}", bench.model.view());
    };
    assert_eq!(asked, 2);
    // A key that is held down waits for the page.
    bench.press(KeyCode::Down);
    assert_eq!(bench.model.place().page, 2);
    bench.read_tasks(1_000_000, page(rows));
    assert_eq!(bench.selected_task(), "17");
    bench.press(KeyCode::Up);
    assert_eq!(bench.model.place().page, 1);
    bench.read_tasks(1_000_000, page(0));
    assert_eq!(bench.selected_task(), "16");
    bench.press(KeyCode::End);
    assert_eq!(bench.model.place().page, 58_824);
    bench.press(KeyCode::Home);
    assert_eq!(bench.model.place().page, 1);
}

#[test]
fn a_page_that_has_become_empty_gives_way_to_the_last_page() {
    let mut bench = Bench::on_tasks(TaskState::Archived, 40, tasks(&["a"], TaskState::Archived));
    bench.press(KeyCode::End);
    assert_eq!(bench.model.place().page, 3);
    bench.read_tasks(5, Vec::new());
    assert_eq!(bench.model.place().page, 1);
    bench.read_tasks(5, tasks(&["a", "b"], TaskState::Archived));
    assert_eq!(bench.selected_task(), "b");
}

#[test]
fn the_text_of_a_task_scrolls_to_its_last_line_and_no_further() {
    let mut row = task("a", TaskState::Pending);
    row.payload = format!("[{}]", vec!["1"; 100].join(",")).into();
    let mut bench = Bench::on_tasks(TaskState::Pending, 1, vec![row.clone()]);
    bench.press(KeyCode::Enter);
    bench.read(Content::Task(Box::new(facts(row))));
    let lines = crate::dash::drawing::task_lines(&bench.model);
    bench.press(KeyCode::End);
    assert_eq!(bench.model.place().first, lines - 20);
    bench.press(KeyCode::Down);
    assert_eq!(bench.model.place().first, lines - 20);
    bench.press(KeyCode::PageUp);
    assert_eq!(bench.model.place().first, lines - 40);
}

#[test]
fn after_a_resize_the_page_with_the_selected_task_is_read() {
    let mut bench = Bench::on_tasks(TaskState::Archived, 1000, Vec::new());
    bench.press(KeyCode::PageDown);
    bench.read_tasks(1000, tasks(&["17"], TaskState::Archived));
    bench.press(KeyCode::PageDown);
    let rows = (34..51).map(|n| task(&n.to_string(), TaskState::Archived));
    bench.read_tasks(1000, rows.collect());
    bench.press(KeyCode::Down);
    assert_eq!(bench.selected_task(), "35");
    bench.send(Message::Resize(100, 17));
    assert_eq!(bench.model.list_rows(), 10);
    let place = bench.model.place();
    assert_eq!((place.page, place.selected), (4, 5));
    bench.send(Message::Resize(10, 3));
    bench.send(Message::Resize(80, 24));
    assert_eq!(bench.model.place().page, 3);
}
