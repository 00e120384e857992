//! What servers cost that have nothing to do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::lab::{BOTH, Bed, Lab, Side};
use crate::peer::Peer;
use crate::record::{Case, Metrics};
use crate::redis::commands;
use crate::resp::Connection;

/// How long servers settle.
const SETTLE: Duration = Duration::from_secs(6);
/// How long they are watched in all: what they do once a minute is to be seen, and as often as it
/// happens.
const WATCHED: Duration = Duration::from_secs(120);

/// A server that idles on its own Redis.
struct Idler<'l> {
    side: Side,
    bed: Bed<'l>,
    redis: Connection,
    peer: Peer,
}

/// 1, 10 and 100 queues; all are watched at the same time, as there is so little to see.
pub(super) fn play(lab: &Lab) -> Result<Vec<Case>> {
    let sizes = [1_u32, 10, 100];
    let mut groups = Vec::new();
    for queues in sizes {
        let mut group = Vec::new();
        for side in BOTH {
            group.push(Idler::start(lab, side, queues)?);
        }
        let case = Case::new("idle", format!("queues={queues}"), "commands", "commands/s")
            .at(queues.into())
            .note("all commands that Redis executes, those inside scripts too; all six servers are watched at once");
        groups.push((case, group));
    }
    let watched = if lab.quick { WATCHED / 2 } else { WATCHED };
    let window = watched / u32::try_from(lab.rounds.max(1))?;
    std::thread::sleep(SETTLE);
    for _ in 0..lab.rounds.max(1) {
        let begin = Instant::now();
        let mut before = Vec::new();
        for (_, group) in &mut groups {
            for idler in group {
                before.push(idler.counts()?);
            }
        }
        std::thread::sleep(window.saturating_sub(begin.elapsed()));
        let mut before = before.into_iter();
        for (case, group) in &mut groups {
            let mut round = BTreeMap::new();
            for idler in group {
                if let Some(before) = before.next() {
                    round.insert(idler.side, idler.counts()?.since(&before));
                }
            }
            case.rounds.push(round);
        }
    }
    Ok(groups.into_iter().map(|(case, _)| case).collect())
}

impl<'l> Idler<'l> {
    fn start(lab: &'l Lab, side: Side, queues: u32) -> Result<Self> {
        let bed = lab.bed()?;
        let redis = bed.redis.connect()?;
        let mut peer = Peer::start(&bed, side)?;
        let queues: Map<String, Value> = (0..queues).map(|i| (format!("q{i}"), 1.into())).collect();
        peer.ask(
            "serve",
            json!({
                "name": "s", "events": false,
                "config": {"concurrency": 10, "queues": queues},
                "handlers": {"*": {"attempts": [[{"return": "ok"}]]}},
            }),
        )?;
        Ok(Self {
            side,
            bed,
            redis,
            peer,
        })
    }

    fn counts(&mut self) -> Result<Counts> {
        Ok(Counts {
            at: Instant::now(),
            commands: commands(&mut self.redis)?,
            cpu: self.peer.cpu_time()?,
            redis_cpu: self.bed.redis.cpu_time()?,
        })
    }
}

/// What a server has used until a moment.
struct Counts {
    at: Instant,
    commands: u64,
    cpu: Duration,
    redis_cpu: Duration,
}

impl Counts {
    fn since(&self, before: &Self) -> Metrics {
        let seconds = (self.at - before.at).as_secs_f64();
        let part = |now: Duration, then| now.saturating_sub(then).as_secs_f64() / seconds;
        Metrics::from([
            (
                "commands",
                self.commands.saturating_sub(before.commands) as f64 / seconds,
            ),
            ("cpu_percent", part(self.cpu, before.cpu) * 100.0),
            (
                "redis_cpu_percent",
                part(self.redis_cpu, before.redis_cpu) * 100.0,
            ),
        ])
    }
}
