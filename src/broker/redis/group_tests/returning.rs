//! Putting the tasks of aggregation sets back into their groups.

use fred::interfaces::SortedSetsInterface;

use super::super::return_set::ReturnStep;
use super::Groups;
use crate::broker::{ReclaimedSets, StoredAggregate};

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
    assert_eq!(groups.reclaim().await, ReclaimedSets::default());
    groups.expire(&set.key).await;
    let late = groups.store_aggregate(&set, "late").await;
    assert_eq!(late, StoredAggregate::SetIsGone);
    let one = ReclaimedSets { sets: 1, tasks: 1 };
    assert_eq!(groups.reclaim().await, one);
    assert_eq!(groups.group().await, ["a"]);
    assert_eq!(groups.names().await, ["g"]);
    assert_eq!(groups.state("a").await.as_deref(), Some("aggregating"));
}

#[tokio::test]
async fn a_recoverer_finishes_the_deletion_of_a_large_set_whose_server_has_crashed() {
    let groups = Groups::new().await;
    groups.join_many(1_500).await;
    let set = groups.set().await;
    // The server ends behind the script that stores the aggregate.
    groups.store_without_deletion(&set).await;
    assert!(!groups.exists(groups.keys.aggregation_sets()).await);
    let delete = || groups.broker.delete_aggregated_sets(&groups.keys);
    delete().await.expect("Redis answers");
    assert_eq!(
        groups.members(&set.key).await.len(),
        1_500,
        "its server may still work"
    );
    groups.expire_in(groups.keys.aggregated(), &set.key).await;
    delete().await.expect("Redis answers");
    let left = groups.dump().await;
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(groups.state("digest").await.as_deref(), Some("pending"));
}

#[tokio::test]
async fn a_large_set_joins_its_group_in_steps_and_is_not_aggregated_meanwhile() {
    let groups = Groups::new().await;
    groups.join_many(2_500).await;
    let set = groups.set().await;
    groups.join("later", 10).await;
    groups.expire(&set.key).await;
    // A server that ends behind the first step.
    let step = groups
        .broker
        .return_step(&groups.keys, "g", &set.key, true)
        .await;
    let step = step.expect("Redis answers");
    let (tasks, left) = (1_000, 1_500);
    assert_eq!(step, ReturnStep::Returned { tasks, left });
    // Redis' clock does not matter.
    let deadline: f64 = groups
        .raw
        .zscore(groups.keys.aggregation_sets(), set.key.as_str())
        .await
        .expect("ZSCORE");
    assert_eq!(deadline, 0.0);
    assert_eq!(
        groups.store_aggregate(&set, "digest").await,
        StoredAggregate::SetIsGone
    );
    assert_eq!(
        groups.reclaim().await,
        ReclaimedSets {
            sets: 1,
            tasks: 1_500
        }
    );
    assert_eq!(groups.group().await.len(), 2_501);
    assert!(!groups.exists(&set.key).await);
    assert!(!groups.exists(groups.keys.aggregation_sets()).await);
}

#[tokio::test]
async fn a_set_that_cannot_be_reclaimed_does_not_stop_the_others() {
    let groups = Groups::new().await;
    groups.join("a", 30).await;
    let set = groups.set().await;
    let refused = groups.keys.aggregation_set("refused", "set");
    let empty = groups.keys.aggregation_set("empty", "set");
    for key in ["no set", &refused, &empty, &set.key] {
        groups.expire(key).await;
    }
    groups.put(&refused, 1.0, "b").await;
    groups.wrong_type(&groups.keys.group("refused")).await;
    let (reclaimed, result) = groups.broker.reclaim_sets(&groups.keys).await;
    assert_eq!(reclaimed, ReclaimedSets { sets: 2, tasks: 1 });
    let error = result.expect_err("a wrong type");
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    assert_eq!(groups.group().await, ["a"]);
    assert_eq!(groups.names().await, ["g"]);
    assert_eq!(
        groups.members(groups.keys.aggregation_sets()).await,
        [&*refused]
    );
    assert_eq!(groups.members(&refused).await, ["b"]);
}

#[tokio::test]
async fn more_sets_than_one_call_lists_are_reclaimed() {
    let groups = Groups::new().await;
    for n in 0..250 {
        let key = groups.keys.aggregation_set("g", &n.to_string());
        groups.put(&key, 1.0, &n.to_string()).await;
        groups.expire(&key).await;
    }
    assert_eq!(
        groups.reclaim().await,
        ReclaimedSets {
            sets: 250,
            tasks: 250
        }
    );
    assert_eq!(groups.group().await.len(), 250);
}

#[tokio::test]
async fn a_pass_ends_after_five_hundred_calls_and_the_next_one_goes_on() {
    let groups = Groups::new().await;
    let fill = "for i = 1, 600 do \
        redis.call('ZADD', KEYS[2] .. ':' .. i, 1, i) \
        redis.call('ZADD', KEYS[1], i, KEYS[2] .. ':' .. i) \
    end";
    let group = groups.keys.group("g");
    let sets = groups.keys.aggregation_sets();
    let _: Option<i64> = groups.run(&["EVAL", fill, "2", sets, &group]).await;
    for n in [500, 100] {
        let expected = ReclaimedSets { sets: n, tasks: n };
        assert_eq!(groups.reclaim().await, expected);
    }
    assert_eq!(groups.group().await.len(), 600);
}

#[tokio::test]
async fn a_set_that_another_server_has_reclaimed_is_not_one_that_stays() {
    let groups = Groups::new().await;
    groups.join("a", 30).await;
    let set = groups.set().await;
    let step = async |set: &str| {
        let step = groups.broker.return_step(&groups.keys, "g", set, true);
        step.await.expect("Redis answers")
    };
    assert_eq!(step(&set.key).await, ReturnStep::NotDue);
    let gone = groups.keys.aggregation_set("g", "gone");
    assert_eq!(step(&gone).await, ReturnStep::Gone);
}

#[tokio::test]
async fn a_large_set_that_cannot_be_deleted_does_not_stop_the_others() {
    let groups = Groups::new().await;
    let broken = groups.keys.aggregation_set("g", "broken");
    groups.wrong_type(&broken).await;
    groups.join_many(1_500).await;
    let set = groups.set().await;
    groups.store_without_deletion(&set).await;
    // The broken one comes first.
    let aggregated = groups.keys.aggregated();
    for (at, key) in [(1.0, &broken), (2.0, &set.key)] {
        groups.put(aggregated, at, key).await;
    }
    let deleted = groups.broker.delete_aggregated_sets(&groups.keys).await;
    let error = deleted.expect_err("a wrong type").to_string();
    assert!(error.contains("WRONGTYPE"), "{error}");
    assert!(!groups.exists(&set.key).await);
    assert_eq!(groups.members(aggregated).await, [broken]);
}

#[tokio::test]
async fn tasks_are_put_back_even_if_a_reply_is_lost() {
    let (groups, proxy) = Groups::behind_proxy().await;
    groups.join_many(2_500).await;
    let set = groups.set().await;
    groups.join("later", 30).await;
    proxy.lose_reply_to(&set.key);
    groups.broker.return_set(&set).await.expect("Redis answers");
    assert_eq!(proxy.lost(), 1);
    assert_eq!(groups.group().await.len(), 2_501);
}
