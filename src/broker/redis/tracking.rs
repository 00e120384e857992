//! The changes of all queues of a server. On a cluster, the queues of each node are tracked on a connection of
//! their own: a node that is dead stops the notifications of its own queues only.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::Either;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::Broker;
use super::changes::{Changes, TrackingOptions};
use crate::broker::{GroupSignal, Report, Signal};
use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::wire::QueueKeys;

/// The pause before the queues of a node are tracked again. It doubles with each failure in a row. While they are
/// not tracked, they are polled after each pause.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The changes of the queues of a server, as a stream of [`Signal`]s.
pub(crate) struct Tracking(Tracked);

enum Tracked {
    /// The queues of one Redis server.
    Server(Box<Changes>),
    Cluster(TrackedNodes),
}

/// The queues of a cluster, in groups: those of one node are a group.
struct TrackedNodes {
    broker: Broker,
    queues: Vec<QueueKeys>,
    options: TrackingOptions,
    groups: Vec<Group>,
    /// Another node may serve a queue.
    node_changes: watch::Receiver<u64>,
    sender: mpsc::UnboundedSender<Result<Signal>>,
    signals: mpsc::UnboundedReceiver<Result<Signal>>,
}

/// The queues of one node, and the tokio task that tracks them.
struct Group {
    node: Option<String>,
    /// Indices among the queues of the server.
    queues: Vec<usize>,
    reports: mpsc::UnboundedSender<Report>,
    _task: AbortOnDropHandle<()>,
}

impl Broker {
    /// Tracks the keys of these queues, on connections of their own.
    ///
    /// # Errors
    /// If Redis or the user's permissions do not allow tracking, and if Redis cannot be reached. On a cluster,
    /// [`Tracking::next`] returns the error.
    pub(crate) async fn track(
        &self,
        queues: Vec<QueueKeys>,
        options: TrackingOptions,
    ) -> Result<Tracking> {
        let Some(node_changes) = self.link().node_changes() else {
            let changes = Changes::open(self, queues, &options).await?;
            return Ok(Tracking(Tracked::Server(Box::new(changes))));
        };
        let (sender, signals) = mpsc::unbounded_channel();
        let mut nodes = TrackedNodes {
            broker: self.clone(),
            queues,
            options,
            groups: Vec::new(),
            node_changes,
            sender,
            signals,
        };
        nodes.regroup();
        Ok(Tracking(Tracked::Cluster(nodes)))
    }
}

impl Tracking {
    /// The next signal. Cancel-safe.
    ///
    /// # Errors
    /// If the connection fails, on a cluster only if tracking is not allowed. After that nothing is tracked.
    pub(crate) async fn next(&mut self) -> Result<Signal> {
        match &mut self.0 {
            Tracked::Server(changes) => changes.next().await,
            Tracked::Cluster(nodes) => nodes.next().await,
        }
    }

    /// Takes a report of the server, and subscribes to the queue's next change.
    pub(crate) fn report(&mut self, report: Report) {
        match &mut self.0 {
            Tracked::Server(changes) => changes.report(report),
            Tracked::Cluster(nodes) => nodes.report(report),
        }
    }
}

impl TrackedNodes {
    async fn next(&mut self) -> Result<Signal> {
        loop {
            tokio::select! {
                // The sender is in `self`.
                Some(signal) = self.signals.recv() => return signal,
                changed = self.node_changes.changed() => match changed {
                    Ok(()) => self.regroup(),
                    Err(_) => {
                        let text = "the connection to the cluster was closed";
                        return Err(Error::new(ErrorKind::Closed, text));
                    }
                },
            }
        }
    }

    fn report(&self, report: Report) {
        let queue = report.queue();
        for group in &self.groups {
            if let Ok(index) = group.queues.binary_search(&queue) {
                // If its task has ended, the error is on its way.
                let _ = group.reports.send(report.of(index));
                return;
            }
        }
    }

