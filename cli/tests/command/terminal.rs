//! What is different on a terminal: questions, colours, bars.

use rasynq::TaskState;

use crate::common::{Sample, Terminal};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_can_be_asked_is_asked_before_tasks_are_lost() {
    let sample = Sample::new().await;
    let Some(terminal) = Terminal::open(&sample.command, &[]) else {
        return;
    };
    let pending = async || {
        let info = sample
            .inspector
            .queue_info("default")
            .await
            .expect("the queue");
        info.pending
    };
    terminal.run("task deleteall -q default -s pending");
    terminal
        .shows(&["Delete 2 tasks (pending) of queue default? [y/N]"])
        .await;
    terminal.type_line("n");
    let screen = terminal.shows(&["code=2"]).await;
    assert!(screen.contains("rasynq: nothing was changed"), "{screen}");
    assert_eq!(pending().await, 2);
    terminal.type_line("clear");
    terminal.run("queue rm low --force");
    terminal
        .shows(&["Remove queue low with 1 task? [y/N]"])
        .await;
    terminal.type_line("y");
    terminal.shows(&["queue low is removed"]).await;
    terminal.type_line("clear");
    terminal.run("task deleteall -q default -s pending --yes");
    let screen = terminal.shows(&["2 tasks deleted"]).await;
    assert!(!screen.contains("[y/N]"), "{screen}");
    assert_eq!(pending().await, 0);
    let count = sample
        .inspector
        .tasks("default", TaskState::Pending)
        .count()
        .await;
    assert_eq!(count.expect("a count"), 0);
    drop(terminal);
    sample.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headings_are_bold_unless_no_color_is_set() {
    let sample = Sample::new().await;
    let Some(terminal) = Terminal::open(&sample.command, &[]) else {
        return;
    };
    terminal.run("queue inspect default");
    terminal.shows(&["code=0"]).await;
    let screen = terminal.coloured();
    assert!(screen.contains("\x1b[1mQueue Info"), "{screen}");
    drop(terminal);
    let Some(terminal) = Terminal::open(&sample.command, &[("NO_COLOR", "1")]) else {
        return;
    };
    terminal.run("queue inspect default");
    terminal.shows(&["code=0"]).await;
    let screen = terminal.coloured();
    assert!(!screen.contains("\x1b[1m"), "{screen}");
    drop(terminal);
    sample.end().await;
}
