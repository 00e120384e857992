//! Owner tokens: each names one fetch.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::broker::Str;

/// Owner tokens, unique among all fetches of all servers. They are short, because each fetched task
/// stores one.
pub(in crate::server) struct OwnerTokens {
    prefix: String,
    next: AtomicU64,
}

impl OwnerTokens {
    /// Tokens that begin with the name of this owner.
    pub(in crate::server) fn new(name: &str) -> Self {
        Self {
            prefix: name.to_owned(),
            next: AtomicU64::new(1),
        }
    }

    pub(super) fn next(&self) -> Str {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        Str::from(format!("{}:{n:x}", self.prefix))
    }
}
