//! What keys, reads and ends of actions do to the model.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rasynq::TaskState;

use super::action::{Action, Advance, Selection, Verb};
use super::dialog::{Confirm, Count, Dialog};
use super::fixtures::{facts, moment, queue, server, task, worker};
use super::rows::{EntryRow, GroupRow, QueueRow, TaskRow, TickRow};
use super::screen::{Content, Found, GroupList, Screen, Snapshot, TaskList, View};
use super::{Effect, Message, Model, Moment};

/// A model, and the time that passes.
struct Bench {
    model: Model,
    now: Moment,
}

impl Bench {
    fn new() -> Self {
        let now = moment();
        let address = "redis://localhost:6379/0";
        Self {
            model: Model::new(address, Duration::from_secs(1), (80, 24), now),
            now,
        }
    }

    /// One that has read these queues.
    fn with_queues(rows: Vec<QueueRow>) -> Self {
        let mut bench = Self::new();
        bench.read_queues(rows);
        bench
    }

    /// One on the tasks of the queue `default` in this state.
    fn on_tasks(state: TaskState, total: u64, rows: Vec<TaskRow>) -> Self {
        let mut row = queue("default");
        let index = super::rows::STATES.iter().position(|of| *of == state);
        row.sizes[index.unwrap()] = total;
        let mut bench = Self::with_queues(vec![row]);
        bench.press(KeyCode::Enter);
        bench.read_tasks(total, rows);
        bench
    }

    fn send(&mut self, message: Message) -> Vec<Effect> {
        self.model.update(message, self.now)
    }

    fn press(&mut self, key: impl Into<KeyEvent>) -> Vec<Effect> {
        self.send(Message::Key(key.into()))
    }

    fn type_text(&mut self, text: &str) {
        for char in text.chars() {
            self.press(KeyCode::Char(char));
        }
    }

    fn read(&mut self, content: Content) {
        let snapshot = Snapshot {
            view: self.model.view(),
            names: None,
            queues: Vec::new(),
            failure: None,
            content,
        };
        self.send(Message::Read(Box::new(snapshot)));
    }

    fn read_queues(&mut self, rows: Vec<QueueRow>) {
        let snapshot = Snapshot {
            view: self.model.view(),
            names: Some(rows.iter().map(|row| row.name.clone()).collect()),
            queues: rows,
            failure: None,
            content: Content::Queues,
        };
        self.send(Message::Read(Box::new(snapshot)));
    }

    fn read_tasks(&mut self, total: u64, rows: Vec<TaskRow>) {
        self.read(Content::Tasks(TaskList {
            rows,
            total: Some(total),
            found: Found::Unfiltered,
        }));
    }

    fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.utc += time;
        self.send(Message::Tick);
    }

    fn screen(&self) -> &Screen {
        &self.model.place().screen
    }

    fn confirm(&self) -> &Confirm {
        match &self.model.dialog {
            Some(Dialog::Confirm(confirm)) => confirm,
            other => panic!("no question but {other:?}"),
        }
    }

    fn selected_task(&self) -> String {
        self.model.current_task().unwrap().1
    }
}

fn tasks(ids: &[&str], state: TaskState) -> Vec<TaskRow> {
    ids.iter().map(|id| task(id, state)).collect()
}

fn tasks_of_default(state: TaskState) -> Selection {
    Selection {
        queue: "default".to_owned(),
        state,
        group: None,
        filter: super::filter::Filter::default(),
    }
}

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
    bench.send(Message::Read(Box::new(late)));
    assert_eq!(bench.model.place().content, Content::Loading);
    assert_eq!(bench.model.current_task(), None);
}

#[test]
fn an_action_on_a_task_is_done_after_y_and_only_then() {
    for (key, verb) in [
        ('r', Verb::Run),
        ('a', Verb::Archive),
        ('d', Verb::Delete),
        ('c', Verb::Cancel),
        ('e', Verb::Copy),
    ] {
        let rows = tasks(&["a", "b"], TaskState::Retry);
        let mut bench = Bench::on_tasks(TaskState::Retry, 2, rows);
        bench.press(KeyCode::Down);
        assert_eq!(bench.press(KeyCode::Char(key)), []);
        assert!(bench.confirm().lines.contains(&"b".to_owned()), "{key}");
        assert_eq!(bench.press(KeyCode::Enter), []);
        assert_eq!(bench.press(KeyCode::Char('n')), []);
        assert_eq!(bench.model.dialog, None);
        bench.press(KeyCode::Char(key));
        let effects = bench.press(KeyCode::Char('y'));
        let action = Action::Task {
            verb,
            queue: "default".to_owned(),
            id: "b".to_owned(),
        };
        assert!(
            matches!(&effects[..], [Effect::Act(_, done)] if *done == action),
            "{effects:?}"
        );
    }
}

