//! What a server knows of its queues without asking: which may have tasks, and when the next ones
//! are due.
//!
//! The watcher writes it, the processor and the forwarder wait on it. While nobody watches, the
//! two ask Redis at their intervals, as asynq does.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use tokio::sync::{Notify, mpsc};

/// A queue is not fetched from while Redis refuses to be told how this many of its runs ended.
const MOST_REFUSED: usize = 1_000;
/// Nothing is due.
const NEVER: i64 = i64::MAX;

pub(super) struct Wakeups {
    queues: Vec<QueueState>,
    watched: AtomicBool,
    /// For the processor: a queue may have tasks.
    ready: Notify,
    /// For the forwarder: what is due next has changed.
    due: Notify,
    /// To the watcher.
    words: mpsc::UnboundedSender<Word>,
}

struct QueueState {
    /// How many of its runs Redis has refused to be told the end of.
    refused: AtomicUsize,
    /// It may have pending tasks.
    ready: AtomicBool,
    /// It could not be asked, and is left alone for a while.
    resting: AtomicBool,
    /// How many fetches ask it now.
    asked: AtomicUsize,
    /// The last fetch found as many tasks as it wanted.
    has_plenty: AtomicBool,
    /// When its next scheduled or retried task is due (unix ms of our clock).
    due_ms: AtomicI64,
    /// When its next completed task expires (unix ms of our clock); 0: perhaps now.
    expiry_ms: AtomicI64,
}

/// Word to the watcher.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word {
    /// A queue, by its index, has no more tasks for us.
    Drained {
        queue: usize,
        /// It is paused; otherwise it was found empty.
        paused: bool,
        /// The look that found out brought nothing.
        in_vain: bool,
    },
    /// What had expired in a queue is deleted.
    Cleaned { queue: usize },
    /// What was due in a queue has been moved.
    Forwarded { queue: usize },
}

impl Wakeups {
    pub(super) fn new(queues: usize) -> (Self, mpsc::UnboundedReceiver<Word>) {
        let (words, receiver) = mpsc::unbounded_channel();
        let queues = (0..queues)
            .map(|_| QueueState {
                refused: AtomicUsize::new(0),
                ready: AtomicBool::new(true),
                resting: AtomicBool::new(false),
                asked: AtomicUsize::new(0),
                has_plenty: AtomicBool::new(false),
                due_ms: AtomicI64::new(NEVER),
                expiry_ms: AtomicI64::new(0),
            })
            .collect();
        let wakeups = Self {
            queues,
            watched: AtomicBool::new(false),
            ready: Notify::new(),
            due: Notify::new(),
            words,
        };
        (wakeups, receiver)
    }

