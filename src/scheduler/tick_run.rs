//! Enqueues the task of one tick: calls the hooks, tries again after a failure, and records the history.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use tokio_util::sync::CancellationToken;

use super::core::{Core, Lead};
use super::entry_state::DueTick;
use super::entry_table::TickEnd;
use crate::background::Backoff;
use crate::broker::{NewTask, Tick, TickResult};
use crate::clock;
use crate::error::{Error, ErrorKind, Result, warn_if, warn_unless_outage};
use crate::metrics::enqueued;
use crate::prepare::prepare;
use crate::task::TaskInfo;
use crate::wire::{self, SchedulerEnqueueEvent, Timestamp};

/// A task that is stored later than this after its tick is late.
const LATE_MS: i64 = 1_000;

/// How long a tick that comes too early waits for its second.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Dropped early, it leaves the tick to the next look of the ticker.
pub(super) struct TickRun {
    core: Arc<Core>,
    tick: DueTick,
    stop: CancellationToken,
    end: TickEnd,
}

impl TickRun {
    /// `stop` ends it between two attempts.
    pub(super) fn new(core: Arc<Core>, tick: DueTick, stop: CancellationToken) -> Self {
        Self {
            core,
            tick,
            stop,
            end: TickEnd::GivenUp,
        }
    }

    /// Tries until the next tick comes.
    pub(super) async fn until_next_tick(self) {
        self.run(true).await;
    }

    /// Tries once.
    pub(super) async fn once(self) {
        self.run(false).await;
    }

    async fn run(mut self, persists: bool) {
        let (end, stored) = self.enqueue(persists).await;
        self.end = end;
        // Whoever removes the entry, and then its history, waits until this has ended.
        if let Some(task) = stored {
            self.core.record_event(&self.tick, &task).await;
        }
    }

    /// Returns the task too, if it is stored.
    async fn enqueue(&mut self, persists: bool) -> (TickEnd, Option<TaskInfo>) {
        let core = Arc::clone(&self.core);
        let mut passes = core.passes.subscribe();
        let mut prepared = None;
        let mut backoff = Backoff::new();
        loop {
            let lead = core.lead_of(&self.tick.keyed);
            let failure = match lead {
                Lead::Lost => return (TickEnd::NotLed, None),
                // A pass that fails because Redis is away will fail again.
                Lead::Unknown => passes.borrow_and_update().clone(),
                Lead::Held(fencing) => match self.attempt(fencing, &mut prepared).await {
                    Ok(end) => return end,
                    Err(error) => Some(Arc::new(error)),
                },
            };
            if self.stop.is_cancelled() {
                return (TickEnd::GivenUp, None);
            }
            if let Some(error) = &failure {
                self.tell_failure(error);
            }
            if !persists || self.tick.leaving.is_cancelled() {
                return (TickEnd::GivenUp, None);
            }
            let is_away = failure.as_ref().is_none_or(|error| error.is_transient());
            tokio::select! {
                () = self.stop.cancelled() => return (TickEnd::GivenUp, None),
                // Whoever replaces the entry goes on with the tick.
                () = self.tick.leaving.cancelled() => return (TickEnd::GivenUp, None),
                () = self.next_tick() => {
                    let text = "it is not known in time whether this scheduler leads the entry";
                    self.tell_failure(&Error::new(ErrorKind::Unavailable, text));
                    return (TickEnd::Lost, None);
                }
                // Redis may be back, or refuse the lease no longer.
                _ = passes.changed(), if is_away || lead == Lead::Unknown => {}
                () = tokio::time::sleep(backoff.pause()), if lead != Lead::Unknown => {}
            }
        }
    }

    /// Fails if another attempt may help.
    async fn attempt(
        &mut self,
        fencing: i64,
        prepared: &mut Option<(NewTask, TaskInfo)>,
    ) -> Result<(TickEnd, Option<TaskInfo>)> {
        self.announce();
        let core = &self.core;
        let keyed = &self.tick.keyed;
        // The task keeps its id, by which Redis recognizes a task that is stored already.
        let (task, info) = match prepared {
            Some(prepared) => prepared,
            None => {
                let (task, options) = (keyed.entry.task.clone(), keyed.entry.options.clone());
                let now = core.broker.clock().now();
                match prepare(&core.broker, task, options, now, &core.uuids) {
                    Ok(new) => prepared.insert(new),
                    Err(error) => return Ok(self.used_up(&error)),
                }
            }
        };
        let tick = Tick {
            entry_key: keyed.key.as_str(),
            at: DateTime::from_timestamp(self.tick.at, 0).unwrap_or_default(),
            fencing,
            ttl: self.tick.kept,
        };
        let result = loop {
            let permit = core.calls.acquire().await;
            core.broker.check_open("enqueue the task of a tick")?;
            let result = core.broker.enqueue_tick(task.clone(), tick).await;
            drop(permit);
            match result {
                Ok(TickResult::TooEarly(wait)) if wait <= LONGEST_WAIT => {
                    tokio::time::sleep(wait).await;
                }
                other => break other,
            }
        };
        if result.is_err() {
            enqueued(&info.queue, &info.task_type, &result);
        }
        match result {
            Ok(TickResult::Enqueued) => Ok(self.stored(info)),
            Ok(TickResult::AlreadyEnqueued(note)) => {
                let last = note.last.timestamp();
                if last == self.tick.at && *note.task_id == *info.id && task.id_is_random {
                    // An earlier attempt, with an earlier fencing number. A task of another scheduler may have the
                    // same id if the entry sets it.
                    return Ok(self.stored(info));
                }
                if last >= self.tick.at {
                    return Ok((TickEnd::Noted(note), None));
                }
                // If this scheduler leads the entry nevertheless, it needs a higher number.
                let mut leads = core.leads.lock();
                leads.too_low = leads.too_low.max(note.fencing);
                Ok((TickEnd::NotLed, None))
            }
            Ok(TickResult::TooEarly(_)) => {
                // Redis' clock was set back. This scheduler learns of it within half a minute.
                tokio::time::sleep(LONGEST_WAIT).await;
                Ok((TickEnd::GivenUp, None))
            }
            Err(error) if is_final(&error) => Ok(self.used_up(&error)),
            Err(error) => Err(error),
        }
    }

