//! The identity of a server and its status, as asynqmon shows them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};

use chrono::{DateTime, Utc};

use crate::clock::{self, Uuids};
use crate::wire::keys;

/// What identifies a server, and does not change while it runs.
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
            host: hostname::get()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            pid: std::process::id(),
            server_id: Uuids::new().next(),
            concurrency,
            queues,
            strict,
            started_at: clock::now(),
        }
    }

    /// The key of its ServerInfo.
    pub(super) fn server_key(&self) -> String {
        keys::server(&self.host, self.pid, &self.server_id)
    }

    /// The key of the hash with its WorkerInfos.
    pub(super) fn workers_key(&self) -> String {
        keys::workers(&self.host, self.pid, &self.server_id)
    }
}

/// What a server is doing, in asynq's words.
pub(super) struct Status(AtomicU8);

const WORDS: [&str; 4] = ["new", "active", "stopped", "closed"];

impl Status {
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    pub(super) fn get(&self) -> &'static str {
        WORDS[usize::from(self.0.load(Ordering::Relaxed))]
    }

    /// The server fetches and runs tasks.
    pub(super) fn set_active(&self) {
        self.0.store(1, Ordering::Relaxed);
    }

    /// The server fetches no more tasks. A closed server stays closed.
    pub(super) fn set_stopped(&self) {
        self.0.fetch_max(2, Ordering::Relaxed);
    }

    /// The server has shut down.
    pub(super) fn set_closed(&self) {
        self.0.store(3, Ordering::Relaxed);
    }
}
