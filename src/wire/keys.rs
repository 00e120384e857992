//! The names of all Redis keys, of asynq and of our own. No other Rust module spells a key. Our own begin
//! with `rasynq:` in place of `asynq:`.
//!
//! All keys of a queue have the hash tag `{queue}`. So on a Redis Cluster, all keys of a script for one
//! queue are in one slot. The global keys have no such tag and are in other slots. So separate commands
//! read and write global keys, and scripts take none. Only `lua/enqueue.lua` takes one, `asynq:queues`,
//! and not on a cluster.

use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;

/// SET of the names of all known queues. asynq: `AllQueues`.
pub(crate) const QUEUES: &str = "asynq:queues";
/// ZSET of server keys, score: expiry in Unix seconds. asynq: `AllServers`.
pub(crate) const SERVERS: &str = "asynq:servers";
/// ZSET of workers keys, score: expiry in Unix seconds. asynq: `AllWorkers`.
pub(crate) const WORKERS: &str = "asynq:workers";
/// ZSET of scheduler keys, score: expiry in Unix seconds. asynq: `AllSchedulers`.
pub(crate) const SCHEDULERS: &str = "asynq:schedulers";
/// ZSET of scheduler ids, score: until when each is alive, in Unix milliseconds. A key of rasynq's own, as the next
/// two, which have the same hash tag.
pub(crate) const SCHEDULER_MEMBERS: &str = "rasynq:{scheduler}:members";
/// HASH with the id of the scheduler that leads all its entries, and the last fencing number.
pub(crate) const SCHEDULER_LEADER: &str = "rasynq:{scheduler}:leader";
/// HASH from the key of an entry to its fencing number and the id of the scheduler that leads it.
pub(crate) const SCHEDULER_LEADS: &str = "rasynq:{scheduler}:entries";
/// The pattern of all keys of asynq.
pub(crate) const ALL: &str = "asynq:*";
/// Pub/Sub channel. A message is the id of a task to cancel. asynq: `CancelChannel`.
pub(crate) const CANCEL_CHANNEL: &str = "asynq:cancel";

/// The keys of one queue, built once. Clones share them.
#[derive(Clone)]
pub(crate) struct QueueKeys(Arc<Keys>);

struct Keys {
    queue: String,
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
    enqueue_prefix: String,
    deadlines: String,
    owners: String,
    tick_prefix: String,
    aggregated: String,
    deleted: String,
}

