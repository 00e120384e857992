//! Storing aggregates.

use bytes::Bytes;
use fred::interfaces::{ClientLike, HashesInterface, KeysInterface, ListInterface, SetsInterface};
use fred::types::Expiration;

use super::{AT_ONCE, Groups, HOUR};
use crate::broker::redis::Broker;
use crate::broker::{Formed, NewTask, ReclaimedSets, StoredAggregate};
use crate::connection::Connection;
use crate::error::ErrorKind;
use crate::test_support::{DEADLINE, RedisCluster, RedisServer, eventually};
use crate::wire::keys::QUEUES;
use crate::wire::{self, DueTime, Placement, TaskMessage, TaskState};

#[tokio::test]
async fn an_aggregate_is_stored_with_all_its_options() {
    let groups = Groups::new().await;
    let lock = groups.keys.unique("digest", None);
    for (placement, group, state, member_of) in [
        (
            Placement::Pending,
            "",
            "pending",
            groups.keys.pending().to_owned(),
        ),
        (
            Placement::Scheduled(DueTime::After(HOUR)),
            "later",
            "scheduled",
            groups.keys.scheduled().to_owned(),
        ),
        (Placement::Group, "g", "aggregating", groups.keys.group("g")),
        (
            Placement::Group,
            "other",
            "aggregating",
            groups.keys.group("other"),
        ),
    ] {
        groups.join("a", 30).await;
        let set = groups.set().await;
        let aggregate = NewTask {
            placement,
            group: group.to_owned(),
            lock: Some((lock.clone(), 60)),
            ..groups.aggregate("digest")
        };
        let stored = groups.broker.store_aggregate(&set, &aggregate).await;
        assert_eq!(stored.expect("Redis answers"), StoredAggregate::Stored);
        assert_eq!(groups.state("digest").await.as_deref(), Some(state));
        let holder: String = groups.raw.get(&lock).await.expect("GET");
        assert_eq!(holder, "digest");
        let ttl: i64 = groups.raw.ttl(&lock).await.expect("TTL");
        assert!((58..=60).contains(&ttl), "{ttl}");
        let found: Vec<String> = match state {
            "pending" => groups.raw.lrange(&member_of, 0, -1).await.expect("LRANGE"),
            _ => groups.members(&member_of).await,
        };
        assert_eq!(found, ["digest"], "{member_of}");
        let field = if state == "scheduled" {
            "rasynq_group"
        } else {
            "group"
        };
        let stored: Option<String> = groups
            .raw
            .hget(groups.keys.task("digest"), field)
            .await
            .expect("HGET");
        assert_eq!(stored.unwrap_or_default(), group);
        let names: Vec<&str> = if state == "aggregating" {
            vec![group]
        } else {
            vec![]
        };
        assert_eq!(groups.names().await, names);
        assert_eq!(groups.state("a").await, None);
        assert!(!groups.exists(&set.key).await);
        assert!(!groups.exists(groups.keys.aggregation_sets()).await);
        let known: bool = groups
            .raw
            .sismember(QUEUES, "default")
            .await
            .expect("SISMEMBER");
        assert!(known);
        let _: () = groups.raw.flushall(false).await.expect("FLUSHALL");
    }
}

// row 2
#[tokio::test]
async fn the_locks_of_aggregated_tasks_are_free_unless_somebody_else_has_them() {
    let groups = Groups::new().await;
    // Go writes no field `unique_key` for a task of a group.
    for (id, holder) in [("ours", "ours"), ("theirs", "another task")] {
        let lock = groups.keys.unique(id, None);
        let message = TaskMessage {
            unique_key: lock.clone(),
            ..TaskMessage::default()
        };
        groups.join_with(id, 30, &message).await;
        groups.write(&lock, holder).await;
    }
    let set = groups.set().await;
    assert_eq!(
        groups.store_aggregate(&set, "digest").await,
        StoredAggregate::Stored
    );
    assert!(!groups.exists(&groups.keys.unique("ours", None)).await);
    assert!(groups.exists(&groups.keys.unique("theirs", None)).await);
}

