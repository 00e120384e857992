//! Who a server is, and what it is doing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};

use chrono::{DateTime, Utc};

use crate::unique::Uuids;
use crate::wire::keys;

/// Who a server is: what does not change while it lives.
pub(super) struct Identity {
    pub(super) host: String,
    pub(super) pid: u32,
    pub(super) server_id: String,
    pub(super) concurrency: usize,
    pub(super) queues: BTreeMap<String, u32>,
    pub(super) strict: bool,
    pub(super) started_at: DateTime<Utc>,
}

impl Identity {
    pub(super) fn new(concurrency: usize, queues: BTreeMap<String, u32>, strict: bool) -> Self {
        Self {
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            pid: std::process::id(),
            server_id: Uuids::new().next(),
            concurrency,
            queues,
            strict,
            started_at: Utc::now(),
        }
    }

    /// Where it tells of itself.
    pub(super) fn server_key(&self) -> String {
        keys::server(&self.host, self.pid, &self.server_id)
    }

    /// Where it tells of what it runs.
    pub(super) fn workers_key(&self) -> String {
        keys::workers(&self.host, self.pid, &self.server_id)
    }
}

/// What a server is doing, in the words that asynq shows.
pub(super) struct Status(AtomicU8);

const WORDS: [&str; 4] = ["new", "active", "stopped", "closed"];

impl Status {
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    pub(super) fn get(&self) -> &'static str {
        WORDS[usize::from(self.0.load(Ordering::Relaxed))]
    }

    /// It works.
    pub(super) fn set_active(&self) {
        self.0.store(1, Ordering::Relaxed);
    }

    /// It fetches no more; a server that is closed stays so.
    pub(super) fn set_stopped(&self) {
        self.0.fetch_max(2, Ordering::Relaxed);
    }

    /// It is shut down.
    pub(super) fn set_closed(&self) {
        self.0.store(3, Ordering::Relaxed);
    }
}
