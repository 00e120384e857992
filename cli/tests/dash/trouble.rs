//! A Redis that is slow, lost or full of strange things.

use std::time::Duration;

use fred::interfaces::KeysInterface;
use rasynq::{Task, TaskState};

use super::world::{HOUR, World};
use crate::common::{Proxy, RedisServer};

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_does_not_answer_is_told_and_the_screen_goes_on() {
    let Some((world, terminal)) = World::with_a_task().await else {
        return;
    };
    world.redis.pause();
    // before the read has failed
    terminal
        .shows(&[
            "last read ",
            "s ago",
            "default",
            "Redis has not answered yet",
        ])
        .await;
    // Keys work, and what was read last stays.
    terminal.press(&["?"]);
    terminal.shows(&["Keys on this screen"]).await;
    terminal.press(&["?", "Enter"]);
    terminal.shows(&["default › pending", "reading"]).await;
    terminal.press(&["Escape"]);
    terminal.shows(&["1 queue"]).await;
    world.redis.resume();
    terminal.shows(&["live"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_told_with_its_reason_and_made_again() {
    let world = World::new().await;
    world.enqueue("a", Task::new("email:send", "{}")).await;
    let proxy = Proxy::start(world.redis.port()).await;
    let Some(terminal) = world.dash_by(&proxy) else {
        return;
    };
    terminal.shows(&["default", "live"]).await;
    proxy.refuse(true);
    terminal.shows(&["last read ", "default"]).await;
    proxy.refuse(false);
    terminal.shows(&["live"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_others_cannot_control_the_terminal() {
    let world = World::new().await;
    let strange = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\nx";
    let task = Task::new(format!("type{strange}"), format!("text{strange}"))
        .queue("esc\u{1b}[31m")
        .process_in(HOUR);
    world.enqueue("id\u{1b}c", task).await;
    let Some(terminal) = world.dash() else {
        return;
    };
    terminal.shows(&["esc\\u{1b}[31m", "1 Queues"]).await;
    terminal.press(&["Enter"]);
    terminal.shows(&["id\\u{1b}c", "type\\u{1b}[2J"]).await;
    terminal.press(&["Enter"]);
    terminal
        .shows(&["text\\u{1b}[2J\\u{1b}]0;owned\\u{7}\\r", "1 Queues"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_permissions_are_told() {
    let builder = RedisServer::builder()
        .tcp()
        .user_with_rules("reader", "on >secret ~* &* +@all -lrange -sort");
    let world = World::on(builder).await;
    world.enqueue("a", Task::new("email:send", "{}")).await;
    let Some(terminal) = world.dash_of_reader() else {
        return;
    };
    terminal.shows(&["default", "live"]).await;
    let screen = terminal.screen();
    assert!(!screen.contains("secret"), "{screen}");
    terminal.press(&["Enter"]);
    terminal.shows(&["NOPERM"]).await;
    terminal.press(&["Escape", "2"]);
    terminal.shows(&["No server is running."]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_without_permission_says_so() {
    let builder = RedisServer::builder()
        .tcp()
        .user_with_rules("reader", "on >secret ~* &* +@all -zadd -set");
    let world = World::on(builder).await;
    world.enqueue("a", Task::new("email:send", "{}")).await;
    let Some(terminal) = world.dash_of_reader() else {
        return;
    };
    terminal.shows(&["default", "live"]).await;
    terminal.press(&["p"]);
    terminal.shows(&["Pause the queue default?"]).await;
    terminal.press(&["y"]);
    terminal
        .shows(&["pause queue default: ", "no permission", "'set'"])
        .await;
    terminal.press(&["Enter"]);
    terminal.shows(&["default › pending", "1 task"]).await;
    terminal.press(&["a"]);
    terminal.shows(&["Archive this task?"]).await;
    terminal.press(&["y"]);
    terminal
        .shows(&["archive task a of default: ", "no permission"])
        .await;
    world.is_in("default", "a", TaskState::Pending).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_got_no_answer_says_that_it_may_be_done() {
    let Some((world, terminal)) = World::with_a_task().await else {
        return;
    };
    world.redis.pause();
    terminal.press(&["p"]);
    terminal.shows(&["Pause the queue default?"]).await;
    terminal.press(&["y"]);
    terminal
        .shows(&["running, x stops it: pause queue default"])
        .await;
    terminal
        .shows(&["pause queue default: ", "all the same"])
        .await;
    world.redis.resume();
    terminal.shows(&["live"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_tells_how_far_it_is_and_escape_ends_it() {
    let world = World::new().await;
    let tasks = (0..6_000).map(|n| Task::new("email:send", format!(r#"{{"n":{n}}}"#)));
    for result in world.client.enqueue_batch(tasks).await {
        result.unwrap();
    }
    let proxy = Proxy::start(world.redis.port()).await;
    let Some(terminal) = world.dash_by(&proxy) else {
        return;
    };
    terminal.shows(&["default", "live"]).await;
    terminal.press(&["Enter"]);
    terminal.shows(&["6,000 tasks"]).await;
    proxy.delay_replies(Duration::from_millis(200));
    terminal.press(&["/"]);
    terminal.type_text("json:n=5900");
    terminal.press(&["Enter"]);
    let told = "00 of about 6,000 tasks, Esc ends the search";
    terminal
        .shows(&["searching, 0 found", "searched ", told])
        .await;
    terminal.press(&["Escape"]);
    terminal.shows(&["6,000 tasks, page 1"]).await;
    terminal.hides("Esc ends the search").await;
    proxy.delay_replies(Duration::ZERO);
    terminal.press(&["/"]);
    terminal.type_text("json:n=5900");
    terminal.press(&["Enter"]);
    terminal.shows(&[" 1 found", r#"{"n":5900}"#]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_with_deeply_nested_json_is_shown_in_bounded_memory() {
    let world = World::new().await;
    let deep = "[".repeat(30_000) + &"]".repeat(30_000);
    world.enqueue("deep", Task::new("email:send", deep)).await;
    let Some(terminal) = world.dash() else {
        return;
    };
    terminal.shows(&["default", "live"]).await;
    terminal.press(&["Enter"]);
    terminal.shows(&["default › pending", "deep"]).await;
    terminal.press(&["Enter"]);
    terminal.shows(&["payload (60,000 bytes)"]).await;
    terminal.press(&["End"]);
    terminal.shows(&["… the beginning of 60000 bytes"]).await;
    terminal.press(&["q"]);
    terminal.shows(&["code=0"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_broken_keys_does_not_hide_the_others() {
    let world = World::new().await;
    for queue in ["broken", "whole"] {
        let task = Task::new("email:send", "{}").queue(queue);
        world.enqueue("a", task).await;
    }
    let raw = world.redis.client().await;
    let _: () = raw.del("asynq:{broken}:pending").await.unwrap();
    let _: () = raw
        .set("asynq:{broken}:pending", "text", None, None, false)
        .await
        .unwrap();
    let Some(terminal) = world.dash() else { return };
    let screen = terminal
        .shows(&["2 queues", "queue \"broken\": ", "is a string, not a list"])
        .await;
    let whole = screen.lines().find(|line| line.starts_with(" whole"));
    let pending = whole.and_then(|line| line.split_whitespace().nth(1));
    assert_eq!(pending, Some("1"), "{screen}");
}