#[tokio::test]
async fn the_aggregate_may_take_the_lock_of_a_task_of_its_set() {
    let groups = Groups::new().await;
    let lock = groups.keys.unique("digest", None);
    let message = TaskMessage {
        unique_key: lock.clone(),
        ..TaskMessage::default()
    };
    groups.join_with("a", 30, &message).await;
    let expire = Some(Expiration::EX(1_000));
    let _: () = groups
        .raw
        .set(&lock, "a", expire, None, false)
        .await
        .expect("SET");
    let set = groups.set().await;
    groups.store("taken", Bytes::new()).await;
    let aggregate = |id| NewTask {
        lock: Some((lock.clone(), 60)),
        ..groups.aggregate(id)
    };
    let lock_of = async || {
        let holder: String = groups.raw.get(&lock).await.expect("GET");
        (holder, groups.raw.ttl::<i64, _>(&lock).await.expect("TTL"))
    };
    // A refused aggregate leaves the lock as it was.
    let refused = groups
        .broker
        .store_aggregate(&set, &aggregate("taken"))
        .await;
    assert_eq!(
        refused.expect_err("a conflict").kind(),
        ErrorKind::TaskIdConflict
    );
    let (holder, ttl) = lock_of().await;
    assert_eq!(holder, "a");
    assert!((998..=1_000).contains(&ttl), "{ttl}");
    let stored = groups
        .broker
        .store_aggregate(&set, &aggregate("digest"))
        .await;
    assert_eq!(stored.expect("Redis answers"), StoredAggregate::Stored);
    let (holder, ttl) = lock_of().await;
    assert_eq!(holder, "digest");
    assert!((58..=60).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn a_refused_aggregate_changes_nothing_and_its_set_is_reclaimed_later() {
    let groups = Groups::new().await;
    groups.join("a", 30).await;
    let set = groups.set().await;
    groups.store("taken", Bytes::new()).await;
    let lock = groups.keys.unique("digest", None);
    groups.write(&lock, "holder").await;
    let known = groups.raw.sadd(QUEUES, "default");
    let _: () = known.await.expect("SADD");
    let before = groups.dump().await;
    let unique = NewTask {
        lock: Some((lock, 60)),
        ..groups.aggregate("digest")
    };
    for (aggregate, kind, id) in [
        (
            groups.aggregate("taken"),
            ErrorKind::TaskIdConflict,
            "taken",
        ),
        (unique, ErrorKind::DuplicateTask, "holder"),
    ] {
        let refused = groups.broker.store_aggregate(&set, &aggregate).await;
        let error = refused.expect_err("it is refused");
        assert_eq!((error.kind(), error.task_id()), (kind, Some(id)));
        assert_eq!(groups.dump().await, before);
    }
    groups.expire(&set.key).await;
    groups.reclaim().await;
    assert_eq!(groups.group().await, ["a"]);
}

#[tokio::test]
async fn a_repeated_attempt_stores_nothing_and_recognises_its_aggregate() {
    let groups = Groups::new().await;
    groups.join("a", 30).await;
    let set = groups.set().await;
    assert_eq!(
        groups.store_aggregate(&set, "digest").await,
        StoredAggregate::Stored
    );
    let before = groups.dump().await;
    assert_eq!(
        groups.store_aggregate(&set, "digest").await,
        StoredAggregate::Stored
    );
    // Another aggregate of the same set is one too many.
    assert_eq!(
        groups.store_aggregate(&set, "other").await,
        StoredAggregate::SetIsGone
    );
    assert_eq!(groups.dump().await, before);
}

#[tokio::test]
async fn an_aggregate_whose_reply_is_lost_is_stored_once_even_if_it_has_run_meanwhile() {
    let (groups, proxy) = Groups::behind_proxy().await;
    groups.join("a", 30).await;
    let set = groups.set().await;
    proxy.lose_reply_to("digest");
    assert_eq!(
        groups.store_aggregate(&set, "digest").await,
        StoredAggregate::Stored
    );
    assert_eq!(proxy.lost(), 1);
    let pending: Vec<String> = groups
        .raw
        .lrange(groups.keys.pending(), 0, -1)
        .await
        .expect("LRANGE");
    assert_eq!(pending, ["digest"]);

    groups.join("b", 30).await;
    let mut set = groups.formed("set 2", AT_ONCE).await;
    groups
        .broker
        .read_set(&mut set)
        .await
        .expect("Redis answers");
    proxy.lose_reply_to("quick");
    let quick = groups.aggregate("quick");
    let run = async {
        // As a worker would that is done with it at once.
        eventually("it is stored", DEADLINE, || async {
            groups.state("quick").await.is_some()
        })
        .await;
        let _: () = groups
            .raw
            .del(groups.keys.task("quick"))
            .await
            .expect("DEL");
    };
    let (stored, ()) = tokio::join!(groups.broker.store_aggregate(&set, &quick), run);
    assert_eq!(stored.expect("Redis answers"), StoredAggregate::Stored);
    assert_eq!(groups.state("quick").await, None);
}

#[tokio::test]
async fn an_attempt_that_arrives_after_its_set_was_returned_stores_nothing() {
    let (groups, proxy) = Groups::behind_proxy().await;
    groups.join("a", 30).await;
    let set = groups.set().await;
    proxy.hold_request("digest");
    let digest = groups.aggregate("digest");
    let lost = groups.broker.try_store_aggregate(&set, &digest).await;
    assert!(lost.expect_err("no reply").is_transient());
    assert_eq!(proxy.held(), 1);
    // Another server, later.
    groups.expire(&set.key).await;
    groups.reclaim().await;
    proxy.release().await;
    assert_eq!(groups.state("digest").await, None);
    assert_eq!(groups.group().await, ["a"]);
}

#[tokio::test]
async fn a_set_that_has_other_tasks_than_were_read_has_no_aggregate() {
    let groups = Groups::new().await;
    groups.join("a", 30).await;
    let set = groups.set().await;
    groups.join("b", 30).await;
    groups.put(&set.key, 1.0, "b").await;
    let before = groups.dump().await;
    let refused = groups
        .broker
        .store_aggregate(&set, &groups.aggregate("digest"))
        .await;
    let error = refused.expect_err("b was not read").to_string();
    assert!(
        error.contains("the set has 2 tasks, 1 of them were read"),
        "{error}"
    );
    assert_eq!(groups.dump().await, before);
}

#[tokio::test]
async fn a_large_set_is_deleted_in_parts_with_its_locks() {
    let groups = Groups::new().await;
    groups.join_many(2_500).await;
    let lock = groups.keys.unique("a", None);
    // One lock is in the message only, as a Go client stores it, and one in the hash only.
    let message = TaskMessage {
        unique_key: lock.clone(),
        ..TaskMessage::default()
    };
    groups.join_with("unique", 30, &message).await;
    let _: i64 = groups
        .run(&["HSET", &groups.keys.task("0000007"), "unique_key", "lock"])
        .await;
    for (lock, id) in [(&*lock, "unique"), ("lock", "0000007")] {
        let _: () = groups.run(&["SET", lock, id]).await;
    }
    let set = groups.set().await;
    assert_eq!(
        groups.store_aggregate(&set, "digest").await,
        StoredAggregate::Stored
    );
    let mut left = groups.dump().await;
    left.sort();
    let expected = [
        "asynq:queues",
        "asynq:{default}:pending",
        "asynq:{default}:t:digest",
    ];
    assert!(
        left.iter().map(|(key, _)| key.as_str()).eq(expected),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_refused_aggregate_of_a_large_set_leaves_the_set_to_be_reclaimed() {
    let groups = Groups::new().await;
    groups.join_many(1_500).await;
    groups.store("taken", Bytes::new()).await;
    let set = groups.set().await;
    let aggregate = groups.aggregate("taken");
    let refused = groups.broker.store_aggregate(&set, &aggregate);
    let error = refused.await.expect_err("a conflict");
    assert_eq!(error.kind(), ErrorKind::TaskIdConflict);
    assert!(!groups.exists(groups.keys.aggregated()).await);
    groups.expire(&set.key).await;
    let all = ReclaimedSets {
        sets: 1,
        tasks: 1_500,
    };
    assert_eq!(groups.reclaim().await, all);
}

#[tokio::test]
async fn without_permission_for_our_own_keys_a_large_set_is_deleted_at_once() {
    let rules = "on >secret ~asynq:* +@all";
    let server = RedisServer::builder().tcp().user_with_rules("bob", rules);
    let redis = server.start().await;
    let uri = format!("redis://bob:secret@127.0.0.1:{}", redis.port());
    let connection = Connection::from_uri(&uri).expect("a URI");
    let groups = Groups::on(redis, &connection).await;
    groups.join_many(1_500).await;
    let set = groups.set().await;
    assert_eq!(
        groups.store_aggregate(&set, "digest").await,
        StoredAggregate::Stored
    );
    let left = groups.dump().await;
    let keys = left.iter().map(|(key, _)| key.as_str());
    let expected = [
        "asynq:queues",
        "asynq:{default}:pending",
        "asynq:{default}:t:digest",
    ];
    assert!(keys.eq(expected), "{left:?}");
    let check = groups.broker.check_queue(&groups.keys).await;
    let check = check.expect("Redis answers");
    assert_eq!((check.first_deadline, check.first_deletion), (None, None));
}

#[tokio::test]
async fn a_group_is_aggregated_on_a_cluster() {
    let cluster = RedisCluster::start().await;
    let broker = Broker::connect(&Connection::cluster(cluster.addresses()))
        .await
        .expect("a connection");
    // `asynq:queues` is on another node than one of these queues.
    for node in 0..2 {
        let queue = RedisCluster::queue_on(node, 0);
        let keys = broker.keys(&queue);
        let member = NewTask {
            keys: keys.clone(),
            id: "a".into(),
            id_is_random: false,
            message: wire::encode(&TaskMessage::default()),
            placement: Placement::Group,
            group: "g".to_owned(),
            lock: None,
        };
        broker
            .enqueue_one(member.clone())
            .await
            .expect("Redis answers");
        let formed = broker.form_set(&keys, "g", "set", AT_ONCE).await;
        let Ok(Formed::Set(mut set)) = formed else {
            panic!("it is due: {formed:?}");
        };
        broker.read_set(&mut set).await.expect("Redis answers");
        let digest = NewTask {
            id: "digest".into(),
            placement: Placement::Pending,
            group: String::new(),
            ..member
        };
        let stored = broker.store_aggregate(&set, &digest).await;
        assert_eq!(stored.expect("Redis answers"), StoredAggregate::Stored);
        let task = broker.task(&keys, "digest").await.expect("Redis answers");
        assert_eq!(task.expect("it is stored").state, TaskState::Pending);
        assert!(broker.queue_exists(&queue).await.expect("Redis answers"));
    }
}
