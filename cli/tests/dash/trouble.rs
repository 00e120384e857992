//! A Redis that is slow, lost or full of strange things.

use fred::interfaces::KeysInterface;
use rasynq::{Connection, Task};

use super::world::{HOUR, World, dash};
use crate::common::{Proxy, RedisServer};

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_does_not_answer_is_told_and_the_screen_goes_on() {
    let world = World::new().await;
    world.enqueue("a", Task::new("email:send", "{}")).await;
    let Some(terminal) = world.dash() else {
        return;
    };
    terminal.shows(&["default", "live"]).await;
    world.redis.pause();
    terminal.shows(&["last read ", "s ago", "default"]).await;
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
    let uri = format!("redis://127.0.0.1:{}", proxy.port());
    let arguments = ["--uri", uri.as_str(), "--refresh", "200ms"];
    let Some(terminal) = dash(&arguments, &[]) else {
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
    let uri = format!("redis://reader:secret@127.0.0.1:{}", world.redis.port());
    assert!(Connection::from_uri(&uri).is_ok());
    let arguments = ["--uri", uri.as_str()];
    let Some(terminal) = dash(&arguments, &[]) else {
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
    let screen = terminal.shows(&["2 queues", "WRONGTYPE"]).await;
    let whole = screen.lines().find(|line| line.starts_with(" whole"));
    let pending = whole.and_then(|line| line.split_whitespace().nth(1));
    assert_eq!(pending, Some("1"), "{screen}");
}
