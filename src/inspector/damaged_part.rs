//! What the script that checks and repairs must know of damage besides the damage itself.

use chrono::{Days, NaiveDate};

use super::damage::{Damage, DamageKind};
use crate::broker::{Broker, DamagedPart, Str, Todo};
use crate::error::Result;
use crate::wire::{self, QueueKeys};

/// For so long the counter of a day is kept.
const COUNTER_DAYS: u64 = 90;

pub(super) async fn damaged_part<'d>(
    broker: &Broker,
    keys: &QueueKeys,
    damage: &'d Damage,
    todo: Todo,
) -> Result<DamagedPart<'d>> {
    let mut part = DamagedPart {
        kind: damage.kind.as_str(),
        key: &damage.key,
        member: damage.member.as_deref().unwrap_or_default(),
        time: 0,
        is_undecodable: false,
    };
    match damage.kind {
        DamageKind::TaskWithoutPlace if todo == Todo::Repair => {
            let id = Str::from(part.member.to_owned());
            let message = broker.messages(keys, &[id]).await?.pop().flatten();
            match message.map(wire::decode_task) {
                Some(Ok(message)) => part.time = message.retention.max(0),
                Some(Err(_)) => part.is_undecodable = true,
                None => {}
            }
        }
        DamageKind::StaleKey => {
            let day = damage.key.rsplit(':').next();
            let day = day.and_then(|day| day.parse::<NaiveDate>().ok());
            let day =
                day.unwrap_or_else(|| broker.clock().now().date_naive()) + Days::new(COUNTER_DAYS);
            part.time = day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp();
        }
        _ => {}
    }
    Ok(part)
}
