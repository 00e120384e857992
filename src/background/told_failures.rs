//! Which failures the log has been told of.

use std::collections::HashMap;
use std::hash::Hash;

use crate::error::Error;

/// The things of one part that fail now, each with the text of the failure that began it. The log gets a warning
/// when a thing begins to fail, unless another one already fails for the same reason: so neither the time nor the
/// number of things makes the log long.
pub(crate) struct ToldFailures<K> {
    failing: HashMap<K, String>,
}

impl<K: Eq + Hash> ToldFailures<K> {
    /// A thing has failed. Returns whether that is news. A failure that comes from an outage is none: the connection
    /// itself tells the log.
    pub(crate) fn failed(&mut self, thing: K, error: &Error) -> bool {
        if error.is_outage() || self.failing.contains_key(&thing) {
            return false;
        }
        let text = error.to_string();
        let is_news = !self.failing.values().any(|other| *other == text);
        self.failing.insert(thing, text);
        is_news
    }

    /// A thing has succeeded, so its next failure may be news.
    pub(crate) fn succeeded(&mut self, thing: &K) {
        self.failing.remove(thing);
    }

    /// Forgets the failures of things that are not there any more.
    pub(crate) fn retain(&mut self, mut is_there: impl FnMut(&K) -> bool) {
        self.failing.retain(|thing, _| is_there(thing));
    }
}

impl<K> Default for ToldFailures<K> {
    fn default() -> Self {
        Self {
            failing: HashMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn only_the_first_failure_in_a_row_of_the_first_thing_is_news() {
        let [busy, refused] = ["BUSY", "NOPERM"].map(|text| Error::new(ErrorKind::Redis, text));
        let mut told = ToldFailures::default();
        assert!(told.failed(1, &busy));
        assert!(!told.failed(1, &busy));
        assert!(!told.failed(1, &refused));
        assert!(!told.failed(2, &busy));
        assert!(told.failed(3, &refused));
        told.succeeded(&1);
        assert!(!told.failed(1, &busy), "the second one still fails so");
        told.succeeded(&1);
        told.succeeded(&2);
        assert!(told.failed(1, &busy));
        told.retain(|thing| *thing != 1);
        assert!(told.failed(1, &busy));
    }
}
