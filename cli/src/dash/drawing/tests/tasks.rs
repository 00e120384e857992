//! The tasks of a queue, and one task.

use std::time::Duration;

use chrono::TimeDelta;
use rasynq::TaskState;

use super::{on_queues, on_tasks};
use crate::dash::model::fixtures::{facts, read_at, task};
use crate::dash::model::rows::{LockFacts, ProgressFacts, TaskRow};
use crate::dash::model::screen::{Content, Found, TaskList};

#[test]
fn retries_are_shown_with_their_errors_and_when_they_are_due() {
    let mut retry = task("0b6e1f6c-8f5a-4c9e-9d0a-0a9f6f6a1b2c", TaskState::Retry);
    retry.next_process_at = Some(read_at() + TimeDelta::seconds(90));
    retry.last_error = "dial tcp:\ntimeout".to_owned();
    let stage = on_tasks(TaskState::Retry, vec![retry], 1);
    let lines = stage.lines();
    assert_eq!(lines[1], format!(" default › retry{:>63}", "1 task"));
    assert!(lines[2].starts_with(" processed  25.0/s"), "{}", lines[2]);
    let states = " pending 12  active 3  sched 0  retry 7  arch 1.2M  compl 40  aggr 9";
    assert_eq!(lines[3], states);
    let expected = " 0b6e1f6c-8f5… email:welcome          1/25 in 1m29s   dial tcp:\\ntimeout";
    assert_eq!(lines[5], expected);
}

#[test]
fn each_state_has_its_columns() {
    let states = [
        (TaskState::Pending, "tries payload"),
        (TaskState::Active, "tries lease    payload"),
        (TaskState::Scheduled, "due        payload"),
        (TaskState::Retry, "tries due        last error"),
        (TaskState::Archived, "tries failed     last error"),
        (TaskState::Completed, "completed  result"),
        (TaskState::Aggregating, "group            payload"),
    ];
    for (state, expected) in states {
        let mut row = task("a", state);
        row.is_orphaned = state == TaskState::Active;
        let stage = on_tasks(state, vec![row], 1);
        stage.shows(expected);
        if state == TaskState::Active {
            stage.shows("orphaned {\"user_id\":42}");
        }
    }
}

#[test]
fn pages_of_a_long_list_are_numbered() {
    let rows = (0..17).map(|n| task(&n.to_string(), TaskState::Archived));
    let stage = on_tasks(TaskState::Archived, rows.collect(), 1_000_000);
    stage.shows("1,000,000 tasks, page 1 of 58,824");
}

#[test]
fn a_search_shows_what_it_has_found_so_far() {
    let mut stage = on_tasks(TaskState::Pending, Vec::new(), 0);
    stage.shows("no tasks in this state");
    stage.press("/error:timeout\n");
    let found = |rows: Vec<TaskRow>, found: Found| {
        Content::Tasks(TaskList {
            rows,
            total: None,
            found,
        })
    };
    let searching = Found::Searching {
        examined: 120_000,
        total: 1_000_000,
    };
    stage.read(Vec::new(), found(Vec::new(), searching));
    stage.shows("filter: error:timeout");
    stage.shows("searching, 0 found");
    stage.shows(" searched 120,000 of about 1,000,000 tasks, Esc ends the search");
    stage.read(
        Vec::new(),
        found(vec![task("a", TaskState::Pending)], Found::All),
    );
    stage.shows(" 1 found");
    stage.read(Vec::new(), found(Vec::new(), Found::All));
    stage.shows("no task matches the filter");
}

#[test]
fn a_task_is_shown_with_all_that_is_known_of_it() {
    let mut row = task("t1", TaskState::Active);
    row.payload = r#"{"user":{"id":42},"note":"a\u001bb"}"#.into();
    row.last_error = "boom".to_owned();
    row.result = bytes::Bytes::from_static(b"\xff\x01");
    let mut facts = facts(row.clone());
    facts.headers = vec![("trace".to_owned(), "x\u{7}".to_owned())];
    facts.owner = Some("host:1:id".to_owned());
    facts.lease_expires_at = Some(read_at() + TimeDelta::seconds(31));
    facts.lock = Some(LockFacts {
        key: "asynq:{default}:unique:email".to_owned(),
        holder: Some("t0".to_owned()),
        is_held_by_task: false,
        expires_at: Some(read_at() + TimeDelta::seconds(61)),
    });
    facts.progress = Some(ProgressFacts {
        done: 1_250,
        total: 5_000,
        message: "sending".to_owned(),
    });
    facts.retention = Duration::from_secs(3600);
    let mut stage = on_queues(80, 45);
    stage.press("\n");
    stage.read_tasks(vec![row], 1);
    stage.press("\n");
    stage.read(Vec::new(), Content::Task(Box::new(facts)));
    for expected in [
        " default › pending › task t1",
        " type       email:welcome",
        " state      active",
        " retries    1 of 25 used",
        " last error boom",
        " timeout    30m00s",
        " retention  kept 1h00m after completion",
        " runs on    host:1:id",
        " lease ends 2027-01-15 08:00:31 (in 30s)",
        " lock       held by task t0 until 2027-01-15 08:01:01 (in 1m00s)",
        "            asynq:{default}:unique:email",
        " progress   1,250 of 5,000 (25%): sending",
        " payload (36 bytes)",
        "     \"id\": 42",
        "   \"note\": \"a\\u001bb\"",
        " result (2 bytes)",
        " 00000000  ff 01 ",
        " headers (1)",
        " trace: x\\u{7}",
    ] {
        stage.shows(expected);
    }
}

#[test]
fn what_is_gone_is_told_with_the_reason() {
    let mut stage = on_tasks(TaskState::Pending, vec![task("a", TaskState::Pending)], 1);
    stage.press("\n");
    stage.read(
        Vec::new(),
        Content::Nothing("no task \"a\" in queue \"default\"".to_owned()),
    );
    stage.shows(" no task \"a\" in queue \"default\"");
}
