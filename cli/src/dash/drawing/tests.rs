//! The screens as they are drawn, in 80 columns and 24 lines and in other sizes.

use std::time::Duration;

use chrono::TimeDelta;
use crossterm::event::KeyCode;
use rasynq::TaskState;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::draw;
use crate::dash::model::action::Advance;
use crate::dash::model::fixtures::{facts, moment, queue, read_at, server, task, worker};
use crate::dash::model::rows::{
    EntryRow, GroupRow, LockFacts, ProgressFacts, QueueRow, SchedulerRow, TaskRow,
};
use crate::dash::model::screen::{Content, Found, GroupList, Snapshot, TaskList};
use crate::dash::model::{Message, Model, Moment};
use crate::dash::theme::Theme;

struct Stage {
    model: Model,
    now: Moment,
}

impl Stage {
    fn new(columns: u16, lines: u16) -> Self {
        let now = moment();
        let address = "redis://localhost:6379/0";
        let size = (columns, lines);
        Self {
            model: Model::new(address, Duration::from_secs(1), size, now),
            now,
        }
    }

    fn press(&mut self, keys: &str) {
        for char in keys.chars() {
            let code = match char {
                '\n' => KeyCode::Enter,
                '>' => KeyCode::Right,
                char => KeyCode::Char(char),
            };
            self.model.update(Message::Key(code.into()), self.now);
        }
    }

    fn read(&mut self, queues: Vec<QueueRow>, content: Content) {
        let snapshot = Snapshot {
            view: self.model.view(),
            names: match content {
                Content::Queues => Some(queues.iter().map(|row| row.name.clone()).collect()),
                _ => None,
            },
            queues,
            failure: None,
            content,
        };
        self.model
            .update(Message::Read(Box::new(snapshot)), self.now);
    }

    fn read_tasks(&mut self, rows: Vec<TaskRow>, total: u64) {
        let list = TaskList {
            rows,
            total: Some(total),
            found: Found::Unfiltered,
        };
        self.read(Vec::new(), Content::Tasks(list));
    }

    fn buffer(&self, has_colours: bool) -> Buffer {
        let (columns, lines) = self.model.size;
        let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
        let theme = Theme::new(has_colours);
        terminal
            .draw(|frame| draw(&self.model, theme, frame))
            .unwrap();
        terminal.backend().buffer().clone()
    }

    /// The lines of the screen, without spaces at their ends.
    fn lines(&self) -> Vec<String> {
        let buffer = self.buffer(true);
        let columns = usize::from(buffer.area.width);
        let rows = buffer.content.chunks(columns);
        rows.map(|row| {
            let line: String = row.iter().map(|cell| cell.symbol()).collect();
            line.trim_end().to_owned()
        })
        .collect()
    }

    #[track_caller]
    fn shows(&self, expected: &str) {
        let lines = self.lines();
        let found = lines.iter().any(|line| line.contains(expected));
        assert!(found, "{expected:?} is not in:\n{}", lines.join("\n"));
    }
}

/// A queue with tasks in all states, a second after it was read for the first time.
fn busy_queue() -> QueueRow {
    let mut row = queue("default");
    row.sizes = [12, 3, 0, 7, 1_234_567, 40, 9];
    row.processed_total = 1_000;
    row.failed_total = 20;
    row.processed_today = 1_000;
    row.failed_today = 20;
    row.groups = 2;
    row.orphaned = 1;
    row.latency = Duration::from_millis(1_500);
    row
}

fn later(mut row: QueueRow, secs: i64, processed: u64, failed: u64) -> QueueRow {
    row.read_at += TimeDelta::seconds(secs);
    row.processed_total += processed;
    row.failed_total += failed;
    row
}

fn on_queues(columns: u16, lines: u16) -> Stage {
    let mut stage = Stage::new(columns, lines);
    let mut paused = queue("mail");
    paused.paused_since = Some(read_at() - TimeDelta::minutes(3));
    stage.read(vec![busy_queue(), paused.clone()], Content::Queues);
    let busy = later(busy_queue(), 1, 25, 2);
    stage.read(vec![busy, later(paused, 1, 0, 0)], Content::Queues);
    stage
}

