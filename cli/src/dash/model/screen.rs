//! The screens, what each needs to be read, and what has been read.

use rasynq::TaskState;

use super::action::Selection;
use super::filter::Filter;
use super::rows::{
    EntryRow, GroupRow, QueueRow, STATES, SchedulerRow, ServerRow, TaskFacts, TaskRow, TickRow,
};

/// How many matching tasks a filtered list shows. Whoever needs more narrows the filter, or takes all by a bulk action.
pub(crate) const MAX_FOUND: usize = 1_000;

/// The most groups that are listed. Of more, one is opened by its name.
pub(crate) const MAX_GROUPS: u64 = 10_000;

/// A screen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Screen {
    Queues,
    Tasks {
        queue: String,
        state: TaskState,
        group: Option<String>,
    },
    Groups {
        queue: String,
    },
    Task {
        queue: String,
        id: String,
    },
    Servers,
    /// The runs of one server, or of all.
    Workers {
        server: Option<String>,
    },
    Schedulers,
    History(Box<EntryRow>),
}

/// The kind of a screen, by which keys have their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Queues,
    Tasks,
    Groups,
    Task,
    Servers,
    Workers,
    Schedulers,
    History,
}

impl Screen {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Queues => Kind::Queues,
            Self::Tasks { .. } => Kind::Tasks,
            Self::Groups { .. } => Kind::Groups,
            Self::Task { .. } => Kind::Task,
            Self::Servers => Kind::Servers,
            Self::Workers { .. } => Kind::Workers,
            Self::Schedulers => Kind::Schedulers,
            Self::History(_) => Kind::History,
        }
    }
}

/// What is to be read for the visible screen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum View {
    /// The names of all queues, and those of the visible ones in full: `rows` queues from `first` on, of those whose
    /// names contain `search`.
    Queues {
        search: String,
        first: usize,
        rows: usize,
    },
    /// One page of a list, or with a filter the first tasks that match.
    Tasks {
        selection: Selection,
        page: u32,
        page_size: u32,
    },
    Groups {
        queue: String,
    },
    Task {
        queue: String,
        id: String,
    },
    Servers,
    Schedulers,
    History {
        entry: String,
        page_size: u32,
    },
}

impl View {
    /// Whether a read for this view is of use for the other one too, so that it need not be given up.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Queues { .. }, Self::Queues { .. }) => true,
            _ => self == other,
        }
    }
}

/// What was read for a view.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// Nothing yet.
    Loading,
    Queues,
    Tasks(TaskList),
    Groups(GroupList),
    Task(Box<TaskFacts>),
    Servers(Vec<ServerRow>),
    Schedulers(Vec<SchedulerRow>, Vec<EntryRow>),
    History(Vec<TickRow>),
    /// There is nothing to show, for this reason: it is gone, or too much.
    Nothing(String),
}

/// Tasks of a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TaskList {
    pub(crate) rows: Vec<TaskRow>,
    /// How many there are, if that is known at no cost: not with a filter, and not in a group.
    pub(crate) total: Option<u64>,
    pub(crate) found: Found,
}

/// How far a search has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is no filter.
    Unfiltered,
    /// It goes on.
    Searching {
        examined: u64,
        /// About how many there are to examine.
        total: u64,
    },
    /// These are all.
    All,
    /// There may be more than [`MAX_FOUND`].
    First,
}

impl Found {
    /// The beginning of a search.
    pub(crate) const SEARCHING: Self = Self::Searching {
        examined: 0,
        total: 0,
    };

    pub(crate) fn is_searching(self) -> bool {
        matches!(self, Self::Searching { .. })
    }
}

/// The groups of a queue.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GroupList {
    Rows(Vec<GroupRow>),
    /// More than [`MAX_GROUPS`].
    TooMany(u64),
}

/// What a read of Redis has found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) view: View,
    /// The names of all queues, sorted, if they were read.
    pub(crate) names: Option<Vec<String>>,
    /// Queues that were read in full.
    pub(crate) queues: Vec<QueueRow>,
    /// Why a queue could not be read, although others were.
    pub(crate) failure: Option<String>,
    pub(crate) content: Content,
}

/// A screen, where the cursor is on it, and what was read for it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) screen: Screen,
    /// The selected row of those that are there.
    pub(crate) selected: usize,
    /// The first visible row, or the first visible line of a text.
    pub(crate) first: usize,
    /// Which row is selected, so that it stays selected when others come and go.
    pub(crate) key: Option<String>,
    /// The page of an unfiltered list of tasks, from 1.
    pub(crate) page: u32,
    /// Which tasks a list shows.
    pub(crate) filter: Filter,
    /// Which rows any other list shows: those that contain this text.
    pub(crate) search: String,
    pub(crate) content: Content,
}

impl Place {
    pub(crate) fn new(screen: Screen) -> Self {
        Self {
            content: match screen {
                Screen::Queues => Content::Queues,
                _ => Content::Loading,
            },
            screen,
            selected: 0,
            first: 0,
            key: None,
            page: 1,
            filter: Filter::default(),
            search: String::new(),
        }
    }

    /// Begins at the first row of something else.
    pub(crate) fn restart(&mut self) {
        let mut new = Self::new(self.screen.clone());
        new.filter = std::mem::take(&mut self.filter);
        new.search = std::mem::take(&mut self.search);
        *self = new;
    }

    /// The tasks of the list, if this is one.
    pub(crate) fn selection(&self) -> Option<Selection> {
        match &self.screen {
            Screen::Tasks {
                queue,
                state,
                group,
            } => Some(Selection {
                queue: queue.clone(),
                state: *state,
                group: group.clone(),
                filter: self.filter.clone(),
            }),
            _ => None,
        }
    }
}

/// The state after this one (`step` 1) or before it (`step` -1), around the end.
pub(crate) fn neighbour(state: TaskState, step: isize) -> TaskState {
    let index = STATES
        .iter()
        .position(|of| *of == state)
        .unwrap_or_default();
    let count = STATES.len() as isize;
    STATES[(index as isize + step).rem_euclid(count) as usize]
}
