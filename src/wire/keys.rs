//! Every Redis key of asynq, and the only place in the crate that spells one.
//!
//! All keys of a queue carry the hash tag `{queue}`, so a script that works on one queue stays in
//! one slot of a Redis Cluster. The global keys carry none: on a cluster they lie in other slots. So only
//! `lua/enqueue.lua` takes one (`asynq:queues`, as its last key), and only where slots are not apart;
//! otherwise they are touched by commands of their own.

use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;
use md5::{Digest, Md5};

/// SET of the names of all queues ever enqueued to. asynq: `AllQueues`.
pub(crate) const QUEUES: &str = "asynq:queues";
/// ZSET of server keys, score: expiry in Unix seconds. asynq: `AllServers`.
pub(crate) const SERVERS: &str = "asynq:servers";
/// ZSET of workers keys, score: expiry in Unix seconds. asynq: `AllWorkers`.
pub(crate) const WORKERS: &str = "asynq:workers";
/// ZSET of scheduler keys, score: expiry in Unix seconds. asynq: `AllSchedulers`.
pub(crate) const SCHEDULERS: &str = "asynq:schedulers";
/// Pub/Sub channel; a message is the id of the task to cancel. asynq: `CancelChannel`.
pub(crate) const CANCEL_CHANNEL: &str = "asynq:cancel";

/// The keys of one queue, built once; a clone shares them.
#[derive(Clone)]
pub(crate) struct QueueKeys(Arc<Keys>);

struct Keys {
    queue: String,
    prefix: String,
    task_prefix: String,
    unique_prefix: String,
    group_prefix: String,
    pending: String,
    active: String,
    lease: String,
    scheduled: String,
    retry: String,
    archived: String,
    completed: String,
    paused: String,
    groups: String,
    aggregation_sets: String,
    processed: String,
    failed: String,
}

impl QueueKeys {
    /// The keys of the queue with this name. The name is taken as it is; see [`validate_queue_name`].
    pub(crate) fn new(queue: &str) -> Self {
        let prefix = format!("asynq:{{{queue}}}:");
        let key = |rest: &str| format!("{prefix}{rest}");
        QueueKeys(Arc::new(Keys {
            queue: queue.to_owned(),
            task_prefix: key("t:"),
            unique_prefix: key("unique:"),
            group_prefix: key("g:"),
            pending: key("pending"),
            active: key("active"),
            lease: key("lease"),
            scheduled: key("scheduled"),
            retry: key("retry"),
            archived: key("archived"),
            completed: key("completed"),
            paused: key("paused"),
            groups: key("groups"),
            aggregation_sets: key("aggregation_sets"),
            processed: key("processed"),
            failed: key("failed"),
            prefix,
        }))
    }

    /// The queue's name.
    pub(crate) fn queue(&self) -> &str {
        &self.0.queue
    }

    /// What all keys of the queue begin with: `asynq:{queue}:`. asynq: `QueueKeyPrefix`.
    pub(crate) fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// LIST of ids; pushed on the left, taken from the right. asynq: `PendingKey`.
    pub(crate) fn pending(&self) -> &str {
        &self.0.pending
    }

    /// LIST of the ids that are being run. asynq: `ActiveKey`.
    pub(crate) fn active(&self) -> &str {
        &self.0.active
    }

    /// ZSET of active ids, score: the lease's expiry in Unix seconds. asynq: `LeaseKey`.
    pub(crate) fn lease(&self) -> &str {
        &self.0.lease
    }

    /// ZSET of ids, score: when to run, in Unix seconds. asynq: `ScheduledKey`.
    pub(crate) fn scheduled(&self) -> &str {
        &self.0.scheduled
    }

    /// ZSET of ids, score: when to try again, in Unix seconds. asynq: `RetryKey`.
    pub(crate) fn retry(&self) -> &str {
        &self.0.retry
    }

    /// ZSET of ids, score: when archived, in Unix seconds. asynq: `ArchivedKey`.
    pub(crate) fn archived(&self) -> &str {
        &self.0.archived
    }

    /// ZSET of ids, score: when to forget them, in Unix seconds. asynq: `CompletedKey`.
    pub(crate) fn completed(&self) -> &str {
        &self.0.completed
    }

    /// STRING that exists while the queue is paused; since when, in Unix seconds. asynq: `PausedKey`.
    pub(crate) fn paused(&self) -> &str {
        &self.0.paused
    }

    /// SET of the names of groups with waiting tasks. asynq: `AllGroups`.
    pub(crate) fn groups(&self) -> &str {
        &self.0.groups
    }

    /// ZSET of aggregation set keys, score: deadline in Unix seconds. asynq: `AllAggregationSets`.
    pub(crate) fn aggregation_sets(&self) -> &str {
        &self.0.aggregation_sets
    }

    /// Counter of all runs, successes and failures. asynq: `ProcessedTotalKey`.
    pub(crate) fn processed(&self) -> &str {
        &self.0.processed
    }

    /// Counter of all failed runs. asynq: `FailedTotalKey`.
    pub(crate) fn failed(&self) -> &str {
        &self.0.failed
    }