    fn stored(&self, task: &TaskInfo) -> (TickEnd, Option<TaskInfo>) {
        let (core, tick) = (&self.core, &self.tick);
        enqueued(&task.queue, &task.task_type, &Ok(()));
        core.told.lock().succeeded(&tick.keyed.key);
        let late_ms = core.now_ms() - tick.fires_at_ms;
        let (entry, task_id) = (tick.keyed.key.as_str(), &task.id);
        {
            let mut trouble = core.trouble.lock();
            trouble.lost(tick.lost);
            if late_ms > LATE_MS {
                trouble.late(late_ms);
            }
        }
        let lost = tick.lost;
        tracing::debug!(entry, task_id, late_ms, lost, "a tick was enqueued");
        core.hooks.after(&tick.info, Ok(task));
        (TickEnd::Enqueued, Some(task.clone()))
    }

    fn used_up(&self, error: &Error) -> (TickEnd, Option<TaskInfo>) {
        let key = &self.tick.keyed.key;
        let entry = key.as_str();
        self.core.trouble.lock().lost(self.tick.lost);
        let is_expected = matches!(error.kind(), ErrorKind::DuplicateTask);
        let is_news = !is_expected && self.core.told.lock().failed(key.clone(), error);
        warn_if!(is_news, entry, %error, "the task of a tick was not accepted, the tick is over");
        self.core.hooks.after(&self.tick.info, Err(error));
        (TickEnd::UsedUp, None)
    }

    fn announce(&mut self) {
        if !self.tick.told.begin {
            self.tick.told.begin = true;
            self.core.hooks.before(&self.tick.info);
        }
    }

    /// Tells of the first failure of the tick.
    fn tell_failure(&mut self, error: &Error) {
        if self.tick.told.failure {
            return;
        }
        self.tick.told.failure = true;
        self.announce();
        let (core, key) = (&self.core, &self.tick.keyed.key);
        let is_news = core.told.lock().failed(key.clone(), error);
        let entry = key.as_str();
        warn_if!(is_news, entry, %error, "the task of a tick could not be enqueued, trying again until the next tick");
        core.hooks.after(&self.tick.info, Err(error));
    }

    async fn next_tick(&self) {
        let wait = self.tick.until_ms.map(|at| self.core.time_until(at));
        clock::sleep_until(wait.map(|wait| clock::monotonic() + wait)).await;
    }
}

impl Drop for TickRun {
    fn drop(&mut self) {
        let end = std::mem::replace(&mut self.end, TickEnd::GivenUp);
        let now_ms = self.core.now_ms();
        if self.core.entries.lock().ended(&self.tick, end, now_ms) {
            self.core.look_again.notify_one();
        }
        self.core.tick_ended.notify_waiters();
    }
}

/// Whether the tick is over, as in asynq: its task would never be accepted.
fn is_final(error: &Error) -> bool {
    let final_kinds = [
        ErrorKind::DuplicateTask,
        ErrorKind::TaskIdConflict,
        ErrorKind::Invalid,
    ];
    final_kinds.contains(&error.kind())
}

impl Core {
    async fn record_event(&self, tick: &DueTick, task: &TaskInfo) {
        let at = self.broker.clock().now();
        let event = wire::encode(&SchedulerEnqueueEvent {
            task_id: task.id.clone(),
            enqueue_time: Some(Timestamp::from(at)),
        });
        let id = &tick.keyed.id;
        let recorded = self.broker.record_enqueue_event(id, event, at, tick.kept);
        if let Err(error) = recorded.await {
            let entry = tick.keyed.key.as_str();
            warn_unless_outage!(error, entry, %error, "could not record a tick in the history of its entry");
        }
    }
}
