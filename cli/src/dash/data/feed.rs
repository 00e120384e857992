//! The reads in the background: one tokio task asks Redis for what is visible, again and again, and sends what it finds.
//!
//! The loop that draws never waits for it. A read for a screen that was left is given up.

use std::time::Duration;

use rasynq::{BulkProgress, Inspector};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::convert;
use super::read::{queue_row, read, tasks_of};
use crate::dash::model::Message;
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
            result = feed.read(&request) => result,
            is_left = is_left(&mut requests, &request) => match is_left {
                true => continue,
                false => return,
            },
        };
        if let Err(error) = &result {
            let failed = Message::ReadFailed(error_text(error));
            feed.send_message(failed).await;
        }
        // Something of the same kind was asked for in the meantime.
        if *requests.borrow_and_update() != request {
            continue;
        }
        tokio::select! {
            () = sleep_until(started + refresh) => {}
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
    /// The last search, if it has ended.
    searched: Option<Searched>,
}

/// A search that has ended.
struct Searched {
    request: Request,
    list: TaskList,
    /// When it begins anew.
    again_at: Instant,
}

impl Feed {
    /// Reads a view, and sends what was found.
    async fn read(&mut self, request: &Request) -> rasynq::Result<()> {
        let snapshot = read(&self.inspector, &request.view).await?;
        let is_filtered = match &snapshot.content {
            Content::Tasks(list) => list.found.is_searching(),
            _ => false,
        };
        let before = self.searched.take().filter(|_| is_filtered);
        self.searched = before.filter(|before| before.request.view == request.view);
        if !is_filtered {
            self.send(snapshot).await;
            return Ok(());
        }
        match &self.searched {
            Some(searched)
                if searched.request == *request && Instant::now() < searched.again_at =>
            {
                let list = searched.list.clone();
                self.send(with_list(snapshot, list)).await;
                Ok(())
            }
            _ => self.search(request, snapshot).await,
        }
    }

    /// Looks for the tasks that match. The first search for a view shows them as they are found. During later ones the
    /// rows of the one before stay on the screen.
    async fn search(&mut self, request: &Request, mut snapshot: Snapshot) -> rasynq::Result<()> {
        let View::Tasks { selection, .. } = &request.view else {
            return Ok(());
        };
        let started = Instant::now();
        let (progress, mut steps) = watch::channel(BulkProgress::default());
        let tasks = tasks_of(&self.inspector, selection).on_progress(move |step| {
            progress.send_replace(step);
        });
        let mut tasks = tasks.stream();
        let mut list = TaskList {
            rows: Vec::new(),
            total: None,
            found: Found::SEARCHING,
        };
        let shown = self.shown(request, &list, BulkProgress::default());
        self.send(with_list(snapshot.clone(), shown)).await;
        // The moment at which the queue was read is over.
        snapshot.queues.clear();
        let mut next_report = started + SEARCH_STEP;
        list.found = loop {
            let next = tokio::select! {
                // Only if Redis has answered: what is sent is a sign of its life.
                Ok(()) = wait_for_step(&mut steps, next_report) => {
                    next_report = Instant::now() + SEARCH_STEP;
                    let step = *steps.borrow_and_update();
                    let shown = with_list(snapshot.clone(), self.shown(request, &list, step));
                    let queue = queue_row(&self.inspector, &selection.queue).await?;
                    self.send(Snapshot { queues: vec![queue], ..shown }).await;
                    continue;
                }
                next = tasks.next() => next,
            };
            match next {
                None => break Found::All,
                Some(task) => list.rows.push(convert::task(task?)),
            }
            if list.rows.len() == MAX_FOUND {
                break Found::First;
            }
        };
        self.send(with_list(snapshot, list.clone())).await;
        self.searched = Some(Searched {
            request: request.clone(),
            list,
            again_at: Instant::now() + started.elapsed() * SEARCH_PAUSE_FACTOR,
        });
        Ok(())
    }

    /// What is shown during a search, which has come as far as this step.
    fn shown(&self, request: &Request, list: &TaskList, step: BulkProgress) -> TaskList {
        let before = self.searched.as_ref();
        let mut shown = before.map_or(list, |before| &before.list).clone();
        // Nobody has asked for a search that has begun by itself.
        if before.is_none_or(|before| before.request.turn != request.turn) {
            shown.found = Found::Searching {
                examined: step.examined,
                total: step.total,
            };
        }
        shown
    }

    async fn send(&self, snapshot: Snapshot) {
        let read = Message::Read(Box::new(snapshot), self.inspector.redis_time().await);
        self.send_message(read).await;
    }

    async fn send_message(&self, message: Message) {
        // Without a receiver the dashboard has ended, and this tokio task ends with its requests.
        let _ = self.messages.send(message).await;
    }
}

fn with_list(snapshot: Snapshot, list: TaskList) -> Snapshot {
    Snapshot {
        content: Content::Tasks(list),
        ..snapshot
    }
}

/// Waits until it is time for the next report, and there is a step to report.
async fn wait_for_step(
    steps: &mut watch::Receiver<BulkProgress>,
    at: Instant,
) -> Result<(), watch::error::RecvError> {
    sleep_until(at).await;
    steps.changed().await
}
