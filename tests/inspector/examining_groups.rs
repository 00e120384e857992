//! Damage to groups and aggregation sets.

use rasynq::DamageKind;

use crate::common::key;
use crate::damaged::Damaged;

#[tokio::test]
async fn the_last_id_of_a_group_is_removed_with_the_groups_name() {
    let damaged = Damaged::new().await;
    damaged.run(&["ZADD", &key("g:group"), "1", "gone"]).await;
    damaged.run(&["SADD", &key("groups"), "group"]).await;
    damaged
        .repaired(DamageKind::IdWithoutTask, &key("g:group"), Some("gone"))
        .await;
    let groups: Vec<String> = damaged.world.run(&["SMEMBERS", &key("groups")]).await;
    assert_eq!(groups, ["healthy"]);
}

#[tokio::test]
async fn an_empty_group_leaves_the_names_and_an_unlisted_one_joins_them() {
    let damaged = Damaged::new().await;
    damaged.run(&["SADD", &key("groups"), "empty"]).await;
    damaged
        .repaired(DamageKind::EmptyGroup, &key("groups"), Some("empty"))
        .await;
    damaged.run(&["SREM", &key("groups"), "healthy"]).await;
    damaged
        .repaired(DamageKind::UnlistedGroup, &key("g:healthy"), None)
        .await;
    let groups: Vec<String> = damaged.world.run(&["SMEMBERS", &key("groups")]).await;
    assert_eq!(groups, ["healthy"]);
}

#[tokio::test]
async fn an_aggregation_set_that_does_not_exist_leaves_the_list_once_its_deadline_is_over() {
    let damaged = Damaged::new().await;
    let set = key("g:gone:7f5c");
    let later = (damaged.world.now().await + 600).to_string();
    damaged
        .run(&["ZADD", &key("aggregation_sets"), &later, &set])
        .await;
    assert_eq!(damaged.found().await, []);
    damaged
        .run(&["ZADD", &key("aggregation_sets"), "1", &set])
        .await;
    damaged
        .repaired(DamageKind::StaleKey, &key("aggregation_sets"), Some(&set))
        .await;
}

/// The id of an aggregation set, as asynq makes it.
const SET_ID: &str = "11111111-2222-3333-4444-555555555555";

#[tokio::test]
async fn an_aggregation_set_that_is_not_listed_goes_back_into_its_group() {
    let damaged = Damaged::new().await;
    let set = key("g:healthy:7f5c");
    damaged.run(&["ZREM", &key("aggregation_sets"), &set]).await;
    damaged.repaired(DamageKind::UnlistedSet, &set, None).await;
    assert_eq!(damaged.world.scores("aggregation_sets").await.len(), 0);
    let group = damaged.world.scores("g:healthy").await;
    assert_eq!(Vec::from_iter(group.keys()), ["taken", "waiting"]);
    // The last set of a group lists the group too.
    let set = key("g:alone:7f5c");
    damaged.store("alone", "aggregating").await;
    let hash = crate::common::task_key("alone");
    damaged.run(&["HSET", &hash, "group", "alone"]).await;
    damaged.run(&["ZADD", &set, "1", "alone"]).await;
    damaged.repaired(DamageKind::UnlistedSet, &set, None).await;
    let listed: bool = damaged
        .world
        .run(&["SISMEMBER", &key("groups"), "alone"])
        .await;
    assert!(listed);
    damaged.run(&["SREM", &key("groups"), "alone"]).await;
    damaged.run(&["DEL", &key("g:alone"), &hash]).await;
    let groups: Vec<String> = damaged.world.run(&["SMEMBERS", &key("groups")]).await;
    assert_eq!(groups, ["healthy"]);
}

#[tokio::test]
async fn a_set_none_of_whose_tasks_exists_is_no_group_and_a_group_named_like_a_set_is_one() {
    let damaged = Damaged::new().await;
    let set = key(&format!("g:gone:{SET_ID}"));
    damaged.run(&["ZADD", &set, "1", "ghost"]).await;
    let found = damaged.found().await;
    let expected = (
        DamageKind::IdWithoutTask,
        set.clone(),
        Some("ghost".to_owned()),
    );
    assert_eq!(found, [expected]);
    assert_eq!(damaged.repaired_in_one_pass().await, 1);
    let groups: Vec<String> = damaged.world.run(&["SMEMBERS", &key("groups")]).await;
    assert_eq!(groups, ["healthy"]);
    assert_eq!(damaged.world.scores("aggregation_sets").await.len(), 1);

    let group = format!("order:{SET_ID}");
    damaged.store("ordered", "aggregating").await;
    let hash = crate::common::task_key("ordered");
    damaged.run(&["HSET", &hash, "group", &group]).await;
    let place = key(&format!("g:{group}"));
    // The first member is gone: the second one tells.
    damaged
        .run(&["ZADD", &place, "1", "ghost", "2", "ordered"])
        .await;
    let kinds: Vec<DamageKind> = damaged
        .found()
        .await
        .into_iter()
        .map(|found| found.0)
        .collect();
    assert_eq!(
        kinds,
        [DamageKind::IdWithoutTask, DamageKind::UnlistedGroup]
    );
    assert_eq!(damaged.repaired_in_one_pass().await, 2);
    let listed: bool = damaged
        .world
        .run(&["SISMEMBER", &key("groups"), &group])
        .await;
    assert!(listed);
}

#[tokio::test]
async fn the_members_of_a_group_that_is_not_listed_are_examined_in_the_same_pass() {
    let damaged = Damaged::new().await;
    damaged.store("moved", "retry").await;
    let group = key("g:hidden");
    damaged
        .run(&["ZADD", &group, "1", "gone", "2", "moved"])
        .await;
    let found = damaged.found().await;
    let expected = [
        (
            DamageKind::IdWithoutTask,
            group.clone(),
            Some("gone".to_owned()),
        ),
        (
            DamageKind::WrongState,
            group.clone(),
            Some("moved".to_owned()),
        ),
        (DamageKind::UnlistedGroup, group.clone(), None),
    ];
    assert_eq!(found, expected);
    assert_eq!(damaged.repaired_in_one_pass().await, 3);
    let group = &damaged.world.hash("moved").await["group"];
    assert_eq!(group, "hidden");
}