    /// Whether somebody watches: then nothing needs to be asked for on suspicion.
    pub(super) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Acquire)
    }

    /// Watching begins or ends. Either way everything has to be looked at once.
    pub(super) fn set_watched(&self, watched: bool) {
        self.watched.store(watched, Ordering::Release);
        self.all_ready();
        self.due.notify_one();
    }

    /// The queues that a fetch is to ask, by index. In strict order none comes before one that
    /// another fetch has yet to hear from.
    pub(super) fn to_ask(&self, strict: bool) -> impl Iterator<Item = usize> {
        (0..self.queues.len())
            .filter(|queue| self.is_ready(*queue))
            .take_while(move |queue| !strict || self.is_to_ask(*queue))
            .filter(|queue| self.is_to_ask(*queue))
    }

    /// Whether a fetch is to ask this queue. Two ask the same only if it is known to have plenty: of
    /// an idle server's the second would be in vain.
    pub(super) fn is_to_ask(&self, queue: usize) -> bool {
        let state = &self.queues[queue];
        let alone = state.asked.load(Ordering::Acquire) == 0;
        self.is_ready(queue) && (alone || state.has_plenty.load(Ordering::Acquire))
    }

    /// A fetch begins to ask a queue.
    pub(super) fn asking(&self, queue: usize) {
        self.queues[queue].asked.fetch_add(1, Ordering::AcqRel);
    }

    /// A fetch has its answer from a queue, or gave up: whether it found as many tasks as it wanted.
    pub(super) fn answered(&self, queue: usize, has_plenty: bool) {
        let state = &self.queues[queue];
        state.has_plenty.store(has_plenty, Ordering::Release);
        state.asked.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn set_ready(&self, queue: usize) {
        self.queues[queue].ready.store(true, Ordering::Release);
        self.ready.notify_one();
    }

    pub(super) fn all_ready(&self) {
        for queue in &self.queues {
            queue.ready.store(true, Ordering::Release);
        }
        self.ready.notify_one();
    }

    /// Waits until a queue may have become ready, or watching has begun or ended.
    pub(super) async fn ready_changed(&self) {
        self.ready.notified().await;
    }

    /// Whether this queue may have tasks, and may be asked.
    pub(super) fn is_ready(&self, queue: usize) -> bool {
        let queue = &self.queues[queue];
        queue.ready.load(Ordering::Acquire)
            && !queue.resting.load(Ordering::Acquire)
            && queue.refused.load(Ordering::Acquire) < MOST_REFUSED
    }

    /// A queue that could not be asked is not asked again before [`rested`](Self::rested), whatever is
    /// heard of it. Returns whether it is resting already.
    pub(super) fn rest(&self, queue: usize) -> bool {
        self.queues[queue].resting.swap(true, Ordering::AcqRel)
    }

    /// A queue is asked again.
    pub(super) fn rested(&self, queue: usize) {
        self.queues[queue].resting.store(false, Ordering::Release);
        self.set_ready(queue);
    }

    pub(super) fn one_refused_more(&self, queue: usize) {
        self.queues[queue].refused.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn one_refused_less(&self, queue: usize) {
        self.queues[queue].refused.fetch_sub(1, Ordering::AcqRel);
        self.ready.notify_one();
    }

    /// Notes that a queue has no tasks for now. While nobody watches, one that just had some is
    /// asked again at once.
    pub(super) fn drained(&self, queue: usize, paused: bool, in_vain: bool) {
        if self.is_watched() || in_vain {
            self.queues[queue].ready.store(false, Ordering::Release);
        }
        self.tell_watcher(Word::Drained {
            queue,
            paused,
            in_vain,
        });
    }

    fn tell_watcher(&self, word: Word) {
        // while nobody watches, everything is looked at when that begins
        if self.is_watched() {
            let _ = self.words.send(word);
        }
    }

    /// Notes when a queue's next task is due (unix ms of our clock).
    pub(super) fn set_due(&self, queue: usize, at_ms: Option<i64>) {
        self.queues[queue]
            .due_ms
            .store(at_ms.unwrap_or(NEVER), Ordering::Release);
        self.due.notify_one();
    }

    /// Notes that what was due in a queue has been moved; the watcher looks for what is due next.
    pub(super) fn forwarded(&self, queue: usize) {
        self.set_due(queue, None);
        self.tell_watcher(Word::Forwarded { queue });
    }

    /// The queue whose next task is due first, and when (unix ms of our clock).
    pub(super) fn first_due(&self) -> Option<(usize, i64)> {
        self.queues
            .iter()
            .map(|queue| queue.due_ms.load(Ordering::Acquire))
            .enumerate()
            .min_by_key(|(_, at)| *at)
            .filter(|(_, at)| *at != NEVER)
    }

    /// Waits until what is due first has changed, or watching has begun or ended.
    pub(super) async fn due_changed(&self) {
        self.due.notified().await;
    }

    /// Notes when a queue's next completed task expires (unix ms of our clock).
    pub(super) fn set_expiry(&self, queue: usize, at_ms: Option<i64>) {
        self.queues[queue]
            .expiry_ms
            .store(at_ms.unwrap_or(NEVER), Ordering::Release);
    }

    /// Whether completed tasks of a queue may have expired.
    pub(super) fn has_expired(&self, queue: usize, now_ms: i64) -> bool {
        !self.is_watched() || self.queues[queue].expiry_ms.load(Ordering::Acquire) <= now_ms
    }

    /// Notes that what had expired in a queue is deleted.
    pub(super) fn cleaned(&self, queue: usize) {
        self.set_expiry(queue, None);
        self.tell_watcher(Word::Cleaned { queue });
    }
}