fn on_tasks(state: TaskState, rows: Vec<TaskRow>, total: u64) -> Stage {
    let mut stage = on_queues(80, 24);
    stage.press("\n");
    for _ in 0..7 {
        if stage.model.place().selection().unwrap().state == state {
            break;
        }
        stage.press(">");
    }
    stage.read_tasks(rows, total);
    stage
}

#[test]
fn queues_are_shown_with_sizes_rates_and_latency_in_80_columns() {
    let stage = on_queues(80, 24);
    let lines = stage.lines();
    assert_eq!(lines.len(), 24);
    assert!(
        lines[0].starts_with(" rasynq  1 Queues  2 Servers  3 Schedulers"),
        "{}",
        lines[0]
    );
    assert!(
        lines[0].ends_with("redis://localhost:6379/0 live"),
        "{}",
        lines[0]
    );
    assert_eq!(lines[1], format!(" Queues{:>72}", "2 queues"));
    let titles = " queue           pend activ sched retry archv compl  aggr done/s fail/s latency";
    assert_eq!(lines[2], titles);
    assert!(lines[3].starts_with(" default"), "{}", lines[3]);
    let numbers: Vec<&str> = lines[3].split_whitespace().skip(1).collect();
    let expected = [
        "12", "3", "0", "7", "1.2M", "40", "9", "25.0", "2.0", "1.5s",
    ];
    assert_eq!(numbers, expected);
    assert!(lines[4].starts_with(" ‖ mail"), "{}", lines[4]);
    assert!(
        lines[23].starts_with(" Enter open  / search  p pause  d delete"),
        "{}",
        lines[23]
    );
    assert!(lines[23].ends_with("? help  q quit"), "{}", lines[23]);
}

#[test]
fn the_selected_queue_is_shown_in_a_panel_with_sparklines() {
    let mut stage = on_queues(80, 24);
    let lines = stage.lines();
    assert!(lines[17].starts_with("── default ───"), "{}", lines[17]);
    assert!(
        lines[18].starts_with(" processed   25.0/s"),
        "{}",
        lines[18]
    );
    assert!(lines[18].contains('█'), "{}", lines[18]);
    assert!(lines[18].contains("1,000 today"), "{}", lines[18]);
    assert!(
        lines[19].starts_with(" failed       2.0/s"),
        "{}",
        lines[19]
    );
    assert!(
        lines[20].starts_with(" latency       1.5s"),
        "{}",
        lines[20]
    );
    assert_eq!(lines[21], " 1,234,638 tasks, 2 groups, 1 orphaned");
    stage.press("j");
    stage.shows("── mail, paused for 3m01s ─");
}

#[test]
fn wide_terminals_have_a_sparkline_in_each_row() {
    let stage = on_queues(120, 30);
    stage.shows("done/s lately");
}

#[test]
fn narrow_terminals_leave_columns_out_so_that_names_are_seen() {
    let stage = on_queues(60, 20);
    let expected = format!(
        " {:<19} {}",
        "queue", " pend activ retry archv done/s latency"
    );
    assert_eq!(stage.lines()[2], expected);
    let stage = on_queues(50, 12);
    let titles: Vec<String> = stage.lines()[2]
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    assert_eq!(
        titles,
        ["queue", "pend", "activ", "retry", "archv", "done/s"]
    );
    stage.shows(" ‖ mail ");
}

#[test]
fn names_that_are_too_long_are_cut_and_control_characters_are_escaped() {
    let mut stage = Stage::new(80, 24);
    let names = ["a-very-long-name-of-a-queue-in-this-place", "evil\u{1b}[2J"];
    let rows = names.iter().map(|name| queue(name)).collect();
    stage.read(rows, Content::Queues);
    stage.shows(" a-very-long-n…  ");
    stage.shows(" evil\\u{1b}[2J");
}

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

#[test]
fn servers_are_shown_with_what_the_selected_one_runs() {
    let mut stage = on_queues(80, 24);
    stage.press("2");
    stage.read(
        Vec::new(),
        Content::Servers(vec![server("web-1", vec![worker("t1")])]),
    );
    let lines = stage.lines();
    let row = " web-1:7                      active     2h00m      1/10 critical 6, default 3";
    assert_eq!(lines[3], row);
    stage.shows("── runs of web-1:7 ─");
    stage.shows(" t1            video:encode       default          43s in 4m59s   {}");
}