impl QueueKeys {
    /// The keys of the queue with this name. The name is not checked: see [`validate_queue_name`].
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
            enqueue_prefix: format!("rasynq:{{{queue}}}:enqueue:"),
            deadlines: key("deadlines"),
            owners: format!("rasynq:{{{queue}}}:owners"),
            tick_prefix: format!("rasynq:{{{queue}}}:tick:"),
            aggregated: format!("rasynq:{{{queue}}}:aggregated"),
            deleted: format!("rasynq:{{{queue}}}:deleted"),
        }))
    }

    /// The queue's name.
    pub(crate) fn queue(&self) -> &str {
        &self.0.queue
    }

    /// LIST of the task ids of pending tasks. New ids are at the left; the next task is at the right.
    /// asynq: `PendingKey`.
    pub(crate) fn pending(&self) -> &str {
        &self.0.pending
    }

    /// LIST of the task ids of active tasks. asynq: `ActiveKey`.
    pub(crate) fn active(&self) -> &str {
        &self.0.active
    }

    /// ZSET of the task ids of active tasks, score: the lease's expiry in Unix seconds. asynq:
    /// `LeaseKey`.
    pub(crate) fn lease(&self) -> &str {
        &self.0.lease
    }

    /// ZSET of task ids, score: when the task is due, in Unix seconds. asynq: `ScheduledKey`.
    pub(crate) fn scheduled(&self) -> &str {
        &self.0.scheduled
    }

    /// ZSET of task ids, score: when the retry is due, in Unix seconds. asynq: `RetryKey`.
    pub(crate) fn retry(&self) -> &str {
        &self.0.retry
    }

    /// ZSET of task ids, score: when the task was archived, in Unix seconds. asynq: `ArchivedKey`.
    pub(crate) fn archived(&self) -> &str {
        &self.0.archived
    }

    /// ZSET of task ids, score: when the retention ends, in Unix seconds. asynq: `CompletedKey`.
    pub(crate) fn completed(&self) -> &str {
        &self.0.completed
    }

    /// STRING that exists while the queue is paused. The value is the time of the pause in Unix
    /// seconds. asynq: `PausedKey`.
    pub(crate) fn paused(&self) -> &str {
        &self.0.paused
    }

    /// SET of the names of groups with aggregating tasks. asynq: `AllGroups`.
    pub(crate) fn groups(&self) -> &str {
        &self.0.groups
    }

    /// ZSET of aggregation set keys, score: deadline in Unix seconds. asynq: `AllAggregationSets`.
    pub(crate) fn aggregation_sets(&self) -> &str {
        &self.0.aggregation_sets
    }

    /// Counter of all counted runs, succeeded or failed. asynq: `ProcessedTotalKey`.
    pub(crate) fn processed(&self) -> &str {
        &self.0.processed
    }

    /// Counter of all counted runs that failed. asynq: `FailedTotalKey`.
    pub(crate) fn failed(&self) -> &str {
        &self.0.failed
    }

    /// ZSET of the task ids of active tasks in asynq before v0.24, which had no leases.
    pub(crate) fn deadlines(&self) -> &str {
        &self.0.deadlines
    }

    /// ZSET of the servers that may hold tasks of the queue, score: until when a server is listed, in Unix
    /// seconds. A key of rasynq's own.
    pub(crate) fn owners(&self) -> &str {
        &self.0.owners
    }

    /// ZSET of the keys of large aggregation sets whose aggregate is stored and whose tasks are being deleted,
    /// score: when another server may go on with that, in Unix seconds. A key of rasynq's own.
    pub(crate) fn aggregated(&self) -> &str {
        &self.0.aggregated
    }

    /// SET of the keys of lists and sets of the queue that were set aside because the queue was deleted, and whose
    /// tasks are being deleted. These keys begin with this one, and a colon. A key of rasynq's own.
    pub(crate) fn deleted(&self) -> &str {
        &self.0.deleted
    }

    /// The keys that exist if the queue has tasks.
    pub(crate) fn task_places(&self) -> [&str; 8] {
        [
            self.pending(),
            self.active(),
            self.scheduled(),
            self.retry(),
            self.archived(),
            self.completed(),
            self.groups(),
            self.aggregation_sets(),
        ]
    }

    /// The pattern of asynq's keys of the queue, for `SCAN`.
    pub(crate) fn pattern(&self) -> String {
        let mut pattern = String::from("asynq:{");
        for char in self.queue().chars() {
            if matches!(char, '*' | '?' | '[' | ']' | '\\' | '^') {
                pattern.push('\\');
            }
            pattern.push(char);
        }
        pattern.push_str("}:*");
        pattern
    }

    /// The name of the queue that has this key for its tasks. `None`: it is not such a key.
    pub(crate) fn queue_of_place(key: &str) -> Option<&str> {
        let (name, place) = key.strip_prefix("asynq:{")?.rsplit_once("}:")?;
        let keys = Self::new(name);
        let is_place = keys.task_places().contains(&key);
        (is_place && !place.is_empty()).then_some(name)
    }

    /// The name of the queue whose pause this key is. `None`: it is no such key.
    pub(crate) fn queue_of_pause(key: &str) -> Option<&str> {
        key.strip_prefix("asynq:{")?.strip_suffix("}:paused")
    }

    /// Counter of all counted runs on one day in UTC. asynq: `ProcessedKey`.
    pub(crate) fn processed_on(&self, utc_day: NaiveDate) -> String {
        format!("{}:{utc_day}", self.0.processed)
    }

    /// Counter of the counted runs that failed on one day in UTC. asynq: `FailedKey`.
    pub(crate) fn failed_on(&self, utc_day: NaiveDate) -> String {
        format!("{}:{utc_day}", self.0.failed)
    }

    /// STRING, the mark of an enqueue call: the number of its newest attempt that has reached Redis. It exists
    /// only if a reply was lost, for a day. asynq has no such key.
    pub(crate) fn enqueue_mark(&self, call: &str) -> String {
        format!("{}{call}", self.0.enqueue_prefix)
    }

    /// STRING, the note of a scheduler's entry whose tasks go to this queue: its latest tick. A key of rasynq's own.
    pub(crate) fn tick_note(&self, entry_key: &str) -> String {
        format!("{}{entry_key}", self.0.tick_prefix)
    }

    /// The prefix of the keys of task hashes. The task id follows it. asynq: `TaskKeyPrefix`.
    pub(crate) fn task_prefix(&self) -> &str {
        &self.0.task_prefix
    }

    /// HASH of the task with this task id. asynq: `TaskKey`.
    pub(crate) fn task(&self, id: &str) -> String {
        format!("{}{id}", self.0.task_prefix)
    }

    /// STRING, the unique lock for tasks of this type and payload. The value is the task id of the task
    /// that holds the lock. asynq: `UniqueKey`.
    ///
    /// `None` is Go's nil payload: then the key ends after `type:`. A nil payload and an empty payload
    /// have different locks. Stored messages do not tell them apart. So use the field `unique_key` of
    /// the message.
    pub(crate) fn unique(&self, task_type: &str, payload: Option<&[u8]>) -> String {
        let digest = payload.map(|payload| format!("{:x}", md5::compute(payload)));
        format!(
            "{}{task_type}:{}",
            self.0.unique_prefix,
            digest.unwrap_or_default()
        )
    }

    /// The prefix of the unique locks that are named after a type and a payload.
    pub(crate) fn unique_prefix(&self) -> &str {
        &self.0.unique_prefix
    }

    /// The prefix of the keys of groups. The name of the group follows it. asynq: `GroupKeyPrefix`.
    pub(crate) fn group_prefix(&self) -> &str {
        &self.0.group_prefix
    }

    /// ZSET of the task ids of a group, score: when added, in Unix seconds. asynq: `GroupKey`.
    pub(crate) fn group(&self, group: &str) -> String {
        format!("{}{group}", self.0.group_prefix)
    }

    /// ZSET of the task ids of a group that are being aggregated. asynq: `AggregationSetKey`.
    pub(crate) fn aggregation_set(&self, group: &str, set_id: &str) -> String {
        format!("{}{group}:{set_id}", self.0.group_prefix)
    }

    /// What may be the prefix of a group's key. The queue decides which one is, because names of queues and groups may
    /// contain anything.
    pub(crate) fn group_prefixes(key: &str) -> impl Iterator<Item = &str> {
        let ends = key.match_indices("}:g:");
        ends.map(|(at, end)| &key[..at + end.len()])
    }

    /// The name of the group of an aggregation set: the part of the set's key before its last colon.
    /// `None` if the key is not an aggregation set of this queue.
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