    /// Groups the queues by the nodes that serve them. The groups that stay the same are left alone.
    fn regroup(&mut self) {
        let mut by_node: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
        for (index, queue) in self.queues.iter().enumerate() {
            let node = self.broker.link().node_of(queue.pending());
            by_node.entry(node).or_default().push(index);
        }
        self.groups.retain(|group| {
            let stays = by_node.get(&group.node) == Some(&group.queues);
            if stays {
                by_node.remove(&group.node);
            }
            stays
        });
        for (node, queues) in by_node {
            let (reports, receiver) = mpsc::unbounded_channel();
            let task = GroupTask {
                broker: self.broker.clone(),
                keys: queues
                    .iter()
                    .map(|queue| self.queues[*queue].clone())
                    .collect(),
                queues: queues.clone(),
                options: self.options.clone(),
                signals: self.sender.clone(),
                reports: receiver,
            };
            self.groups.push(Group {
                node,
                queues,
                reports,
                _task: AbortOnDropHandle::new(tokio::spawn(task.run())),
            });
        }
    }
}

/// Tracks the queues of one node.
struct GroupTask {
    broker: Broker,
    keys: Vec<QueueKeys>,
    /// Their indices among the queues of the server.
    queues: Vec<usize>,
    options: TrackingOptions,
    signals: mpsc::UnboundedSender<Result<Signal>>,
    reports: mpsc::UnboundedReceiver<Report>,
}

impl GroupTask {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let opened = {
                let (broker, keys) = (self.broker.clone(), self.keys.clone());
                let options = self.options.clone();
                let open = async move { Changes::open(&broker, keys, &options).await };
                without_reports(&mut self.reports, open).await
            };
            match opened {
                Ok(mut changes) => {
                    let began = clock::monotonic();
                    // A fetch that finds a queue empty subscribes to it. The groups are read already.
                    self.poll();
                    if let Err(error) = self.pass_on(&mut changes).await {
                        self.tell(&error);
                    }
                    if clock::monotonic() - began > LONGEST_PAUSE {
                        pause = FIRST_PAUSE;
                    }
                }
                Err(error) if error.is_transient() => self.tell(&error),
                Err(error) => {
                    let _ = self.signals.send(Err(error));
                    return;
                }
            }
            self.poll();
            self.poll_groups();
            without_reports(&mut self.reports, tokio::time::sleep(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn tell(&self, error: &Error) {
        tracing::debug!(queues = self.queues.len(), %error, "cannot track the queues of a node, polling them meanwhile");
    }

    /// Passes signals and reports on until tracking has to start over.
    async fn pass_on(&mut self, changes: &mut Changes) -> Result<()> {
        loop {
            let event = tokio::select! {
                signal = changes.next() => Either::Left(signal?),
                Some(report) = self.reports.recv() => Either::Right(report),
            };
            match event {
                Either::Left(Signal::Reset) => return Ok(()),
                Either::Left(signal) => self.signal(signal.of(|index| self.queues[index])),
                Either::Right(report) => changes.report(report),
            }
        }
    }

    /// Has the groups of every queue of the node asked once.
    fn poll_groups(&self) {
        for queue in &self.queues {
            self.signal(Signal::Groups(*queue, GroupSignal::Untracked));
        }
    }

    /// Has every queue of the node asked once.
    fn poll(&self) {
        for queue in &self.queues {
            for signal in Signal::everything_of(*queue) {
                self.signal(signal);
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let _ = self.signals.send(Ok(signal));
    }
}

/// Waits for `work`. Nothing is tracked meanwhile: reports are dropped, because every queue is asked again after
/// that.
async fn without_reports<T>(
    reports: &mut mpsc::UnboundedReceiver<Report>,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            biased;
            Some(_) = reports.recv() => {}
            done = &mut work => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn reports_do_not_pile_up_while_nothing_is_tracked() {
        let (sender, mut reports) = mpsc::unbounded_channel();
        let (ends, ended) = oneshot::channel();
        let waits = async { without_reports(&mut reports, ended).await };
        let polls = async {
            for queue in 0..1_000 {
                sender.send(Report::Cleaned { queue }).expect("open");
                tokio::task::yield_now().await;
            }
            ends.send("done").expect("waited for");
        };
        let (done, ()) = tokio::join!(waits, polls);
        assert_eq!(done, Ok("done"));
        assert!(reports.is_empty());
        drop(sender);
        assert_eq!(without_reports(&mut reports, async { 1 }).await, 1);
    }
}
