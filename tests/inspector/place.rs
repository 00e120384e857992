//! Tasks in every state, without a server.

use rasynq::TaskState;

use crate::common::{TaskMessage, World, key, task_key};

/// Writes a task in this state, as asynq does. Its score is `score`, or the time of its lease. Aggregating tasks are in
/// the group `g`.
pub(crate) async fn put(world: &World, id: &str, state: TaskState, score: i64) {
    put_message(world, &TaskMessage::of(id, "x"), state, score).await;
}

/// The same, with this message.
pub(crate) async fn put_message(
    world: &World,
    message: &TaskMessage,
    state: TaskState,
    score: i64,
) {
    let id = message.id.as_str();
    let word = state.as_str();
    world.store("default", id, word, message.bytes()).await;
    let score = score.to_string();
    let known = ["SADD", "asynq:queues", "default"];
    let _: i64 = world.run(&known).await;
    match state {
        TaskState::Pending | TaskState::Active => {
            let _: i64 = world.run(&["LPUSH", &key(word), id]).await;
            if state == TaskState::Active {
                let _: i64 = world.run(&["ZADD", &key("lease"), &score, id]).await;
            }
        }
        TaskState::Aggregating => {
            let _: i64 = world.run(&["ZADD", &key("g:g"), &score, id]).await;
            let _: i64 = world.run(&["SADD", &key("groups"), "g"]).await;
            let _: i64 = world.run(&["HSET", &task_key(id), "group", "g"]).await;
        }
        _ => {
            let _: i64 = world.run(&["ZADD", &key(word), &score, id]).await;
        }
    }
}

/// Writes a unique lock that this task holds, and names it in the hash. Returns its key.
pub(crate) async fn lock(world: &World, id: &str) -> String {
    let lock = key("unique:any:digest");
    let _: String = world.run(&["SET", &lock, id, "EX", "1000"]).await;
    let name = ["HSET", &task_key(id), "unique_key", &lock];
    let _: i64 = world.run(&name).await;
    lock
}

pub(crate) async fn exists(world: &World, key: &str) -> bool {
    let found: i64 = world.run(&["EXISTS", key]).await;
    found == 1
}
