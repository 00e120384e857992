//! The reads in the background: one task asks Redis for what is visible, again and again, and sends what it finds.
//!
//! The loop that draws never waits for it. A read for a screen that was left is given up.

use std::time::Duration;

use rasynq::{Inspector, Result};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::convert;
use super::read::{read, tasks_of};
use crate::dash::model::Message;
use crate::dash::model::rows::TaskRow;
use crate::dash::model::screen::{Content, Found, MAX_FOUND, Snapshot, TaskList, View};
use crate::failure::error_text;

/// A search shows at this interval what it has found so far.
const SEARCH_STEP: Duration = Duration::from_millis(250);

/// A search begins anew after this many times as long as it took, so that it never keeps Redis busy.
const SEARCH_PAUSE_FACTOR: u32 = 10;

/// What is to be read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) view: View,
    /// Rises if it is to be read again at once.
    pub(crate) turn: u64,
}

/// Reads until the other ends of the channels are gone.
pub(crate) async fn feed(
    inspector: Inspector,
    mut requests: watch::Receiver<Request>,
    messages: mpsc::Sender<Message>,
    refresh: Duration,
) {
    let mut feed = Feed {
        inspector,
        messages,
        searched: None,
    };
    loop {
        let request = requests.borrow_and_update().clone();
        let started = Instant::now();
        let result = tokio::select! {
            result = feed.read(&request.view) => result,
            is_left = is_left(&mut requests, &request) => match is_left {
                true => continue,
                false => return,
            },
        };
        if let Err(error) = &result {
            feed.send(Message::ReadFailed(error_text(error))).await;
        }
        // Something of the same kind was asked for in the meantime.
        if *requests.borrow_and_update() != request {
            continue;
        }
        let pause = match feed.searched {
            Some(_) => refresh.max(started.elapsed() * SEARCH_PAUSE_FACTOR),
            None => refresh,
        };
        tokio::select! {
            () = sleep_until(started + pause) => {}
            changed = requests.changed() => if changed.is_err() { return },
        }
    }
}

/// Waits until something is asked for to which this read is of no use. Returns false if nothing will be asked any more.
async fn is_left(requests: &mut watch::Receiver<Request>, request: &Request) -> bool {
    loop {
        if requests.changed().await.is_err() {
            return false;
        }
        if !requests.borrow().view.is_alike(&request.view) {
            return true;
        }
    }
}

struct Feed {
    inspector: Inspector,
    messages: mpsc::Sender<Message>,
    /// The last view, if it was a search that has ended.
    searched: Option<View>,
}

impl Feed {
    /// Reads a view, and sends what was found.
    async fn read(&mut self, view: &View) -> Result<()> {
        let snapshot = read(&self.inspector, view).await?;
        let is_search = match &snapshot.content {
            Content::Tasks(list) => list.found == Found::Searching,
            _ => false,
        };
        if is_search {
            self.search(snapshot).await
        } else {
            self.searched = None;
            self.send(Message::Read(Box::new(snapshot))).await;
            Ok(())
        }
    }

    /// Looks for the tasks that match. The first search for a view shows them as they are found. Later ones replace what
    /// is on the screen when they have ended.
    async fn search(&mut self, snapshot: Snapshot) -> Result<()> {
        let View::Tasks { selection, .. } = &snapshot.view else {
            return Ok(());
        };
        let is_first = self.searched.as_ref() != Some(&snapshot.view);
        let mut tasks = tasks_of(&self.inspector, selection).stream();
        let mut rows: Vec<TaskRow> = Vec::new();
        let mut step = Instant::now() + SEARCH_STEP;
        let found = loop {
            let next = tokio::select! {
                next = tasks.next() => next,
                () = sleep_until(step), if is_first => {
                    self.send_found(&snapshot, rows.clone(), Found::Searching).await;
                    step = Instant::now() + SEARCH_STEP;
                    continue;
                }
            };
            match next {
                None => break Found::All,
                Some(task) => rows.push(convert::task(task?)),
            }
            if rows.len() == MAX_FOUND {
                break Found::First;
            }
        };
        self.send_found(&snapshot, rows, found).await;
        self.searched = Some(snapshot.view);
        Ok(())
    }

    async fn send_found(&self, snapshot: &Snapshot, rows: Vec<TaskRow>, found: Found) {
        let list = TaskList {
            rows,
            total: None,
            found,
        };
        let snapshot = Snapshot {
            content: Content::Tasks(list),
            ..snapshot.clone()
        };
        self.send(Message::Read(Box::new(snapshot))).await;
    }

    async fn send(&self, message: Message) {
        // Without a receiver the dashboard has ended, and this task ends with its requests.
        let _ = self.messages.send(message).await;
    }
}
