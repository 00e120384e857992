//! Times are told by Redis' clock, not by that of the machine.

use std::time::Duration;

use rasynq::{Client, Connection, Task};

use crate::common::{Command, RedisServer};

const HOUR: i64 = 3600;

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn relative_times_are_by_the_clock_of_redis() {
    let redis = RedisServer::builder()
        .tcp()
        .clock_shift(10 * HOUR)
        .start()
        .await;
    let connection = Connection::from_uri(&redis.uri()).expect("a connection");
    let client = Client::connect(&connection).await.expect("a client");
    let task = Task::new("x", "x").task_id("late");
    let task = task.process_in(Duration::from_secs(3600 * 5 / 2));
    client.enqueue(task).await.expect("enqueued");
    let command = Command::on(&redis);
    let listed = ["task", "ls", "-q", "default", "-s", "scheduled"];
    for arguments in [
        vec!["task", "ls", "-q", "default", "-s", "scheduled"],
        vec!["task", "ls", "-q", "default", "-s", "scheduled", "--all"],
        vec!["task", "inspect", "-q", "default", "-i", "late"],
    ] {
        let text = command.output(&arguments).await;
        assert!(text.contains("in 2h29m"), "{arguments:?}: {text}");
    }
    let later = "task reschedule -q default -i late --process_in 4h30m";
    let later: Vec<&str> = later.split(' ').collect();
    command.output(&later).await;
    let text = command.output(&listed).await;
    assert!(text.contains("in 4h29m"), "{text}");
}
