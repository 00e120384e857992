//! Which key does what on which screen: one table for the reducer, the footer, the help and the documentation.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::screen::Kind;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Open,
    Back,
    PreviousState,
    NextState,
    Search,
    OpenTask,
    Groups,
    Workers,
    Queues,
    Servers,
    Schedulers,
    Pause,
    Run,
    Archive,
    Delete,
    Cancel,
    Copy,
    RunAll,
    ArchiveAll,
    DeleteAll,
    CancelAll,
    Memory,
    Stop,
    Reread,
    Help,
    Quit,
}

/// A key, or several that do the same.
pub(crate) struct Binding {
    pub(crate) command: Command,
    keys: &'static [KeyCode],
    /// The keys as they are shown.
    pub(crate) shown: &'static str,
    /// On which screens. Empty: on all.
    pub(crate) kinds: &'static [Kind],
    /// In the footer: a word or two. Empty: not there.
    pub(crate) hint: &'static str,
    /// In the help: what it does.
    pub(crate) what: &'static str,
}

const fn binding(
    command: Command,
    keys: &'static [KeyCode],
    shown: &'static str,
    kinds: &'static [Kind],
    hint: &'static str,
    what: &'static str,
) -> Binding {
    Binding {
        command,
        keys,
        shown,
        kinds,
        hint,
        what,
    }
}

const LISTS: &[Kind] = &[
    Kind::Queues,
    Kind::Tasks,
    Kind::Groups,
    Kind::Servers,
    Kind::Workers,
    Kind::Schedulers,
    Kind::History,
];
const TASKS: &[Kind] = &[Kind::Tasks, Kind::Task];
const RUNS: &[Kind] = &[Kind::Tasks, Kind::Task, Kind::Workers];
const IN_QUEUE: &[Kind] = &[Kind::Queues, Kind::Tasks, Kind::Groups];

/// All keys, in the order of the help. Those of the footer are shown as far as they fit.
pub(crate) const BINDINGS: &[Binding] = &[
    binding(
        Command::Open,
        &[KeyCode::Enter],
        "Enter",
        LISTS,
        "open",
        "open the selected row: a queue's tasks, a group's tasks, a task, a server's runs, an entry's ticks",
    ),
    binding(
        Command::Back,
        &[KeyCode::Esc, KeyCode::Backspace],
        "Esc Backspace",
        &[],
        "",
        "clear the filter or the search; without one, go back",
    ),
    binding(
        Command::Search,
        &[KeyCode::Char('/')],
        "/",
        LISTS,
        "filter",
        "filter tasks; search in any other list",
    ),
    binding(
        Command::NextState,
        &[KeyCode::Right, KeyCode::Tab],
        "→ Tab",
        &[Kind::Tasks],
        "state",
        "tasks in the next state",
    ),
    binding(
        Command::PreviousState,
        &[KeyCode::Left, KeyCode::BackTab],
        "← Shift-Tab",
        &[Kind::Tasks],
        "",
        "tasks in the previous state",
    ),
    binding(
        Command::Pause,
        &[KeyCode::Char('p')],
        "p",
        &[Kind::Queues, Kind::Tasks],
        "pause",
        "pause the queue, or unpause it",
    ),
    binding(
        Command::Run,
        &[KeyCode::Char('r')],
        "r",
        TASKS,
        "run",
        "run the task now: it becomes pending",
    ),
    binding(
        Command::Archive,
        &[KeyCode::Char('a')],
        "a",
        TASKS,
        "archive",
        "archive the task",
    ),
    binding(
        Command::Delete,
        &[KeyCode::Char('d')],
        "d",
        &[Kind::Queues, Kind::Tasks, Kind::Task],
        "delete",
        "delete the task, or the queue with all its tasks",
    ),
    binding(
        Command::Cancel,
        &[KeyCode::Char('c')],
        "c",
        RUNS,
        "cancel",
        "cancel the run of the active task",
    ),
    binding(
        Command::Copy,
        &[KeyCode::Char('e')],
        "e",
        TASKS,
        "",
        "enqueue a copy of the completed or archived task",
    ),
    binding(
        Command::RunAll,
        &[KeyCode::Char('R')],
        "R",
        &[Kind::Tasks],
        "",
        "run all tasks of the list, or those that match the filter",
    ),
    binding(
        Command::ArchiveAll,
        &[KeyCode::Char('A')],
        "A",
        &[Kind::Tasks],
        "",
        "archive all tasks of the list, or those that match the filter",
    ),
    binding(
        Command::DeleteAll,
        &[KeyCode::Char('D')],
        "D",
        &[Kind::Tasks],
        "",
        "delete all tasks of the list, or those that match the filter",
    ),
    binding(
        Command::CancelAll,
        &[KeyCode::Char('C')],
        "C",
        &[Kind::Tasks],
        "",
        "cancel the runs of all active tasks, or of those that match the filter",
    ),
    binding(
        Command::Groups,
        &[KeyCode::Char('g')],
        "g",
        &[Kind::Queues, Kind::Tasks],
        "groups",
        "the groups of the queue",
    ),
    binding(
        Command::OpenTask,
        &[KeyCode::Char('o')],
        "o",
        IN_QUEUE,
        "",
        "open a task of the queue by its id; on the screen of groups, a group by its name",
    ),
    binding(
        Command::Memory,
        &[KeyCode::Char('m')],
        "m",
        &[Kind::Queues, Kind::Tasks],
        "",
        "estimate how much memory the queue takes",
    ),
    binding(
        Command::Workers,
        &[KeyCode::Char('w')],
        "w",
        &[Kind::Servers],
        "all runs",
        "what the workers of all servers run",
    ),
    binding(
        Command::Queues,
        &[KeyCode::Char('1')],
        "1",
        &[],
        "",
        "queues",
    ),
    binding(
        Command::Servers,
        &[KeyCode::Char('2')],
        "2",
        &[],
        "",
        "servers",
    ),
    binding(
        Command::Schedulers,
        &[KeyCode::Char('3')],
        "3",
        &[],
        "",
        "schedulers and their entries",
    ),
    binding(
        Command::Up,
        &[KeyCode::Up, KeyCode::Char('k')],
        "↑ k",
        &[],
        "",
        "up",
    ),
    binding(
        Command::Down,
        &[KeyCode::Down, KeyCode::Char('j')],
        "↓ j",
        &[],
        "",
        "down; from the last row of a page to the next page",
    ),
    binding(
        Command::PageUp,
        &[KeyCode::PageUp, KeyCode::Char('b')],
        "PgUp b",
        &[],
        "",
        "a page up",
    ),
    binding(
        Command::PageDown,
        &[KeyCode::PageDown, KeyCode::Char(' ')],
        "PgDn Space",
        &[],
        "",
        "a page down",
    ),
    binding(
        Command::First,
        &[KeyCode::Home],
        "Home",
        &[],
        "",
        "to the first row",
    ),
    binding(
        Command::Last,
        &[KeyCode::End],
        "End",
        &[],
        "",
        "to the last row",
    ),
    binding(
        Command::Stop,
        &[KeyCode::Char('x')],
        "x",
        &[],
        "",
        "stop the action that is running",
    ),
    binding(
        Command::Reread,
        &[KeyCode::F(5)],
        "F5",
        &[],
        "",
        "read again now, and search again",
    ),
    binding(
        Command::Help,
        &[KeyCode::Char('?'), KeyCode::F(1)],
        "? F1",
        &[],
        "help",
        "this help",
    ),
    binding(
        Command::Quit,
        &[KeyCode::Char('q')],
        "q Ctrl-C",
        &[],
        "quit",
        "quit",
    ),
];

