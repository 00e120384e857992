//! Which names of groups are read next, and what a change of a group's keys means. No I/O, no clock.

use std::collections::HashMap;
use std::time::Duration;

use crate::broker::{GroupSignal, Str};
use crate::wire::QueueKeys;

/// The shortest pause before the names of groups that have changed are read again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
/// With many groups, the pause is this long for each of them: a call reads about 1,000 names.
const PAUSE_PER_GROUP: Duration = Duration::from_micros(5);
/// The longest pause: as long as between two polls.
const LONGEST_PAUSE: Duration = Duration::from_secs(7);

/// What is known of the groups of some queues.
pub(super) struct GroupWatch {
    queues: Vec<GroupNames>,
    /// The queues by the keys of their sets of names.
    by_names_key: HashMap<String, usize>,
    /// The queues by the prefixes of the keys of their groups.
    by_prefix: HashMap<String, usize>,
}

/// What is known of the names of the groups of one queue. One read at a time is in flight, so that the names of an
/// earlier read do not come last.
#[derive(Debug, Default)]
struct GroupNames {
    /// How many groups the last read has found.
    count: usize,
    is_reading: bool,
    /// Another read must follow the one in flight.
    reads_again: bool,
    /// The next names are the first ones since tracking has begun, or since notifications were lost.
    anew: bool,
}

/// What the change of a key means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GroupChange {
    /// The names of the groups of this queue have changed.
    Names(usize),
    /// A group of this queue has changed.
    Group(usize, Str),
}

impl GroupWatch {
    pub(super) fn new(queues: &[QueueKeys]) -> Self {
        let indexed = || queues.iter().enumerate();
        Self {
            queues: queues.iter().map(|_| GroupNames::default()).collect(),
            by_names_key: indexed()
                .map(|(queue, keys)| (keys.groups().to_owned(), queue))
                .collect(),
            by_prefix: indexed()
                .map(|(queue, keys)| (keys.group_prefix().to_owned(), queue))
                .collect(),
        }
    }

    /// Whose key this is.
    pub(super) fn change_of(&self, key: &str) -> Option<GroupChange> {
        if let Some(queue) = self.by_names_key.get(key) {
            return Some(GroupChange::Names(*queue));
        }
        QueueKeys::group_prefixes(key).find_map(|prefix| {
            let queue = self.by_prefix.get(prefix)?;
            let group = Str::from(key[prefix.len()..].to_owned());
            Some(GroupChange::Group(*queue, group))
        })
    }

    /// The names of a queue have changed. Returns the pause before they are read, unless a read is in flight.
    pub(super) fn names_changed(&mut self, queue: usize) -> Option<Duration> {
        let names = &mut self.queues[queue];
        names.read(names.pause())
    }

    /// A notification of a change of the names may have been lost: they are read again.
    pub(super) fn recheck(&mut self, queue: usize) -> Option<Duration> {
        self.queues[queue].read(Duration::ZERO)
    }

    /// Tracking has begun, or notifications were lost: the names are read, and after that each group.
    pub(super) fn read_anew(&mut self, queue: usize) -> Option<Duration> {
        self.queues[queue].anew = true;
        self.recheck(queue)
    }

    /// The read of the names has its reply. Returns what it means, and the pause before the next read.
    ///
    /// The same names as before do not mean that the notification was in vain: a group that is aggregated goes, and
    /// comes back with its next task.
    pub(super) fn on_names(
        &mut self,
        queue: usize,
        found: Vec<Str>,
    ) -> (GroupSignal, Option<Duration>) {
        let names = &mut self.queues[queue];
        names.is_reading = false;
        names.count = found.len();
        let anew = std::mem::take(&mut names.anew);
        let again = std::mem::take(&mut names.reads_again);
        let next = again.then(|| names.read(names.pause())).flatten();
        let names = found;
        (GroupSignal::Names { names, anew }, next)
    }

