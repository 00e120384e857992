//! Tables with one entry for each name, up to a bound: names come from other programs, and each becomes several
//! series.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

/// The most names in a table.
pub(super) const MAX_NAMES: usize = 200;
/// The name for all that are beyond the bound.
const OTHER: &str = "other";

pub(super) struct BoundedTable<T>(RwLock<HashMap<String, Arc<T>>>);

impl<T> BoundedTable<T> {
    pub(super) fn new() -> Self {
        Self(RwLock::new(HashMap::new()))
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<T>> {
        self.0.read().get(name).cloned()
    }

    /// The entry of a name; if the table is full, that of all other names. `make` is called without the lock.
    pub(super) fn get_or_add(&self, name: &str, make: impl FnOnce(&str) -> T) -> Arc<T> {
        if let Some(entry) = self.get(name) {
            return entry;
        }
        let is_full = self.0.read().len() >= MAX_NAMES;
        let name = if is_full { OTHER } else { name };
        if let Some(entry) = self.get(name) {
            return entry;
        }
        let made = Arc::new(make(name));
        Arc::clone(self.0.write().entry(name.to_owned()).or_insert(made))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_bound_share_one_entry() {
        let table = BoundedTable::new();
        for n in 0..MAX_NAMES + 50 {
            let expected = if n < MAX_NAMES {
                &format!("name {n}")
            } else {
                OTHER
            };
            assert_eq!(
                *table.get_or_add(&format!("name {n}"), str::to_owned),
                *expected
            );
        }
        assert_eq!(*table.get_or_add("name 7", |_| unreachable!()), "name 7");
        assert_eq!(table.0.read().len(), MAX_NAMES + 1);
        assert!(table.get("name 200").is_none());
    }
}
