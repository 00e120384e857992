//! Tasks that move while an examination walks through the queue are no damage. The other programs act in the hook, so each
//! test has one order of events.

use std::sync::{Arc, Mutex};

use rasynq::{Damage, DamageKind, Inspector, Repair, Task};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::common::{HOUR, TaskMessage, World, key, task_key};
use crate::support::add_all;

/// More than are searched at each end of a list. The last page of the walk is not full.
const TASKS: u64 = 21_100;
const PAGES: u64 = TASKS / 500 + 1;
const AFTER_SCHEDULED: u64 = TASKS + 1;

/// Calls this function after each step of an examination, with how much was examined, and whether that is more than before.
async fn examined(
    inspector: &Inspector,
    mut act: impl AsyncFnMut(u64, bool) + Send + 'static,
) -> Vec<Damage> {
    let mut before = 0;
    let act = Mutex::new(move |examined| {
        let is_new = examined > before;
        before = examined;
        block_in_place(|| Handle::current().block_on(act(examined, is_new)));
    });
    let mut examination = inspector
        .examine("default")
        .on_progress(move |now| (act.lock().unwrap())(now.examined));
    let mut found = Vec::new();
    while let Some(damage) = examination.next().await {
        found.push(damage.unwrap());
    }
    found
}

impl World {
    async fn eval(&self, script: &str) {
        let _: i64 = self.run(&["EVAL", script, "0"]).await;
    }

    /// Puts the task into the list of pending tasks, at this end. A shutdown and an inspector of Go write no time.
    async fn to_pending(&self, push: &str, has_time: bool) {
        let time = match has_time {
            true => {
                "local t = redis.call('TIME') redis.call('HSET', KEY, 'pending_since', t[1] .. t[2] .. '000')"
            }
            false => "",
        };
        let script = format!(
            "redis.call('LREM', '{active}', 0, 'moves') redis.call('ZREM', '{lease}', 'moves')
            redis.call('{push}', '{pending}', 'moves') redis.call('HSET', KEY, 'state', 'pending') {time} return 1",
            active = key("active"),
            lease = key("lease"),
            pending = key("pending"),
        );
        let hash = format!("'{}'", task_key("moves"));
        self.eval(&script.replace("KEY", &hash)).await;
    }

    async fn to_active(&self) {
        let hash = task_key("moves");
        let lease = (self.now().await + 30).to_string();
        let _: i64 = self.run(&["LREM", &key("pending"), "-1", "moves"]).await;
        let _: i64 = self.run(&["LPUSH", &key("active"), "moves"]).await;
        let _: i64 = self.run(&["HSET", &hash, "state", "active"]).await;
        let _: i64 = self.run(&["HDEL", &hash, "pending_since"]).await;
        let _: i64 = self.run(&["ZADD", &key("lease"), &lease, "moves"]).await;
    }
}

