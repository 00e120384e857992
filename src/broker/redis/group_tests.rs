//! Groups and aggregation sets on a real Redis.

use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client as Fred;
use fred::interfaces::{
    ClientLike, HashesInterface, KeysInterface, SetsInterface, SortedSetsInterface,
};

use super::Broker;
use crate::broker::{
    AggregationSet, ArchiveLimits, ArchivedMember, FormLimits, Formed, NewTask, ReclaimedSets,
    StoredAggregate,
};
use crate::connection::Connection;
use crate::test_support::RedisServer;
use crate::wire::{self, Placement, QueueKeys, TaskMessage};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
/// Limits that no test reaches.
const NEVER: FormLimits = FormLimits {
    max_size: None,
    max_delay: None,
    grace_period: HOUR,
};
/// Any task is due.
const AT_ONCE: FormLimits = FormLimits {
    max_size: Some(1_000_000),
    max_delay: Some(Duration::ZERO),
    grace_period: HOUR,
};
const LIMITS: ArchiveLimits = ArchiveLimits {
    max_size: 10_000,
    max_age_secs: 90 * 24 * 60 * 60,
};

struct Groups {
    _redis: RedisServer,
    raw: Fred,
    broker: Broker,
    keys: QueueKeys,
}

impl Groups {
    async fn new() -> Self {
        let redis = RedisServer::start().await;
        let connection = Connection::from_uri(&redis.uri()).expect("a URI");
        let broker = Broker::connect(&connection).await.expect("a connection");
        Self {
            raw: redis.client().await,
            keys: broker.keys("default"),
            broker,
            _redis: redis,
        }
    }

    fn now(&self) -> i64 {
        self.broker.clock().now().timestamp()
    }

    /// Adds a task to the group `g`, as if it had joined so long ago (s).
    async fn join(&self, id: &str, ago: i64) {
        self.join_with(id, ago, &TaskMessage::default()).await;
    }

    async fn join_with(&self, id: &str, ago: i64, message: &TaskMessage) {
        let message = TaskMessage {
            id: id.to_owned(),
            queue: "default".to_owned(),
            group_key: "g".to_owned(),
            ..message.clone()
        };
        self.store(id, wire::encode(&message)).await;
        self.add(id, ago).await;
    }

    async fn store(&self, id: &str, message: Bytes) {
        let fields = vec![
            ("msg", message),
            ("state", "aggregating".into()),
            ("group", "g".into()),
        ];
        let _: () = self
            .raw
            .hset(self.keys.task(id), fields)
            .await
            .expect("HSET");
    }

    async fn add(&self, id: &str, ago: i64) {
        let score = (self.now() - ago) as f64;
        let added = self
            .raw
            .zadd(self.keys.group("g"), None, None, false, false, (score, id));
        let _: () = added.await.expect("ZADD");
        let _: () = self.raw.sadd(self.keys.groups(), "g").await.expect("SADD");
    }

    #[expect(dead_code)]
    /// Many tasks at once, all of them an hour old.
    async fn join_many(&self, n: usize) {
        let ids: Vec<String> = (0..n).map(|i| format!("{i:07}")).collect();
        for part in ids.chunks(1_000) {
            let pipeline = self.raw.pipeline();
            for id in part {
                let fields = vec![
                    ("msg", "\x1a\x01x"),
                    ("state", "aggregating"),
                    ("group", "g"),
                ];
                let _: () = pipeline
                    .hset(self.keys.task(id), fields)
                    .await
                    .expect("HSET");
                let score = (self.now() - 3600) as f64;
                let _: () = pipeline
                    .zadd(
                        self.keys.group("g"),
                        None,
                        None,
                        false,
                        false,
                        (score, id.as_str()),
                    )
                    .await
                    .expect("ZADD");
            }
            let _: () = pipeline.last().await.expect("replies");
        }
        let _: () = self.raw.sadd(self.keys.groups(), "g").await.expect("SADD");
    }

    async fn form(&self, set_id: &str, limits: FormLimits) -> Formed {
        let formed = self.broker.form_set(&self.keys, "g", set_id, limits).await;
        formed.expect("Redis answers")
    }

