//! Names for calls whose attempts must know of each other.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock;

/// Names the calls of one broker. No other broker uses the same names.
pub(super) struct CallNames {
    broker: String,
    next: AtomicU64,
}

impl CallNames {
    pub(super) fn new() -> Self {
        Self {
            broker: clock::unique_name(),
            next: AtomicU64::new(0),
        }
    }

    pub(super) fn next(&self) -> String {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{}:{n:x}", self.broker)
    }
}
