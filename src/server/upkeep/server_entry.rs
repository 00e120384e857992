//! Writes the server's entry: its state, and its running tasks by difference.
//!
//! Redis works for a call as long as the call has tasks, and does nothing else meanwhile. So each call has a
//! bounded number of tasks. asynqmon and Go must never see a part of a change, so a change that needs several calls
//! is prepared in a spare hash. Then the two hashes are swapped.

use std::collections::HashMap;
use std::sync::Arc;

use crate::broker::{Broker, Str, WorkerChange};
use crate::error::{Error, ErrorKind, Result};
use crate::server::identity::Identity;
use crate::server::run::HeldRun;
use crate::wire::{self, ServerInfo, WorkerInfo};

/// How long a server counts as alive after its last heartbeat.
pub(super) const TTL_SECS: i64 = 10;
/// How long the spare hash is kept for the next large change.
const SPARE_TTL_SECS: i64 = 30;
/// The most tasks that one call changes.
const MAX_CHANGES: usize = 500;
/// The most bytes of a payload that asynqmon is shown for a running task.
const MAX_SHOWN_PAYLOAD: usize = 4 << 10;
/// The most bytes of its type.
const MAX_SHOWN_TYPE: usize = 1 << 10;

/// The entry of this server, as it is in Redis.
pub(in crate::server) struct ServerEntry {
    identity: Arc<Identity>,
    /// What the shown hash contains. `None`: unknown.
    shown: Option<WorkersHash>,
    /// What the spare hash contains. `None`: unknown.
    spare: Option<WorkersHash>,
    was_written: bool,
    /// Redis has lost the entry since [`take_lost`](Self::take_lost) was called.
    was_lost: bool,
}

/// What a hash of running tasks contains: the ids, with the numbers of the runs.
#[derive(Debug, Default, PartialEq)]
struct WorkersHash(HashMap<Str, u64>);

/// A change of one task: its id and the number of its run. `None`: it runs no more.
type Change = (Str, Option<u64>);

/// Stands for the number of a run if a call has changed the task, or not: its reply is missing.
const UNCERTAIN: u64 = u64::MAX;

impl ServerEntry {
    pub(in crate::server) fn new(identity: Arc<Identity>) -> Self {
        Self {
            identity,
            // The keys contain a new UUID.
            shown: Some(WorkersHash::default()),
            spare: Some(WorkersHash::default()),
            was_written: false,
            was_lost: false,
        }
    }

    /// Whether Redis has lost the entry since the last call: it was emptied, or the entry was not written in
    /// time.
    pub(super) fn take_lost(&mut self) -> bool {
        std::mem::take(&mut self.was_lost)
    }

    /// Writes the state of the server, and shows those of the runs that are running. The future may be dropped at
    /// any `.await`.
    pub(super) async fn write(
        &mut self,
        broker: &Broker,
        runs: &[Arc<HeldRun>],
        stopped: bool,
    ) -> Result<()> {
        let identity = Arc::clone(&self.identity);
        let running: HashMap<&Str, &HeldRun> = runs
            .iter()
            .filter(|run| run.started().is_some() && !run.has_finished())
            .map(|run| (&run.id, &**run))
            .collect();
        let numbers = running.iter().map(|(id, run)| (*id, run.number)).collect();
        let encoded = |changes: &[Change]| -> Vec<WorkerChange> {
            let info = |id| {
                Some(wire::encode(&worker_info(
                    &identity.info,
                    running.get(id)?,
                )?))
            };
            let changes = changes.iter();
            let encoded = changes.map(|(id, number)| WorkerChange {
                id: id.clone(),
                info: number.and_then(|_| info(id)),
            });
            encoded.collect()
        };
        let server = ServerInfo {
            status: if stopped { "stopped" } else { "active" }.to_owned(),
            active_worker_count: i32::try_from(running.len()).unwrap_or(i32::MAX),
            ..identity.info.clone()
        };

        let small = self.shown.as_ref().and_then(|shown| {
            let changes = shown.difference(&numbers);
            let is_small = changes.len() <= MAX_CHANGES;
            is_small.then_some((shown.certain_len()?, changes))
        });
        let (expected, changes) = small.unzip();
        let changes = changes.unwrap_or_default();
        if let Some(shown) = &mut self.shown {
            shown.mark_uncertain(&changes);
        }
        let written = broker.write_server_state(
            &identity.entry,
            wire::encode(&server),
            expected,
            encoded(&changes),
            TTL_SECS,
            broker.clock().now(),
        );
        let found = written.await?;
        self.was_lost |= found.is_new && self.was_written;
        self.was_written = true;
        if !found.tasks_as_shown {
            self.shown = None;
        } else if let (Some(shown), Some(_)) = (&mut self.shown, expected) {
            shown.apply(&changes);
            return Ok(());
        }
        self.write_through_spare(broker, &numbers, encoded).await
    }