/// A task is active while the examination walks through pending, is requeued, and is pending again later: deep in a list
/// that grows. No walk sees it in a list.
async fn is_no_damage(is_active_at_the_keys: bool, has_time: bool) {
    let world = Arc::new(World::new().await);
    add_all(&world, (0..TASKS).map(|_| Task::new("any", ""))).await;
    add_all(&world, [Task::new("any", "").process_in(HOUR)]).await;
    let message = TaskMessage::of("moves", "").bytes();
    world.store_lost("default", "moves", message, -600).await;
    let inspector = world.inspector().await;
    let mut steps = 0;
    let play = Arc::clone(&world);
    let found = examined(&inspector, async move |examined, is_new| {
        match examined {
            // The walk through pending is over.
            TASKS if is_new => play.to_pending("RPUSH", has_time).await,
            // So are those through active and scheduled.
            AFTER_SCHEDULED if is_new && is_active_at_the_keys => play.to_active().await,
            // The keys have been looked at: this is the second walk through pending.
            n if n > AFTER_SCHEDULED && !is_new => {
                steps += 1;
                if steps == 1 && !is_active_at_the_keys {
                    play.to_active().await;
                } else if steps == PAGES {
                    play.to_pending("LPUSH", has_time).await;
                    add_all(&play, (0..TASKS).map(|_| Task::new("any", ""))).await;
                }
            }
            _ => {}
        }
    })
    .await;
    assert_eq!(found, []);
    let places: Vec<i64> = world
        .run(&["LPOS", &key("pending"), "moves", "COUNT", "0"])
        .await;
    assert_eq!(places, [TASKS as i64]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_is_requeued_and_fetched_and_comes_back_is_no_damage() {
    is_no_damage(true, true).await;
    is_no_damage(false, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_task_is_no_damage_if_nothing_says_since_when_it_is_pending() {
    is_no_damage(true, false).await;
    is_no_damage(false, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_grows_long_meanwhile_is_walked_through() {
    let world = Arc::new(World::new().await);
    add_all(&world, [Task::new("any", "").process_in(HOUR)]).await;
    let inspector = world.inspector().await;
    let mut has_grown = false;
    let play = Arc::clone(&world);
    let found = examined(&inspector, async move |examined, _| {
        // All lists and sets have been looked at, the keys have not.
        if examined == 1 && !has_grown {
            has_grown = true;
            add_all(&play, (0..2 * TASKS).map(|_| Task::new("any", ""))).await;
        }
    })
    .await;
    assert_eq!(found, []);
    let pending: u64 = world.run(&["LLEN", &key("pending")]).await;
    assert_eq!(pending, 2 * TASKS);
}

#[tokio::test]
async fn a_lost_task_that_has_come_back_is_not_put_into_the_list_again() {
    let world = World::new().await;
    add_all(&world, (0..2 * TASKS).map(|_| Task::new("any", ""))).await;
    let inspector = world.inspector().await;
    for id in ["run", "requeued", "again"] {
        let message = TaskMessage::of(id, "").bytes();
        world.store("default", id, "pending", message).await;
    }
    let _: i64 = world
        .run(&["HSET", &task_key("again"), "pending_since", "7"])
        .await;
    let mut examination = inspector.examine("default");
    let mut found = Vec::new();
    while let Some(damage) = examination.next().await {
        let damage = damage.unwrap();
        assert_eq!(damage.kind, DamageKind::TaskWithoutPlace);
        found.push(damage);
    }
    assert_eq!(found.len(), 3);
    let pending = key("pending");
    let middle: String = world.run(&["LINDEX", &pending, &TASKS.to_string()]).await;
    for damage in &found {
        let id = damage.task_id().unwrap();
        match id {
            // By an inspector of Go: it writes no time.
            "run" => {}
            "requeued" => {
                let hash = task_key(id);
                let _: i64 = world.run(&["HSET", &hash, "pending_since", "8"]).await;
            }
            // By another examination.
            _ => {
                assert_eq!(inspector.repair(damage).await.unwrap(), Repair::Repaired);
                let _: i64 = world.run(&["LREM", &pending, "1", id]).await;
            }
        }
        let _: i64 = world
            .run(&["LINSERT", &pending, "BEFORE", &middle, id])
            .await;
        assert_eq!(
            inspector.repair(damage).await.unwrap(),
            Repair::Gone,
            "{id}"
        );
    }
    let pending: u64 = world.run(&["LLEN", &pending]).await;
    assert_eq!(pending, 2 * TASKS + 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_behind_others_that_are_deleted_meanwhile_are_no_damage() {
    let world = Arc::new(World::new().await);
    add_all(&world, (0..5 * TASKS).map(|_| Task::new("any", ""))).await;
    let inspector = world.inspector().await;
    let mut step = 0;
    let play = Arc::clone(&world);
    let found = examined(&inspector, async move |examined, is_new| {
        let is_in_a_list = examined < 4 * TASKS || !is_new;
        step += 1;
        // Another inspector deletes tasks, far from the place of the walk.
        if is_in_a_list && step > PAGES && (step * step) % 23 < 5 {
            let delete = format!(
                "local ids = redis.call('LRANGE', '{pending}', 0, 199)
                for _, id in ipairs(ids) do redis.call('DEL', '{prefix}' .. id) end
                redis.call('LTRIM', '{pending}', 200, -1) return 1",
                pending = key("pending"),
                prefix = task_key(""),
            );
            play.eval(&delete).await;
        }
    })
    .await;
    assert_eq!(found, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_whose_place_is_deleted_begins_again() {
    let world = Arc::new(World::new().await);
    add_all(&world, [Task::new("any", "").process_in(HOUR)]).await;
    let inspector = world.inspector().await;
    let mut steps = 0;
    let play = Arc::clone(&world);
    let found = examined(&inspector, async move |examined, is_new| {
        if examined == 1 && is_new {
            // Only the second walk sees these.
            add_all(&play, (0..3 * TASKS).map(|_| Task::new("any", ""))).await;
        } else if examined > 1 && !is_new {
            steps += 1;
        }
        if steps == 60 && !is_new {
            // The walk has come to the task with the index 29,999.
            let delete = format!(
                "for _, id in ipairs(redis.call('LRANGE', '{pending}', 29550, 30049)) do
                redis.call('LREM', '{pending}', 1, id) redis.call('DEL', '{prefix}' .. id) end return 1",
                pending = key("pending"),
                prefix = task_key(""),
            );
            play.eval(&delete).await;
        }
    })
    .await;
    assert_eq!(found, []);
}