/// STRING with the `ServerInfo` of a running server. asynq: `ServerInfoKey`.
pub(crate) fn server(host: &str, pid: u32, server_id: &str) -> String {
    format!("{SERVERS}:{{{host}:{pid}:{server_id}}}")
}

/// HASH from task id to `WorkerInfo`, for a running server. asynq: `WorkersKey`.
pub(crate) fn workers(host: &str, pid: u32, server_id: &str) -> String {
    format!("{WORKERS}:{{{host}:{pid}:{server_id}}}")
}

/// The id of the server with this key. `None`: it is not the key of a server.
pub(crate) fn server_id(server_key: &str) -> Option<&str> {
    let name = server_key.strip_prefix(SERVERS)?.strip_suffix('}')?;
    Some(name.rsplit_once(':')?.1)
}

/// The id of the server with this hash of [`workers`]. `None`: it is not such a hash.
pub(crate) fn server_of_workers(workers_key: &str) -> Option<&str> {
    let name = workers_key.strip_prefix(WORKERS)?.strip_suffix('}')?;
    Some(name.rsplit_once(':')?.1)
}

/// The name of the server with this id, a UUID, as an owner of tasks: its first 64 bits.
pub(crate) fn owner_name(server_id: &str) -> String {
    let digits = server_id.chars().filter(char::is_ascii_hexdigit);
    digits.take(16).collect()
}

