//! The settings of a scheduler, with asynq's names and defaults, and their checks.

use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;

use super::info::EntryInfo;
use crate::error::{Error, Result};
use crate::task::TaskInfo;

/// How often a scheduler writes its list of entries if nothing else is set: 10 s.
pub const DEFAULT_SCHEDULER_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);
/// The list expires after two intervals, and Redis counts whole seconds in the list of schedulers.
const MIN_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
const MAX_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) type BeforeEnqueue = Arc<dyn Fn(&EntryInfo) + Send + Sync>;
pub(super) type AfterEnqueue = Arc<dyn Fn(&EntryInfo, Result<&TaskInfo, &Error>) + Send + Sync>;

#[derive(Clone)]
pub(super) struct SchedulerConfig {
    pub(super) location: Tz,
    pub(super) heartbeat_interval: Duration,
    pub(super) leader_election: bool,
    pub(super) before_enqueue: Option<BeforeEnqueue>,
    pub(super) after_enqueue: Option<AfterEnqueue>,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self {
            location: Tz::UTC,
            heartbeat_interval: DEFAULT_SCHEDULER_HEARTBEAT_INTERVAL,
            leader_election: true,
            before_enqueue: None,
            after_enqueue: None,
        }
    }
}

impl SchedulerConfig {
    /// Fills in the defaults and refuses what is not valid.
    pub(super) fn checked(mut self) -> Result<Self> {
        let interval = &mut self.heartbeat_interval;
        if interval.is_zero() {
            *interval = DEFAULT_SCHEDULER_HEARTBEAT_INTERVAL;
        }
        if !(MIN_HEARTBEAT_INTERVAL..=MAX_HEARTBEAT_INTERVAL).contains(interval) {
            return Err(Error::invalid(format!(
                "heartbeat_interval is {interval:?}, it must be from {MIN_HEARTBEAT_INTERVAL:?} to {MAX_HEARTBEAT_INTERVAL:?}"
            )));
        }
        Ok(self)
    }
}
