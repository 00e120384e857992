//! Filters, searches and ids that are typed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rasynq::TaskState;

use super::{Bench, tasks};
use crate::dash::model::Message;
use crate::dash::model::dialog::Dialog;
use crate::dash::model::fixtures::queue;
use crate::dash::model::screen::Screen;

#[test]
fn a_filter_with_a_mistake_stays_open_and_says_so() {
    let rows = tasks(&["a"], TaskState::Pending);
    let mut bench = Bench::on_tasks(TaskState::Pending, 1, rows);
    bench.press(KeyCode::Char('/'));
    bench.type_text("older:x");
    bench.press(KeyCode::Enter);
    let Some(Dialog::Prompt(prompt)) = &bench.model.dialog else {
        panic!("{:?}", bench.model.dialog);
    };
    assert!(prompt.mistake.as_ref().unwrap().contains("\"x\""));
    bench.press(KeyCode::Backspace);
    bench.type_text("1h");
    bench.press(KeyCode::Enter);
    assert_eq!(bench.model.dialog, None);
    assert_eq!(bench.model.place().filter.text(), "older:1h");
    // Escape clears the filter first.
    bench.press(KeyCode::Esc);
    assert!(bench.model.place().filter.is_empty());
    assert!(matches!(bench.screen(), Screen::Tasks { .. }));
}

#[test]
fn a_key_right_after_escape_is_not_lost() {
    let rows = tasks(&["a"], TaskState::Pending);
    let mut bench = Bench::on_tasks(TaskState::Pending, 1, rows);
    bench.press(KeyEvent::new(KeyCode::Char('2'), KeyModifiers::ALT));
    assert_eq!(bench.screen(), &Screen::Servers);
}

#[test]
fn a_task_is_opened_by_a_pasted_id() {
    let mut bench = Bench::with_queues(vec![queue("default")]);
    bench.press(KeyCode::Char('o'));
    bench.send(Message::Paste("task-1\n".to_owned()));
    bench.press(KeyCode::Enter);
    let expected = Screen::Task {
        queue: "default".to_owned(),
        id: "task-1".to_owned(),
    };
    assert_eq!(bench.screen(), &expected);
}
