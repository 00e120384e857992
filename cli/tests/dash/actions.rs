//! Every key that acts, and what it does to Redis.

use rasynq::{ErrorKind, Task, TaskState};

use super::world::{HOUR, World};
use crate::common::Terminal;

/// A world with one task in the queue `default`, and the dashboard on it.
async fn on_task(id: &str, task: Task, state: TaskState) -> Option<(World, Terminal)> {
    let world = World::new().await;
    world.enqueue(id, task).await;
    if state == TaskState::Archived {
        world.inspector.archive_task("default", id).await.unwrap();
    }
    let terminal = world.dash()?;
    terminal.shows(&["default", "live"]).await;
    terminal.press(&["Enter"]);
    // The number comes with the rows. Before, no key has a task.
    terminal
        .shows(&[&format!("default › {state}"), "1 task", id])
        .await;
    Some((world, terminal))
}

/// Presses a key, sees the question, and answers with yes.
async fn confirm(terminal: &Terminal, key: &str, question: &[&str]) {
    terminal.press(&[key]);
    terminal.shows(question).await;
    terminal.shows(&["y yes"]).await;
    terminal.press(&["y"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p_pauses_the_queue_and_unpauses_it() {
    let task = Task::new("email:send", "{}");
    let Some((world, terminal)) = on_task("a", task, TaskState::Pending).await else {
        return;
    };
    confirm(&terminal, "p", &["Pause the queue default?"]).await;
    terminal
        .shows(&["paused queue default", "default (paused)"])
        .await;
    assert!(
        world
            .inspector
            .queue_info("default")
            .await
            .unwrap()
            .is_paused()
    );
    terminal.press(&["Escape"]);
    terminal.shows(&["‖ default"]).await;
    confirm(&terminal, "p", &["Unpause the queue default?"]).await;
    terminal.shows(&["unpaused queue default"]).await;
    assert!(
        !world
            .inspector
            .queue_info("default")
            .await
            .unwrap()
            .is_paused()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r_runs_a_scheduled_task_now() {
    let task = Task::new("email:send", "{}").process_in(HOUR);
    let Some((world, terminal)) = on_task("later", task, TaskState::Scheduled).await else {
        return;
    };
    confirm(&terminal, "r", &["Run this task?", "later"]).await;
    terminal
        .shows(&["task later is pending", "no tasks in this state"])
        .await;
    world.is_in("default", "later", TaskState::Pending).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_archives_a_task_and_d_deletes_it() {
    let task = Task::new("email:send", "{}");
    let Some((world, terminal)) = on_task("a-task", task, TaskState::Pending).await else {
        return;
    };
    confirm(&terminal, "a", &["Archive this task?", "a-task"]).await;
    terminal.shows(&["archived task a-task"]).await;
    world.is_in("default", "a-task", TaskState::Archived).await;
    terminal.press(&["Left", "Left", "Left"]);
    terminal
        .shows(&["default › archived", "a-task        email:send"])
        .await;
    terminal.press(&["Enter"]);
    terminal.shows(&["task a-task", "payload (2 bytes)"]).await;
    confirm(
        &terminal,
        "d",
        &["Delete this task?", "It cannot be brought back."],
    )
    .await;
    terminal.shows(&["deleted task a-task", "no task"]).await;
    let error = world
        .inspector
        .task_info("default", "a-task")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TaskNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_action_says_why() {
    let task = Task::new("email:send", "{}");
    let Some((world, terminal)) = on_task("a-task", task, TaskState::Pending).await else {
        return;
    };
    confirm(&terminal, "r", &["Run this task?"]).await;
    terminal
        .shows(&["run task a-task of default: ", "pending"])
        .await;
    terminal.press(&["d"]);
    terminal.shows(&["Delete this task?"]).await;
    terminal.press(&["n"]);
    terminal.hides("Delete this task?").await;
    world.is_in("default", "a-task", TaskState::Pending).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_on_a_task_that_has_vanished_says_so() {
    let task = Task::new("email:send", "{}");
    let Some((world, terminal)) = on_task("a-task", task, TaskState::Pending).await else {
        return;
    };
    terminal.press(&["a"]);
    terminal
        .shows(&["Archive this task?", "a-task", "y yes"])
        .await;
    world
        .inspector
        .delete_task("default", "a-task")
        .await
        .unwrap();
    terminal.shows(&["no tasks in this state"]).await;
    terminal.press(&["y"]);
    terminal
        .shows(&["archive task a-task of default: ", "no task \"a-task\""])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_on_the_smallest_terminal_with_the_longest_names() {
    let id = "i".repeat(300);
    let task = Task::new("email:send", "{}");
    let Some((world, terminal)) = on_task("i", task, TaskState::Pending).await else {
        return;
    };
    world.inspector.delete_task("default", "i").await.unwrap();
    world.enqueue(&id, Task::new("email:send", "{}")).await;
    terminal.shows(&["1 task", "iiiiiiiiiiii…"]).await;
    terminal.press(&["a"]);
    terminal
        .shows(&["Archive this task?", "y yes   n no"])
        .await;
    terminal.resize((50, 12));
    let screen = terminal
        .shows(&["Archive this task?", "y yes   n no"])
        .await;
    assert_eq!(screen.lines().count(), 12, "{screen}");
    terminal.press(&["y"]);
    terminal.shows(&["archived task"]).await;
    world.is_in("default", &id, TaskState::Archived).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e_enqueues_a_copy_of_a_finished_task() {
    let task = Task::new("email:send", r#"{"n":1}"#);
    let Some((world, terminal)) = on_task("old", task, TaskState::Archived).await else {
        return;
    };
    confirm(&terminal, "e", &["Enqueue a copy of this task?", "old"]).await;
    terminal.shows(&["enqueued a copy, task "]).await;
    world.has("default", TaskState::Pending, 1).await;
    world.is_in("default", "old", TaskState::Archived).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_cancels_a_run_and_tells_that_its_server_has_heard_it() {
    let world = World::new().await;
    let server = world.serve().await;
    for id in ["one", "two"] {
        world.enqueue(id, Task::new("video:encode", "{}")).await;
        world.is_in("default", id, TaskState::Active).await;
    }
    let Some(terminal) = world.dash() else {
        return;
    };
    terminal.shows(&["default"]).await;
    terminal.press(&["2"]);
    terminal.shows(&["1 server", "one", "two"]).await;
    terminal.press(&["Enter", "/"]);
    terminal.type_text("two");
    terminal.press(&["Enter"]);
    terminal.shows(&["search: two", "1 run"]).await;
    confirm(&terminal, "c", &["Cancel this task?", "two"]).await;
    terminal.shows(&["its server cancels task two"]).await;
    world.is_in("default", "two", TaskState::Retry).await;
    world.is_in("default", "one", TaskState::Active).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_nobody_hears_is_told_as_that() {
    let task = Task::new("email:send", "{}");
    let Some((_world, terminal)) = on_task("a", task, TaskState::Pending).await else {
        return;
    };
    confirm(&terminal, "c", &["Cancel this task?"]).await;
    terminal.shows(&["no server listens"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tasks_of_a_list_are_run_archived_and_deleted_as_filtered() {
    let world = World::new().await;
    for n in 0..700 {
        let kind = if n % 7 == 0 { "sms:send" } else { "email:send" };
        let task = Task::new(kind, "{}").process_in(HOUR);
        world.enqueue(&format!("t{n}"), task).await;
    }
    let Some(terminal) = world.dash() else {
        return;
    };
    terminal.shows(&["default", "live"]).await;
    terminal.press(&["Enter"]);
    terminal
        .shows(&["default › scheduled", "700 tasks, page 1 of 42"])
        .await;
    terminal.press(&["/"]);
    terminal.type_text("type:sms:*");
    terminal.press(&["Enter"]);
    terminal.shows(&["100 found"]).await;
    confirm(
        &terminal,
        "A",
        &["Archive all tasks:", "matching type:sms:*", "100 tasks"],
    )
    .await;
    terminal
        .shows(&["archived 100 tasks: scheduled in default", "0 found"])
        .await;
    world.has("default", TaskState::Archived, 100).await;
    world.has("default", TaskState::Scheduled, 600).await;

    terminal.press(&["Escape"]);
    terminal.shows(&["600 tasks, page 1"]).await;
    terminal.press(&["Right", "Right"]);
    terminal.shows(&["default › archived", "100 tasks"]).await;
    confirm(
        &terminal,
        "D",
        &[
            "Delete all tasks:",
            "They cannot be brought back.",
            "100 tasks",
        ],
    )
    .await;
    terminal
        .shows(&["deleted 100 tasks", "no tasks in this state"])
        .await;
    world.has("default", TaskState::Archived, 0).await;

    terminal.press(&["Left", "Left"]);
    terminal.shows(&["default › scheduled", "600 tasks"]).await;
    confirm(&terminal, "R", &["Run all tasks:", "600 tasks"]).await;
    terminal.shows(&["ran 600 tasks"]).await;
    world.has("default", TaskState::Pending, 600).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_runs_are_canceled() {
    let world = World::new().await;
    let server = world.serve().await;
    for n in 0..5 {
        world
            .enqueue(&format!("v{n}"), Task::new("video:encode", "{}"))
            .await;
    }
    world.has("default", TaskState::Active, 5).await;
    let Some(terminal) = world.dash() else {
        return;
    };
    terminal.shows(&["default", "live"]).await;
    terminal.press(&["Enter"]);
    terminal.shows(&["default › active", "5 tasks"]).await;
    confirm(&terminal, "C", &["Cancel all tasks:", "5 tasks"]).await;
    terminal
        .shows(&["asked to cancel 5 runs; servers have confirmed 5"])
        .await;
    world.has("default", TaskState::Retry, 5).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_deletes_a_queue_after_its_name_was_typed() {
    let world = World::new().await;
    for n in 0..3 {
        world
            .enqueue(
                &format!("a{n}"),
                Task::new("email:send", "{}").queue("first"),
            )
            .await;
        world
            .enqueue(
                &format!("b{n}"),
                Task::new("email:send", "{}").queue("second"),
            )
            .await;
    }
    let Some(terminal) = world.dash() else {
        return;
    };
    terminal.shows(&["first", "second", "3 tasks"]).await;
    terminal.press(&["Down", "d"]);
    terminal
        .shows(&["Delete the queue second?", "Its 3 tasks are deleted too."])
        .await;
    terminal.type_text("first");
    terminal.press(&["Enter"]);
    terminal.shows(&["> first"]).await;
    terminal.press(&["C-u"]);
    terminal.type_text("second");
    terminal.press(&["Enter"]);
    terminal.shows(&["deleted queue second", "1 queue"]).await;
    assert_eq!(world.inspector.queues().await.unwrap(), ["first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn m_estimates_the_memory_of_a_queue_and_o_opens_a_task_by_its_id() {
    let task = Task::new("email:send", "{}");
    let Some((_world, terminal)) = on_task("a-task", task, TaskState::Pending).await else {
        return;
    };
    terminal.press(&["m"]);
    terminal.shows(&["queue default takes about "]).await;
    terminal.press(&["Escape"]);
    terminal.shows(&["1 queue"]).await;
    terminal.press(&["o"]);
    terminal.type_text("a-task");
    terminal.press(&["Enter"]);
    terminal.shows(&["task a-task", "payload (2 bytes)"]).await;
    terminal.press(&["Escape"]);
    terminal.shows(&["1 queue"]).await;
    terminal.press(&["o"]);
    terminal.type_text("nothing");
    terminal.press(&["Enter"]);
    terminal.shows(&["no task \"nothing\""]).await;
}