#[test]
fn entries_are_shown_with_their_next_and_last_ticks_the_next_first() {
    let mut stage = on_queues(80, 24);
    stage.press("3");
    let entry = |spec: &str, next: Option<i64>| EntryRow {
        id: spec.to_owned(),
        spec: spec.to_owned(),
        task_type: "report:daily".to_owned(),
        payload: bytes::Bytes::new(),
        options: vec!["Queue(\"low\")".to_owned()],
        next: next.map(|secs| read_at() + TimeDelta::seconds(secs)),
        previous: Some(read_at() - TimeDelta::seconds(59)),
    };
    let scheduler = SchedulerRow {
        host: "web-1".to_owned(),
        pid: 9,
        is_leader: true,
        entries: 3,
    };
    let entries = vec![
        entry("never", None),
        entry("0 9 * * *", Some(3601)),
        entry("@every 1m", Some(6)),
    ];
    stage.read(Vec::new(), Content::Schedulers(vec![scheduler], entries));
    let lines = stage.lines();
    assert_eq!(lines[2], " web-1:9 leads (3 entries)");
    assert_eq!(
        lines[4],
        " @every 1m          in 5s      1m00s ago    report:daily         low"
    );
    assert!(
        lines[5].starts_with(" 0 9 * * *          in 1h00m"),
        "{}",
        lines[5]
    );
    assert!(
        lines[6].starts_with(" never              never"),
        "{}",
        lines[6]
    );
}

#[test]
fn too_many_groups_are_counted_but_not_listed() {
    let mut stage = on_queues(80, 24);
    stage.press("g");
    let groups = GroupList::Rows(vec![GroupRow {
        name: "mail".to_owned(),
        size: 1_234,
    }]);
    stage.read(Vec::new(), Content::Groups(groups));
    stage.shows("1,234");
    stage.read(Vec::new(), Content::Groups(GroupList::TooMany(1_000_000)));
    stage.shows("1,000,000 groups");
    stage.shows("More than 10,000 groups are not listed. o opens one by its name.");
}

#[test]
fn a_question_shows_what_will_be_done_and_the_answers() {
    let mut stage = on_tasks(TaskState::Archived, vec![task("a", TaskState::Archived)], 3);
    stage.press("D");
    stage.shows("Delete all tasks:");
    stage.shows("archived in default");
    stage.shows("counting");
    let advance = Advance {
        examined: 120_000,
        total: Some(1_300_000),
        ..Advance::default()
    };
    stage.model.update(Message::Advanced(1, advance), stage.now);
    stage.shows("counting, 120,000 of about 1,300,000 examined");
    let asked = stage.lines().join("\n");
    assert!(!asked.contains("y yes"), "{asked}");
    stage
        .model
        .update(Message::Counted(1, Ok(1_234_567)), stage.now);
    stage.shows("1,234,567 tasks");
    stage.shows("y yes   n no");
}

#[test]
fn a_typed_line_shows_its_end_and_its_mistakes() {
    let mut stage = on_tasks(TaskState::Pending, Vec::new(), 0);
    stage.press("/");
    stage.shows(" filter:    text type:email:* error:text json:user.id=42");
    stage.press("older:x\n");
    stage.shows(" filter: older:x   \"x\" is no span of time");
    stage.press(&"y".repeat(100));
    stage.shows("yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
}

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
fn what_an_action_came_to_is_seen_although_a_queue_cannot_be_read() {
    let mut stage = on_queues(80, 24);
    let snapshot = Snapshot {
        view: stage.model.view(),
        names: None,
        queues: Vec::new(),
        failure: Some("queue \"broken\": WRONGTYPE".to_owned()),
        content: Content::Queues,
    };
    let read = Message::Read(Box::new(snapshot));
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
fn a_running_action_is_shown_until_it_ends() {
    let mut stage = on_queues(80, 24);
    stage.press("m");
    let running = " running, x stops it: estimate the memory of queue default";
    assert_eq!(stage.lines()[22], running);
    let done = Message::Ended(1, Ok("queue default takes about 1.2 MB".to_owned()));
    stage.model.update(done, stage.now);
    assert_eq!(stage.lines()[22], " queue default takes about 1.2 MB");
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

#[test]
fn the_help_names_every_key() {
    let mut stage = on_queues(80, 90);
    stage.press("?");
    for binding in crate::dash::model::keys::BINDINGS {
        stage.shows(binding.shown);
    }
    stage.shows("json:user.id=42");
}
