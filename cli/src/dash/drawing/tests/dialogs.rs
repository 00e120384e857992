//! Questions, typed lines and the help.

use rasynq::TaskState;

use super::{on_queues, on_tasks};
use crate::dash::model::Message;
use crate::dash::model::action::Advance;
use crate::dash::model::fixtures::task;

#[test]
fn a_question_shows_what_will_be_done_and_the_answers() {
    let mut stage = on_tasks(TaskState::Archived, vec![task("a", TaskState::Archived)], 3);
    stage.press("D");
    stage.shows("Delete all tasks:");
    stage.shows("archived in default");
    stage.shows("counting");
    let advance = Advance {
        examined: 120_000,
        total: Some(1_300_000),
        ..Advance::default()
    };
    stage.model.update(Message::Advanced(1, advance), stage.now);
    stage.shows("counting, 120,000 of about 1,300,000 examined");
    let asked = stage.lines().join("\n");
    assert!(!asked.contains("y yes"), "{asked}");
    stage
        .model
        .update(Message::Counted(1, Ok(1_234_567)), stage.now);
    stage.shows("1,234,567 tasks");
    stage.shows("y yes   n no");
}

#[test]
fn a_typed_line_shows_its_end_and_its_mistakes() {
    let mut stage = on_tasks(TaskState::Pending, Vec::new(), 0);
    stage.press("/");
    stage.shows(" filter:    text type:email:* error:text json:user.id=42");
    stage.press("older:x\n");
    stage.shows(" filter: older:x   \"x\" is no span of time");
    stage.press(&"y".repeat(100));
    stage.shows("yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
}

#[test]
fn the_help_names_every_key() {
    let mut stage = on_queues(80, 90);
    stage.press("?");
    for binding in crate::dash::model::keys::BINDINGS {
        stage.shows(binding.shown);
    }
    stage.shows("json:user.id=42");
}
