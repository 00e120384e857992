//! Streams while others change what is read.

use std::collections::HashSet;

use rasynq::{Inspector, Task, TaskState, TaskStream};

use crate::common::{HOUR, World, key};
use crate::support::add_all;

/// Takes tasks whose ids begin with "c" out of a list, also many at once, and puts some of them back at both ends, as
/// if they were requeued or new.
const CHURN_LIST: &str = "
math.randomseed(tonumber(ARGV[1]))
local taken = {}
for _ = 1, 3 do
  local from = math.random(0, math.max(0, redis.call('LLEN', KEYS[1]) - 1))
  for _, id in ipairs(redis.call('LRANGE', KEYS[1], from, from + 900)) do
    if string.sub(id, 1, 1) == 'c' and math.random() < 0.7 then
      redis.call('LREM', KEYS[1], 1, id)
      taken[#taken + 1] = id
    end
  end
end
for i, id in ipairs(taken) do
  if i % 3 > 0 then redis.call('LPUSH', KEYS[1], id) end
end
return #taken";

/// The same for a sorted set. What comes back has any score.
const CHURN_SET: &str = "
math.randomseed(tonumber(ARGV[1]))
for _ = 1, 3 do
  local from = math.random(0, math.max(0, redis.call('ZCARD', KEYS[1]) - 1))
  for i, id in ipairs(redis.call('ZRANGE', KEYS[1], from, from + 900)) do
    if string.sub(id, 1, 1) == 'c' and math.random() < 0.7 then
      redis.call('ZREM', KEYS[1], id)
      if i % 3 > 0 then redis.call('ZADD', KEYS[1], 2000000000 + math.random(0, 40), id) end
    end
  end
end
return 1";

async fn all_of(mut stream: TaskStream) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some(task) = stream.next().await {
        ids.push(task.unwrap().id);
    }
    ids
}

/// Reads a stream of the queue `default` again and again while a script changes it. Each task that stays comes
/// each time, and none twice.
async fn stays_complete(world: &World, inspector: &Inspector, state: TaskState, churn: &str) {
    let list = key(state.as_str());
    let churning = async {
        for seed in 1.. {
            let call = ["EVAL", churn, "1", &list, &seed.to_string()];
            let _: i64 = world.run(&call).await;
        }
    };
    let reading = async {
        for _ in 0..12 {
            let ids = all_of(inspector.tasks("default", state).stream()).await;
            let distinct: HashSet<&String> = ids.iter().collect();
            assert_eq!(distinct.len(), ids.len());
            let stayed = ids.iter().filter(|id| id.starts_with('k')).count();
            assert_eq!(stayed, 6_000);
        }
    };
    tokio::select! {
        () = churning => {}
        () = reading => {}
    }
}

#[tokio::test]
async fn a_stream_of_a_list_has_each_task_that_stays_and_none_twice_while_others_come_and_go() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let task = |n: usize| {
        let letter = if n.is_multiple_of(4) { "k" } else { "c" };
        Task::new("any", "").task_id(format!("{letter}{n}"))
    };
    add_all(&world, (0..24_000).map(task)).await;
    stays_complete(&world, &inspector, TaskState::Pending, CHURN_LIST).await;
}

#[tokio::test]
async fn a_stream_of_a_sorted_set_has_each_task_that_stays_and_none_twice_while_others_come_and_go()
{
    let world = World::new().await;
    let inspector = world.inspector().await;
    // Many have the same score.
    let task = |n: usize| {
        let letter = if n.is_multiple_of(4) { "k" } else { "c" };
        let at =
            rasynq::chrono::DateTime::from_timestamp(2_000_000_000 + (n / 4 % 3) as i64 * 20, 0);
        Task::new("any", "")
            .task_id(format!("{letter}{n}"))
            .process_at(at.unwrap())
    };
    add_all(&world, (0..24_000).map(task)).await;
    stays_complete(&world, &inspector, TaskState::Scheduled, CHURN_SET).await;
}

#[tokio::test]
async fn a_stream_reads_in_bounded_steps() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let task = |n: usize| Task::new("any", "").task_id(format!("{n:05}"));
    add_all(&world, (0..6_000).map(task)).await;
    add_all(&world, (6_000..8_500).map(|n| task(n).process_in(HOUR))).await;
    let grouped = |n: usize| task(n).group(format!("g{:04}", n / 2));
    add_all(&world, (8_500..9_500).map(grouped)).await;
    for (state, first, end) in [
        (TaskState::Pending, 0, 6_000),
        (TaskState::Scheduled, 6_000, 8_500),
        (TaskState::Aggregating, 8_500, 9_500),
    ] {
        let read = ["lrange", "zrange"];
        let before = (
            world.calls_of(&["evalsha", "eval"]).await,
            world.calls_of(&read).await,
        );
        let mut ids = all_of(inspector.tasks("default", state).stream()).await;
        let after = (
            world.calls_of(&["evalsha", "eval"]).await,
            world.calls_of(&read).await,
        );
        let scripts = after.0 - before.0;
        let most = (end - first) as u64 / 500 + 5;
        assert!(scripts <= most, "{state}: {scripts}");
        if state != TaskState::Aggregating {
            assert!(after.1 - before.1 <= 3, "{state}: {}", after.1 - before.1);
        }
        ids.sort();
        let expected: Vec<String> = (first..end).map(|n| format!("{n:05}")).collect();
        assert_eq!(ids, expected);
        assert_eq!(
            inspector.tasks("default", state).count().await.unwrap(),
            (end - first) as u64
        );
    }
}

#[tokio::test]
async fn a_stream_of_groups_has_the_order_of_the_pages_however_large_they_are() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let mut tasks = Vec::new();
    for (group, size) in [("b", 2_500), ("a", 3), ("c", 700), ("d", 400), ("e", 1_000)] {
        let task = |n: usize| Task::new("any", "").task_id(format!("{group}{n}"));
        tasks.extend((0..size).map(|n| task(n).group(group)));
    }
    add_all(&world, tasks).await;
    let selection = inspector.tasks("default", TaskState::Aggregating);
    let paged = crate::support::ids(selection.page(1, 10_000).await.unwrap());
    assert_eq!(paged.len(), 4_603);
    assert_eq!(all_of(selection.stream()).await, paged);
    let in_the_middle = crate::support::ids(selection.page(26, 100).await.unwrap());
    assert_eq!(in_the_middle, paged[2_500..2_600]);
}

#[tokio::test]
async fn a_stream_implements_the_trait_of_streams() {
    use futures_util::TryStreamExt;

    let world = World::new().await;
    let inspector = world.inspector().await;
    world.store_in_each_state().await;
    let tasks: Vec<rasynq::TaskInfo> = inspector
        .tasks("default", TaskState::Pending)
        .stream()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(tasks.len(), 3);
}
