//! What keys, reads and ends of actions do to the model.

mod actions;
mod cursor;
mod lists;
mod reads;
mod screens;
mod typing;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent};
use rasynq::TaskState;

use super::action::Selection;
use super::dialog::{Confirm, Dialog};
use super::filter::Filter;
use super::fixtures::{moment, queue, read_at, task};
use super::rows::{QueueRow, STATES, TaskRow};
use super::screen::{Content, Found, Screen, Snapshot, TaskList};
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
        let index = STATES.iter().position(|of| *of == state);
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
        self.send(Message::Read(Box::new(snapshot), read_at()));
    }

    fn read_queues(&mut self, rows: Vec<QueueRow>) {
        let snapshot = Snapshot {
            view: self.model.view(),
            names: Some(rows.iter().map(|row| row.name.clone()).collect()),
            queues: rows,
            failure: None,
            content: Content::Queues,
        };
        self.send(Message::Read(Box::new(snapshot), read_at()));
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

    fn notice(&self) -> &str {
        let notice = self.model.notice.as_ref();
        notice.map_or("", |notice| &notice.text)
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
        filter: Filter::default(),
    }
}
