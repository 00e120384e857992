//! Forming aggregation sets.

use std::time::Duration;

use fred::interfaces::{ClientLike, KeysInterface, SetsInterface};

use super::{AT_ONCE, Groups, NEVER, SECOND};
use crate::broker::{FormLimits, Formed, GroupAge, StoredAggregate};
use crate::error::ErrorKind;
use crate::test_support::{DEADLINE, eventually};

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
    let Formed::NotDue { age, now_ms } = groups.form("set", limits).await else {
        panic!("it is not due");
    };
    assert!(
        (now * 1000..now * 1000 + 5_000).contains(&now_ms),
        "{now_ms}"
    );
    assert_eq!(age.size, 2);
    assert_eq!(
        (age.oldest, age.newest),
        (groups.began - 50, groups.began - 20)
    );
    assert_eq!(groups.group().await, ["old", "new"]);
    let names = ["g".into(), "none".into()];
    let ages = groups.broker.group_ages(&groups.keys, &names);
    let none = GroupAge {
        size: 0,
        oldest: 0,
        newest: 0,
    };
    assert_eq!(ages.await.expect("Redis answers"), [age, none]);
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
        let mut set = groups.formed("set", limits).await;
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
async fn a_group_above_the_max_size_gives_exactly_that_many_its_oldest_in_steps() {
    let groups = Groups::new().await;
    groups.join_many(2_600).await;
    groups.join("newest", 0).await;
    let limits = FormLimits {
        max_size: Some(2_500),
        ..NEVER
    };
    let set = groups.formed("set", limits).await;
    assert_eq!(set.size, 2_500);
    let taken = groups.members(&set.key).await;
    assert_eq!(
        (taken.len(), &*taken[0], &*taken[2_499]),
        (2_500, "0000000", "0002499")
    );
    assert_eq!(groups.group().await.len(), 101);
    assert_eq!(groups.names().await, ["g"]);
}

#[tokio::test]
async fn a_group_is_taken_whole_in_one_step_however_large() {
    let groups = Groups::new().await;
    groups.join_many(5_000).await;
    let _: () = groups.run(&["CONFIG", "RESETSTAT"]).await;
    let set = groups.formed("set", AT_ONCE).await;
    assert_eq!(set.size, 5_000);
    let stats: String = groups.run(&["INFO", "commandstats"]).await;
    for once in [
        "cmdstat_eval:calls=1,",
        "cmdstat_zadd:calls=1,",
        "cmdstat_rename:calls=1,",
    ] {
        assert!(stats.contains(once), "{stats}");
    }
    groups.join("later", 0).await;
    groups.broker.return_set(&set).await.expect("Redis answers");
    assert_eq!(groups.group().await.len(), 5_001);
    assert!(!groups.exists(&set.key).await);
}

#[tokio::test]
async fn a_set_whose_reply_was_lost_is_found_by_its_id() {
    let groups = Groups::new().await;
    groups.join("a", 30).await;
    let whole = FormLimits {
        max_delay: Some(Duration::ZERO),
        ..NEVER
    };
    let first = groups.formed("set", whole).await;
    groups.join("b", 30).await;
    let second = groups.formed("set", whole).await;
    assert_eq!((second.deadline, second.size), (first.deadline, 1));
    assert_eq!(groups.group().await, ["b"]);
}

#[tokio::test]
async fn a_set_never_has_more_than_a_hundred_thousand_tasks() {
    let groups = Groups::new().await;
    let fill = "for i = 1, 100500 do redis.call('ZADD', KEYS[1], i, i) end";
    let group = groups.keys.group("g");
    let _: Option<i64> = groups.run(&["EVAL", fill, "1", &group]).await;
    let whole = FormLimits {
        grace_period: SECOND,
        ..NEVER
    };
    let set = groups.formed("set", whole).await;
    assert_eq!(set.size, 100_000);
    let oldest: f64 = groups.run(&["ZSCORE", &group, "100001"]).await;
    assert_eq!((oldest, groups.group().await.len()), (100_001.0, 500));
    let rest = groups.formed("rest", whole).await;
    assert_eq!(rest.size, 500);
}

