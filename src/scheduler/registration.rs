//! Registers and unregisters entries while the scheduler runs.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, try_join_all};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::core::{Core, Lead};
use super::entry::CheckedEntry;
use super::entry_key::EntryKey;
use super::entry_state::{EntryState, KeyedEntry};
use super::tick_run::TickRun;
use super::timeline::Timeline;
use crate::broker::{Str, TickNote};
use crate::error::{Error, ErrorKind, Result, warn_unless_outage};

/// How long a removal waits for the enqueue of a tick that is in flight.
const LAST_TICK: Duration = Duration::from_secs(2);

impl Core {
    /// Registers entries, and returns their ids in order.
    pub(super) async fn register(&self, entries: Vec<CheckedEntry>) -> Result<Vec<String>> {
        let _turn = self.registering.lock().await;
        self.check_present()?;
        let mut keys: Vec<EntryKey> = Vec::with_capacity(entries.len());
        let mut taken = HashSet::new();
        for entry in &entries {
            let key = self.own_key(entry);
            let key = self.entries.lock().free_key(&key, &taken);
            taken.insert(key.clone());
            keys.push(key);
        }
        let made = entries
            .into_iter()
            .zip(keys)
            .map(|(entry, key)| self.make(entry, key, None));
        let made: Vec<EntryState> = try_join_all(made).await?;
        let ids = made.iter().map(|made| made.keyed.id.clone()).collect();
        let mut all = self.entries.lock();
        for registered in made {
            self.given_up
                .lock()
                .retain(|key| **key != *registered.keyed.key.as_str());
            all.insert(registered);
        }
        drop(all);
        self.look_again.notify_one();
        Ok(ids)
    }

    /// Removes the entry with this id.
    pub(super) async fn unregister(self: &Arc<Self>, id: &str) -> Result<()> {
        let _turn = self.registering.lock().await;
        self.check_present()?;
        let key = self.key_of(id)?;
        let leaving = self.take_off(id, &key)?;
        leaving.enqueue_due().await;
        let is_held = matches!(self.lead_of(&leaving.keyed), Lead::Held(_));
        let removed = self.entries.lock().remove(&key);
        if let Some(removed) = removed {
            self.forget(&removed.keyed, is_held).await;
        }
        Ok(())
    }

    /// Puts another entry in the place of the one with this id. A tick that is due is enqueued first, and the phase of
    /// the ticks is kept. If it cannot be enqueued, or its jitter lasts, it becomes a tick of the new entry.
    pub(super) async fn replace(self: &Arc<Self>, id: &str, entry: CheckedEntry) -> Result<String> {
        let _turn = self.registering.lock().await;
        self.check_present()?;
        let old_key = self.key_of(id)?;
        let leaving = self.take_off(id, &old_key)?;
        let Some(cut_ms) = leaving.enqueue_due().await else {
            let text = "a tick of the entry that shall change is still being enqueued";
            return Err(Error::new(ErrorKind::Unavailable, text));
        };
        let key = match self.own_key(&entry) {
            key if key == old_key => key,
            key => self.entries.lock().free_key(&key, &HashSet::new()),
        };
        let note = match self.elects {
            true => Some(self.read_note(Arc::clone(&leaving.keyed)).await.1?),
            false => None,
        };
        let mut new = self.make(entry, key, note.as_ref()).await?;
        let new_id = new.keyed.id.clone();
        let has_old_key = new.keyed.key == old_key;
        let has_old_note = has_old_key && new.keyed.entry.queue == leaving.keyed.entry.queue;
        let is_held = matches!(self.lead_of(&leaving.keyed), Lead::Held(_));
        {
            let mut entries = self.entries.lock();
            let Some(old) = entries.state_of(&leaving.keyed) else {
                return Err(no_entry(id));
            };
            if let Some(note) = &note {
                old.note(note);
            }
            if has_old_key {
                new.lead = old.lead;
            }
            if !self.elects {
                new.timeline.continue_from(&old.timeline);
            }
            // What the new schedule had before that is not missed: it was not wanted.
            let unused = match old.is_led() {
                true => old.timeline.unused(cut_ms),
                false => None,
            };
            let cut = cut_ms.div_euclid(1000);
            new.timeline
                .begin_after(unused.map_or(cut, |tick| tick - 1));
            entries.replace(&old_key, new);
        }
        self.look_again.notify_one();
        if !has_old_key {
            self.forget(&leaving.keyed, is_held).await;
        } else if is_held && !has_old_note {
            let forgotten = self.forget_note(&leaving.keyed).await;
            tell_not_removed(&leaving.keyed, forgotten);
        }
        Ok(new_id)
    }

