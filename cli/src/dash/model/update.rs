//! What happens changes the model: keys, reads, the ends of actions.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::action::Action;
use super::dialog::{Count, Dialog};
use super::keys::{self, Command};
use super::rates::LiveQueue;
use super::screen::{Content, Found, Place, Screen, Snapshot, View, neighbour};
use super::{Effect, Message, Model, Moment, NOTICE_TIME};
use rasynq::TaskState;

impl Model {
    /// Takes what has happened, and returns what is to be done.
    pub(crate) fn update(&mut self, message: Message, now: Moment) -> Vec<Effect> {
        self.now = now;
        match message {
            Message::Key(key) if key.kind == KeyEventKind::Release => Vec::new(),
            Message::Key(key) => self.press(&key),
            Message::Paste(text) => {
                self.paste(&text);
                Vec::new()
            }
            Message::Resize(columns, lines) => {
                self.resize((columns, lines));
                Vec::new()
            }
            Message::Tick => {
                let is_over = self.notice.as_ref().is_some_and(|notice| {
                    now.instant.saturating_duration_since(notice.shown_at) > NOTICE_TIME
                });
                if is_over {
                    self.notice = None;
                }
                Vec::new()
            }
            Message::Read(snapshot, redis_now) => {
                self.link.clock = Some((redis_now, now.instant));
                self.take(*snapshot);
                Vec::new()
            }
            Message::ReadFailed(error) => {
                self.link.failure = Some(error);
                Vec::new()
            }
            Message::Counted(number, result) => {
                if let Some(count) = self.count_of(number) {
                    *count = match result {
                        Ok(tasks) => Count::Known(tasks),
                        Err(error) => Count::Failed(error),
                    };
                }
                Vec::new()
            }
            Message::Advanced(number, advance) => {
                if let Some(job) = self.jobs.iter_mut().find(|job| job.number == number) {
                    job.advance = advance;
                }
                if let Some(count) = self.count_of(number) {
                    *count = Count::Counting(number, advance);
                }
                Vec::new()
            }
            Message::Ended(number, result) => {
                // An action that was stopped was reported already.
                let job = self.jobs.iter().position(|job| job.number == number);
                let Some(job) = job else { return Vec::new() };
                let job = self.jobs.remove(job);
                match result {
                    Ok(text) => self.tell(text, false),
                    Err(error) => self.tell(format!("{}: {error}", job.action.describe()), true),
                }
                vec![Effect::Reread]
            }
        }
    }

    fn press(&mut self, key: &KeyEvent) -> Vec<Effect> {
        if keys::is_interrupt(key) {
            return vec![Effect::Quit];
        }
        // Escape and a key that follow each other quickly come as one: terminals send Alt with a key like that.
        if key.modifiers == KeyModifiers::ALT {
            let escape = KeyEvent::from(KeyCode::Esc);
            let mut effects = self.press(&escape);
            effects.extend(self.press(&KeyEvent::new(key.code, KeyModifiers::NONE)));
            return effects;
        }
        // On a terminal that is too small nobody sees what would be answered.
        if self.is_too_small() {
            return match key.code {
                KeyCode::Char('q') => vec![Effect::Quit],
                _ => Vec::new(),
            };
        }
        match self.dialog.clone() {
            Some(Dialog::Help(first)) => self.press_in_help(first, key),
            Some(Dialog::Prompt(prompt)) => self.type_key(prompt, key),
            Some(Dialog::Confirm(confirm)) => self.answer(confirm, key),
            None => match keys::command(self.place().screen.kind(), key) {
                Some(command) => self.obey(command),
                None => Vec::new(),
            },
        }
    }

    fn press_in_help(&mut self, first: usize, key: &KeyEvent) -> Vec<Effect> {
        let lines = usize::from(self.body_lines());
        let end = crate::dash::drawing::help_lines(self).saturating_sub(lines);
        let moved = match keys::command(self.place().screen.kind(), key) {
            Some(Command::Up) => first.saturating_sub(1),
            Some(Command::Down) => (first + 1).min(end),
            Some(Command::PageUp) => first.saturating_sub(lines),
            Some(Command::PageDown) => (first + lines).min(end),
            Some(Command::First) => 0,
            Some(Command::Last) => end,
            Some(Command::Back | Command::Help | Command::Quit | Command::Open) => {
                self.dialog = None;
                return Vec::new();
            }
            _ => first,
        };
        self.dialog = Some(Dialog::Help(moved));
        Vec::new()
    }

    fn obey(&mut self, command: Command) -> Vec<Effect> {
        match command {
            Command::Quit => return self.ask_to_quit(),
            Command::Help => self.dialog = Some(Dialog::Help(0)),
            Command::Up
            | Command::Down
            | Command::PageUp
            | Command::PageDown
            | Command::First
            | Command::Last => self.move_cursor(command),
            Command::Open => self.open_selected(),
            Command::Back => self.go_back(),
            Command::NextState => self.change_state(1),
            Command::PreviousState => self.change_state(-1),
            Command::Search => self.open_search(),
            Command::OpenTask => self.open_by_name(),
            Command::Groups => {
                if let Some(queue) = self.current_queue() {
                    self.open(Screen::Groups { queue });
                }
            }
            Command::Workers => self.open(Screen::Workers { server: None }),
            Command::Queues => self.change_tab(Screen::Queues),
            Command::Servers => self.change_tab(Screen::Servers),
            Command::Schedulers => self.change_tab(Screen::Schedulers),
            Command::Memory => {
                if let Some(queue) = self.current_queue() {
                    return vec![self.begin(Action::Memory(queue))];
                }
            }
            Command::Stop => return self.stop_job(),
            Command::Reread => {
                let place = self.place_mut();
                // A search begins anew.
                if let Content::Tasks(list) = &mut place.content
                    && list.found != Found::Unfiltered
                {
                    list.found = Found::SEARCHING;
                }
                return vec![Effect::Reread];
            }
            Command::Pause
            | Command::Run
            | Command::Archive
            | Command::Delete
            | Command::Cancel
            | Command::Copy
            | Command::RunAll
            | Command::ArchiveAll
            | Command::DeleteAll
            | Command::CancelAll => return self.ask(command),
        }
        Vec::new()
    }

