//! What the parts of a scheduler share.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use chrono_tz::Tz;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use super::config::SchedulerConfig;
use super::entry_key::EntryKey;
use super::entry_state::{EntryLead, KeyedEntry};
use super::entry_table::EntryTable;
use super::hooks::SchedulerHooks;
use super::trouble::Trouble;
use crate::background::ToldFailures;
use crate::broker::{Broker, SchedulerKeys, Str};
use crate::clock::{self, Uuids};
use crate::error::{Error, ErrorKind, Result};

/// How many calls about single entries are in flight at once.
const MAX_IN_FLIGHT: usize = 256;
/// The fencing number of a scheduler without leader election: nobody else has its entries.
const ALONE: i64 = 1;

pub(super) struct Core {
    /// `host:pid:uuid`
    pub(super) id: String,
    pub(super) keys: SchedulerKeys,
    pub(super) broker: Broker,
    pub(super) location: Tz,
    pub(super) heartbeat_interval: Duration,
    pub(super) elects: bool,
    pub(super) hooks: SchedulerHooks,
    pub(super) uuids: Uuids,
    pub(super) entries: Mutex<EntryTable>,
    pub(super) leads: Mutex<LeadState>,
    /// Why the last pass of the leadership has failed. A pass wakes the ticks that wait for it.
    pub(super) passes: watch::Sender<Option<Arc<Error>>>,
    /// One registration at a time, so that keys stay unique.
    pub(super) registering: tokio::sync::Mutex<()>,
    /// One pass of the leadership at a time.
    pub(super) passing: tokio::sync::Mutex<()>,
    /// One write of the list at a time.
    pub(super) listing: tokio::sync::Mutex<()>,
    /// How many changes of the entries have asked to be shown.
    pub(super) changes: AtomicU64,
    /// How many of them are shown. One caller at a time shows changes, for all that wait.
    pub(super) shown: tokio::sync::Mutex<u64>,
    /// Keys of entries that were unregistered and that Redis has not been told of yet.
    pub(super) given_up: Mutex<Vec<Str>>,
    /// Entries whose ticks fail now, so that each failure is logged once.
    pub(super) told: Mutex<ToldFailures<EntryKey>>,
    /// Ticks that were late or lost, for the log.
    pub(super) trouble: Mutex<Trouble>,
    /// Permits for calls about single entries.
    pub(super) calls: Semaphore,
    /// A tick may be due earlier than the ticker believes.
    pub(super) look_again: Notify,
    /// The enqueue of a tick has ended.
    pub(super) tick_ended: Notify,
    /// The list in Redis is outdated.
    pub(super) list_changed: Notify,
}

/// What this scheduler knows of its leadership.
pub(super) struct LeadState {
    pub(super) is_leader: bool,
    /// Until when the lease of this scheduler lasts at least.
    pub(super) valid_until: Instant,
    /// A note has refused a fencing number because it has this one.
    pub(super) too_low: i64,
    /// It gives up everything, and must not show itself again.
    pub(super) has_left: bool,
}

/// Whether this scheduler may enqueue ticks of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lead {
    /// Yes, with this fencing number.
    Held(i64),
    /// No: another scheduler leads the entry, or it is no longer registered.
    Lost,
    /// Its lease may have expired.
    Unknown,
}

impl Core {
    pub(super) fn new(broker: Broker, config: &SchedulerConfig) -> Self {
        // COMPAT: asynq v0.26.0 uses the same name where the host has none
        let host = hostname::get().unwrap_or_else(|_| "unknown-host".into());
        let (host, pid) = (host.to_string_lossy(), std::process::id());
        let uuids = Uuids::new();
        let id = format!("{host}:{pid}:{}", uuids.next());
        Self {
            keys: SchedulerKeys::new(&id),
            id,
            broker,
            location: config.location,
            heartbeat_interval: config.heartbeat_interval,
            elects: config.leader_election,
            hooks: SchedulerHooks::new(config),
            uuids,
            entries: Mutex::new(EntryTable::default()),
            leads: Mutex::new(LeadState {
                is_leader: false,
                valid_until: clock::monotonic(),
                too_low: 0,
                has_left: false,
            }),
            passes: watch::Sender::new(None),
            registering: tokio::sync::Mutex::new(()),
            passing: tokio::sync::Mutex::new(()),
            listing: tokio::sync::Mutex::new(()),
            changes: AtomicU64::new(0),
            shown: tokio::sync::Mutex::new(0),
            given_up: Mutex::new(Vec::new()),
            told: Mutex::new(ToldFailures::default()),
            trouble: Mutex::new(Trouble::default()),
            calls: Semaphore::new(MAX_IN_FLIGHT),
            look_again: Notify::new(),
            tick_ended: Notify::new(),
            list_changed: Notify::new(),
        }
    }

    /// How long it is until this time (Unix ms).
    pub(super) fn time_until(&self, at_ms: i64) -> Duration {
        let wait_ms = at_ms.saturating_sub(self.now_ms()).max(0);
        Duration::from_millis(wait_ms.unsigned_abs())
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.broker.clock().now_unix_millis()
    }

    pub(super) fn is_leader(&self) -> bool {
        let leads = self.leads.lock();
        !self.elects || leads.is_leader && clock::monotonic() < leads.valid_until
    }

    /// Whether this scheduler leads the entry now.
    pub(super) fn lead_of(&self, keyed: &Arc<KeyedEntry>) -> Lead {
        let mut entries = self.entries.lock();
        let lead = entries.state_of(keyed).map(|registered| registered.lead);
        drop(entries);
        match lead {
            None | Some(EntryLead::Other) => Lead::Lost,
            Some(EntryLead::NotAsked) => Lead::Unknown,
            Some(EntryLead::Own(_)) if self.lease_may_be_over() => Lead::Unknown,
            Some(EntryLead::Own(fencing)) => Lead::Held(fencing),
        }
    }

    /// Fails if the scheduler has left.
    pub(super) fn check_present(&self) -> Result<()> {
        match self.leads.lock().has_left {
            true => Err(Error::new(ErrorKind::Closed, "the scheduler was shut down")),
            false => Ok(()),
        }
    }

    /// Who leads an entry that is registered just now.
    pub(super) fn first_lead(&self) -> EntryLead {
        match self.elects {
            true => EntryLead::NotAsked,
            false => EntryLead::Own(ALONE),
        }
    }

    fn lease_may_be_over(&self) -> bool {
        self.elects && clock::monotonic() >= self.leads.lock().valid_until
    }
}