    /// Prepares the spare hash, and swaps the two hashes.
    async fn write_through_spare(
        &mut self,
        broker: &Broker,
        running: &HashMap<&Str, u64>,
        encoded: impl Fn(&[Change]) -> Vec<WorkerChange>,
    ) -> Result<()> {
        let keys = &self.identity.entry;
        // The spare hash may have expired. Then it is written once more, from the beginning.
        for _ in 0..2 {
            let spare = match &mut self.spare {
                Some(spare) => spare,
                unknown => {
                    broker.drop_spare_workers(keys).await?;
                    unknown.insert(WorkersHash::default())
                }
            };
            for changes in spare.difference(running).chunks(MAX_CHANGES) {
                spare.mark_uncertain(changes);
                let written = broker.change_spare_workers(keys, encoded(changes), SPARE_TTL_SECS);
                written.await?;
                spare.apply(changes);
            }
            let tasks = spare.0.len();
            // Without a reply to the swap, both are unknown.
            let (shown, spare) = (self.shown.take(), self.spare.take());
            let swapped = broker.swap_workers(keys, tasks, TTL_SECS, SPARE_TTL_SECS);
            if swapped.await? {
                (self.shown, self.spare) = (spare, shown);
                return Ok(());
            }
            self.shown = shown;
        }
        let text = "write the running tasks of the server: Redis has lost them";
        Err(Error::new(ErrorKind::Unavailable, text))
    }

    /// Removes the entry.
    pub(super) async fn clear(&self, broker: &Broker) -> Result<()> {
        let keys = &self.identity.entry;
        if self.spare != Some(WorkersHash::default()) {
            broker.drop_spare_workers(keys).await?;
        }
        broker.clear_server_state(keys).await
    }
}

impl WorkersHash {
    /// The changes after which the hash has these tasks.
    fn difference(&self, running: &HashMap<&Str, u64>) -> Vec<Change> {
        let ended = self.0.keys().filter(|id| !running.contains_key(id));
        let ended = ended.map(|id| (id.clone(), None));
        let is_new = |id, number| self.0.get(id) != Some(number);
        let started = running.iter().filter(|(id, number)| is_new(**id, number));
        let started = started.map(|(id, number)| ((*id).clone(), Some(*number)));
        ended.chain(started).collect()
    }

    /// A call with these changes is about to be sent. Until its reply arrives, it may have had its effect or not.
    fn mark_uncertain(&mut self, changes: &[Change]) {
        let marked = changes.iter().map(|(id, _)| (id.clone(), UNCERTAIN));
        self.0.extend(marked);
    }

    /// These changes were written.
    fn apply(&mut self, changes: &[Change]) {
        for (id, number) in changes {
            match number {
                Some(number) => self.0.insert(id.clone(), *number),
                None => self.0.remove(id),
            };
        }
    }

    /// How many tasks the hash has. `None`: it is uncertain whether it has some of them.
    fn certain_len(&self) -> Option<usize> {
        let is_certain = !self.0.values().any(|number| *number == UNCERTAIN);
        is_certain.then_some(self.0.len())
    }
}

/// What asynqmon shows of a run. `None`: the run has not started.
fn worker_info(server: &ServerInfo, run: &HeldRun) -> Option<WorkerInfo> {
    let started = run.started()?;
    let payload = &run.message.payload;
    Some(WorkerInfo {
        host: server.host.clone(),
        pid: server.pid,
        server_id: server.server_id.clone(),
        task_id: run.id.to_string(),
        task_type: shown_type(&run.message.r#type).to_owned(),
        task_payload: payload.slice(..payload.len().min(MAX_SHOWN_PAYLOAD)),
        queue: run.queue.name().to_owned(),
        start_time: Some(started.at.into()),
        deadline: Some(started.deadline.into()),
    })
}

/// The beginning of a task's type.
fn shown_type(task_type: &str) -> &str {
    let mut ends = (0..=MAX_SHOWN_TYPE.min(task_type.len())).rev();
    let end = ends.find(|end| task_type.is_char_boundary(*end));
    &task_type[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_type_is_shown_by_its_beginning() {
        assert_eq!(shown_type("email:welcome"), "email:welcome");
        let long = format!("x{}", "🦀".repeat(MAX_SHOWN_TYPE));
        let shown = shown_type(&long);
        assert!(long.starts_with(shown) && shown.len() == MAX_SHOWN_TYPE - 3);
    }

    fn running(ids: &[(Str, u64)]) -> HashMap<&Str, u64> {
        ids.iter().map(|(id, number)| (id, *number)).collect()
    }

    fn ids(ids: &[(&str, u64)]) -> Vec<(Str, u64)> {
        let ids = ids.iter();
        ids.map(|(id, number)| ((*id).to_owned().into(), *number))
            .collect()
    }

    #[test]
    fn only_what_has_changed_is_written() {
        let mut hash = WorkersHash::default();
        let first = ids(&[("a", 1), ("b", 2)]);
        let changes = hash.difference(&running(&first));
        assert_eq!(changes.len(), 2);
        hash.apply(&changes);
        assert_eq!(hash.difference(&running(&first)), []);
        // `a` has ended, and `b` runs again.
        let then = ids(&[("b", 3)]);
        let changes = hash.difference(&running(&then));
        let expected = [
            ("a".to_owned().into(), None),
            ("b".to_owned().into(), Some(3)),
        ];
        assert_eq!(changes, expected);
        hash.apply(&changes);
        assert_eq!(hash.certain_len(), Some(1));
    }

    #[test]
    fn a_change_without_a_reply_is_written_again() {
        let mut hash = WorkersHash::default();
        let first = ids(&[("a", 1)]);
        let changes = hash.difference(&running(&first));
        hash.mark_uncertain(&changes);
        assert_eq!(hash.certain_len(), None);
        assert_eq!(hash.difference(&running(&first)), changes);
        // It has ended meanwhile: whether it was written or not, it is removed.
        let removed = [("a".to_owned().into(), None)];
        assert_eq!(hash.difference(&HashMap::new()), removed);
        hash.apply(&removed);
        assert_eq!(hash.certain_len(), Some(0));
    }
}
