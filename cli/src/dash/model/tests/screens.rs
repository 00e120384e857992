//! The way from screen to screen.

use crossterm::event::KeyCode;
use rasynq::TaskState;

use super::{Bench, tasks};
use crate::dash::model::action::{Action, Verb};
use crate::dash::model::dialog::Dialog;
use crate::dash::model::fixtures::{queue, read_at, server, worker};
use crate::dash::model::rows::{EntryRow, GroupRow, TickRow};
use crate::dash::model::screen::{Content, GroupList, Screen};
use crate::dash::model::{Effect, Message};

#[test]
fn a_queue_opens_with_the_first_state_that_has_tasks() {
    let mut row = queue("default");
    row.sizes[4] = 2;
    let mut bench = Bench::with_queues(vec![row]);
    bench.press(KeyCode::Enter);
    let expected = Screen::Tasks {
        queue: "default".to_owned(),
        state: TaskState::Archived,
        group: None,
    };
    assert_eq!(bench.screen(), &expected);
    bench.press(KeyCode::Esc);
    assert_eq!(bench.screen(), &Screen::Queues);
}

#[test]
fn states_follow_each_other_in_both_directions_around_the_end() {
    let mut bench = Bench::on_tasks(TaskState::Pending, 1, tasks(&["a"], TaskState::Pending));
    let state = |bench: &Bench| bench.model.place().selection().unwrap().state;
    bench.press(KeyCode::Left);
    assert_eq!(state(&bench), TaskState::Aggregating);
    bench.press(KeyCode::Right);
    bench.press(KeyCode::Tab);
    assert_eq!(state(&bench), TaskState::Active);
    bench.press(KeyCode::BackTab);
    assert_eq!(state(&bench), TaskState::Pending);
    // What was read for another state is not shown.
    assert_eq!(bench.model.place().content, Content::Loading);
}

#[test]
fn runs_of_a_server_and_of_all_can_be_opened_and_canceled() {
    let mut bench = Bench::new();
    bench.press(KeyCode::Char('2'));
    let servers = vec![
        server("one", vec![worker("a")]),
        server("two", vec![worker("b")]),
    ];
    bench.read(Content::Servers(servers));
    bench.press(KeyCode::Down);
    bench.press(KeyCode::Enter);
    assert_eq!(bench.model.row_count(), 1, "what was read is shown at once");
    assert_eq!(bench.selected_task(), "b");
    bench.press(KeyCode::Char('c'));
    let effects = bench.press(KeyCode::Char('y'));
    assert!(
        matches!(&effects[..], [Effect::Act(_, Action::Task { verb: Verb::Cancel, id, .. })] if id == "b"),
        "{effects:?}"
    );
    bench.press(KeyCode::Esc);
    bench.press(KeyCode::Char('w'));
    assert_eq!(bench.model.row_count(), 2);
}

#[test]
fn the_task_of_a_tick_opens_in_the_queue_of_its_entry() {
    let mut bench = Bench::new();
    bench.press(KeyCode::Char('3'));
    let entry = EntryRow {
        id: "entry".to_owned(),
        spec: "@every 1m".to_owned(),
        task_type: "report".to_owned(),
        payload: bytes::Bytes::new(),
        options: vec!["MaxRetry(3)".to_owned(), "Queue(\"low\")".to_owned()],
        next: None,
        previous: None,
    };
    bench.read(Content::Schedulers(Vec::new(), vec![entry]));
    bench.press(KeyCode::Enter);
    bench.read(Content::History(vec![TickRow {
        task_id: "t1".to_owned(),
        enqueued_at: read_at(),
    }]));
    bench.press(KeyCode::Enter);
    let expected = Screen::Task {
        queue: "low".to_owned(),
        id: "t1".to_owned(),
    };
    assert_eq!(bench.screen(), &expected);
}

#[test]
fn the_tasks_of_a_group_open_by_the_list_and_by_name() {
    let mut bench = Bench::with_queues(vec![queue("default")]);
    bench.press(KeyCode::Char('g'));
    bench.read(Content::Groups(GroupList::Rows(vec![GroupRow {
        name: "mail".to_owned(),
        size: 3,
    }])));
    bench.press(KeyCode::Enter);
    let selection = bench.model.place().selection().unwrap();
    assert_eq!(selection.group.as_deref(), Some("mail"));
    bench.press(KeyCode::Esc);
    bench.press(KeyCode::Char('o'));
    bench.type_text("other");
    bench.press(KeyCode::Enter);
    let selection = bench.model.place().selection().unwrap();
    assert_eq!(selection.group.as_deref(), Some("other"));
}

#[test]
fn a_terminal_that_is_too_small_takes_no_key_but_those_that_quit() {
    let rows = tasks(&["a"], TaskState::Pending);
    let mut bench = Bench::on_tasks(TaskState::Pending, 1, rows);
    bench.send(Message::Resize(30, 8));
    bench.press(KeyCode::Char('d'));
    assert_eq!(bench.model.dialog, None);
    assert_eq!(bench.press(KeyCode::Char('q')), [Effect::Quit]);
}

#[test]
fn the_help_closes_with_the_keys_that_go_back() {
    for key in [KeyCode::Esc, KeyCode::Char('?'), KeyCode::Char('q')] {
        let mut bench = Bench::new();
        bench.press(KeyCode::Char('?'));
        assert_eq!(bench.model.dialog, Some(Dialog::Help(0)));
        bench.press(KeyCode::Char('d'));
        bench.press(KeyCode::End);
        assert_ne!(bench.model.dialog, Some(Dialog::Help(0)));
        assert_eq!(bench.press(key), []);
        assert_eq!(bench.model.dialog, None);
    }
}
