//! Enqueueing a copy of a finished task.

use rasynq::{ErrorKind, TaskState};

use super::place::{put, put_message};
use crate::common::{Scripted, TaskMessage, World, key};

#[tokio::test]
async fn a_copy_of_a_finished_task_is_a_new_pending_task_without_its_past() {
    for state in [TaskState::Completed, TaskState::Archived] {
        let world = World::new().await;
        let inspector = world.inspector().await;
        let in_an_hour = world.now().await + 3600;
        let finished = TaskMessage {
            retried: 3,
            error_msg: "failed".to_owned(),
            last_failed_at: 1_700_000_000,
            completed_at: 1_700_000_000,
            unique_key: key("unique:any:digest"),
            group_key: "g".to_owned(),
            retention: 60,
            deadline: in_an_hour,
            headers: [("name".to_owned(), "value".to_owned())].into(),
            ..TaskMessage::of("task", "x")
        };
        put_message(&world, &finished, state, in_an_hour).await;
        let hash = world.hash("task").await;
        let copy = inspector.enqueue_copy("default", "task").await.unwrap();
        assert_ne!(copy.id, "task");
        assert_eq!(copy.state, TaskState::Pending);
        assert_eq!(world.list("pending").await, [copy.id.as_str()]);
        let expected = TaskMessage {
            retention: 60,
            deadline: in_an_hour,
            headers: finished.headers.clone(),
            ..TaskMessage::of(&copy.id, "x")
        };
        assert_eq!(world.message(&copy.id).await, expected);
        assert_eq!(
            inspector
                .task_info("default", &copy.id)
                .await
                .unwrap()
                .payload,
            "x"
        );
        assert_eq!(world.hash("task").await, hash);
        world.assert_consistent().await;
    }
}

#[tokio::test]
async fn a_deadline_that_has_passed_is_dropped_so_the_copy_can_succeed() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let finished = TaskMessage {
        deadline: world.now().await - 5,
        ..TaskMessage::of("task", "ok")
    };
    put_message(&world, &finished, TaskState::Archived, 1).await;
    let copy = inspector.enqueue_copy("default", "task").await.unwrap();
    assert_eq!(copy.deadline, None);
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    handler.has_begun(1).await;
    world.task_is(&copy.id, "").await;
    server.shutdown().await;
}

#[tokio::test]
async fn only_finished_tasks_can_be_copied() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    for state in TaskState::ALL {
        if matches!(state, TaskState::Completed | TaskState::Archived) {
            continue;
        }
        put(&world, state.as_str(), state, 1).await;
        let copy = inspector.enqueue_copy("default", state.as_str());
        let error = copy.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongState);
        let end = format!("it is {state}, not finished");
        assert!(error.to_string().ends_with(&end), "{error}");
    }
    let copy = inspector.enqueue_copy("default", "none");
    assert_eq!(copy.await.unwrap_err().kind(), ErrorKind::TaskNotFound);
    let copy = inspector.enqueue_copy("none", "none");
    assert_eq!(copy.await.unwrap_err().kind(), ErrorKind::QueueNotFound);
}