/// STRING in which a server that ends runs of the task with this id, because they were cancelled, confirms that, for
/// a minute. A key of rasynq's own.
pub(crate) fn canceled(id: &str) -> String {
    format!("rasynq:canceled:{{{id}}}")
}

/// The Pub/Sub channel on which an owner listens as long as it is connected. Nothing is published on it.
pub(crate) fn alive_channel(owner: &str) -> String {
    format!("rasynq:alive:{owner}")
}

/// HASH in which a server prepares a large change of its hash of [`workers`]. It has the same hash tag, so that the
/// two can be swapped. A key of rasynq's own.
pub(crate) fn spare_workers(host: &str, pid: u32, server_id: &str) -> String {
    format!("rasynq:workers:{{{host}:{pid}:{server_id}}}")
}

/// The name of a hash of workers for the moment in which it is swapped with its spare one.
pub(crate) fn while_swapped(spare_workers: &str) -> String {
    format!("{spare_workers}:swap")
}

/// LIST of the `SchedulerEntry`s of a scheduler. `scheduler_id` is `host:pid:uuid`. asynq:
/// `SchedulerEntriesKey`.
pub(crate) fn scheduler_entries(scheduler_id: &str) -> String {
    format!("{SCHEDULERS}:{{{scheduler_id}}}")
}

/// LIST in which a scheduler prepares its list of [`scheduler_entries`]. It has the same hash tag, so that it can
/// be renamed. A key of rasynq's own.
pub(crate) fn spare_scheduler_entries(scheduler_id: &str) -> String {
    format!("rasynq:schedulers:{{{scheduler_id}}}")
}

/// The id of the scheduler with this list of [`scheduler_entries`]. `None`: it is not such a list.
pub(crate) fn scheduler_id(entries_key: &str) -> Option<&str> {
    let id = entries_key.strip_prefix(SCHEDULERS)?;
    id.strip_prefix(":{")?.strip_suffix('}')
}

/// ZSET of the `SchedulerEnqueueEvent`s of an entry, score: when enqueued, in Unix seconds. asynq:
/// `SchedulerHistoryKey`.
pub(crate) fn scheduler_history(entry_id: &str) -> String {
    format!("asynq:scheduler_history:{entry_id}")
}

/// The id of the entry with this history. `None`: the key is not a history.
pub(crate) fn entry_of_history(key: &str) -> Option<&str> {
    key.strip_prefix("asynq:scheduler_history:")
}

/// Whether this is the key of what a process shows: a server, its workers, or a scheduler's entries. Such keys expire.
pub(crate) fn is_of_process(key: &str) -> bool {
    [SERVERS, WORKERS, SCHEDULERS].iter().any(|set| {
        key.strip_prefix(set)
            .is_some_and(|rest| rest.starts_with(":{"))
    })
}

/// ZSET of the task ids that hold a token, score: the deadline of the task in Unix seconds.
/// asynq: `semaphoreKey` in `x/rate`.
#[cfg_attr(not(test), expect(dead_code, reason = "for concurrency limits"))]
pub(crate) fn semaphore(scope: &str) -> String {
    format!("asynq:sema:{scope}")
}

/// Refuses the name of a queue if it is empty or all white space. asynq: `ValidateQueueName`.
///
/// COMPAT: asynq v0.26.0 refuses no other name, not even a name that begins with `}`
///
/// On a cluster such a name cannot work. Redis hashes the part of a key between its first `{` and the
/// next `}`, unless this part is empty. With a name that begins with `}`, this part is empty: the keys
/// of the queue are in different slots, and Redis refuses every script. A brace later in a name is
/// harmless: `a}b` has the slot of `a`.
pub(crate) fn validate_queue_name(queue: &str) -> Result<(), BlankQueueName> {
    if is_blank(queue) {
        Err(BlankQueueName)
    } else {
        Ok(())
    }
}