    /// Counter of the runs of one UTC day. asynq: `ProcessedKey`.
    pub(crate) fn processed_on(&self, utc_day: NaiveDate) -> String {
        format!("{}:{utc_day}", self.0.processed)
    }

    /// Counter of the failed runs of one UTC day. asynq: `FailedKey`.
    pub(crate) fn failed_on(&self, utc_day: NaiveDate) -> String {
        format!("{}:{utc_day}", self.0.failed)
    }

    /// What the keys of task hashes begin with; the id follows. asynq: `TaskKeyPrefix`.
    pub(crate) fn task_prefix(&self) -> &str {
        &self.0.task_prefix
    }

    /// HASH of the task with this id. asynq: `TaskKey`.
    pub(crate) fn task(&self, id: &str) -> String {
        format!("{}{id}", self.0.task_prefix)
    }

    /// What the keys of uniqueness locks begin with.
    pub(crate) fn unique_prefix(&self) -> &str {
        &self.0.unique_prefix
    }

    /// STRING, the lock for tasks of this type and payload; its value is the holder's id.
    /// asynq: `UniqueKey`.
    ///
    /// `None` is Go's nil payload: the key then ends after the type. It is another lock than that of
    /// an empty payload, although both are stored alike, so a stored message does not tell which
    /// one its task took; the message's own `unique_key` does.
    pub(crate) fn unique(&self, task_type: &str, payload: Option<&[u8]>) -> String {
        let digest = payload.map(|payload| format!("{:x}", Md5::digest(payload)));
        format!(
            "{}{task_type}:{}",
            self.0.unique_prefix,
            digest.unwrap_or_default()
        )
    }

    /// What the keys of groups begin with; the group's name follows. asynq: `GroupKeyPrefix`.
    pub(crate) fn group_prefix(&self) -> &str {
        &self.0.group_prefix
    }

    /// ZSET of the ids waiting in a group, score: when added, in Unix seconds. asynq: `GroupKey`.
    pub(crate) fn group(&self, group: &str) -> String {
        format!("{}{group}", self.0.group_prefix)
    }

    /// ZSET of the ids of a group that are being aggregated. asynq: `AggregationSetKey`.
    pub(crate) fn aggregation_set(&self, group: &str, set_id: &str) -> String {
        format!("{}{group}:{set_id}", self.0.group_prefix)
    }

    /// The name of the group that an aggregation set was made from: what stands in the set's key
    /// before its last colon. `None` if the key is no aggregation set of this queue.
    pub(crate) fn group_of_set<'k>(&self, set_key: &'k str) -> Option<&'k str> {
        let (group, _set_id) = set_key
            .strip_prefix(self.group_prefix())?
            .rsplit_once(':')?;
        Some(group)
    }
}

impl fmt::Debug for QueueKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueueKeys").field(&self.0.queue).finish()
    }
}

/// STRING with a running server's ServerInfo. asynq: `ServerInfoKey`.
pub(crate) fn server(host: &str, pid: u32, server_id: &str) -> String {
    format!("{SERVERS}:{{{host}:{pid}:{server_id}}}")
}

/// HASH of a running server's WorkerInfo by task id. asynq: `WorkersKey`.
pub(crate) fn workers(host: &str, pid: u32, server_id: &str) -> String {
    format!("{WORKERS}:{{{host}:{pid}:{server_id}}}")
}

/// LIST of a scheduler's SchedulerEntry. asynq: `SchedulerEntriesKey`; the id is
/// `host:pid:uuid`.
pub(crate) fn scheduler_entries(scheduler_id: &str) -> String {
    format!("{SCHEDULERS}:{{{scheduler_id}}}")
}

/// ZSET of an entry's SchedulerEnqueueEvent, score: when enqueued, in Unix seconds.
/// asynq: `SchedulerHistoryKey`.
pub(crate) fn scheduler_history(entry_id: &str) -> String {
    format!("asynq:scheduler_history:{entry_id}")
}

/// ZSET of the ids that hold a token, score: the task's deadline in Unix seconds.
/// asynq: x/rate `semaphoreKey`.
pub(crate) fn semaphore(scope: &str) -> String {
    format!("asynq:sema:{scope}")
}

/// A queue's name must hold a character that is not blank; nothing else is asked.
/// asynq: `ValidateQueueName`.
pub(crate) fn validate_queue_name(queue: &str) -> Result<(), BlankQueueName> {
    if is_blank(queue) {
        Err(BlankQueueName)
    } else {
        Ok(())
    }
}

/// A queue's name that is empty or all blanks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("queue name must contain one or more characters")]
pub(crate) struct BlankQueueName;

/// Whether a name is empty or all blanks, by Unicode's white space. asynq: `isBlank`.
pub(crate) fn is_blank(name: &str) -> bool {
    name.trim().is_empty()
}

