//! What lies over a screen: a question, a line to type, the help.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::{Action, Advance};

/// What lies over the screen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Dialog {
    /// The help, from this line on.
    Help(usize),
    Prompt(Prompt),
    Confirm(Confirm),
}

/// A line to type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prompt {
    pub(crate) purpose: Purpose,
    pub(crate) input: String,
    /// What is wrong with what was typed.
    pub(crate) mistake: Option<String>,
    /// What was there before, which comes back if the line is given up.
    pub(crate) before: String,
}

/// What a line is typed for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Purpose {
    Filter,
    Search,
    TaskOf(String),
    GroupOf(String),
}

impl Purpose {
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Filter => "filter".to_owned(),
            Self::Search => "search".to_owned(),
            Self::TaskOf(queue) => format!("id of a task of {queue}"),
            Self::GroupOf(queue) => format!("name of a group of {queue}"),
        }
    }
}

/// A question before an action.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Confirm {
    pub(crate) what: Asked,
    /// What will happen, in lines.
    pub(crate) lines: Vec<String>,
    pub(crate) count: Count,
    /// A text that must be typed instead of `y`, and what was typed so far.
    pub(crate) typed: Option<(String, String)>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    Do(Action),
    Quit,
}

/// How many tasks a bulk action would take. It can be confirmed once that is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Count {
    NotNeeded,
    /// The number of the question, so that a late answer to another one is not taken for it; and how far the count is.
    Counting(u64, Advance),
    Known(u64),
    Failed(String),
}

impl Confirm {
    /// Whether it may be confirmed now.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.count, Count::NotNeeded | Count::Known(1..))
    }
}

/// What a key does to a typed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    Changed,
    Done,
    GivenUp,
    Nothing,
}

/// Types into a line.
pub(crate) fn edit(input: &mut String, key: &KeyEvent) -> Edit {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Enter => Edit::Done,
        KeyCode::Esc => Edit::GivenUp,
        KeyCode::Backspace => match input.pop() {
            Some(_) => Edit::Changed,
            None => Edit::GivenUp,
        },
        KeyCode::Char('u') if is_control => {
            input.clear();
            Edit::Changed
        }
        KeyCode::Char('w') if is_control => {
            let kept = input.trim_end().rfind(' ').map_or(0, |space| space + 1);
            input.truncate(kept);
            Edit::Changed
        }
        KeyCode::Char(char) if !is_control => {
            input.push(char);
            Edit::Changed
        }
        _ => Edit::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_typed_corrected_and_given_up() {
        let mut input = "error:a b".to_owned();
        let control = |char| KeyEvent::new(KeyCode::Char(char), KeyModifiers::CONTROL);
        assert_eq!(edit(&mut input, &control('w')), Edit::Changed);
        assert_eq!(input, "error:a ");
        assert_eq!(edit(&mut input, &KeyCode::Char('c').into()), Edit::Changed);
        assert_eq!(edit(&mut input, &KeyCode::Backspace.into()), Edit::Changed);
        assert_eq!(input, "error:a ");
        assert_eq!(edit(&mut input, &control('u')), Edit::Changed);
        assert_eq!(input, "");
        assert_eq!(edit(&mut input, &KeyCode::Backspace.into()), Edit::GivenUp);
        assert_eq!(edit(&mut input, &KeyCode::Enter.into()), Edit::Done);
        assert_eq!(edit(&mut input, &control('a')), Edit::Nothing);
    }
}