/// A name of a queue that is empty or all white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("queue name must contain one or more characters")]
pub(crate) struct BlankQueueName;

/// Whether a name is empty or all white space, by Unicode's definition. asynq: `isBlank`.
pub(crate) fn is_blank(name: &str) -> bool {
    name.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_owner_is_the_beginning_of_the_id_of_the_server() {
        let id = "0b6d5e1c-8a4f-4c1e-9d7a-2f3b4c5d6e7f";
        assert_eq!(owner_name(id), "0b6d5e1c8a4f4c1e");
    }

    fn keys() -> QueueKeys {
        QueueKeys::new("custom")
    }

    #[test]
    fn keys_of_a_queue_are_those_of_asynq() {
        let keys = keys();
        for (ours, asynq) in [
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
    fn counters_of_a_day_contain_its_date() {
        let day = NaiveDate::from_ymd_opt(2020, 2, 3).expect("a day");
        assert_eq!(
            keys().processed_on(day),
            "asynq:{custom}:processed:2020-02-03"
        );
        assert_eq!(keys().failed_on(day), "asynq:{custom}:failed:2020-02-03");
    }

    #[test]
    fn no_payload_and_an_empty_payload_have_different_locks() {
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
    fn the_group_of_a_set_is_found_even_if_its_name_has_colons() {
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
        assert_eq!(
            server_id("asynq:servers:{local:host:1234:id-1}"),
            Some("id-1")
        );
        assert_eq!(server_id("asynq:workers:{localhost:1234:id-1}"), None);
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
    fn the_pattern_of_a_queue_takes_its_name_as_it_is() {
        let pattern = |queue: &str| QueueKeys::new(queue).pattern();
        assert_eq!(pattern("custom"), "asynq:{custom}:*");
        assert_eq!(pattern(r"a*b?[c]\d^"), r"asynq:{a\*b\?\[c\]\\d\^}:*");
    }

    #[test]
    fn a_key_for_tasks_tells_its_queue() {
        for queue in ["custom", "a}:b", "{", "a:b"] {
            let keys = QueueKeys::new(queue);
            for key in keys.task_places() {
                assert_eq!(QueueKeys::queue_of_place(key), Some(queue));
            }
            for key in [
                keys.lease(),
                keys.paused(),
                &keys.task("id"),
                &keys.group("g"),
            ] {
                assert_eq!(QueueKeys::queue_of_place(key), None, "{key}");
            }
        }
        assert_eq!(QueueKeys::queue_of_place("asynq:queues"), None);
    }

    #[test]
    fn keys_of_servers_and_histories_are_known_by_their_names() {
        for key in [
            "asynq:servers:{h:1:a}",
            "asynq:workers:{h:1:a}",
            "asynq:schedulers:{h:1:a}",
        ] {
            assert!(is_of_process(key), "{key}");
        }
        for key in [
            "asynq:servers",
            "asynq:{servers}:pending",
            "asynq:scheduler_history:a",
        ] {
            assert!(!is_of_process(key), "{key}");
        }
        assert_eq!(entry_of_history("asynq:scheduler_history:a:b"), Some("a:b"));
        assert_eq!(canceled("a"), "rasynq:canceled:{a}");
    }

    #[test]
    fn a_queue_name_needs_a_character_that_is_not_white_space() {
        for name in ["default", " a ", "a/b", "{", "}", "ä", "\u{200b}"] {
            assert_eq!(validate_queue_name(name), Ok(()), "{name:?}");
        }
        for name in ["", " ", "\t\n\r\u{b}\u{c}", "\u{85}\u{a0}\u{3000}\u{2028}"] {
            assert_eq!(validate_queue_name(name), Err(BlankQueueName), "{name:?}");
        }
    }
}
