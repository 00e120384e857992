//! Putting the tasks of aggregation sets back into their groups.

use fred::interfaces::SortedSetsInterface;

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
async fn a_recoverer_finishes_the_deletion_of_a_large_set_whose_server_has_crashed() {
    let groups = Groups::new().await;
    groups.join_many(1_500).await;
    let set = groups.set().await;
    // The server ends behind the script that stores the aggregate.
    let stored = groups
        .broker
        .try_store_aggregate(&set, &groups.aggregate("digest"))
        .await;
    assert_eq!(stored.expect("Redis answers"), StoredAggregate::Stored);
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
    assert_eq!(step.expect("Redis answers"), Some((1_000, 1_500)));
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
    let reclaimed = groups.broker.reclaim_sets(&groups.keys).await;
    assert_eq!(
        reclaimed.expect("Redis answers"),
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
    let added = groups
        .raw
        .zadd(&refused, None, None, false, false, (1.0, "b"));
    let _: () = added.await.expect("ZADD");
    groups.wrong_type(&groups.keys.group("refused")).await;
    let error = groups
        .broker
        .reclaim_sets(&groups.keys)
        .await
        .expect_err("a wrong type");
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
        let added = groups
            .raw
            .zadd(&key, None, None, false, false, (1.0, n.to_string()));
        let _: () = added.await.expect("ZADD");
        groups.expire(&key).await;
    }
    let reclaimed = groups.broker.reclaim_sets(&groups.keys).await;
    assert_eq!(
        reclaimed.expect("Redis answers"),
        ReclaimedSets {
            sets: 250,
            tasks: 250
        }
    );
    assert_eq!(groups.group().await.len(), 250);
}
