//! Which servers may hold tasks of a queue: how a server shows this to the others, so that they can recover its
//! tasks soon after its process has ended.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::process::ProcessMark;
use crate::clock;

/// A server is listed again after this time.
const LIST_AGAIN: Duration = Duration::from_secs(30);

/// An owner, as it is listed in Redis: a server that may hold tasks of a queue.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Owner {
    /// The first part of its owner tokens.
    pub(super) name: String,
    /// Whether it listens on the channel of its name.
    pub(super) listens: bool,
    /// Its process, if that can be told.
    pub(super) process: Option<ProcessMark>,
}

impl Owner {
    /// The name of the server with this id, a UUID: its first 64 bits.
    pub(super) fn name_of(server_id: &str) -> String {
        let digits = server_id.chars().filter(char::is_ascii_hexdigit);
        digits.take(16).collect()
    }

    /// The form in Redis: `<name> <listens> <process>`.
    pub(super) fn encode(&self) -> String {
        let Self {
            name,
            listens,
            process,
        } = self;
        let process = process.as_ref().map(ProcessMark::to_string);
        let listens = u8::from(*listens);
        format!("{name} {listens} {}", process.unwrap_or_default())
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, ' ');
        Some(Self {
            name: words.next()?.to_owned(),
            listens: words.next()? == "1",
            process: words.next()?.parse().ok(),
        })
    }
}

/// In which queues this server is listed as an owner.
pub(super) struct Listing {
    created: Instant,
    name: String,
    process: Option<ProcessMark>,
    /// Whether this server listens on its channel.
    listens: AtomicBool,
    /// For each queue, when the server must be listed again (ms since `created`). 0: it is not listed.
    due_ms: Box<[AtomicU64]>,
}

impl Listing {
    pub(super) fn new(name: String, queues: usize) -> Self {
        Self {
            created: clock::monotonic(),
            name,
            process: ProcessMark::of_this_process(),
            listens: AtomicBool::new(false),
            due_ms: (0..queues).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The name of this server as an owner.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn process(&self) -> Option<&ProcessMark> {
        self.process.as_ref()
    }

    /// This server listens on its channel from now on, or no more.
    pub(super) fn set_listens(&self, listens: bool) {
        if self.listens.swap(listens, Ordering::Relaxed) != listens {
            // Wherever it is listed, it must be listed again.
            for due in &self.due_ms {
                let is_listed = |at| (at > 0).then_some(1);
                let _ = due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_listed);
            }
        }
    }

    /// How the server must be listed in this queue now, and how it must be listed no more. `None`: it is listed. Of
    /// several callers, one gets it.
    pub(super) fn take_due(&self, queue: usize, now: Instant) -> Option<[String; 2]> {
        let due = &self.due_ms[queue];
        let at_ms = due.load(Ordering::Relaxed);
        let now = now.saturating_duration_since(self.created);
        let now_ms = now.as_millis() as u64;
        if at_ms > now_ms {
            return None;
        }
        let next_ms = (now + LIST_AGAIN).as_millis() as u64;
        due.compare_exchange(at_ms, next_ms, Ordering::Relaxed, Ordering::Relaxed)
            .ok()?;
        let listens = self.listens.load(Ordering::Relaxed);
        Some([listens, !listens].map(|listens| self.with(listens).encode()))
    }

    /// The server could not be listed in this queue.
    pub(super) fn set_missing(&self, queue: usize) {
        self.due_ms[queue].store(0, Ordering::Relaxed);
    }

    /// The queues in which the server may be listed.
    pub(super) fn queues(&self) -> impl Iterator<Item = usize> {
        let queues = self.due_ms.iter().enumerate();
        queues
            .filter(|(_, due)| due.load(Ordering::Relaxed) > 0)
            .map(|(queue, _)| queue)
    }

    /// All forms in which the server may be listed.
    pub(super) fn forms(&self) -> [String; 2] {
        [false, true].map(|listens| self.with(listens).encode())
    }

    fn with(&self, listens: bool) -> Owner {
        Owner {
            name: self.name.clone(),
            listens,
            process: self.process.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_owner_is_the_beginning_of_the_id_of_the_server() {
        let id = "0b6d5e1c-8a4f-4c1e-9d7a-2f3b4c5d6e7f";
        assert_eq!(Owner::name_of(id), "0b6d5e1c8a4f4c1e");
    }

    #[test]
    fn an_owner_is_the_same_after_it_was_stored() {
        for process in [None, ProcessMark::of_this_process()] {
            let owner = Owner {
                name: "1a2b".to_owned(),
                listens: true,
                process,
            };
            assert_eq!(Owner::decode(&owner.encode()), Some(owner));
        }
        assert_eq!(Owner::decode("1a2b"), None);
    }

    #[test]
    fn a_server_is_listed_before_its_first_fetch_and_every_half_minute() {
        let listing = Listing::new("1a2b".to_owned(), 2);
        let now = clock::monotonic() + Duration::from_secs(1);
        assert_eq!(listing.queues().count(), 0);
        assert!(listing.take_due(1, now).is_some());
        assert!(listing.take_due(1, now).is_none());
        assert_eq!(listing.queues().collect::<Vec<_>>(), [1]);
        assert!(listing.take_due(1, now + LIST_AGAIN).is_some());
        listing.set_missing(1);
        assert!(listing.take_due(1, now + LIST_AGAIN).is_some());
        assert!(listing.take_due(0, now).is_some());
    }

    #[test]
    fn a_server_is_listed_again_as_soon_as_it_listens() {
        let listing = Listing::new("1a2b".to_owned(), 2);
        let now = clock::monotonic() + Duration::from_secs(1);
        let forms = listing.forms();
        assert_eq!(listing.take_due(0, now), Some(forms.clone()));
        listing.set_listens(true);
        assert_eq!(
            listing.take_due(0, now),
            Some([forms[1].clone(), forms[0].clone()])
        );
        listing.set_listens(true);
        assert_eq!(listing.take_due(0, now), None);
        assert_eq!(listing.queues().collect::<Vec<_>>(), [0]);
    }
}