/// Whether the keys of this queue do *not* share a slot in a Redis Cluster.
///
/// Redis hashes what stands between the first `{` of a key and the first `}` after it, if that is
/// not empty. A brace further on in a name is therefore harmless (`a}b` shares its slot with `a`),
/// but a name that begins with `}` makes the tag empty: each key goes to a slot of its own, and
/// every script is refused. asynq accepts such a name as well.
pub(crate) fn is_split_in_cluster(queue: &str) -> bool {
    queue.starts_with('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> QueueKeys {
        QueueKeys::new("custom")
    }

    #[test]
    fn keys_of_a_queue_are_those_of_asynq() {
        let keys = keys();
        for (ours, asynq) in [
            (keys.prefix(), "asynq:{custom}:"),
            (keys.pending(), "asynq:{custom}:pending"),
            (keys.active(), "asynq:{custom}:active"),
            (keys.lease(), "asynq:{custom}:lease"),
            (keys.scheduled(), "asynq:{custom}:scheduled"),
            (keys.retry(), "asynq:{custom}:retry"),
            (keys.archived(), "asynq:{custom}:archived"),
            (keys.completed(), "asynq:{custom}:completed"),
            (keys.paused(), "asynq:{custom}:paused"),
            (keys.groups(), "asynq:{custom}:groups"),
            (keys.aggregation_sets(), "asynq:{custom}:aggregation_sets"),
            (keys.processed(), "asynq:{custom}:processed"),
            (keys.failed(), "asynq:{custom}:failed"),
            (keys.task_prefix(), "asynq:{custom}:t:"),
            (keys.unique_prefix(), "asynq:{custom}:unique:"),
            (keys.group_prefix(), "asynq:{custom}:g:"),
        ] {
            assert_eq!(ours, asynq);
        }
        assert_eq!(keys.queue(), "custom");
        assert_eq!(keys.task("id-1"), "asynq:{custom}:t:id-1");
        assert_eq!(keys.group("mygroup"), "asynq:{custom}:g:mygroup");
        assert_eq!(
            keys.aggregation_set("mygroup", "id"),
            "asynq:{custom}:g:mygroup:id"
        );
    }

    #[test]
    fn counters_of_a_day_carry_its_date() {
        let day = NaiveDate::from_ymd_opt(2020, 2, 3).expect("a day");
        assert_eq!(
            keys().processed_on(day),
            "asynq:{custom}:processed:2020-02-03"
        );
        assert_eq!(keys().failed_on(day), "asynq:{custom}:failed:2020-02-03");
    }

    #[test]
    fn no_payload_and_an_empty_payload_take_different_locks() {
        let keys = keys();
        assert_eq!(
            keys.unique("reindex", None),
            "asynq:{custom}:unique:reindex:"
        );
        assert_eq!(
            keys.unique("reindex", Some(b"")),
            "asynq:{custom}:unique:reindex:d41d8cd98f00b204e9800998ecf8427e"
        );
        assert_eq!(
            keys.unique("reindex", Some(b"hello")),
            "asynq:{custom}:unique:reindex:5d41402abc4b2a76b9719d911017c592"
        );
    }

    #[test]
    fn a_set_knows_its_group_even_when_the_name_has_colons() {
        let keys = keys();
        let set = keys.aggregation_set("user:42", "0b1c");
        assert_eq!(keys.group_of_set(&set), Some("user:42"));
        assert_eq!(keys.group_of_set("asynq:{custom}:g:nocolon"), None);
        assert_eq!(keys.group_of_set("asynq:{other}:g:group:0b1c"), None);
    }

    #[test]
    fn global_keys_are_those_of_asynq() {
        assert_eq!(
            server("localhost", 1234, "id-1"),
            "asynq:servers:{localhost:1234:id-1}"
        );
        assert_eq!(
            workers("127.0.0.1", 1234, "id-1"),
            "asynq:workers:{127.0.0.1:1234:id-1}"
        );
        assert_eq!(scheduler_entries("h:1:uuid"), "asynq:schedulers:{h:1:uuid}");
        assert_eq!(scheduler_history("entry"), "asynq:scheduler_history:entry");
        assert_eq!(semaphore("scope"), "asynq:sema:scope");
        assert_eq!(
            [QUEUES, SERVERS, WORKERS, SCHEDULERS, CANCEL_CHANNEL],
            [
                "asynq:queues",
                "asynq:servers",
                "asynq:workers",
                "asynq:schedulers",
                "asynq:cancel"
            ]
        );
    }

    #[test]
    fn a_queue_name_needs_a_character_that_is_not_blank() {
        for name in ["default", " a ", "a/b", "{", "}", "ä", "\u{200b}"] {
            assert_eq!(validate_queue_name(name), Ok(()), "{name:?}");
        }
        for name in ["", " ", "\t\n\r\u{b}\u{c}", "\u{85}\u{a0}\u{3000}\u{2028}"] {
            assert_eq!(validate_queue_name(name), Err(BlankQueueName), "{name:?}");
        }
    }

    #[test]
    fn only_a_name_that_begins_with_a_closing_brace_is_split_in_a_cluster() {
        for queue in ["}", "}a", "}a{b"] {
            assert!(is_split_in_cluster(queue), "{queue:?}");
        }
        for queue in ["default", "a}b", "{a}", "{"] {
            assert!(!is_split_in_cluster(queue), "{queue:?}");
        }
    }
}
