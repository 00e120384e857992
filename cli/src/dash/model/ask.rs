//! The questions before actions, and their answers.

use crossterm::event::{KeyCode, KeyEvent};
use rasynq::TaskState;

use super::action::{Action, Advance, Verb};
use super::dialog::{Asked, Confirm, Count, Dialog, Edit, edit};
use super::keys::Command;
use super::screen::{Content, Screen};
use super::{Effect, Job, Model};
use crate::dash::format::full_count;

impl Model {
    /// Asks before an action on the selected task, the list, or the queue.
    pub(super) fn ask(&mut self, command: Command) -> Vec<Effect> {
        let verb = match command {
            Command::Run | Command::RunAll => Verb::Run,
            Command::Archive | Command::ArchiveAll => Verb::Archive,
            Command::Cancel | Command::CancelAll => Verb::Cancel,
            Command::Copy => Verb::Copy,
            _ => Verb::Delete,
        };
        match command {
            Command::Pause => self.ask_to_pause(),
            Command::Delete if self.place().screen == Screen::Queues => self.ask_to_delete_queue(),
            Command::RunAll | Command::ArchiveAll | Command::DeleteAll | Command::CancelAll => {
                return self.ask_for_all(verb);
            }
            _ => self.ask_for_task(verb),
        }
        Vec::new()
    }

    fn ask_for_task(&mut self, verb: Verb) {
        let Some((queue, id, state)) = self.current_task() else {
            let text = match self.place().content {
                Content::Loading => "the task is not read yet",
                _ => "no task is selected",
            };
            self.tell(text, true);
            return;
        };
        let state = state.map_or_else(String::new, |state| format!(", {state}"));
        let mut lines = vec![
            format!("{} this task?", capital(verb.name())),
            id.clone(),
            format!("in {queue}{state}"),
        ];
        if verb == Verb::Delete {
            lines.push("It cannot be brought back.".to_owned());
        }
        self.confirm(Action::Task { verb, queue, id }, lines, Count::NotNeeded);
    }

    fn ask_for_all(&mut self, verb: Verb) -> Vec<Effect> {
        let Some(selection) = self.place().selection() else {
            return Vec::new();
        };
        if verb == Verb::Cancel && selection.state != TaskState::Active {
            self.tell("only active tasks can be canceled", true);
            return Vec::new();
        }
        let number = self.next_number();
        let mut lines = vec![format!("{} all tasks:", capital(verb.name()))];
        lines.push(selection.describe());
        if verb == Verb::Delete {
            lines.push("They cannot be brought back.".to_owned());
        }
        let action = Action::Bulk(verb, selection.clone());
        self.confirm(action, lines, Count::Counting(number, Advance::default()));
        vec![Effect::Count(number, selection)]
    }

    fn ask_to_pause(&mut self) {
        let Some(queue) = self.current_queue() else {
            return;
        };
        let Some(live) = self.queues.get(&queue) else {
            return;
        };
        if live.row.paused_since.is_some() {
            let lines = vec![
                format!("Unpause the queue {queue}?"),
                "Servers fetch its pending tasks again.".to_owned(),
            ];
            self.confirm(Action::Unpause(queue), lines, Count::NotNeeded);
        } else {
            let lines = vec![
                format!("Pause the queue {queue}?"),
                "Servers fetch no more of its pending tasks.".to_owned(),
                "Active tasks continue.".to_owned(),
            ];
            self.confirm(Action::Pause(queue), lines, Count::NotNeeded);
        }
    }

    fn ask_to_delete_queue(&mut self) {
        let Some(queue) = self.selected_name() else {
            return;
        };
        let size = self.queues.get(&queue).map(|live| live.row.size());
        let tasks = match size {
            Some(0) => "It is empty.".to_owned(),
            Some(1) => "Its task is deleted too.".to_owned(),
            Some(size) => format!("Its {} tasks are deleted too.", full_count(size)),
            None => "All its tasks are deleted too.".to_owned(),
        };
        let lines = vec![
            format!("Delete the queue {queue}?"),
            tasks,
            "Type the name of the queue, then Enter:".to_owned(),
        ];
        self.confirm(Action::DeleteQueue(queue.clone()), lines, Count::NotNeeded);
        if let Some(Dialog::Confirm(confirm)) = &mut self.dialog {
            confirm.typed = Some((queue, String::new()));
        }
    }

    fn confirm(&mut self, action: Action, lines: Vec<String>, count: Count) {
        self.dialog = Some(Dialog::Confirm(Confirm {
            what: Asked::Do(action),
            lines,
            count,
            typed: None,
        }));
    }

    /// Quits, but asks before if that would stop actions.
    pub(super) fn ask_to_quit(&mut self) -> Vec<Effect> {
        if self.jobs.is_empty() {
            return vec![Effect::Quit];
        }
        let lines = vec![
            "Quit?".to_owned(),
            "What is running stops:".to_owned(),
            self.jobs[0].action.describe(),
        ];
        self.dialog = Some(Dialog::Confirm(Confirm {
            what: Asked::Quit,
            lines,
            count: Count::NotNeeded,
            typed: None,
        }));
        Vec::new()
    }

    /// A key while a question is open.
    pub(super) fn answer(&mut self, mut confirm: Confirm, key: &KeyEvent) -> Vec<Effect> {
        let confirmed = match &mut confirm.typed {
            Some((expected, input)) => match edit(input, key) {
                Edit::Done => input == expected,
                Edit::GivenUp => {
                    self.dialog = None;
                    return Vec::new();
                }
                Edit::Changed | Edit::Nothing => false,
            },
            None => match key.code {
                KeyCode::Char('y' | 'Y') => confirm.is_ready(),
                KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc | KeyCode::Backspace => {
                    self.dialog = None;
                    return Vec::new();
                }
                _ => false,
            },
        };
        if !confirmed {
            self.dialog = Some(Dialog::Confirm(confirm));
            return Vec::new();
        }
        self.dialog = None;
        match confirm.what {
            Asked::Quit => vec![Effect::Quit],
            Asked::Do(action) => vec![self.begin(action)],
        }
    }

    /// Begins an action.
    pub(super) fn begin(&mut self, action: Action) -> Effect {
        let number = self.next_number();
        self.notice = None;
        self.jobs.push(Job {
            number,
            action: action.clone(),
            advance: Advance::default(),
        });
        Effect::Act(number, action)
    }

    /// The count for the open question, if it has this number and is not known yet.
    pub(super) fn count_of(&mut self, number: u64) -> Option<&mut Count> {
        match &mut self.dialog {
            Some(Dialog::Confirm(confirm)) => Some(&mut confirm.count)
                .filter(|count| matches!(count, Count::Counting(of, _) if *of == number)),
            _ => None,
        }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|char| char.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}
