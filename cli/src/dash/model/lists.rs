//! The rows of the visible list: which there are with the search applied, how many fit, and which is selected.

use rasynq::TaskState;

use super::rows::{EntryRow, GroupRow, ServerRow, TaskRow, TickRow, WorkerRow};
use super::screen::{Content, Found, GroupList, Screen};
use super::{FRAME_LINES, Model};

/// Lines of the panel about the selected queue, if the screen is high enough for it.
pub(crate) const QUEUE_PANEL_LINES: u16 = 5;
/// Lines of the panel about what the selected server runs.
pub(crate) const SERVER_PANEL_LINES: u16 = 9;
/// Bodies below this height have no panel.
pub(crate) const MIN_LINES_WITH_PANEL: u16 = 16;

impl Model {
    /// The height of the body of a screen.
    pub(crate) fn body_lines(&self) -> u16 {
        self.size.1.saturating_sub(FRAME_LINES)
    }

    /// The height of the panel below the list.
    pub(crate) fn panel_lines(&self) -> u16 {
        let has_room = self.body_lines() >= MIN_LINES_WITH_PANEL;
        match self.place().screen {
            Screen::Queues if has_room => QUEUE_PANEL_LINES,
            Screen::Servers if has_room => SERVER_PANEL_LINES,
            _ => 0,
        }
    }

    /// Lines above the rows of the list.
    fn head_lines(&self) -> u16 {
        match self.place().screen {
            // the queue and its rates, the states, the titles of the columns
            Screen::Tasks { .. } => 3,
            Screen::Task { .. } => 0,
            // the schedulers, the titles
            Screen::Schedulers => 2,
            _ => 1,
        }
    }

    /// How many rows of the list are visible. At least 1.
    pub(crate) fn list_rows(&self) -> usize {
        let around = self.panel_lines() + self.head_lines();
        usize::from(self.body_lines().saturating_sub(around).max(1))
    }

    /// The names of the queues that match the search, sorted.
    pub(crate) fn listed_names(&self) -> Vec<&str> {
        let names = self.names.as_deref().unwrap_or_default();
        matching_names(names, &self.place().search).collect()
    }

    /// The name of the selected queue.
    pub(crate) fn selected_name(&self) -> Option<String> {
        let place = self.place();
        if place.screen != Screen::Queues {
            return None;
        }
        let names = self.listed_names();
        names.get(place.selected).map(|name| (*name).to_owned())
    }

    /// The tasks that were read.
    pub(crate) fn tasks(&self) -> &[TaskRow] {
        match &self.place().content {
            Content::Tasks(list) => &list.rows,
            _ => &[],
        }
    }

    /// How many pages the list of tasks has.
    pub(crate) fn pages(&self) -> u32 {
        match &self.place().content {
            Content::Tasks(list) if list.found == Found::Unfiltered => match list.total {
                Some(total) => {
                    let pages = total.div_ceil(self.list_rows() as u64).max(1);
                    u32::try_from(pages).unwrap_or(u32::MAX)
                }
                // There is another page as long as pages are full.
                None => {
                    let is_full = list.rows.len() >= self.list_rows();
                    self.place().page + u32::from(is_full)
                }
            },
            _ => 1,
        }
    }

