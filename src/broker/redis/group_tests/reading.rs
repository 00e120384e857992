//! Reading aggregation sets, and archiving tasks of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use fred::interfaces::HashesInterface;

use super::{AT_ONCE, Groups, LIMITS};
use crate::broker::{ArchivedMember, StoredAggregate};
use crate::wire::TaskMessage;

#[tokio::test]
async fn a_member_that_is_archived_leaves_its_set() {
    let groups = Groups::new().await;
    groups
        .store("broken", Bytes::from_static(&[0x1a, 1, 0xff]))
        .await;
    groups.add("broken", 20).await;
    groups.join("whole", 10).await;
    let mut set = groups.formed("set", AT_ONCE).await;
    // As an attempt whose reply is lost sees it.
    let mut same = groups.formed("set", AT_ONCE).await;
    for set in [&mut set, &mut same] {
        let members = groups.broker.read_set(set).await.expect("Redis answers");
        assert!(members[0].message.is_err() && members[1].message.is_ok());
    }
    let broken = [ArchivedMember {
        id: "broken".into(),
        message: None,
    }];
    for set in [&mut same, &mut set] {
        let archived = groups.broker.archive_members(set, &broken, LIMITS);
        archived.await.expect("Redis answers");
    }
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

#[tokio::test]
async fn ids_of_tasks_that_are_gone_or_in_another_state_leave_their_set_unread() {
    let groups = Groups::new().await;
    groups.add("gone", 30).await;
    groups.join("pending", 20).await;
    let hash = groups.keys.task("pending");
    let _: () = groups
        .raw
        .hset(&hash, ("state", "pending"))
        .await
        .expect("HSET");
    groups.join("waiting", 10).await;
    let set = groups.set().await;
    assert_eq!(groups.members(&set.key).await, ["waiting"]);
    assert_eq!(
        groups.store_aggregate(&set, "digest").await,
        StoredAggregate::Stored
    );
    assert_eq!(groups.state("pending").await.as_deref(), Some("pending"));
}

#[tokio::test]
async fn a_set_without_tasks_has_no_aggregate_and_is_removed() {
    let groups = Groups::new().await;
    groups.add("gone", 30).await;
    let set = groups.set().await;
    assert_eq!(set.size, 0);
    assert_eq!(
        groups.store_aggregate(&set, "digest").await,
        StoredAggregate::SetIsGone
    );
    groups.broker.return_set(&set).await.expect("Redis answers");
    assert_eq!(groups.dump().await.len(), 0);
}

#[tokio::test]
async fn large_messages_are_read_in_parts_and_in_order() {
    let groups = Groups::new().await;
    for (n, size) in [400_000, 900_000, 2_000_000, 1, 700_000]
        .into_iter()
        .enumerate()
    {
        let message = TaskMessage {
            payload: vec![b'x'; size].into(),
            ..TaskMessage::default()
        };
        groups
            .join_with(&n.to_string(), 50 - n as i64, &message)
            .await;
    }
    let mut set = groups.formed("set", AT_ONCE).await;
    let members = groups
        .broker
        .read_set(&mut set)
        .await
        .expect("Redis answers");
    let sizes = members.iter().map(|member| {
        let message = member.message.as_ref().expect("it decodes");
        (&*member.id, message.payload.len())
    });
    let expected = [
        ("0", 400_000),
        ("1", 900_000),
        ("2", 2_000_000),
        ("3", 1),
        ("4", 700_000),
    ];
    assert!(sizes.eq(expected));
}

#[tokio::test]
async fn an_archived_member_keeps_its_lock_and_may_get_another_message() {
    let groups = Groups::new().await;
    let lock = groups.keys.unique("a", None);
    let message = TaskMessage {
        unique_key: lock.clone(),
        ..TaskMessage::default()
    };
    groups.join_with("a", 30, &message).await;
    groups.write(&lock, "a").await;
    groups.join("b", 30).await;
    let mut set = groups.set().await;
    let failed = [ArchivedMember {
        id: "a".into(),
        message: Some(Bytes::from_static(b"\x32\x04text")),
    }];
    let archived = groups.broker.archive_members(&mut set, &failed, LIMITS);
    archived.await.expect("Redis answers");
    let hash: BTreeMap<String, Bytes> = groups
        .raw
        .hgetall(groups.keys.task("a"))
        .await
        .expect("HGETALL");
    let expected = [("msg", &b"\x32\x04text"[..]), ("state", b"archived")];
    assert!(
        hash.iter().map(|(k, v)| (k.as_str(), &v[..])).eq(expected),
        "{hash:?}"
    );
    assert_eq!(
        groups.store_aggregate(&set, "digest").await,
        StoredAggregate::Stored
    );
    assert!(groups.exists(&lock).await);
}

#[tokio::test]
async fn a_task_that_is_deleted_and_enqueued_again_after_the_read_is_not_archived() {
    let groups = Groups::new().await;
    groups.join("a", 30).await;
    groups.join("b", 30).await;
    let mut set = groups.set().await;
    let hash = groups.keys.task("a");
    let fields = ["HSET", &hash, "msg", "new", "state", "pending"];
    let _: i64 = groups.run(&["DEL", &hash]).await;
    let _: i64 = groups.run(&fields).await;
    let refused = [ArchivedMember {
        id: "a".into(),
        message: Some(Bytes::from_static(b"old")),
    }];
    let archived = groups.broker.archive_members(&mut set, &refused, LIMITS);
    archived.await.expect("Redis answers");
    assert_eq!(groups.state("a").await.as_deref(), Some("pending"));
    let message: String = groups.run(&["HGET", &hash, "msg"]).await;
    assert_eq!(message, "new");
    assert!(!groups.exists(groups.keys.archived()).await);
    assert_eq!(
        groups.store_aggregate(&set, "digest").await,
        StoredAggregate::Stored
    );
}

#[tokio::test]
async fn after_a_lost_reply_the_read_goes_on_where_it_was() {
    let (groups, proxy) = Groups::behind_proxy().await;
    groups.join_many(2_500).await;
    let mut set = groups.formed("set", AT_ONCE).await;
    let _: () = groups.run(&["CONFIG", "RESETSTAT"]).await;
    // The call that reads a thousand tasks after the first thousand.
    proxy.lose_reply_to("1000\r\n$4\r\n1000");
    let members = groups.broker.read_set(&mut set).await;
    let members = members.expect("Redis answers");
    assert!(members.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(members.len(), 2_500);
    let stats: String = groups.run(&["INFO", "commandstats"]).await;
    assert!(stats.contains("cmdstat_zrange:calls=4,"), "{stats}");
}