    /// Takes an entry off the ticker, until what this returns is dropped.
    fn take_off<'c>(self: &'c Arc<Self>, id: &str, key: &EntryKey) -> Result<Leaving<'c>> {
        let mut entries = self.entries.lock();
        let state = entries.get_mut(key).ok_or_else(|| no_entry(id))?;
        state.leaving.cancel();
        let keyed = Arc::clone(&state.keyed);
        Ok(Leaving { core: self, keyed })
    }

    fn key_of(&self, id: &str) -> Result<EntryKey> {
        self.entries.lock().key_of(id).ok_or_else(|| no_entry(id))
    }

    /// The key of the entry, if no other entry of this scheduler has it.
    fn own_key(&self, entry: &CheckedEntry) -> EntryKey {
        match self.elects {
            true => entry.key.clone(),
            false => entry.key.of_scheduler(&self.id),
        }
    }

    /// Makes the note of an entry, or reads it. A new one goes on where `inherit` ends.
    async fn make(
        &self,
        entry: CheckedEntry,
        key: EntryKey,
        inherit: Option<&TickNote>,
    ) -> Result<EntryState> {
        let now = self.now_ms().div_euclid(1000);
        let timeline = Timeline::new(&key, &entry, now, self.elects);
        let mut registered = EntryState::new(KeyedEntry::new(key, entry), timeline);
        registered.lead = self.first_lead();
        if self.elects {
            let keyed = &registered.keyed;
            let kept = registered.timeline.note_ttl(now);
            match self.note(keyed, kept, inherit).await {
                Ok(note) => registered.note(&note),
                // It is read once Redis says that this scheduler leads the entry.
                Err(error) if error.is_transient() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(registered)
    }

    pub(super) async fn note(
        &self,
        keyed: &KeyedEntry,
        kept: Duration,
        inherit: Option<&TickNote>,
    ) -> Result<TickNote> {
        let queue = self.broker.keys(&keyed.entry.queue);
        let _permit = self.calls.acquire().await;
        self.broker.check_open("note a scheduler's entry")?;
        self.broker
            .note_entry(&queue, keyed.key.as_str(), kept, inherit)
            .await
    }

    /// Removes from Redis what is there of an entry that is no longer registered, if this scheduler leads it. Other
    /// schedulers that still have the entry go on with its ticks from now on.
    async fn forget(&self, removed: &KeyedEntry, is_held: bool) {
        let KeyedEntry { id, key, .. } = removed;
        self.told.lock().succeeded(key);
        if self.elects {
            self.given_up.lock().push(key.shared());
        }
        if !is_held {
            return;
        }
        let history = [Str::from(id.clone())];
        let (note, history) = join(
            self.forget_note(removed),
            self.broker.delete_histories(&history),
        )
        .await;
        tell_not_removed(removed, note.and(history));
    }
}

/// An entry that is about to be removed or replaced. The ticker takes none of its ticks. If this is dropped while the
/// entry is still registered, the ticker goes on with it.
struct Leaving<'c> {
    core: &'c Arc<Core>,
    keyed: Arc<KeyedEntry>,
}

impl Leaving<'_> {
    /// Enqueues the task of a tick that is due, with one attempt, after one that is in flight. Returns up to when (Unix
    /// ms) ticks were looked for, unless one is still in flight.
    async fn enqueue_due(&self) -> Option<i64> {
        let core = self.core;
        let is_idle = async {
            loop {
                let mut ended = pin!(core.tick_ended.notified());
                ended.as_mut().enable();
                if !core.entries.lock().is_enqueuing(&self.keyed.key) {
                    return;
                }
                ended.await;
            }
        };
        timeout(LAST_TICK, is_idle).await.ok()?;
        let now_ms = core.now_ms();
        let due = core.entries.lock().take_due_of(&self.keyed.key, now_ms);
        if let Some(tick) = due {
            TickRun::new(Arc::clone(core), tick, CancellationToken::new())
                .once()
                .await;
        }
        Some(now_ms)
    }
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if let Some(state) = self.core.entries.lock().state_of(&self.keyed) {
            state.leaving = CancellationToken::new();
        }
        self.core.look_again.notify_one();
    }
}

fn tell_not_removed(keyed: &KeyedEntry, removed: Result<()>) {
    if let Err(error) = removed {
        let entry = keyed.key.as_str();
        warn_unless_outage!(error, entry, %error, "could not remove what is stored of an entry, it will expire");
    }
}

impl Core {
    /// Deletes the notes of all entries, which nobody else has.
    pub(super) async fn forget_notes(&self) -> Result<()> {
        let all = self.entries.lock().all_keyed();
        let deletions = all.iter().map(|keyed| self.forget_note(keyed));
        try_join_all(deletions).await.map(drop)
    }

    async fn forget_note(&self, keyed: &KeyedEntry) -> Result<()> {
        let queue = self.broker.keys(&keyed.entry.queue);
        let _permit = self.calls.acquire().await;
        self.broker.forget_entry(&queue, keyed.key.as_str()).await
    }
}

fn no_entry(id: &str) -> Error {
    Error::invalid(format!("no scheduler entry has the id {id:?}"))
}
