//! What wakes the parts of a server: notifications of Redis, or the polling fallback.
//!
//! The [`Watcher`] passes signals on to [`Gates`] and [`Wakeups`]. The processor waits for an open gate,
//! and the forwarder for the first due time. The janitor looks at expiry times. The aggregator gets the signals about
//! groups. While tracking is not available, these parts ask Redis at their intervals, as asynq does.

mod watcher;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
pub(super) use watcher::Watcher;

use super::fetch::Gates;
use crate::broker::{DelayedSet, GroupSignal, Report, Str};

/// The due and expiry times of all queues, whether Redis notifies this server, and the channel for reports
/// to the watcher. Queues are given by their index.
pub(super) struct Wakeups {
    gates: Arc<Gates>,
    times: Mutex<Vec<QueueTimes>>,
    /// Redis notifies this server of changes.
    tracking: AtomicBool,
    /// The first due time may have changed, or tracking has begun or ended.
    due_changed: Notify,
    /// Redis has lost its data, and with them what it knew of this server's subscriptions.
    data_lost: Notify,
    /// To the watcher.
    reports: mpsc::UnboundedSender<Report>,
    /// To the aggregator.
    groups: mpsc::UnboundedSender<GroupEvent>,
}

/// What the aggregator hears of.
#[derive(Debug)]
pub(super) enum GroupEvent {
    /// Redis does not notify this server of changes any more. Names of all groups mean that it does again.
    Untracked,
    /// A signal of one queue.
    Signal(usize, GroupSignal),
}

/// What the watcher and the aggregator receive.
pub(super) struct Receivers {
    pub(super) reports: mpsc::UnboundedReceiver<Report>,
    pub(super) groups: mpsc::UnboundedReceiver<GroupEvent>,
}

/// Times in unix milliseconds by Redis' clock. `None`: no such task is known.
#[derive(Clone)]
struct QueueTimes {
    /// When the first task of each delayed set is due.
    due_ms: [Option<i64>; 2],
    /// When the retention of the first completed task ends. 0: the queue has not been read yet, so
    /// the janitor asks it.
    expiry_ms: Option<i64>,
}

impl Wakeups {
    /// For this many queues.
    pub(super) fn new(queues: usize, gates: Arc<Gates>) -> (Arc<Self>, Receivers) {
        let (reports, reports_receiver) = mpsc::unbounded_channel();
        let (groups, groups_receiver) = mpsc::unbounded_channel();
        let unknown = QueueTimes {
            due_ms: [None; 2],
            expiry_ms: Some(0),
        };
        let wakeups = Self {
            gates,
            times: Mutex::new(vec![unknown; queues]),
            tracking: AtomicBool::new(false),
            due_changed: Notify::new(),
            data_lost: Notify::new(),
            reports,
            groups,
        };
        let receivers = Receivers {
            reports: reports_receiver,
            groups: groups_receiver,
        };
        (Arc::new(wakeups), receivers)
    }

    /// Whether Redis notifies this server, so that it need not poll.
    pub(super) fn is_tracking(&self) -> bool {
        self.tracking.load(Ordering::Acquire)
    }

    /// Tracking begins or ends. In both cases every queue must be asked once.
    fn set_tracking(&self, tracking: bool) {
        self.tracking.store(tracking, Ordering::Release);
        self.gates.open_all();
        self.due_changed.notify_one();
        if !tracking {
            self.group_event(GroupEvent::Untracked);
        }
    }

    fn group_event(&self, event: GroupEvent) {
        // Without an aggregator nobody receives it.
        let _ = self.groups.send(event);
    }

    /// These groups of a queue must be read. `in_vain` of the groups that were read before had not changed although
    /// Redis had notified of a change.
    pub(super) fn unread_groups(&self, queue: usize, groups: Vec<Str>, in_vain: usize) {
        self.report(Report::UnreadGroups {
            queue,
            groups,
            in_vain,
        });
    }

    /// The groups of a queue were asked, because Redis did not notify of their changes.
    pub(super) fn polled_groups(&self, queue: usize) {
        self.report(Report::PolledGroups { queue });
    }

