//! Tasks that are run by the inspector wake an idle server, which does not poll.

use rasynq::TaskState;

use super::place::put_message;
use crate::common::{HOUR, Scripted, TaskMessage, World};

#[tokio::test]
async fn a_task_that_is_run_wakes_an_idle_server() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = world.server().task_check_interval(HOUR);
    let server = server.delayed_task_check_interval(HOUR);
    let server = server.start(handler.clone()).await.unwrap();
    let inspector = world.inspector().await;
    for (n, state) in [TaskState::Archived, TaskState::Scheduled, TaskState::Retry]
        .into_iter()
        .enumerate()
    {
        let message = TaskMessage::of(state.as_str(), "ok");
        let in_an_hour = world.now().await + 3600;
        put_message(&world, &message, state, in_an_hour).await;
        let run = inspector.run_task("default", state.as_str());
        run.await.unwrap();
        handler.has_begun(n + 1).await;
        world.task_is(state.as_str(), "").await;
    }
    let message = TaskMessage::of("one of all", "ok");
    put_message(&world, &message, TaskState::Archived, 1).await;
    let all = inspector.tasks("default", TaskState::Archived);
    assert_eq!(all.run().await.unwrap().changed, 1);
    handler.has_begun(4).await;
    server.shutdown().await;
}