#[test]
fn the_question_keeps_its_task_when_rows_move_under_it() {
    let rows = tasks(&["a", "b"], TaskState::Retry);
    let mut bench = Bench::on_tasks(TaskState::Retry, 2, rows);
    bench.press(KeyCode::Char('d'));
    bench.read_tasks(1, tasks(&["b"], TaskState::Retry));
    let effects = bench.press(KeyCode::Char('y'));
    assert!(
        matches!(&effects[..], [Effect::Act(_, Action::Task { id, .. })] if id == "a"),
        "{effects:?}"
    );
}

#[test]
fn a_bulk_action_is_counted_first_and_confirmed_with_the_number() {
    let rows = tasks(&["a"], TaskState::Archived);
    let mut bench = Bench::on_tasks(TaskState::Archived, 1, rows);
    bench.press(KeyCode::Char('/'));
    bench.type_text("type:email:*");
    bench.press(KeyCode::Enter);
    let effects = bench.press(KeyCode::Char('D'));
    let [Effect::Count(number, selection)] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(selection.filter.text(), "type:email:*");
    assert_eq!(
        bench.press(KeyCode::Char('y')),
        [],
        "not before it is counted"
    );
    bench.send(Message::Counted(number - 1, Ok(3)));
    assert!(bench.model.is_counting(), "the answer to another question");
    bench.send(Message::Counted(*number, Ok(1234)));
    assert_eq!(bench.confirm().count, Count::Known(1234));
    let effects = bench.press(KeyCode::Char('y'));
    assert!(
        matches!(&effects[..], [Effect::Act(_, Action::Bulk(Verb::Delete, of))] if of == selection),
        "{effects:?}"
    );
}

#[test]
fn a_bulk_action_on_nothing_cannot_be_confirmed() {
    let mut bench = Bench::on_tasks(TaskState::Archived, 0, Vec::new());
    // the queue has opened with its first state
    for _ in 0..4 {
        bench.press(KeyCode::Right);
    }
    let effects = bench.press(KeyCode::Char('A'));
    assert_eq!(
        effects,
        [Effect::Count(1, tasks_of_default(TaskState::Archived))]
    );
    bench.send(Message::Counted(1, Ok(0)));
    assert_eq!(bench.press(KeyCode::Char('y')), []);
    bench.press(KeyCode::Esc);
    assert_eq!(bench.model.dialog, None);
}

#[test]
fn only_active_tasks_are_canceled_all_at_once() {
    let rows = tasks(&["a"], TaskState::Retry);
    let mut bench = Bench::on_tasks(TaskState::Retry, 1, rows);
    assert_eq!(bench.press(KeyCode::Char('C')), []);
    assert!(bench.model.notice.as_ref().unwrap().is_failure);
    let rows = tasks(&["a"], TaskState::Active);
    let mut bench = Bench::on_tasks(TaskState::Active, 1, rows);
    let effects = bench.press(KeyCode::Char('C'));
    assert_eq!(
        effects,
        [Effect::Count(1, tasks_of_default(TaskState::Active))]
    );
}

#[test]
fn a_queue_is_paused_or_unpaused_as_it_is() {
    let mut paused = queue("b");
    paused.paused_since = Some(super::fixtures::read_at());
    let mut bench = Bench::with_queues(vec![queue("a"), paused]);
    let answer = |bench: &mut Bench| {
        bench.press(KeyCode::Char('p'));
        bench.press(KeyCode::Char('y'))
    };
    assert_eq!(
        answer(&mut bench),
        [Effect::Act(1, Action::Pause("a".to_owned()))]
    );
    bench.press(KeyCode::Down);
    assert_eq!(
        answer(&mut bench),
        [Effect::Act(2, Action::Unpause("b".to_owned()))]
    );
}

