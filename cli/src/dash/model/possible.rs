//! Which keys do something on the visible screen, as far as it knows.

use rasynq::TaskState;

use super::Model;
use super::keys::Command;
use super::screen::Screen;

impl Model {
    /// Whether the footer offers a key. One that it does not offer asks its question all the same: the task may be in another
    /// state by now, and Redis has the last word.
    pub(crate) fn is_possible(&self, command: Command) -> bool {
        let is_on_queue = self.place().screen == Screen::Queues;
        match command {
            Command::Pause | Command::Groups => self.current_queue().is_some(),
            Command::Delete if is_on_queue => self.current_queue().is_some(),
            Command::Run | Command::Archive | Command::Delete | Command::Cancel | Command::Copy => {
                self.current_task()
                    .and_then(|(_, _, state)| state)
                    .is_some_and(|state| is_possible_in(command, state))
            }
            _ => true,
        }
    }
}

/// Whether the library does this to a task in this state.
fn is_possible_in(command: Command, state: TaskState) -> bool {
    use TaskState::{Active, Archived, Completed, Pending};
    match command {
        Command::Run => !matches!(state, Active | Pending),
        Command::Archive => !matches!(state, Active | Archived),
        Command::Delete => state != Active,
        Command::Cancel => state == Active,
        _ => matches!(state, Archived | Completed),
    }
}
