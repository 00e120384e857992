//! Calls the user's hooks before and after an enqueue.

use super::config::{AfterEnqueue, BeforeEnqueue, SchedulerConfig};
use super::info::EntryInfo;
use crate::error::{Error, Result};
use crate::guard::{Foreign, guarded};
use crate::task::TaskInfo;

/// The hooks of a scheduler. Their panics are logged and change nothing else.
pub(super) struct SchedulerHooks {
    before: Option<Foreign<BeforeEnqueue>>,
    after: Option<Foreign<AfterEnqueue>>,
}

impl SchedulerHooks {
    pub(super) fn new(config: &SchedulerConfig) -> Self {
        Self {
            before: config.before_enqueue.clone().map(Foreign::new),
            after: config.after_enqueue.clone().map(Foreign::new),
        }
    }

    pub(super) fn before(&self, entry: &EntryInfo) {
        if let Some(hook) = &self.before {
            guarded("before enqueue", (), || hook(entry));
        }
    }

    pub(super) fn after(&self, entry: &EntryInfo, result: Result<&TaskInfo, &Error>) {
        if let Some(hook) = &self.after {
            guarded("after enqueue", (), || hook(entry, result));
        }
    }
}
