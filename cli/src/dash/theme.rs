//! Colours and emphasis: the 16 colours of the terminal, or none.

use rasynq::TaskState;
use ratatui::style::{Color, Modifier, Style};

/// How things look. Without colours, emphasis alone tells things apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    has_colours: bool,
}

impl Theme {
    pub(crate) fn new(has_colours: bool) -> Self {
        Self { has_colours }
    }

    fn coloured(self, colour: Color) -> Style {
        match self.has_colours {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }

    /// What is less important.
    pub(crate) fn dim(self) -> Style {
        match self.has_colours {
            true => Style::new().fg(Color::DarkGray),
            false => Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// Titles of columns and of parts.
    pub(crate) fn title(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// The names of keys.
    pub(crate) fn key(self) -> Style {
        self.coloured(Color::Cyan)
    }

    pub(crate) fn good(self) -> Style {
        self.coloured(Color::Green)
    }

    pub(crate) fn warning(self) -> Style {
        self.coloured(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    pub(crate) fn bad(self) -> Style {
        match self.has_colours {
            true => Style::new().fg(Color::Red),
            false => self.bold(),
        }
    }

    pub(crate) fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The selected row, and the tab that is open. One colour is easier to read there than many.
    pub(crate) fn selected(self) -> Style {
        Style::new()
            .fg(Color::Reset)
            .remove_modifier(Modifier::DIM)
            .add_modifier(Modifier::REVERSED)
    }

    /// Tasks in this state.
    pub(crate) fn state(self, state: TaskState) -> Style {
        match state {
            TaskState::Active => self.coloured(Color::Green),
            TaskState::Scheduled => self.coloured(Color::Blue),
            TaskState::Retry => self.coloured(Color::Yellow),
            TaskState::Archived => self.coloured(Color::Red),
            TaskState::Aggregating => self.coloured(Color::Magenta),
            _ => Style::new(),
        }
    }
}