    fn open_selected(&mut self) {
        let selected = self.place().selected;
        let screen = match &self.place().screen {
            Screen::Queues => self.selected_name().map(|queue| Screen::Tasks {
                state: self.first_state(&queue),
                queue,
                group: None,
            }),
            Screen::Tasks { .. } | Screen::Workers { .. } => self
                .current_task()
                .map(|(queue, id, _)| Screen::Task { queue, id }),
            Screen::Groups { queue } => {
                let groups = self.listed_groups();
                groups.get(selected).map(|group| Screen::Tasks {
                    queue: queue.clone(),
                    state: TaskState::Aggregating,
                    group: Some(group.name.clone()),
                })
            }
            Screen::Servers => {
                let servers = self.listed_servers();
                servers.get(selected).map(|server| Screen::Workers {
                    server: Some(server.id.clone()),
                })
            }
            Screen::Schedulers => {
                let entries = self.listed_entries();
                entries
                    .get(selected)
                    .map(|entry| Screen::History(Box::new((*entry).clone())))
            }
            Screen::History(entry) => {
                let ticks = self.listed_ticks();
                ticks.get(selected).map(|tick| Screen::Task {
                    queue: entry.queue(),
                    id: tick.task_id.clone(),
                })
            }
            Screen::Task { .. } => None,
        };
        if let Some(screen) = screen {
            self.open(screen);
        }
    }

    /// A queue opens with the first state in which it has tasks.
    fn first_state(&self, queue: &str) -> TaskState {
        let live = self.queues.get(queue);
        let filled = live.and_then(|live| {
            let mut states = super::rows::STATES.into_iter();
            states.find(|state| live.row.size_of(*state) > 0)
        });
        filled.unwrap_or(TaskState::Pending)
    }

    fn go_back(&mut self) {
        if !self.clear_search() && self.places.len() > 1 {
            self.places.pop();
            self.follow_selected();
        }
    }

    fn change_tab(&mut self, screen: Screen) {
        self.places.truncate(1);
        if self.places[0].screen != screen {
            self.places[0] = Place::new(screen);
        }
        self.follow_selected();
    }

    fn change_state(&mut self, step: isize) {
        let place = self.place_mut();
        if let Screen::Tasks { state, group, .. } = &mut place.screen {
            *state = neighbour(*state, step);
            *group = None;
            place.restart();
        }
    }

    fn stop_job(&mut self) -> Vec<Effect> {
        let Some(job) = self.jobs.pop() else {
            return Vec::new();
        };
        let changed = job.advance.changed;
        self.tell(
            format!("stopped: {} ({changed} done)", job.action.describe()),
            true,
        );
        vec![Effect::Stop(job.number), Effect::Reread]
    }

    fn resize(&mut self, size: (u16, u16)) {
        let before = self.list_rows();
        self.size = size;
        let rows = self.list_rows();
        let place = self.place_mut();
        if rows != before && matches!(place.screen, Screen::Tasks { .. }) && place.filter.is_empty()
        {
            // The page that contains the selected row.
            let row = (place.page as usize - 1) * before + place.selected.min(before - 1);
            place.page = u32::try_from(row / rows + 1).unwrap_or(u32::MAX);
            place.selected = row % rows;
            place.first = 0;
            place.content = Content::Loading;
        }
        self.follow_selected();
    }

    fn take(&mut self, snapshot: Snapshot) {
        self.link.last_read = Some(self.now.instant);
        self.link.failure = snapshot.failure;
        if let Some(names) = snapshot.names {
            self.queues
                .retain(|name, _| names.binary_search(name).is_ok());
            self.names = Some(names);
        }
        for row in snapshot.queues {
            match self.queues.get_mut(&row.name) {
                Some(live) => live.update(row),
                None => {
                    self.queues.insert(row.name.clone(), LiveQueue::new(row));
                }
            }
        }
        let view = self.view();
        if view.is_alike(&snapshot.view) {
            self.place_mut().content = snapshot.content;
            self.leave_lost_page(&view);
        }
        self.follow_selected();
    }

    /// A page beyond the end, because tasks have left the list, gives way to the last page.
    fn leave_lost_page(&mut self, view: &View) {
        let pages = self.pages();
        let is_empty = self.tasks().is_empty();
        let View::Tasks { page, .. } = view else {
            return;
        };
        if is_empty && *page > 1 {
            let place = self.place_mut();
            place.page = pages.min(page - 1);
            place.selected = usize::MAX;
            place.content = Content::Loading;
        }
    }
}
