//! Which key does what on which screen: one table for the reducer, the footer, the help and the documentation.

mod bindings;
#[cfg(test)]
mod tests;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

pub(crate) use bindings::BINDINGS;

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
