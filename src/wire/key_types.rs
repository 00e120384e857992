//! The Redis type that each key should have.

use super::keys::{
    QUEUES, QueueKeys, SCHEDULER_LEADER, SCHEDULER_LEADS, SCHEDULER_MEMBERS, SCHEDULERS, SERVERS,
    WORKERS,
};

impl QueueKeys {
    /// The type that this key should have, as the command `TYPE` names it. `None`: it is no known key of this queue.
    pub(crate) fn type_of(&self, key: &str) -> Option<&'static str> {
        let rest_of = |known: &str, end: &str| key.strip_prefix(known.strip_suffix(end)?);
        match rest_of(self.pending(), "pending") {
            Some(rest) => type_of_rest(rest),
            None => type_of_own_rest(rest_of(self.deleted(), "deleted")?),
        }
    }

    /// The keys of the queue that exist once, whatever tasks, groups and days there are; without that of its deletion.
    pub(crate) fn single_keys(&self) -> [&str; 15] {
        [
            self.pending(),
            self.active(),
            self.lease(),
            self.scheduled(),
            self.retry(),
            self.archived(),
            self.completed(),
            self.groups(),
            self.aggregation_sets(),
            self.paused(),
            self.processed(),
            self.failed(),
            self.deadlines(),
            self.owners(),
            self.aggregated(),
        ]
    }
}

/// The type that this key of any queue, or global key, should have. `None`: it is no known key.
///
/// A name of a queue may contain anything. Here it ends at the first `}:`.
pub(crate) fn type_of(key: &str) -> Option<&'static str> {
    match key {
        QUEUES => return Some("set"),
        SERVERS | WORKERS | SCHEDULERS | SCHEDULER_MEMBERS => return Some("zset"),
        SCHEDULER_LEADER | SCHEDULER_LEADS => return Some("hash"),
        _ => {}
    }
    let (start, rest) = key.split_once("}:")?;
    match start.split_once(":{")?.0 {
        "asynq" => type_of_rest(rest),
        "rasynq" => type_of_own_rest(rest),
        _ => None,
    }
}

fn type_of_rest(rest: &str) -> Option<&'static str> {
    match rest {
        "pending" | "active" => Some("list"),
        "lease" | "scheduled" | "retry" | "archived" | "completed" | "aggregation_sets"
        | "deadlines" => Some("zset"),
        "groups" => Some("set"),
        "paused" | "processed" | "failed" => Some("string"),
        _ => match rest.split_once(':')?.0 {
            "t" => Some("hash"),
            "g" => Some("zset"),
            "unique" | "processed" | "failed" => Some("string"),
            _ => None,
        },
    }
}

fn type_of_own_rest(rest: &str) -> Option<&'static str> {
    match rest {
        "owners" | "aggregated" => Some("zset"),
        "deleted" => Some("set"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_key_has_its_type() {
        let keys = QueueKeys::new("a}:b");
        let day = chrono::NaiveDate::from_ymd_opt(2026, 1, 2).expect("a day");
        for (key, expected) in [
            (keys.pending(), Some("list")),
            (keys.active(), Some("list")),
            (keys.completed(), Some("zset")),
            (keys.groups(), Some("set")),
            (keys.paused(), Some("string")),
            (&keys.task("x:}:y"), Some("hash")),
            (&keys.group("x"), Some("zset")),
            (&keys.unique("any", None), Some("string")),
            (&keys.processed_on(day), Some("string")),
            (keys.aggregated(), Some("zset")),
            (keys.deleted(), Some("set")),
            ("asynq:{a}:b}:other", None),
            ("asynq:{a}:pending", None),
        ] {
            assert_eq!(keys.type_of(key), expected, "{key}");
        }
        for key in keys.single_keys() {
            assert!(keys.type_of(key).is_some(), "{key}");
        }
    }

    #[test]
    fn global_keys_have_types_too() {
        assert_eq!(type_of(QUEUES), Some("set"));
        assert_eq!(type_of(SERVERS), Some("zset"));
        assert_eq!(type_of("asynq:{q}:pending"), Some("list"));
        assert_eq!(type_of("rasynq:{q}:owners"), Some("zset"));
        assert_eq!(type_of("other:{q}:pending"), None);
    }
}