    /// A set of all tasks of the group, read.
    async fn set(&self) -> AggregationSet {
        let Formed::Set(mut set) = self.form("set", AT_ONCE).await else {
            panic!("it is due");
        };
        self.broker.read_set(&mut set).await.expect("Redis answers");
        set
    }

    async fn members(&self, key: &str) -> Vec<String> {
        let members = self.raw.zrange(key, 0, -1, None, false, None, false);
        members.await.expect("ZRANGE")
    }

    async fn group(&self) -> Vec<String> {
        self.members(&self.keys.group("g")).await
    }

    async fn scores(&self) -> Vec<(String, f64)> {
        let members = self
            .raw
            .zrange(self.keys.group("g"), 0, -1, None, false, None, true);
        members.await.expect("ZRANGE")
    }

    async fn names(&self) -> Vec<String> {
        let names = self
            .broker
            .group_names(&self.keys)
            .await
            .expect("Redis answers");
        names.iter().map(ToString::to_string).collect()
    }

    async fn exists(&self, key: &str) -> bool {
        self.raw.exists::<i64, _>(key).await.expect("EXISTS") == 1
    }

    async fn state(&self, id: &str) -> Option<String> {
        self.raw
            .hget(self.keys.task(id), "state")
            .await
            .expect("HGET")
    }

    #[expect(dead_code)]
    async fn wrong_type(&self, key: &str) {
        let _: () = self
            .raw
            .set(key, "text", None, None, false)
            .await
            .expect("SET");
    }

    /// The deadline of a set becomes one that is over.
    async fn expire(&self, set: &str) {
        let at = (self.now() - 1) as f64;
        let sets = self.keys.aggregation_sets();
        let expired = self.raw.zadd(sets, None, None, false, false, (at, set));
        let _: () = expired.await.expect("ZADD");
    }

    fn aggregate(&self, id: &str) -> NewTask {
        let message = TaskMessage {
            r#type: "digest".to_owned(),
            id: id.to_owned(),
            queue: "default".to_owned(),
            ..TaskMessage::default()
        };
        NewTask {
            keys: self.keys.clone(),
            id: id.to_owned().into(),
            id_is_random: false,
            message: wire::encode(&message),
            placement: Placement::Pending,
            group: String::new(),
            lock: None,
        }
    }

    async fn store_aggregate(&self, set: &AggregationSet, id: &str) -> StoredAggregate {
        let stored = self.broker.store_aggregate(set, &self.aggregate(id)).await;
        stored.expect("Redis answers")
    }
}

#[tokio::test]
async fn a_group_below_all_limits_is_not_due_and_stays() {
    let groups = Groups::new().await;
    groups.join("old", 50).await;
    groups.join("new", 20).await;
    let now = groups.now();
    let limits = FormLimits {
        max_size: Some(3),
        max_delay: Some(Duration::from_secs(60)),
        grace_period: Duration::from_secs(30),
    };
    let Formed::NotDue(age) = groups.form("set", limits).await else {
        panic!("it is not due");
    };
    assert_eq!(age.size, 2);
    assert!((now - 51..=now - 49).contains(&age.oldest), "{age:?}");
    assert_eq!(age.newest - age.oldest, 30);
    assert_eq!(groups.group().await, ["old", "new"]);
    let names = ["g".into(), "none".into()];
    let ages = groups.broker.group_ages(&groups.keys, &names);
    assert_eq!(ages.await.expect("Redis answers"), [Some(age), None]);
}

