//! The identity of a server: what asynqmon shows of it, and the keys under which it is stored.

use chrono::{DateTime, Utc};

use super::config::Config;
use crate::broker::EntryKeys;
use crate::clock::Uuids;
use crate::wire::{ServerInfo, keys};

/// What identifies a server, and does not change while it runs.
pub(super) struct Identity {
    /// Complete apart from the status and the number of workers.
    pub(super) info: ServerInfo,
    pub(super) entry: EntryKeys,
}

impl Identity {
    /// `now`: Redis' time.
    pub(super) fn new(config: &Config, now: DateTime<Utc>) -> Self {
        // COMPAT: asynq v0.26.0 uses the same name where the host has none
        let host = hostname::get().unwrap_or_else(|_| "unknown-host".into());
        let (host, pid) = (host.to_string_lossy().into_owned(), std::process::id());
        let server_id = Uuids::new().next();
        let shown = |n: u64| i32::try_from(n).unwrap_or(i32::MAX);
        let queues = config.queues.iter();
        Self {
            entry: EntryKeys {
                server: keys::server(&host, pid, &server_id),
                workers: keys::workers(&host, pid, &server_id),
                spare_workers: keys::spare_workers(&host, pid, &server_id),
            },
            info: ServerInfo {
                host,
                pid: pid as i32,
                server_id,
                concurrency: shown(config.concurrency as u64),
                queues: queues
                    .map(|(name, weight)| (name.clone(), shown((*weight).into())))
                    .collect(),
                strict_priority: config.strict_priority,
                start_time: Some(now.into()),
                ..ServerInfo::default()
            },
        }
    }
}
