//! The key of an entry, by which schedulers tell that their entries are the same one, and the id that is made
//! from it.

use sha1_smol::Sha1;

use crate::broker::Str;

/// Stands before what is added to a name. Names have no control characters.
const SEPARATOR: char = '\u{1}';

/// The key of an entry: its name; or, without a name, a digest of all that it consists of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct EntryKey(Str);

impl EntryKey {
    pub(super) fn new(key: &str) -> Self {
        Self(key.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn shared(&self) -> Str {
        self.0.clone()
    }

    /// The key of the `n`th entry of a scheduler that has this key. The first one is the key itself.
    pub(super) fn nth(&self, n: usize) -> Self {
        if n == 1 {
            return self.clone();
        }
        Self(format!("{}{SEPARATOR}{n}", self.0).into())
    }

    /// The key of an entry that no other scheduler can have.
    pub(super) fn of_scheduler(&self, scheduler_id: &str) -> Self {
        Self(format!("{}{SEPARATOR}@{scheduler_id}", self.0).into())
    }

    /// The id under which asynqmon and Go's inspector show the entry: a UUID that is the same in every
    /// scheduler and after every start.
    pub(super) fn entry_id(&self) -> String {
        let mut digest = Digest::default();
        digest.add("rasynq scheduler entry");
        digest.add(self.as_str());
        let bytes = digest.first();
        uuid::Builder::from_sha1_bytes(bytes)
            .into_uuid()
            .to_string()
    }

    /// A number below `bound` for a tick of the entry: the same in every scheduler. 0 if the bound is 0.
    pub(super) fn spread(&self, tick: i64, bound: u64) -> u64 {
        let mut digest = Digest::default();
        digest.add(self.as_str());
        digest.add(tick.to_be_bytes());
        u64::from_be_bytes(digest.first())
            .checked_rem(bound)
            .unwrap_or(0)
    }
}

impl From<Str> for EntryKey {
    fn from(key: Str) -> Self {
        Self(key)
    }
}

/// A digest of parts with their lengths, so that no two lists of parts have the same one.
#[derive(Default)]
pub(super) struct Digest(Sha1);

impl Digest {
    pub(super) fn add(&mut self, part: impl AsRef<[u8]>) {
        self.count(part.as_ref().len());
        self.0.update(part.as_ref());
    }

    pub(super) fn count(&mut self, n: usize) {
        self.0.update(&(n as u64).to_be_bytes());
    }

    pub(super) fn hex(&self) -> String {
        self.0.digest().to_string()
    }

    /// The first bytes of the digest.
    fn first<const N: usize>(&self) -> [u8; N] {
        let mut first = [0; N];
        first.copy_from_slice(&self.0.digest().bytes()[..N]);
        first
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono_tz::Tz;

    use super::*;
    use crate::scheduler::{Entry, Missed};
    use crate::task::Task;

    fn task() -> Task {
        Task::new("report", "{}")
    }

    fn key_in(entry: Entry, zone: Tz) -> String {
        let checked = entry.checked(zone).expect("a valid entry");
        checked.key.as_str().to_owned()
    }

    fn key(entry: Entry) -> String {
        key_in(entry, Tz::UTC)
    }

    #[test]
    fn without_a_name_the_key_is_a_digest_of_all_that_makes_up_the_entry() {
        let entry = || Entry::new("* * * * *", task().queue("a"));
        assert_eq!(key(entry()), key(entry()));
        // Other schedulers have it from this release on.
        assert_eq!(key(entry()), "fc85173ef4dbf430c8c43027994408bea90eca50");
        let others = [
            key(Entry::new("*/1 * * * *", task().queue("a"))),
            key(Entry::new("* * * * *", task().queue("b"))),
            key(Entry::new("* * * * *", task()).queue("a")),
            key(Entry::new(
                "* * * * *",
                Task::new("report", "[]").queue("a"),
            )),
            key(Entry::new(
                "* * * * *",
                Task::new("reports", "{}").queue("a"),
            )),
            key(entry().header("k", "v")),
            key(entry().queue("a")),
            key(entry().unique(Duration::from_secs(60))),
            key_in(entry(), Tz::Europe__Berlin),
        ];
        let mut all = others.to_vec();
        all.push(key(entry()));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), others.len() + 1, "{all:?}");
    }

    #[test]
    fn jitter_and_what_is_missed_are_no_part_of_the_key() {
        let entry = || Entry::new("* * * * *", task());
        let jittery = entry().jitter(Duration::from_secs(1)).missed(Missed::Once);
        assert_eq!(key(entry()), key(jittery));
    }

    #[test]
    fn a_name_is_the_key_whatever_the_entry_is() {
        let named = Entry::new("* * * * *", task()).name("daily");
        assert_eq!(key(named), "daily");
        let changed = Entry::new("@every 5s", Task::new("other", "")).name("daily");
        assert_eq!(key_in(changed, Tz::Asia__Tokyo), "daily");
    }

    #[test]
    fn the_id_of_an_entry_is_a_uuid_made_from_its_key() {
        let id = EntryKey::new("daily").entry_id();
        assert_eq!(id, "1386fe8f-707a-56c6-bc5c-7c080b2235c1");
        assert_eq!(
            uuid::Uuid::parse_str(&id)
                .expect("a UUID")
                .get_version_num(),
            5
        );
        assert_ne!(id, EntryKey::new("daily").nth(2).entry_id());
    }
}