    /// The read of the names was sent on to another node of the cluster, where nothing notifies of changes. So the
    /// server polls, and then has them read anew.
    pub(super) fn names_redirected(&mut self, queue: usize) {
        let names = &mut self.queues[queue];
        (names.is_reading, names.reads_again) = (false, false);
    }

    /// How many queues have groups.
    pub(super) fn queues_with_groups(&self) -> i64 {
        self.queues.iter().filter(|names| names.count > 0).count() as i64
    }

    /// How many groups there are.
    pub(super) fn groups(&self) -> usize {
        self.queues.iter().map(|names| names.count).sum()
    }
}

impl GroupNames {
    fn read(&mut self, after: Duration) -> Option<Duration> {
        if self.is_reading {
            self.reads_again = true;
            return None;
        }
        self.is_reading = true;
        Some(after)
    }

    /// How long to wait before the names are read again.
    fn pause(&self) -> Duration {
        let groups = u32::try_from(self.count).unwrap_or(u32::MAX);
        (PAUSE_PER_GROUP * groups).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> GroupWatch {
        GroupWatch::new(&["a", "b}:g:c"].map(QueueKeys::new))
    }

    fn names(names: &[&'static str]) -> Vec<Str> {
        names.iter().copied().map(Str::from_static).collect()
    }

    #[test]
    fn the_queue_and_the_group_of_a_key_are_known_whatever_their_names() {
        let watch = watch();
        for (queue, name) in [(0, "a"), (1, "b}:g:c")] {
            let keys = QueueKeys::new(name);
            let change = watch.change_of(keys.groups());
            assert_eq!(change, Some(GroupChange::Names(queue)));
            for group in ["user:1", "x}:g:y", "1"] {
                let change = watch.change_of(&keys.group(group));
                let expected = GroupChange::Group(queue, Str::from_static(group));
                assert_eq!(change, Some(expected));
            }
            assert_eq!(watch.change_of(keys.pending()), None);
        }
        assert_eq!(watch.change_of(&QueueKeys::new("other").group("g")), None);
    }

    #[test]
    fn one_read_at_a_time_is_in_flight_and_another_follows_if_the_names_change_meanwhile() {
        let mut watch = watch();
        assert_eq!(watch.read_anew(0), Some(Duration::ZERO));
        assert_eq!(watch.names_changed(0), None);
        assert_eq!(watch.read_anew(1), Some(Duration::ZERO), "another queue");
        let (signal, next) = watch.on_names(0, names(&["x"]));
        let expected = GroupSignal::Names {
            names: names(&["x"]),
            anew: true,
        };
        assert_eq!((signal, next), (expected, Some(SHORTEST_PAUSE)));
        let (signal, next) = watch.on_names(0, names(&["x"]));
        let expected = GroupSignal::Names {
            names: names(&["x"]),
            anew: false,
        };
        assert_eq!((signal, next), (expected, None));
        assert_eq!((watch.groups(), watch.queues_with_groups()), (1, 1));
    }

    #[test]
    fn after_a_read_that_was_redirected_the_next_one_is_made_at_once() {
        let mut watch = watch();
        assert_eq!(watch.read_anew(0), Some(Duration::ZERO));
        assert_eq!(watch.names_changed(0), None);
        watch.names_redirected(0);
        assert_eq!(watch.read_anew(0), Some(Duration::ZERO));
        let (_, next) = watch.on_names(0, names(&["x"]));
        assert_eq!(next, None);
    }

    #[test]
    fn the_names_of_many_groups_are_read_less_often() {
        let mut watch = watch();
        for (groups, pause_ms) in [
            (100, 20),
            (10_000, 50),
            (1_000_000, 5_000),
            (2_000_000, 7_000),
        ] {
            watch.recheck(0);
            watch.on_names(0, vec![Str::from_static("x"); groups]);
            let pause = watch.names_changed(0);
            assert_eq!(pause, Some(Duration::from_millis(pause_ms)));
            watch.on_names(0, vec![Str::from_static("x"); groups]);
        }
    }
}
