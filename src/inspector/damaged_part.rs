//! What the script that checks and repairs must know of damage besides the damage itself.

use chrono::{Days, NaiveDate, NaiveTime};

use super::damage::{Damage, DamageKind};
use crate::broker::{Broker, COUNTER_DAYS, DamagedPart, RepairMode, Str};
use crate::error::Result;
use crate::wire::{self, QueueKeys};

/// The trace of a pending task that a program of Go may have put into the list again without a trace.
const PENDING_WITHOUT_TIME: &str = "pending ";

pub(super) async fn damaged_part<'d>(
    broker: &Broker,
    keys: &QueueKeys,
    damage: &'d Damage,
    mode: RepairMode,
) -> Result<DamagedPart<'d>> {
    let mut part = DamagedPart {
        kind: damage.kind.as_str(),
        key: &damage.key,
        member: damage.member.as_deref().unwrap_or_default(),
        time: 0,
        is_undecodable: false,
        trace: &damage.trace,
        copies: Vec::new(),
    };
    match damage.kind {
        DamageKind::ListedTwice | DamageKind::IdWithoutTask if damage.key == keys.pending() => {
            part.copies = copies(broker, keys, part.member).await?;
        }
        // The place of its state may be the list.
        DamageKind::WrongState => part.copies = copies(broker, keys, part.member).await?,
        DamageKind::TaskWithoutPlace => {
            if part.trace == PENDING_WITHOUT_TIME {
                part.copies = copies(broker, keys, part.member).await?;
            }
            if mode == RepairMode::Repair {
                let id = Str::from(part.member.to_owned());
                let message = broker.messages(keys, &[id]).await?.pop().flatten();
                match message.map(wire::decode_task) {
                    Some(Ok(message)) => part.time = message.retention.max(0),
                    Some(Err(_)) => part.is_undecodable = true,
                    None => {}
                }
            }
        }
        DamageKind::StaleKey => {
            let day = damage.key.rsplit(':').next();
            let day = day.and_then(|day| day.parse::<NaiveDate>().ok());
            let until = day.and_then(|day| day.checked_add_days(Days::new(COUNTER_DAYS)));
            let until = until.map(|day| day.and_time(NaiveTime::MIN).and_utc());
            let until = until.unwrap_or_else(|| broker.clock().now() + Days::new(COUNTER_DAYS));
            part.time = until.timestamp();
        }
        _ => {}
    }
    Ok(part)
}

async fn copies(broker: &Broker, keys: &QueueKeys, id: &str) -> Result<Vec<u64>> {
    broker.copies_in_long_list(keys.pending(), id).await
}
