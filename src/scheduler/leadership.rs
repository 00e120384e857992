//! Renews the scheduler's lease, and finds out which entries it leads.
//!
//! Owns the keys `rasynq:{scheduler}:*`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout_at;

use super::core::Core;
use super::entry_key::EntryKey;
use super::entry_state::{EntryLead, KeyedEntry};
use crate::background::Periodic;
use crate::broker::{Leads, SCHEDULER_LEASE, Str, TickNote};
use crate::clock;
use crate::error::{Error, Result, warn_if};

/// How often the lease, of 3 s, is renewed.
pub(super) const LEAD_INTERVAL: Duration = Duration::from_secs(1);

/// How long a pass reads notes: the lease must be renewed in time, however many there are, and if a node of a cluster is
/// silent. Those that were not read are read in the next pass.
const READ_LIMIT: Duration = Duration::from_secs(1);

pub(super) struct Leadership(pub(super) Arc<Core>);

impl Periodic for Leadership {
    const NAME: &'static str = "leadership";
    type Done = ();

    async fn pass(&mut self) -> Result<()> {
        self.0.report_trouble();
        self.0.renew_leads().await
    }
}

impl Core {
    /// Renews the lease, and learns which entries this scheduler leads.
    pub(super) async fn renew_leads(&self) -> Result<()> {
        if !self.elects {
            return Ok(());
        }
        let _turn = self.passing.lock().await;
        self.check_present()?;
        let asked = clock::monotonic();
        let keys = self.entries.lock().keys();
        let result = self.broker.while_refreshing_clock(self.lead(&keys)).await;
        if let Ok(leads) = &result {
            let (was_sure, was_leader) = {
                let mut state = self.leads.lock();
                let was_sure = clock::monotonic() < state.valid_until;
                state.valid_until = asked + SCHEDULER_LEASE;
                let was_leader = std::mem::replace(&mut state.is_leader, leads.is_leader);
                (was_sure, was_leader)
            };
            // The log may ask who leads, so it is told without the lock.
            self.announce(was_leader, leads.is_leader);
            self.take_leads(&keys, leads, was_sure).await;
        }
        let error = result.as_ref().err().map(|error| {
            let copy = Error::new(error.kind(), error.to_string());
            Arc::new(copy.caused_by_outage(error.is_outage()))
        });
        self.passes.send_replace(error);
        self.look_again.notify_one();
        result.map(drop)
    }

    async fn lead(&self, keys: &[Str]) -> Result<Leads> {
        // A call would wait for the connection, and ticks wait for the call.
        self.broker.check_open("renew the lease of a scheduler")?;
        let given_up = self.given_up.lock().clone();
        if !given_up.is_empty() {
            self.broker.give_up_entries(&self.id, &given_up).await?;
            self.given_up.lock().retain(|key| !given_up.contains(key));
        }
        let too_low = self.leads.lock().too_low;
        self.broker.lead(&self.id, keys, too_low).await
    }

    /// Notes which entries this scheduler leads. Before it enqueues a tick of an entry that another one may have led,
    /// it reads the note of the entry.
    async fn take_leads(&self, keys: &[Str], leads: &Leads, was_sure: bool) {
        let gained = self.entries.lock().gained(keys, &leads.fencing, was_sure);
        let mut not_read: HashSet<EntryKey> =
            gained.iter().map(|keyed| keyed.key.clone()).collect();
        let reads = gained.into_iter().map(|keyed| self.read_note(keyed));
        let mut reads: FuturesUnordered<_> = reads.collect();
        let deadline = clock::monotonic() + READ_LIMIT;
        while let Ok(Some((keyed, note))) = timeout_at(deadline, reads.next()).await {
            match note {
                Ok(note) => {
                    let mut entries = self.entries.lock();
                    if let Some(registered) = entries.state_of(&keyed) {
                        registered.note(&note);
                        registered.is_unreadable = false;
                        not_read.remove(&keyed.key);
                    }
                }
                Err(error) => {
                    let is_news = self.told.lock().failed(keyed.key.clone(), &error);
                    warn_if!(is_news, entry = keyed.key.as_str(), %error, "could not read the note of an entry, trying again");
                }
            }
        }
        drop(reads);
        let mut entries = self.entries.lock();
        for key in &not_read {
            if let Some(registered) = entries.get_mut(key) {
                registered.is_unreadable = true;
            }
        }
        let mut has_changed = false;
        for (key, fencing) in keys.iter().zip(&leads.fencing) {
            let key = EntryKey::from(key.clone());
            let lead = match fencing {
                Some(_) if not_read.contains(&key) => EntryLead::NotAsked,
                Some(number) => EntryLead::Own(*number),
                None => EntryLead::Other,
            };
            has_changed |= entries.set_lead(&key, lead);
        }
        drop(entries);
        if has_changed {
            self.list_changed.notify_one();
        }
    }

    /// Reads the note of an entry; makes it, if there is none, of what this scheduler knows. So the ticks of an entry
    /// keep their phase, and none is lost, if Redis was away at the registration or has lost its data.
    pub(super) async fn read_note(
        &self,
        keyed: Arc<KeyedEntry>,
    ) -> (Arc<KeyedEntry>, Result<TickNote>) {
        let now = self.now_ms().div_euclid(1000);
        let (kept, first_note) = {
            let mut entries = self.entries.lock();
            let registered = entries.get_mut(&keyed.key);
            let known = registered.map(|registered| {
                let mut note = registered.timeline.first_note();
                // Another scheduler may have enqueued ticks up to now. The phase is known in any case.
                if registered.has_note && !registered.is_led() {
                    note.last = DateTime::from_timestamp(now, 0).unwrap_or_default();
                }
                (registered.timeline.note_ttl(now), Some(note))
            });
            known.unwrap_or_default()
        };
        let note = self.note(&keyed, kept, first_note.as_ref()).await;
        (keyed, note)
    }

    /// Tells the log of ticks that were late or lost: one line for all of them.
    fn report_trouble(&self) {
        let report = self.trouble.lock().report(clock::monotonic());
        let Some(counts) = report else { return };
        let scheduler_id = self.id.as_str();
        if counts.lost > 0 {
            let lost = counts.lost;
            tracing::warn!(
                scheduler_id,
                lost,
                "ticks were lost, their tasks could not be enqueued"
            );
        }
        if counts.late > 0 {
            let (late, longest_ms) = (counts.late, counts.longest_ms);
            tracing::warn!(scheduler_id, late, longest_ms, "ticks were late");
        }
    }

    fn announce(&self, was_leader: bool, is_leader: bool) {
        match (was_leader, is_leader) {
            (false, true) => {
                tracing::info!(
                    scheduler_id = self.id,
                    "became the leader of the schedulers"
                );
            }
            (true, false) => {
                tracing::info!(
                    scheduler_id = self.id,
                    "another scheduler has become the leader"
                );
            }
            _ => {}
        }
    }
}