    /// A fetch got fewer tasks than it asked for, or found the queue paused. With tracking, the gate of
    /// the queue closes until a notification. Without tracking, it closes until the next poll, and only
    /// if the fetch got no task.
    pub(super) fn drained(&self, queue: usize, paused: bool, empty_fetch: bool) {
        if self.is_tracking() || empty_fetch {
            self.gates.close_drained(queue);
        }
        self.report(Report::Drained {
            queue,
            paused,
            empty_fetch,
        });
    }

    /// The due tasks of a delayed set were forwarded. The next due time will come from the watcher.
    pub(super) fn forwarded(&self, queue: usize, set: DelayedSet) {
        self.set_due(queue, set, None);
        self.report(Report::Forwarded { queue, set });
    }

    /// The completed tasks whose retention has ended were deleted from a queue. The next expiry time will
    /// come from the watcher.
    pub(super) fn cleaned(&self, queue: usize) {
        self.set_expiry(queue, None);
        self.report(Report::Cleaned { queue });
    }

    /// Redis has lost its data, so tracking must start over.
    pub(super) fn redis_was_emptied(&self) {
        if self.is_tracking() {
            self.data_lost.notify_one();
        }
    }

    /// Waits until Redis has lost its data.
    async fn data_lost(&self) {
        self.data_lost.notified().await;
    }

    fn report(&self, report: Report) {
        // Without tracking, no report is needed: when tracking begins, every queue is asked and every set read.
        if self.is_tracking() {
            let _ = self.reports.send(report);
        }
    }

    fn set_due(&self, queue: usize, set: DelayedSet, at_ms: Option<i64>) {
        self.times.lock()[queue].due_ms[set as usize] = at_ms;
        self.due_changed.notify_one();
    }

    fn set_expiry(&self, queue: usize, at_ms: Option<i64>) {
        self.times.lock()[queue].expiry_ms = at_ms;
    }

    /// For each delayed set with tasks: when its first task is due.
    pub(super) fn due_times(&self) -> Vec<(usize, DelayedSet, i64)> {
        let times = self.times.lock();
        let sets = times.iter().enumerate().flat_map(|(queue, times)| {
            DelayedSet::ALL.map(|set| Some((queue, set, times.due_ms[set as usize]?)))
        });
        sets.flatten().collect()
    }

    /// Waits until the first due time may have changed, or tracking has begun or ended.
    pub(super) async fn due_changed(&self) {
        self.due_changed.notified().await;
    }

    /// Whether the retention of completed tasks of a queue may have ended.
    pub(super) fn may_have_expired(&self, queue: usize, now_ms: i64) -> bool {
        let expiry_ms = self.times.lock()[queue].expiry_ms;
        !self.is_tracking() || expiry_ms.is_some_and(|at_ms| at_ms <= now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wakeups(queues: usize) -> (Arc<Wakeups>, Receivers) {
        Wakeups::new(queues, Arc::new(Gates::new(queues)))
    }

    #[test]
    fn each_delayed_set_has_its_due_time_until_it_was_forwarded() {
        let (wakeups, _reports) = wakeups(3);
        let [scheduled, retry] = DelayedSet::ALL;
        assert_eq!(wakeups.due_times(), []);
        wakeups.set_due(0, retry, Some(300));
        wakeups.set_due(2, scheduled, Some(200));
        let both = [(0, retry, 300), (2, scheduled, 200)];
        assert_eq!(wakeups.due_times(), both);
        wakeups.forwarded(2, scheduled);
        assert_eq!(wakeups.due_times(), both[..1]);
    }

    #[test]
    fn without_tracking_everything_may_have_expired_and_nothing_is_reported() {
        let (wakeups, Receivers { mut reports, .. }) = wakeups(1);
        wakeups.cleaned(0);
        assert!(wakeups.may_have_expired(0, 0));
        assert!(reports.try_recv().is_err());
        wakeups.set_tracking(true);
        wakeups.cleaned(0);
        assert!(!wakeups.may_have_expired(0, i64::MAX - 1));
        assert_eq!(reports.try_recv(), Ok(Report::Cleaned { queue: 0 }));
        wakeups.set_expiry(0, Some(5));
        assert!(!wakeups.may_have_expired(0, 4));
        assert!(wakeups.may_have_expired(0, 5));
    }
}
