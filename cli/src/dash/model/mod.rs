//! The state of the dashboard, without any input or output.
//!
//! [`Model::update`] takes what has happened and returns what is to be done. [`Model::view`] says what is to be read for
//! the screen that is visible. `drawing` draws the model. Only `update` changes it.

pub(crate) mod action;
pub(crate) mod dialog;
pub(crate) mod filter;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod keys;
pub(crate) mod rates;
pub(crate) mod rows;
pub(crate) mod screen;

mod ask;
mod cursor;
mod lists;
mod possible;
#[cfg(test)]
mod tests;
mod typing;
mod update;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

pub(crate) use lists::matching_names;

use action::{Action, Advance, Selection};
use dialog::{Count, Dialog};
use rates::LiveQueue;
use screen::{Place, Screen, Snapshot, View};

/// The smallest terminal on which the screens can be read.
pub(crate) const MIN_SIZE: (u16, u16) = (50, 12);

/// Lines around the body of a screen: the header, the title, the status and the keys.
pub(crate) const FRAME_LINES: u16 = 4;

/// How long the result of an action is shown.
const NOTICE_TIME: Duration = Duration::from_secs(15);

/// The present, by the clock of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) instant: Instant,
    pub(crate) utc: DateTime<Utc>,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self {
            instant: Instant::now(),
            utc: Utc::now(),
        }
    }
}

/// What has happened.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Key(crossterm::event::KeyEvent),
    Paste(String),
    Resize(u16, u16),
    /// Time has passed.
    Tick,
    /// What was read, and the time by Redis' clock.
    Read(Box<Snapshot>, DateTime<Utc>),
    ReadFailed(String),
    /// The answer to [`Effect::Count`].
    Counted(u64, Result<u64, String>),
    Advanced(u64, Advance),
    /// An action has ended: what it has done, or why it failed.
    Ended(u64, Result<String, String>),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    Quit,
    /// Run this action, under this number.
    Act(u64, Action),
    /// Count the tasks, for the question with this number.
    Count(u64, Selection),
    /// Stop the action with this number.
    Stop(u64),
    /// Read again now.
    Reread,
}

/// An action that is running.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) action: Action,
    pub(crate) advance: Advance,
}

/// What an action came to.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) is_failure: bool,
    shown_at: Instant,
}

/// How it stands with the reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    pub(crate) last_read: Option<Instant>,
    /// Why the last read failed.
    pub(crate) failure: Option<String>,
    /// A moment of Redis' clock, and when it was learnt.
    clock: Option<(DateTime<Utc>, Instant)>,
}

/// The state of the dashboard.
pub(crate) struct Model {
    /// Where Redis is.
    pub(crate) address: String,
    pub(crate) refresh: Duration,
    pub(crate) size: (u16, u16),
    pub(crate) now: Moment,
    started_at: Instant,
    /// The visible screen is the last one; those below it are come back to. Never empty.
    places: Vec<Place>,
    pub(crate) dialog: Option<Dialog>,
    /// The names of all queues, sorted.
    pub(crate) names: Option<Vec<String>>,
    pub(crate) queues: HashMap<String, LiveQueue>,
    pub(crate) link: Link,
    pub(crate) jobs: Vec<Job>,
    pub(crate) notice: Option<Notice>,
    last_number: u64,
}

impl Model {
    pub(crate) fn new(address: &str, refresh: Duration, size: (u16, u16), now: Moment) -> Self {
        Self {
            // The first database is what everybody expects.
            address: address.trim_end_matches("?db=0").to_owned(),
            refresh,
            size,
            now,
            started_at: now.instant,
            places: vec![Place::new(Screen::Queues)],
            dialog: None,
            names: None,
            queues: HashMap::new(),
            link: Link::default(),
            jobs: Vec::new(),
            notice: None,
            last_number: 0,
        }
    }

    /// The visible screen.
    pub(crate) fn place(&self) -> &Place {
        &self.places[self.places.len() - 1]
    }

    fn place_mut(&mut self) -> &mut Place {
        let last = self.places.len() - 1;
        &mut self.places[last]
    }

    /// The screens that are open, from the first one to the visible one.
    pub(crate) fn path(&self) -> impl Iterator<Item = &Screen> {
        self.places.iter().map(|place| &place.screen)
    }

    /// The time by Redis' clock, by which all times in Redis are.
    pub(crate) fn redis_now(&self) -> DateTime<Utc> {
        match self.link.clock {
            Some((read_at, at)) => {
                let passed = self.now.instant.saturating_duration_since(at);
                read_at + chrono::TimeDelta::from_std(passed).unwrap_or_default()
            }
            None => self.now.utc,
        }
    }

    /// How long ago the last read was.
    pub(crate) fn read_age(&self) -> Option<Duration> {
        let last = self.link.last_read?;
        Some(self.now.instant.saturating_duration_since(last))
    }

    /// Whether what is shown is older than it should be.
    pub(crate) fn is_stale(&self) -> bool {
        let limit = (self.refresh * 3).max(Duration::from_secs(3));
        let last = self.link.last_read.unwrap_or(self.started_at);
        self.now.instant.saturating_duration_since(last) > limit
    }

    /// Why what is shown is old, or not all there is.
    pub(crate) fn trouble(&self) -> Option<&str> {
        match &self.link.failure {
            Some(failure) => Some(failure),
            // The library waits for a while before it gives a read up.
            None if self.is_stale() => Some("Redis has not answered yet"),
            None => None,
        }
    }

    pub(crate) fn is_too_small(&self) -> bool {
        self.size.0 < MIN_SIZE.0 || self.size.1 < MIN_SIZE.1
    }

    /// What is to be read for the visible screen.
    pub(crate) fn view(&self) -> View {
        let place = self.place();
        let rows = self.list_rows();
        match &place.screen {
            Screen::Queues => View::Queues {
                search: place.search.clone(),
                first: place.first,
                rows,
            },
            Screen::Tasks {
                queue,
                state,
                group,
            } => View::Tasks {
                selection: Selection {
                    queue: queue.clone(),
                    state: *state,
                    group: group.clone(),
                    filter: place.filter.clone(),
                },
                page: match place.filter.is_empty() {
                    true => place.page,
                    false => 1,
                },
                page_size: rows as u32,
            },
            Screen::Groups { queue } => View::Groups {
                queue: queue.clone(),
            },
            Screen::Task { queue, id } => View::Task {
                queue: queue.clone(),
                id: id.clone(),
            },
            Screen::Servers | Screen::Workers { .. } => View::Servers,
            Screen::Schedulers => View::Schedulers,
            Screen::History(entry) => View::History {
                entry: entry.id.clone(),
                page_size: screen::MAX_FOUND as u32,
            },
        }
    }

    /// Whether an open question waits for the number of tasks.
    pub(crate) fn is_counting(&self) -> bool {
        match &self.dialog {
            Some(Dialog::Confirm(confirm)) => matches!(confirm.count, Count::Counting(..)),
            _ => false,
        }
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn tell(&mut self, text: impl Into<String>, is_failure: bool) {
        self.notice = Some(Notice {
            text: text.into(),
            is_failure,
            shown_at: self.now.instant,
        });
    }

    /// The queue that the visible screen, or its selected row, is about.
    pub(crate) fn current_queue(&self) -> Option<String> {
        match &self.place().screen {
            Screen::Queues => self.selected_name(),
            Screen::Tasks { queue, .. } | Screen::Groups { queue } | Screen::Task { queue, .. } => {
                Some(queue.clone())
            }
            _ => None,
        }
    }
}
