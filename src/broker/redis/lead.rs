//! Which scheduler leads which entry. Redis' time alone decides.

use std::time::Duration;

use fred::types::{Key, Value};

use super::script::{LEAD, LEAVE, number};
use super::{Broker, reply};
use crate::broker::{Leads, SCHEDULER_LEASE, Str};
use crate::error::Result;
use crate::wire::keys;

/// The most entries in one call.
const MAX_ENTRIES: usize = 1_000;
/// How long the keys are kept if no scheduler is left.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

impl Broker {
    /// Renews the lease of a scheduler, and asks which of its entries it leads. The lease lasts for
    /// [`SCHEDULER_LEASE`] from the moment at which Redis grants it, which is after the call begins.
    ///
    /// The leader leads all its entries. Another scheduler leads those of its entries that no live scheduler
    /// leads. An entry that changes hands gets a higher fencing number.
    ///
    /// All its fencing numbers are higher than `too_low`. The notes of entries live longer than what is known of the
    /// last number, so after the clock was set back a note may have a higher one.
    pub(crate) async fn lead(
        &self,
        scheduler_id: &str,
        entry_keys: &[Str],
        too_low: i64,
    ) -> Result<Leads> {
        self.lead_for(SCHEDULER_LEASE, scheduler_id, entry_keys, too_low)
            .await
    }

    async fn lead_for(
        &self,
        lease: Duration,
        scheduler_id: &str,
        entry_keys: &[Str],
        too_low: i64,
    ) -> Result<Leads> {
        let mut leads = Leads {
            is_leader: false,
            fencing: Vec::with_capacity(entry_keys.len()),
        };
        for part in parts(entry_keys) {
            let build = || {
                let mut args: Vec<Value> = Vec::with_capacity(4 + part.len());
                args.push(scheduler_id.into());
                args.push(number(lease.as_millis() as u64));
                args.push(number(KEPT.as_secs()));
                args.push(too_low.into());
                args.extend(part.iter().cloned().map(Value::from));
                (leader_keys(), args)
            };
            let reply = LEAD.call(self, build).await?;
            let values = reply::array(reply, LEAD.name)?;
            let numbers: Vec<i64> = values
                .iter()
                .map(|value| reply::integer(value, LEAD.name))
                .collect::<Result<_>>()?;
            let [is_leader, fencing @ ..] = numbers.as_slice() else {
                return Err(reply::unexpected(LEAD.name, &Value::Array(values)));
            };
            leads.is_leader = *is_leader == 1;
            let fencing = fencing.iter();
            leads
                .fencing
                .extend(fencing.map(|number| (*number > 0).then_some(*number)));
        }
        Ok(leads)
    }

    /// Gives up entries that the scheduler no longer has, so that others may lead them.
    pub(crate) async fn give_up_entries(
        &self,
        scheduler_id: &str,
        entry_keys: &[Str],
    ) -> Result<()> {
        for part in entry_keys.chunks(MAX_ENTRIES) {
            self.leave_with(scheduler_id, false, part).await?;
        }
        Ok(())
    }

    /// Gives up the entries, and ends the lease of the scheduler at once. Returns how many others are alive.
    pub(crate) async fn leave(&self, scheduler_id: &str, entry_keys: &[Str]) -> Result<u64> {
        let mut parts = parts(entry_keys).peekable();
        let mut others = 0;
        while let Some(part) = parts.next() {
            let is_last = parts.peek().is_none();
            others = self.leave_with(scheduler_id, is_last, part).await?;
        }
        Ok(others)
    }

    async fn leave_with(&self, scheduler_id: &str, ends: bool, part: &[Str]) -> Result<u64> {
        let build = || {
            let mut args: Vec<Value> = Vec::with_capacity(2 + part.len());
            args.push(scheduler_id.into());
            args.push(number(u8::from(ends)));
            args.extend(part.iter().cloned().map(Value::from));
            (leader_keys(), args)
        };
        let others = LEAVE.call(self, build).await?;
        let others = reply::integer(&others, LEAVE.name)?;
        Ok(u64::try_from(others).unwrap_or_default())
    }
}

/// The entries of each call: there is one call if there are no entries.
fn parts(entry_keys: &[Str]) -> impl Iterator<Item = &[Str]> {
    let none = entry_keys.is_empty().then_some(entry_keys);
    none.into_iter().chain(entry_keys.chunks(MAX_ENTRIES))
}

fn leader_keys() -> Vec<Key> {
    [
        keys::SCHEDULER_MEMBERS,
        keys::SCHEDULER_LEADER,
        keys::SCHEDULER_LEADS,
    ]
    .map(Key::from_static_str)
    .into()
}

#[cfg(test)]
#[path = "lead_tests.rs"]
mod tests;
