//! How far a call for many tasks is, and who is told.

use std::sync::Arc;

use crate::guard::{Foreign, guarded};

/// How far a call for many tasks is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BulkProgress {
    /// How many tasks have been looked at.
    pub examined: u64,
    /// How many of them the filter matches.
    pub matched: u64,
    /// How many of these have been changed.
    pub changed: u64,
    /// About how many tasks there were in all when the call began.
    pub total: u64,
}

type Hook = Box<dyn Fn(BulkProgress) + Send + Sync>;

/// The caller's hook `on_progress`, if there is one.
#[derive(Clone, Default)]
pub(super) struct ProgressHook(Option<Arc<Foreign<Hook>>>);

impl ProgressHook {
    pub(super) fn new(hook: impl Fn(BulkProgress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Foreign::new(Box::new(hook)))))
    }

    pub(super) fn tell(&self, progress: BulkProgress) {
        if let Some(hook) = &self.0 {
            guarded("on_progress", (), || hook(progress));
        }
    }
}
