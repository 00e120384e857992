//! The header, the keys, sizes and colours.

use std::time::Duration;

use rasynq::TaskState;
use ratatui::style::{Color, Modifier};

use super::{Stage, on_queues, on_tasks};
use crate::dash::model::fixtures::{facts, queue, task};
use crate::dash::model::screen::Content;
use crate::dash::model::{Message, Model};

#[test]
fn the_keys_are_those_that_are_possible_for_the_task() {
    for (state, list, one) in [
        (
            TaskState::Pending,
            "a archive  d delete  → state  p pause",
            "a archive  d delete",
        ),
        (
            TaskState::Active,
            "c cancel  → state  p pause  g groups",
            "c cancel",
        ),
        (
            TaskState::Scheduled,
            "r run  a archive  d delete  → state",
            "r run  a archive  d delete",
        ),
        (
            TaskState::Retry,
            "r run  a archive  d delete  → state",
            "r run  a archive  d delete",
        ),
        (
            TaskState::Archived,
            "r run  d delete  e copy  → state",
            "r run  d delete  e copy",
        ),
        (
            TaskState::Completed,
            "r run  a archive  d delete  e copy",
            "r run  a archive  d delete  e copy",
        ),
        (
            TaskState::Aggregating,
            "r run  a archive  d delete  → state",
            "r run  a archive  d delete",
        ),
    ] {
        let row = task("a", state);
        let mut stage = on_tasks(state, vec![row.clone()], 1);
        let keys = |middle: &str, right: &str| {
            let left = format!(" {middle}");
            format!("{left}{:>1$}", right, 79 - left.chars().count())
        };
        let (list, one) = (
            format!("Enter open  / filter  {list}"),
            keys(one, "? help  q quit"),
        );
        assert_eq!(stage.lines()[23], keys(&list, "? help  q quit"), "{state}");
        stage.press("\n");
        stage.read(Vec::new(), Content::Task(Box::new(facts(row))));
        assert_eq!(stage.lines()[23], one, "{state}");
    }
}

#[test]
fn without_queues_the_keys_are_those_that_need_none() {
    let mut stage = Stage::new(80, 24);
    stage.read(Vec::new(), Content::Queues);
    let keys = format!(" Enter open  / search{:>58}", "? help  q quit");
    assert_eq!(stage.lines()[23], keys);
}

#[test]
fn the_address_is_shown_without_what_says_nothing() {
    for (address, expected) in [
        (
            "redis-socket:///tmp/w/rf/s?db=0",
            "redis-socket:///tmp/w/rf/s live",
        ),
        (
            "redis-socket:///tmp/w/s?db=10",
            "redis-socket:///tmp/w/s?db=10 live",
        ),
    ] {
        let mut stage = Stage::new(80, 24);
        stage.model = Model::new(address, Duration::from_secs(1), (80, 24), stage.now);
        stage.read(vec![queue("a")], Content::Queues);
        stage.shows(expected);
    }
}

#[test]
fn small_terminals_say_what_they_need() {
    let stage = on_queues(30, 8);
    let lines = stage.lines();
    assert_eq!(lines[0], "The terminal is too small:");
    assert_eq!(lines[1], "30 columns, 8 lines.");
    assert_eq!(lines[2], "It needs 50 and 12.");
}

#[test]
fn every_screen_can_be_drawn_in_every_size() {
    for (columns, lines) in [(1, 1), (49, 11), (50, 12), (51, 13), (80, 24), (300, 100)] {
        for keys in [
            "", "\n", "g", "\n\n", "2", "2w", "3", "?", "d", "p", "/x", "\nD", "o",
        ] {
            let mut stage = on_queues(80, 24);
            stage.press(keys);
            stage
                .model
                .update(Message::Resize(columns, lines), stage.now);
            stage.buffer(true);
        }
    }
}

#[test]
fn without_colours_the_selected_row_and_the_marks_are_told_apart_by_emphasis() {
    let stage = on_queues(80, 24);
    let buffer = stage.buffer(false);
    let coloured =
        |cell: &&ratatui::buffer::Cell| cell.fg != Color::Reset || cell.bg != Color::Reset;
    assert_eq!(buffer.content.iter().find(coloured), None);
    assert!(buffer[(1, 3)].modifier.contains(Modifier::REVERSED));
    assert!(
        buffer[(1, 4)].modifier.contains(Modifier::BOLD),
        "a paused queue"
    );
    assert!(
        stage
            .buffer(true)
            .content
            .iter()
            .any(|cell| cell.fg == Color::Cyan)
    );
}