#[tokio::test]
async fn an_attempt_that_arrives_after_the_deadline_of_its_set_takes_no_tasks() {
    let groups = Groups::new().await;
    groups.join_many(1_000).await;
    let set = groups.formed("set", AT_ONCE).await;
    groups.expire(&set.key).await;
    groups.join("later", 30).await;
    let late = groups.formed("set", AT_ONCE).await;
    assert_eq!(late.size, 1_000);
    assert_eq!(groups.group().await, ["later"]);
}

#[tokio::test]
async fn an_attempt_that_arrives_while_its_large_set_is_being_deleted_takes_no_tasks() {
    let groups = Groups::new().await;
    groups.join_many(1_500).await;
    let set = groups.set().await;
    // The tasks of the set are still to be deleted.
    groups.store_without_deletion(&set).await;
    groups.join("later", 30).await;
    let before = groups.dump().await;
    assert!(matches!(groups.form("set", AT_ONCE).await, Formed::Empty));
    assert_eq!(groups.dump().await, before);
}

#[tokio::test]
async fn the_name_of_a_group_without_tasks_is_dropped() {
    let groups = Groups::new().await;
    let _: () = groups
        .raw
        .sadd(groups.keys.groups(), "g")
        .await
        .expect("SADD");
    assert!(matches!(groups.form("set", AT_ONCE).await, Formed::Empty));
    assert_eq!(groups.names().await, [""; 0]);
}

#[tokio::test]
async fn keys_of_a_wrong_type_refuse_a_set_and_nothing_changes() {
    let groups = Groups::new().await;
    for key in [
        groups.keys.aggregation_sets().to_owned(),
        groups.keys.group("g"),
    ] {
        groups.join("a", 30).await;
        let _: () = groups.raw.del(&key).await.expect("DEL");
        groups.wrong_type(&key).await;
        let before = groups.dump().await;
        let refused = groups
            .broker
            .form_set(&groups.keys, "g", "set", AT_ONCE)
            .await;
        let error = refused.expect_err("a wrong type");
        assert_eq!(error.kind(), ErrorKind::Redis);
        assert!(error.to_string().contains("WRONGTYPE"), "{error}");
        assert_eq!(groups.dump().await, before);
        let _: () = groups.raw.flushall(false).await.expect("FLUSHALL");
    }
}

#[tokio::test]
async fn with_full_memory_no_set_is_formed_or_returned_and_nothing_changes() {
    let groups = Groups::new().await;
    groups.join("a", 30).await;
    let set = groups.set().await;
    groups.join("b", 30).await;
    let before = groups.dump().await;
    let _: () = groups.run(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let formed = groups
        .broker
        .form_set(&groups.keys, "g", "other", AT_ONCE)
        .await;
    assert_eq!(formed.expect_err("no memory").kind(), ErrorKind::Redis);
    let returned = groups.broker.return_set(&set).await;
    assert_eq!(returned.expect_err("no memory").kind(), ErrorKind::Redis);
    let stored = groups
        .broker
        .store_aggregate(&set, &groups.aggregate("digest"))
        .await;
    assert_eq!(stored.expect_err("no memory").kind(), ErrorKind::Redis);
    let _: () = groups.run(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(groups.dump().await, before);
}

#[tokio::test]
async fn a_set_that_was_formed_although_no_attempt_got_a_reply_is_put_back_at_once() {
    let (groups, proxy) = Groups::behind_proxy().await;
    groups.join("a", 30).await;
    let lose = async {
        for lost in 1..=3 {
            proxy.lose_reply_to("g:silent");
            eventually("a reply is lost", DEADLINE, async || proxy.lost() == lost).await;
        }
    };
    let form = groups.broker.form_set(&groups.keys, "g", "silent", AT_ONCE);
    let (formed, ()) = tokio::join!(form, lose);
    assert!(formed.expect_err("no reply").is_transient());
    assert_eq!(groups.group().await, ["a"]);
    assert_eq!(groups.names().await, ["g"]);
    assert!(!groups.exists(groups.keys.aggregation_sets()).await);
}