    /// The groups that match the search.
    pub(crate) fn listed_groups(&self) -> Vec<&GroupRow> {
        let place = self.place();
        match &place.content {
            Content::Groups(GroupList::Rows(rows)) => rows
                .iter()
                .filter(|row| contains(&row.name, &place.search))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The servers that match the search.
    pub(crate) fn listed_servers(&self) -> Vec<&ServerRow> {
        let search = &self.place().search;
        self.servers()
            .iter()
            .filter(|server| {
                contains(&server.id, search)
                    || contains(&server.host, search)
                    || server.queues.iter().any(|(name, _)| contains(name, search))
            })
            .collect()
    }

    fn servers(&self) -> &[ServerRow] {
        match &self.place().content {
            Content::Servers(servers) => servers,
            _ => &[],
        }
    }

    /// The runs that match the search, with their servers, those that run longest first.
    pub(crate) fn listed_workers(&self) -> Vec<(&ServerRow, &WorkerRow)> {
        let place = self.place();
        let Screen::Workers { server: wanted } = &place.screen else {
            return Vec::new();
        };
        let servers = self.servers().iter();
        let mut runs: Vec<(&ServerRow, &WorkerRow)> = servers
            .filter(|server| wanted.as_ref().is_none_or(|id| *id == server.id))
            .flat_map(|server| server.workers.iter().map(move |worker| (server, worker)))
            .filter(|(server, worker)| {
                let texts = [
                    &worker.task_id,
                    &worker.task_type,
                    &worker.queue,
                    &server.host,
                ];
                texts.iter().any(|text| contains(text, &place.search))
            })
            .collect();
        runs.sort_by(|(_, a), (_, b)| {
            let by_start = a.started_at.cmp(&b.started_at);
            by_start.then_with(|| a.task_id.cmp(&b.task_id))
        });
        runs
    }

    /// The entries that match the search, the next tick first.
    pub(crate) fn listed_entries(&self) -> Vec<&EntryRow> {
        let place = self.place();
        let Content::Schedulers(_, entries) = &place.content else {
            return Vec::new();
        };
        let mut listed: Vec<&EntryRow> = entries
            .iter()
            .filter(|entry| {
                let texts = [&entry.task_type, &entry.spec, &entry.id];
                texts.iter().any(|text| contains(text, &place.search))
                    || contains(&entry.queue(), &place.search)
            })
            .collect();
        listed.sort_by(|a, b| {
            let never_last = a.next.is_none().cmp(&b.next.is_none());
            never_last
                .then_with(|| a.next.cmp(&b.next))
                .then_with(|| (&a.task_type, &a.id).cmp(&(&b.task_type, &b.id)))
        });
        listed
    }

    /// The ticks that match the search.
    pub(crate) fn listed_ticks(&self) -> Vec<&TickRow> {
        let place = self.place();
        match &place.content {
            Content::History(ticks) => ticks
                .iter()
                .filter(|tick| contains(&tick.task_id, &place.search))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// How many rows the visible list has.
    pub(crate) fn row_count(&self) -> usize {
        match &self.place().screen {
            Screen::Queues => self.listed_names().len(),
            Screen::Tasks { .. } => self.tasks().len(),
            Screen::Groups { .. } => self.listed_groups().len(),
            Screen::Task { .. } => 0,
            Screen::Servers => self.listed_servers().len(),
            Screen::Workers { .. } => self.listed_workers().len(),
            Screen::Schedulers => self.listed_entries().len(),
            Screen::History(_) => self.listed_ticks().len(),
        }
    }

    /// By what the row is found again after the next read.
    pub(super) fn row_keys(&self) -> Vec<String> {
        match &self.place().screen {
            Screen::Queues => self.listed_names().into_iter().map(str::to_owned).collect(),
            Screen::Tasks { .. } => self.tasks().iter().map(|task| task.id.clone()).collect(),
            Screen::Groups { .. } => {
                let groups = self.listed_groups().into_iter();
                groups.map(|group| group.name.clone()).collect()
            }
            Screen::Task { .. } => Vec::new(),
            Screen::Servers => {
                let servers = self.listed_servers().into_iter();
                servers.map(|server| server.id.clone()).collect()
            }
            Screen::Workers { .. } => {
                let runs = self.listed_workers().into_iter();
                runs.map(|(_, worker)| format!("{} {}", worker.queue, worker.task_id))
                    .collect()
            }
            Screen::Schedulers => {
                let entries = self.listed_entries().into_iter();
                entries.map(|entry| entry.id.clone()).collect()
            }
            Screen::History(_) => {
                let ticks = self.listed_ticks().into_iter();
                ticks.map(|tick| tick.task_id.clone()).collect()
            }
        }
    }

    /// The task that keys act on: the queue, the id and, if it is known, the state.
    pub(crate) fn current_task(&self) -> Option<(String, String, Option<TaskState>)> {
        let place = self.place();
        match &place.screen {
            Screen::Task { queue, id } => {
                let state = match &place.content {
                    Content::Task(facts) => Some(facts.row.state),
                    Content::Nothing(_) => return None,
                    _ => None,
                };
                Some((queue.clone(), id.clone(), state))
            }
            Screen::Tasks { .. } => {
                let task = self.tasks().get(place.selected)?;
                Some((task.queue.clone(), task.id.clone(), Some(task.state)))
            }
            Screen::Workers { .. } => {
                let runs = self.listed_workers();
                let (_, worker) = runs.get(place.selected)?;
                let state = Some(TaskState::Active);
                Some((worker.queue.clone(), worker.task_id.clone(), state))
            }
            _ => None,
        }
    }
}

/// The names that contain a text, whatever the case of its letters.
pub(crate) fn matching_names<'a>(
    names: &'a [String],
    search: &str,
) -> impl Iterator<Item = &'a str> {
    let search = search.to_lowercase();
    names
        .iter()
        .map(String::as_str)
        .filter(move |name| search.is_empty() || name.to_lowercase().contains(&search))
}

fn contains(text: &str, search: &str) -> bool {
    search.is_empty() || text.to_lowercase().contains(&search.to_lowercase())
}
