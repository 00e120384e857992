//! What is going on, above the keys.

use std::time::Duration;

use super::{Stage, on_queues};
use crate::dash::model::Message;
use crate::dash::model::screen::{Content, Snapshot};

#[test]
fn a_lost_redis_is_told_in_the_header_and_the_status() {
    let mut stage = on_queues(80, 24);
    stage.now.instant += Duration::from_secs(12);
    let failure = "Redis is not reached".to_owned();
    stage.model.update(Message::ReadFailed(failure), stage.now);
    assert!(
        stage.lines()[0].ends_with(" last read 12s ago"),
        "{}",
        stage.lines()[0]
    );
    assert_eq!(stage.lines()[22], " Redis is not reached");
    stage.shows(" default ");
}

#[test]
fn a_redis_that_does_not_answer_is_told_before_a_read_has_failed() {
    for has_read in [true, false] {
        let mut stage = match has_read {
            true => on_queues(80, 24),
            false => Stage::new(80, 24),
        };
        stage.now.instant += Duration::from_secs(4);
        stage.model.update(Message::Tick, stage.now);
        assert_eq!(
            stage.lines()[22],
            " Redis has not answered yet",
            "{has_read}"
        );
    }
    let mut stage = on_queues(80, 24);
    stage.press("m");
    stage.now.instant += Duration::from_secs(4);
    stage.model.update(Message::Tick, stage.now);
    let running = " running, x stops it: estimate the memory of queue default";
    assert_eq!(
        stage.lines()[21..23],
        [" Redis has not answered yet", running]
    );
}

#[test]
fn rows_that_cannot_be_read_are_told_apart_from_those_that_are_being_read() {
    for keys in ["\n", "g", "2", "2w", "3"] {
        let mut stage = on_queues(80, 24);
        stage.press(keys);
        stage.shows(" reading");
        let failure = "Redis is not reached".to_owned();
        stage.model.update(Message::ReadFailed(failure), stage.now);
        stage.shows(" not read yet");
    }
}

#[test]
fn what_an_action_came_to_is_seen_although_a_queue_cannot_be_read() {
    let mut stage = on_queues(80, 24);
    let snapshot = Snapshot {
        view: stage.model.view(),
        names: None,
        queues: Vec::new(),
        failure: Some("queue \"broken\": WRONGTYPE".to_owned()),
        content: Content::Queues,
    };
    let read = Message::Read(Box::new(snapshot), stage.redis_now);
    stage.model.update(read.clone(), stage.now);
    stage.shows(" queue \"broken\": WRONGTYPE");
    stage.press("m");
    let done = Message::Ended(1, Ok("queue default takes about 1.2 MiB".to_owned()));
    stage.model.update(done, stage.now);
    stage.model.update(read, stage.now);
    let both = [
        " queue \"broken\": WRONGTYPE",
        " queue default takes about 1.2 MiB",
    ];
    assert_eq!(stage.lines()[21..23], both);
}

#[test]
fn why_an_action_failed_is_shown_whole_although_its_names_are_long() {
    let mut stage = on_queues(80, 24);
    stage.press("m");
    let reason = format!("no queue {:?}, or it has gone", "q".repeat(70));
    let failed = Message::Ended(1, Err(reason));
    stage.model.update(failed, stage.now);
    assert_eq!(
        stage.lines()[20..23],
        [
            " estimate the memory of queue default: no queue".to_owned(),
            format!(" \"{}\", or", "q".repeat(70)),
            " it has gone".to_owned(),
        ]
    );
    stage.press("m");
    let failed = Message::Ended(2, Err("x ".repeat(200)));
    stage.model.update(failed, stage.now);
    assert!(
        stage.lines()[19].starts_with(" failed "),
        "{}",
        stage.lines()[19]
    );
    assert!(stage.lines()[22].ends_with("x x…"), "{}", stage.lines()[22]);
}

#[test]
fn a_running_action_is_shown_until_it_ends() {
    let mut stage = on_queues(80, 24);
    stage.press("m");
    let running = " running, x stops it: estimate the memory of queue default";
    assert_eq!(stage.lines()[22], running);
    let done = Message::Ended(1, Ok("queue default takes about 1.2 MB".to_owned()));
    stage.model.update(done, stage.now);
    assert_eq!(stage.lines()[22], " queue default takes about 1.2 MB");
}