/// What a key means on a screen.
pub(crate) fn command(kind: Kind, key: &KeyEvent) -> Option<Command> {
    if key
        .modifiers
        .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
    {
        return None;
    }
    BINDINGS
        .iter()
        .find(|binding| binding.keys.contains(&key.code) && binding.is_on(kind))
        .map(|binding| binding.command)
}

/// Ctrl-C quits at once, whatever is open.
pub(crate) fn is_interrupt(key: &KeyEvent) -> bool {
    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL)
}

impl Binding {
    pub(crate) fn is_on(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 8] = [
        Kind::Queues,
        Kind::Tasks,
        Kind::Groups,
        Kind::Task,
        Kind::Servers,
        Kind::Workers,
        Kind::Schedulers,
        Kind::History,
    ];

    #[test]
    fn no_key_has_two_meanings_on_a_screen() {
        for kind in KINDS {
            let mut keys: Vec<&KeyCode> = Vec::new();
            for binding in BINDINGS.iter().filter(|binding| binding.is_on(kind)) {
                for key in binding.keys {
                    assert!(!keys.contains(&key), "{key} on {kind:?}");
                    keys.push(key);
                }
            }
        }
    }

    #[test]
    fn the_page_about_the_dashboard_lists_every_key() {
        // The package does not contain the page, so it is not included at compile time.
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/dashboard.md");
        let page = std::fs::read_to_string(page).unwrap();
        let keys = page.split("## Keys").nth(1).unwrap();
        for binding in BINDINGS {
            let shown: Vec<String> = binding
                .shown
                .split(' ')
                .map(|key| format!("`{key}`"))
                .collect();
            let row = format!("| {} | {} |", shown.join(" "), binding.what);
            assert!(keys.contains(&row), "missing: {row}");
        }
        let rows = keys.lines().filter(|line| line.starts_with("| `"));
        assert_eq!(rows.count(), BINDINGS.len());
    }
}
