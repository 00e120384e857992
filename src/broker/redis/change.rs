//! Running, archiving, deleting and rescheduling tasks that are not active.

use std::collections::HashSet;

use bytes::Bytes;
use fred::types::{Key, Value};

use super::script::{CHANGE_TASKS, number, word};
use super::{Broker, reply};
use crate::broker::{
    DEFAULT_ARCHIVE_MAX_SIZE, TaskChange, TaskChanged, TasksChanged, TasksToChange,
};
use crate::connection::Command;
use crate::error::{Error, ErrorKind, Result};
use crate::wire::{QueueKeys, TaskState};

/// The messages that one call reads have no more bytes, but a call may always read one.
const BYTES_AT_ONCE: u64 = 1 << 20;
/// How many ids of the pending list one call reads.
const IDS_AT_ONCE: i64 = 5_000;
/// A step begins so many ids before the end of the one before.
const OVERLAP: i64 = 100;
/// How often a pending task is searched for in a list that changes meanwhile.
const MOST_SEARCHES: u32 = 5;

impl Broker {
    /// Changes tasks in one step.
    ///
    /// It is not repeated if its reply is lost: meanwhile a task may have come back into its state.
    pub(crate) async fn change_tasks(
        &self,
        queue: &QueueKeys,
        change: TaskChange,
        tasks: &TasksToChange<'_>,
    ) -> Result<TasksChanged> {
        let mut states = String::from(",");
        for state in tasks.states {
            states.push_str(state.as_str());
            states.push(',');
        }
        let (what, limit) = match change {
            TaskChange::Run => ("run", 0),
            TaskChange::Archive => ("archive", DEFAULT_ARCHIVE_MAX_SIZE as i64),
            TaskChange::Delete => ("delete", 0),
            TaskChange::Reschedule(at) => ("reschedule", at),
        };
        let build = || {
            let keys = [
                queue.pending(),
                queue.scheduled(),
                queue.retry(),
                queue.archived(),
                queue.completed(),
                queue.groups(),
            ];
            let mut args: Vec<Value> = Vec::with_capacity(8 + 2 * tasks.tasks.len());
            args.push(queue.task_prefix().into());
            args.push(queue.group_prefix().into());
            args.push(word(what));
            args.push(states.as_str().into());
            args.push(tasks.group.unwrap_or_default().into());
            args.push(number(limit));
            args.push(number(tasks.shift));
            args.push(number(BYTES_AT_ONCE));
            for (id, seen) in tasks.tasks {
                args.push(id.clone().into());
                args.push(seen.map_or_else(|| word(""), number));
            }
            (keys.map(Key::from).into(), args)
        };
        let name = CHANGE_TASKS.name;
        let replies = reply::array(CHANGE_TASKS.call(self, build).await?, name)?;
        if replies.len() != tasks.tasks.len() + 2 {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("{name}: {} replies", replies.len()),
            ));
        }
        let mut replies = replies.into_iter();
        let mut number = || reply::integer(&replies.next().unwrap_or(Value::Null), name);
        let (shift, trimmed) = (number()?, number()?);
        Ok(TasksChanged {
            shift,
            trimmed: trimmed.unsigned_abs(),
            tasks: replies.map(changed).collect::<Result<_>>()?,
        })
    }

    /// Changes one task, in whatever state it is.
    pub(crate) async fn change_task(
        &self,
        queue: &QueueKeys,
        id: &str,
        change: TaskChange,
    ) -> Result<TaskChanged> {
        let (mut searches, mut unseen) = (0, 0);
        let mut task = [(Bytes::copy_from_slice(id.as_bytes()), None)];
        loop {
            let tasks = TasksToChange {
                states: change.states(),
                group: None,
                tasks: &task,
                shift: 0,
            };
            let changed = self.change_tasks(queue, change, &tasks).await?;
            let changed = changed
                .tasks
                .into_iter()
                .next()
                .unwrap_or(TaskChanged::Missing);
            if changed != TaskChanged::Moved || searches == MOST_SEARCHES {
                return Ok(changed);
            }
            searches += 1;
            task[0].1 = None;
            let see = |found: &[u8], position| {
                if found == id.as_bytes() {
                    task[0].1 = Some(position);
                }
                task[0].1.is_none()
            };
            self.read_positions(queue, see).await?;
            // A task that was requeued meanwhile is seen the second time.
            unseen += u32::from(task[0].1.is_none());
            if unseen == 2 {
                return Ok(TaskChanged::Misplaced(TaskState::Pending.as_str().into()));
            }
        }
    }

    /// Reads the list of pending tasks, the newest first, in steps. Gives each id and its position to `see`, which returns
    /// whether to go on.
    ///
    /// Tasks that are added meanwhile are left out. Others may be seen twice. The length of the list is read a moment
    /// before the ids: a position may be wrong by what is fetched or added in between.
    pub(crate) async fn read_positions(
        &self,
        queue: &QueueKeys,
        mut see: impl FnMut(&[u8], i64) -> bool,
    ) -> Result<()> {
        let what = "read the pending tasks";
        let (mut from, mut back) = (0, OVERLAP);
        let mut known: HashSet<Bytes> = HashSet::new();
        loop {
            let range = [
                queue.pending().into(),
                number(from),
                number(from + IDS_AT_ONCE - 1),
            ];
            let length = Command::on_key("LLEN", [queue.pending().into()]);
            let read = Command::on_key("LRANGE", range);
            let replies: Vec<Value> = self.send_all(vec![length, read], what).await?;
            let mut replies = replies.into_iter();
            let length = reply::integer(&replies.next().unwrap_or(Value::Null), what)?;
            let ids = reply::array(replies.next().unwrap_or(Value::Null), what)?;
            let ids = ids.into_iter().map(|id| reply::bytes(id, what));
            let ids: Vec<Bytes> = ids.collect::<Result<_>>()?;
            // If ids on the left were removed, others have moved past the index where the step begins.
            if from > 0 && !ids.first().is_some_and(|id| known.contains(id)) {
                back *= 2;
                from = (from - back).max(0);
                continue;
            }
            for (index, id) in (from..).zip(&ids) {
                if !see(id, length - index - 1) {
                    return Ok(());
                }
            }
            let read = ids.len() as i64;
            if read < IDS_AT_ONCE {
                return Ok(());
            }
            from += read - OVERLAP;
            back = OVERLAP;
            known = ids.into_iter().collect();
        }
    }
}

fn changed(reply: Value) -> Result<TaskChanged> {
    match reply {
        Value::Integer(1) => Ok(TaskChanged::Yes),
        Value::Integer(0) => Ok(TaskChanged::Missing),
        Value::Integer(2) => Ok(TaskChanged::Postponed),
        Value::Integer(3) => Ok(TaskChanged::Moved),
        state => {
            let state = reply::text(state, CHANGE_TASKS.name)?;
            Ok(match state.strip_prefix('-') {
                Some(state) => TaskChanged::Misplaced(state.into()),
                None => TaskChanged::Other(state),
            })
        }
    }
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
