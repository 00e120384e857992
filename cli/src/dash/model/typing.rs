//! The lines that are typed: filters, searches, ids.

use crossterm::event::KeyEvent;

use super::dialog::{Dialog, Edit, Prompt, Purpose, edit};
use super::filter::Filter;
use super::screen::{Content, Kind, Place, Screen};
use super::{Effect, Model};
use rasynq::TaskState;

impl Model {
    /// Opens the line for the filter or the search of the visible list.
    pub(super) fn open_search(&mut self) {
        let place = self.place();
        let (purpose, before) = match place.screen.kind() {
            Kind::Tasks => (Purpose::Filter, place.filter.text().to_owned()),
            _ => (Purpose::Search, place.search.clone()),
        };
        self.open_prompt(purpose, before);
    }

    /// Opens the line for an id of a task, or the name of a group.
    pub(super) fn open_by_name(&mut self) {
        let Some(queue) = self.current_queue() else {
            return;
        };
        let purpose = match self.place().screen {
            Screen::Groups { .. } => Purpose::GroupOf(queue),
            _ => Purpose::TaskOf(queue),
        };
        self.open_prompt(purpose, String::new());
    }

    fn open_prompt(&mut self, purpose: Purpose, before: String) {
        self.dialog = Some(Dialog::Prompt(Prompt {
            purpose,
            input: before.clone(),
            mistake: None,
            before,
        }));
    }

    /// Pastes into the line that is open, without the characters that end lines.
    pub(super) fn paste(&mut self, text: &str) {
        let text: String = text.chars().filter(|char| !char.is_control()).collect();
        match &mut self.dialog {
            Some(Dialog::Prompt(prompt)) => {
                prompt.input.push_str(&text);
                let prompt = prompt.clone();
                self.typed(prompt);
            }
            Some(Dialog::Confirm(confirm)) => {
                if let Some((_, input)) = &mut confirm.typed {
                    input.push_str(&text);
                }
            }
            _ => {}
        }
    }

    /// A key while a line is typed.
    pub(super) fn type_key(&mut self, mut prompt: Prompt, key: &KeyEvent) -> Vec<Effect> {
        match edit(&mut prompt.input, key) {
            Edit::Nothing => {}
            Edit::Changed => self.typed(prompt),
            Edit::GivenUp => {
                self.dialog = None;
                if prompt.purpose == Purpose::Search {
                    self.search_for(prompt.before);
                }
            }
            Edit::Done => self.finish(prompt),
        }
        Vec::new()
    }

    /// A search shows its rows while it is typed.
    fn typed(&mut self, mut prompt: Prompt) {
        prompt.mistake = None;
        if prompt.purpose == Purpose::Search {
            self.search_for(prompt.input.clone());
        }
        self.dialog = Some(Dialog::Prompt(prompt));
    }

    fn finish(&mut self, mut prompt: Prompt) {
        self.dialog = None;
        match &prompt.purpose {
            Purpose::Search => self.search_for(prompt.input),
            Purpose::Filter => match Filter::parse(&prompt.input) {
                Ok(filter) => self.filter_by(filter),
                Err(mistake) => {
                    prompt.mistake = Some(mistake);
                    self.dialog = Some(Dialog::Prompt(prompt));
                }
            },
            Purpose::TaskOf(_) | Purpose::GroupOf(_) if prompt.input.trim().is_empty() => {}
            Purpose::TaskOf(queue) => self.open(Screen::Task {
                queue: queue.clone(),
                id: prompt.input.trim().to_owned(),
            }),
            Purpose::GroupOf(queue) => self.open(Screen::Tasks {
                queue: queue.clone(),
                state: TaskState::Aggregating,
                group: Some(prompt.input),
            }),
        }
    }

    fn filter_by(&mut self, filter: Filter) {
        let place = self.place_mut();
        if place.filter != filter {
            place.filter = filter;
            place.restart();
        }
    }

    fn search_for(&mut self, search: String) {
        let place = self.place_mut();
        if place.search != search {
            place.search = search;
            // The row that was selected stays so, if it matches.
            place.selected = 0;
            place.first = 0;
            self.follow_selected();
        }
    }

    /// Clears the filter or the search. Returns whether there was one.
    pub(super) fn clear_search(&mut self) -> bool {
        let place = self.place();
        let is_searched = !place.search.is_empty() || !place.filter.is_empty();
        if is_searched {
            self.search_for(String::new());
            self.filter_by(Filter::default());
        }
        is_searched
    }

    /// Opens a screen over the visible one.
    pub(super) fn open(&mut self, screen: Screen) {
        let mut place = Place::new(screen);
        // The runs of a server were just read.
        if let (Screen::Workers { .. }, Content::Servers(_)) =
            (&place.screen, &self.place().content)
        {
            place.content = self.place().content.clone();
        }
        self.places.push(place);
        self.follow_selected();
    }
}