#[tokio::test]
async fn each_limit_makes_a_group_due() {
    let groups = Groups::new().await;
    for (limits, taken) in [
        (
            FormLimits {
                max_size: Some(2),
                ..NEVER
            },
            vec!["a", "b"],
        ),
        (
            FormLimits {
                max_size: Some(3),
                ..NEVER
            },
            vec!["a", "b", "c"],
        ),
        (
            FormLimits {
                max_delay: Some(30 * SECOND),
                max_size: Some(4),
                ..NEVER
            },
            vec!["a", "b", "c"],
        ),
        (
            FormLimits {
                grace_period: 10 * SECOND,
                ..NEVER
            },
            vec!["a", "b", "c"],
        ),
    ] {
        for (id, ago) in [("a", 30), ("b", 20), ("c", 10)] {
            groups.join(id, ago).await;
        }
        let before = groups.now();
        let Formed::Set(mut set) = groups.form("set", limits).await else {
            panic!("{limits:?}: it is due");
        };
        assert_eq!(set.size as usize, taken.len());
        let timeout = set.deadline.timestamp() - before;
        assert!((120..=122).contains(&timeout), "{timeout}");
        assert_eq!(groups.members(&set.key).await, taken);
        assert_eq!(groups.group().await.len(), 3 - taken.len());
        assert_eq!(groups.names().await.len(), usize::from(taken.len() < 3));
        assert_eq!(
            groups.members(groups.keys.aggregation_sets()).await,
            [&*set.key]
        );
        let members = groups
            .broker
            .read_set(&mut set)
            .await
            .expect("Redis answers");
        assert!(members.iter().map(|member| &*member.id).eq(taken));
        assert_eq!(
            groups.store_aggregate(&set, "a task").await,
            StoredAggregate::Stored
        );
        let _: () = groups.raw.flushall(false).await.expect("FLUSHALL");
    }
}

#[tokio::test]
async fn tasks_of_a_set_that_is_returned_are_in_their_group_with_their_ages() {
    let groups = Groups::new().await;
    groups.join("a", 30).await;
    groups.join("b", 20).await;
    let before: Vec<(String, f64)> = groups.scores().await;
    let set = groups.set().await;
    assert_eq!(groups.names().await, [""; 0]);
    groups.broker.return_set(&set).await.expect("Redis answers");
    assert_eq!(groups.scores().await, before);
    assert_eq!(groups.names().await, ["g"]);
    assert!(!groups.exists(&set.key).await);
    assert!(!groups.exists(groups.keys.aggregation_sets()).await);
    // A set that is gone is no group.
    groups.broker.return_set(&set).await.expect("Redis answers");
    assert_eq!(groups.names().await, ["g"]);
    let late = groups.store_aggregate(&set, "late").await;
    assert_eq!(late, StoredAggregate::SetIsGone);
    assert_eq!(groups.state("late").await, None);
}

#[tokio::test]
async fn a_set_is_reclaimed_once_its_deadline_is_over_and_then_has_no_aggregate() {
    let groups = Groups::new().await;
    groups.join("a", 30).await;
    let set = groups.set().await;
    let reclaim = async || {
        groups
            .broker
            .reclaim_sets(&groups.keys)
            .await
            .expect("Redis answers")
    };
    assert_eq!(reclaim().await, ReclaimedSets::default());
    groups.expire(&set.key).await;
    let late = groups.store_aggregate(&set, "late").await;
    assert_eq!(late, StoredAggregate::SetIsGone);
    let one = ReclaimedSets { sets: 1, tasks: 1 };
    assert_eq!(reclaim().await, one);
    assert_eq!(groups.group().await, ["a"]);
    assert_eq!(groups.names().await, ["g"]);
    assert_eq!(groups.state("a").await.as_deref(), Some("aggregating"));
}

#[tokio::test]
async fn a_member_that_is_archived_leaves_its_set() {
    let groups = Groups::new().await;
    groups
        .store("broken", Bytes::from_static(&[0x1a, 1, 0xff]))
        .await;
    groups.add("broken", 20).await;
    groups.join("whole", 10).await;
    let Formed::Set(mut set) = groups.form("set", AT_ONCE).await else {
        panic!("it is due");
    };
    let members = groups
        .broker
        .read_set(&mut set)
        .await
        .expect("Redis answers");
    assert!(members[0].message.is_err() && members[1].message.is_ok());
    let broken = [ArchivedMember {
        id: members[0].id.clone(),
        message: None,
    }];
    let archived = groups.broker.archive_members(&mut set, &broken, LIMITS);
    archived.await.expect("Redis answers");
    assert_eq!(groups.members(groups.keys.archived()).await, ["broken"]);
    assert_eq!(groups.state("broken").await.as_deref(), Some("archived"));
    assert_eq!(
        groups.store_aggregate(&set, "digest").await,
        StoredAggregate::Stored
    );
    assert_eq!(groups.state("digest").await.as_deref(), Some("pending"));
    assert_eq!(groups.state("whole").await, None);
    assert!(groups.exists(&groups.keys.task("broken")).await);
}
