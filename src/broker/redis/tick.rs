//! The ticks of schedulers' entries: their notes, which keep each tick single, and their tasks.

use std::time::Duration;

use fred::types::Key;

use super::enqueue::Stored;
use super::script::{NOTE_ENTRY, ttl_secs};
use super::{Broker, reply};
use crate::broker::{NewTask, Tick, TickNote, TickResult};
use crate::connection::Command;
use crate::error::{Error, ErrorKind, Result};
use crate::wire::QueueKeys;

impl Broker {
    /// Makes the note of an entry, unless there is one, and returns it. It is kept for at least `ttl` from now.
    ///
    /// A new note takes its last tick and its anchor from `inherit`; for `None`, both are now.
    pub(crate) async fn note_entry(
        &self,
        queue: &QueueKeys,
        entry_key: &str,
        ttl: Duration,
        inherit: Option<&TickNote>,
    ) -> Result<TickNote> {
        let inherited = inherit.map(TickNote::inherited).unwrap_or_default();
        let build = || {
            let keys = vec![Key::from(queue.tick_note(entry_key))];
            (keys, vec![ttl_secs(ttl), inherited.clone().into()])
        };
        let note = NOTE_ENTRY.call(self, build).await?;
        let note = reply::text(note, NOTE_ENTRY.name)?;
        parse(&note)
    }

    /// Deletes the note of an entry.
    pub(crate) async fn forget_entry(&self, queue: &QueueKeys, entry_key: &str) -> Result<()> {
        let delete = Command::on_key("DEL", [queue.tick_note(entry_key).into()]);
        self.send(delete, "delete the note of a scheduler's entry")
            .await
    }

    /// Stores the task of a tick, and notes the tick, if neither this nor a later tick of the entry is noted and no
    /// scheduler with a higher fencing number has noted one.
    ///
    /// A caller that gets a transient error may call again with the same task: it is stored once.
    ///
    /// # Errors
    /// Those of [`enqueue_one`](Self::enqueue_one). After [`ErrorKind::DuplicateTask`] and
    /// [`ErrorKind::TaskIdConflict`] the tick is noted, after the others it is not.
    pub(crate) async fn enqueue_tick(&self, task: NewTask, tick: Tick<'_>) -> Result<TickResult> {
        match self.store_tick(task, &tick).await? {
            Stored::Now | Stored::Earlier => Ok(TickResult::Enqueued),
            Stored::NotYet(wait) => Ok(TickResult::TooEarly(wait)),
            Stored::NotAgain(note) => parse(&note).map(TickResult::AlreadyEnqueued),
        }
    }
}

fn parse(note: &str) -> Result<TickNote> {
    TickNote::parse(note).ok_or_else(|| {
        let text = format!("the note of a scheduler's entry has times out of range: {note:?}");
        Error::new(ErrorKind::Undecodable, text)
    })
}

#[cfg(test)]
#[path = "tick_tests.rs"]
mod tests;
