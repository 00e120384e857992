//! What clients, servers and inspectors may ask of storage. The rest of the crate sees Redis only
//! through this module and `connection`.
//!
//! The types of requests and replies are here, one file for each subject. The verbs are methods of
//! [`Broker`] in `redis/`. A verb that changes tasks calls a script of `lua/`. A verb for many tasks
//! gives each task a result of its own.

mod change;
mod damage;
mod enqueue;
mod entry;
mod fetch;
mod group;
mod listed;
mod outcome;
mod redis;
mod redis_clock;
mod schedule;
mod signal;
mod stored;

pub(crate) use change::{
    NewPayload, PayloadChanged, TaskChange, TaskChanged, TasksChanged, TasksToChange,
};
pub(crate) use damage::{
    DamagedPart, Finding, GLOBAL_KEYS_AT_ONCE, KEYS_AT_ONCE, Looked, PlaceKind, RepairMode,
    SetAside,
};
pub(crate) use enqueue::NewTask;
pub(crate) use entry::{EntryFound, EntryKeys, WorkerChange};
pub(crate) use fetch::{FetchLimits, Fetched, LargeTask, PendingTask, RawTask};
pub(crate) use group::{
    AggregationSet, ArchivedMember, FormLimits, Formed, GroupAge, LARGEST_SET, ReclaimedSets,
    SetMember, StoredAggregate,
};
pub(crate) use listed::{
    ListedId, ListedTask, QueueSizes, StoredDetails, StoredLock, StoredNode, TaskPart, TaskPlace,
};
#[cfg(test)]
pub(crate) use outcome::tests::acknowledgement;
pub(crate) use outcome::{Acknowledgement, ActiveRange, ArchiveLimits, Authority, Claim, Outcome};
pub use outcome::{DEFAULT_ARCHIVE_MAX_AGE, DEFAULT_ARCHIVE_MAX_SIZE};
pub(crate) use redis::{Broker, RedisProcess, Subscription, TrackingOptions};
pub(crate) use redis_clock::RedisClock;
pub(crate) use schedule::{Leads, SchedulerKeys, Tick, TickNote, TickResult};
pub(crate) use signal::{DelayedSet, GroupSignal, Report, Signal};
pub(crate) use stored::{ExpiredLeases, LeasesOf, LostTask, QueueCheck, Unleased};

/// A string whose clones share its bytes.
pub(crate) type Str = bytes_utils::Str;

/// How long a lease lasts from the moment Redis grants or renews it. asynq: `LeaseDuration`.
pub(crate) const LEASE: std::time::Duration = std::time::Duration::from_secs(30);

/// For how many days the counters of a day are kept. asynq: `statsTTL`.
pub(crate) const COUNTER_DAYS: u64 = 90;

/// How long a scheduler counts as alive from the moment Redis grants or renews its lease.
pub(crate) const SCHEDULER_LEASE: std::time::Duration = std::time::Duration::from_secs(3);
