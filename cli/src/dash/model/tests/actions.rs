//! Questions, actions, and what they come to.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rasynq::TaskState;

use super::{Bench, tasks, tasks_of_default};
use crate::dash::model::action::{Action, Advance, Verb};
use crate::dash::model::dialog::Count;
use crate::dash::model::fixtures::{queue, read_at};
use crate::dash::model::screen::Content;
use crate::dash::model::{Effect, Message};

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
fn a_key_for_a_task_that_is_not_read_yet_says_so() {
    let rows = tasks(&["a"], TaskState::Pending);
    let mut bench = Bench::on_tasks(TaskState::Pending, 1, rows);
    bench.press(KeyCode::Right);
    assert_eq!(bench.press(KeyCode::Char('c')), []);
    assert_eq!(bench.model.dialog, None);
    assert_eq!(bench.notice(), "the task is not read yet");
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
    paused.paused_since = Some(read_at());
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
fn a_task_that_is_gone_cannot_be_acted_on() {
    let rows = tasks(&["a"], TaskState::Pending);
    let mut bench = Bench::on_tasks(TaskState::Pending, 1, rows);
    bench.press(KeyCode::Enter);
    bench.read(Content::Nothing("no task \"a\"".to_owned()));
    bench.press(KeyCode::Char('d'));
    assert_eq!(bench.model.dialog, None);
    assert_eq!(bench.notice(), "no task is selected");
    bench.press(KeyCode::Esc);
    assert_eq!(bench.selected_task(), "a");
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
    // Its end, if it was on its way, is not reported again.
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