#[test]
fn a_queue_is_deleted_after_its_name_was_typed() {
    let mut row = queue("mail");
    row.sizes[0] = 12_345;
    let mut bench = Bench::with_queues(vec![row]);
    bench.press(KeyCode::Char('d'));
    assert!(bench.confirm().lines[1].contains("12,345 tasks"));
    assert_eq!(bench.press(KeyCode::Char('y')), []);
    assert_eq!(bench.press(KeyCode::Enter), []);
    bench.press(KeyCode::Backspace);
    bench.type_text("mai");
    assert_eq!(bench.press(KeyCode::Enter), []);
    bench.type_text("l");
    let effects = bench.press(KeyCode::Enter);
    assert_eq!(
        effects,
        [Effect::Act(1, Action::DeleteQueue("mail".to_owned()))]
    );
}

#[test]
fn what_an_action_came_to_is_told_and_read_again() {
    let mut bench = Bench::with_queues(vec![queue("a")]);
    bench.press(KeyCode::Char('m'));
    let done = Message::Ended(1, Ok("queue a takes about 1.2 MB".to_owned()));
    assert_eq!(bench.send(done), [Effect::Reread]);
    let notice = bench.model.notice.as_ref().unwrap();
    assert_eq!(notice.text, "queue a takes about 1.2 MB");
    bench.pass(Duration::from_secs(20));
    assert!(bench.model.notice.is_none());
    bench.press(KeyCode::Char('m'));
    bench.send(Message::Ended(2, Err("no permission".to_owned())));
    let notice = bench.model.notice.as_ref().unwrap();
    assert!(notice.is_failure);
    assert_eq!(notice.text, "estimate the memory of queue a: no permission");
}

#[test]
fn x_stops_the_running_action_and_says_what_was_done() {
    let rows = tasks(&["a"], TaskState::Archived);
    let mut bench = Bench::on_tasks(TaskState::Archived, 1, rows);
    bench.press(KeyCode::Char('R'));
    bench.send(Message::Counted(1, Ok(9)));
    bench.press(KeyCode::Char('y'));
    bench.send(Message::Advanced(
        2,
        Advance {
            examined: 5,
            changed: 4,
            total: Some(9),
        },
    ));
    assert_eq!(
        bench.press(KeyCode::Char('x')),
        [Effect::Stop(2), Effect::Reread]
    );
    let text = &bench.model.notice.as_ref().unwrap().text;
    assert_eq!(text, "stopped: run all tasks archived in default (4 done)");
    // Its end, if it was on its way, is not told again.
    assert_eq!(bench.send(Message::Ended(2, Ok("late".to_owned()))), []);
    assert!(bench.press(KeyCode::Char('x')).is_empty());
}

#[test]
fn quitting_asks_while_an_action_is_running_and_an_interrupt_never_asks() {
    let mut bench = Bench::with_queues(vec![queue("a")]);
    bench.press(KeyCode::Char('m'));
    assert_eq!(bench.press(KeyCode::Char('q')), []);
    assert_eq!(bench.press(KeyCode::Char('y')), [Effect::Quit]);
    bench.press(KeyCode::Char('/'));
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(bench.press(interrupt), [Effect::Quit]);
}

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

#[test]
fn a_task_that_is_gone_cannot_be_acted_on() {
    let rows = tasks(&["a"], TaskState::Pending);
    let mut bench = Bench::on_tasks(TaskState::Pending, 1, rows);
    bench.press(KeyCode::Enter);
    bench.read(Content::Nothing("no task \"a\"".to_owned()));
    bench.press(KeyCode::Char('d'));
    assert_eq!(bench.model.dialog, None);
    bench.press(KeyCode::Esc);
    assert_eq!(bench.selected_task(), "a");
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
        enqueued_at: super::fixtures::read_at(),
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
fn a_lost_redis_is_told_with_the_age_of_what_is_shown() {
    let mut bench = Bench::with_queues(vec![queue("a")]);
    assert!(!bench.model.is_stale());
    bench.pass(Duration::from_secs(12));
    bench.send(Message::ReadFailed("no connection".to_owned()));
    assert!(bench.model.is_stale());
    assert_eq!(bench.model.read_age(), Some(Duration::from_secs(12)));
    assert_eq!(bench.model.row_count(), 1, "what was read last stays");
    bench.read_queues(vec![queue("a")]);
    assert!(!bench.model.is_stale());
    assert_eq!(bench.model.link.failure, None);
}

#[test]
fn times_go_on_by_the_clock_of_redis() {
    let mut bench = Bench::with_queues(vec![queue("a")]);
    bench.now.utc += Duration::from_secs(7_000_000);
    bench.pass(Duration::from_secs(5));
    let expected = super::fixtures::read_at() + Duration::from_secs(5);
    assert_eq!(bench.model.redis_now(), expected);
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
