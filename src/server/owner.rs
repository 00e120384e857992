//! Which servers may hold tasks of a queue: how a server shows this to the others, so that they can recover its
//! tasks soon after its process has ended.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::process::ProcessMark;
use super::queues::{Queues, ServedQueue};
use crate::broker::Broker;
use crate::clock;
use crate::error::Result;

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

/// That a server must be listed in a queue, and how.
#[derive(Debug, PartialEq)]
struct DueListing {
    at_ms: u64,
    listens: bool,
    /// How it must be listed, and how it must be listed no more.
    forms: [String; 2],
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
        if self.listens.swap(listens, Ordering::SeqCst) != listens {
            // Wherever it is listed, it must be listed again.
            for due in &self.due_ms {
                let is_listed = |at| (at > 0).then_some(1);
                let _ = due.fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_listed);
            }
        }
    }

    /// Lists this server as an owner of a queue, if it was not listed of late. A refusal is only logged.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub(super) async fn list(&self, broker: &Broker, queue: &ServedQueue) -> Result<()> {
        let now = clock::monotonic();
        let Some(due) = self.due(queue.index, now) else {
            return Ok(());
        };
        if let Err(error) = broker.list_owner(&queue.keys, &due.forms).await {
            tracing::debug!(queue = queue.name(), %error, "could not list this server as an owner");
            if error.is_transient() {
                return Err(error);
            }
        }
        // A refusal would come again at once.
        self.set_listed(queue.index, &due, now);
        Ok(())
    }

    /// Lists this server no more: after a shutdown, nobody need look for its tasks.
    pub(super) async fn unlist(&self, broker: &Broker, queues: &Queues) {
        let forms = [false, true].map(|listens| self.with(listens).encode());
        let listed = self.due_ms.iter().enumerate();
        let listed = listed.filter(|(_, due)| due.load(Ordering::SeqCst) > 0);
        let removals = listed.map(|(queue, _)| {
            let queue = &queues.get(queue).keys;
            broker.unlist_owners(queue, &forms)
        });
        for removed in join_all(removals).await {
            if let Err(error) = removed {
                tracing::debug!(%error, "could not remove this server from the owners of a queue");
            }
        }
    }

    /// How the server must be listed in this queue now. `None`: it is listed.
    fn due(&self, queue: usize, now: Instant) -> Option<DueListing> {
        let at_ms = self.due_ms[queue].load(Ordering::SeqCst);
        let listens = self.listens.load(Ordering::SeqCst);
        (at_ms <= self.ms(now)).then(|| DueListing {
            at_ms,
            listens,
            forms: [listens, !listens].map(|listens| self.with(listens).encode()),
        })
    }

    /// The server was listed in this queue.
    fn set_listed(&self, queue: usize, listed: &DueListing, now: Instant) {
        let due = &self.due_ms[queue];
        let next_ms = self.ms(now + LIST_AGAIN);
        // Meanwhile another form may have become right.
        let _ = due.compare_exchange(listed.at_ms, next_ms, Ordering::SeqCst, Ordering::SeqCst);
        if self.listens.load(Ordering::SeqCst) != listed.listens {
            due.store(1, Ordering::SeqCst);
        }
    }

    fn ms(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.created).as_millis() as u64
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

    /// Lists the server in a queue if that is due. Returns the form.
    fn list(listing: &Listing, queue: usize, now: Instant) -> Option<String> {
        let due = listing.due(queue, now)?;
        listing.set_listed(queue, &due, now);
        let [form, not] = due.forms;
        assert_ne!(form, not);
        Some(form)
    }

    #[test]
    fn a_server_is_listed_before_its_first_fetch_and_every_half_minute() {
        let listing = Listing::new("1a2b".to_owned(), 2);
        let now = clock::monotonic() + Duration::from_secs(1);
        assert!(listing.due(1, now).is_some());
        assert!(listing.due(1, now).is_some(), "it is not listed yet");
        assert!(list(&listing, 1, now).is_some());
        assert_eq!(listing.due(1, now), None);
        assert!(listing.due(1, now + LIST_AGAIN).is_some());
        assert!(listing.due(0, now).is_some());
    }

    #[test]
    fn a_server_is_listed_again_as_soon_as_it_listens() {
        let listing = Listing::new("1a2b".to_owned(), 2);
        let now = clock::monotonic() + Duration::from_secs(1);
        let form = |listens| Some(listing.with(listens).encode());
        assert_eq!(list(&listing, 0, now), form(false));
        listing.set_listens(true);
        assert_eq!(list(&listing, 0, now), form(true));
        listing.set_listens(true);
        assert_eq!(list(&listing, 0, now), None);
        // It listens no more while it is being listed as one that does.
        let late = listing.due(1, now).expect("not listed yet");
        listing.set_listens(false);
        listing.set_listed(1, &late, now);
        assert_eq!(list(&listing, 1, now), form(false));
        assert_eq!(list(&listing, 1, now), None);
    }
}
