//! The screens as they are drawn, in 80 columns and 24 lines and in other sizes.

mod dialogs;
mod frame;
mod lists;
mod queues;
mod status;
mod tasks;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use crossterm::event::KeyCode;
use rasynq::TaskState;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::draw;
use crate::dash::model::fixtures::{moment, queue, read_at};
use crate::dash::model::rows::{QueueRow, TaskRow};
use crate::dash::model::screen::{Content, Found, Snapshot, TaskList};
use crate::dash::model::{Message, Model, Moment};
use crate::dash::theme::Theme;

struct Stage {
    model: Model,
    now: Moment,
    /// The time of the last read, by Redis' clock.
    redis_now: DateTime<Utc>,
}

impl Stage {
    fn new(columns: u16, lines: u16) -> Self {
        let now = moment();
        let address = "redis://localhost:6379/0";
        let size = (columns, lines);
        Self {
            model: Model::new(address, Duration::from_secs(1), size, now),
            now,
            redis_now: read_at(),
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
        let newest = queues.iter().map(|row| row.read_at).max();
        self.redis_now = newest.unwrap_or(self.redis_now);
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
        let read = Message::Read(Box::new(snapshot), self.redis_now);
        self.model.update(read, self.now);
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
