//! Entries that the program keeps in memory.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::ConfigProvider;
use crate::scheduler::Entry;

/// A [`ConfigProvider`] whose entries the program sets. Clones share their entries.
///
/// A change takes effect at once, without waiting for the sync interval.
///
/// ```
/// use rasynq::{Entry, MemoryConfigs, Task};
///
/// let configs = MemoryConfigs::new([Entry::new("@hourly", Task::without_payload("report")).name("report")]);
/// let handle = configs.clone(); // `configs` goes to the PeriodicTaskManager
///
/// handle.insert(Entry::new("@daily", Task::without_payload("report")).name("report")); // replaces it
/// handle.insert(Entry::new("@every 30s", Task::without_payload("feed:poll")));
/// assert_eq!(handle.entries().len(), 2);
/// handle.remove("report");
/// handle.set([]);
/// ```
#[derive(Debug)]
pub struct MemoryConfigs {
    entries: Arc<watch::Sender<Vec<Entry>>>,
    /// Has seen what the manager was told last.
    told: Mutex<watch::Receiver<Vec<Entry>>>,
}

impl MemoryConfigs {
    /// A provider with these entries.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let (entries, told) = watch::channel(entries.into_iter().collect());
        Self {
            entries: Arc::new(entries),
            told: Mutex::new(told),
        }
    }

    /// Replaces all entries.
    pub fn set(&self, entries: impl IntoIterator<Item = Entry>) {
        self.entries.send_replace(entries.into_iter().collect());
    }

    /// Adds an entry. If it has a name, it replaces the one of this name.
    pub fn insert(&self, entry: Entry) {
        self.entries.send_modify(|entries| {
            let named = |other: &Entry| entry.name.is_some() && other.name == entry.name;
            match entries.iter().position(named) {
                Some(at) => entries[at] = entry,
                None => entries.push(entry),
            }
        });
    }

    /// Removes the entries of this name. Returns whether there were any.
    pub fn remove(&self, name: &str) -> bool {
        self.entries.send_if_modified(|entries| {
            let before = entries.len();
            entries.retain(|entry| entry.name.as_deref() != Some(name));
            entries.len() < before
        })
    }

    /// The entries that are set now.
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.borrow().clone()
    }
}

impl Clone for MemoryConfigs {
    fn clone(&self) -> Self {
        Self {
            entries: Arc::clone(&self.entries),
            told: Mutex::new(self.told.lock().clone()),
        }
    }
}

impl Default for MemoryConfigs {
    fn default() -> Self {
        Self::new([])
    }
}

impl ConfigProvider for MemoryConfigs {
    async fn configs(&self) -> anyhow::Result<Vec<Entry>> {
        Ok(self.told.lock().borrow_and_update().clone())
    }

    async fn changed(&self) {
        let mut told = self.told.lock().clone();
        // An error means that there is no sender, and this value has one.
        let _ = told.changed().await;
    }
}
