//! The cost of servers that have nothing to do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::peer::Peer;
use crate::record::{Case, Metrics};
use crate::resp::Connection;
use crate::setup::{BOTH, Setup, Side, Testbed};
use crate::usage::Usage;

/// The time between the start of the servers and the measurement.
const SETTLE: Duration = Duration::from_secs(6);
/// The total time of the measurement. It is long enough to count what happens once a minute.
const MEASURED: Duration = Duration::from_secs(120);

/// A server with empty queues, on a Redis server of its own.
struct IdleServer<'l> {
    side: Side,
    bed: Testbed<'l>,
    redis: Connection,
    peer: Peer,
}

/// 1, 10 and 100 queues. All servers are measured at the same time, because they use so little.
pub(super) fn cases(setup: &Setup) -> Result<Vec<Case>> {
    let sizes = [1_u32, 10, 100];
    let mut groups = Vec::new();
    for queues in sizes {
        let mut group = Vec::new();
        for side in BOTH {
            group.push(IdleServer::start(setup, side, queues)?);
        }
        let case = Case::new("idle", format!("queues={queues}"), "commands", "commands/s")
            .at(queues.into())
            .note("all commands that Redis executes, including those inside scripts; all six servers are measured at the same time");
        groups.push((case, group));
    }
    let measured = if setup.quick { MEASURED / 2 } else { MEASURED };
    let window = measured / u32::try_from(setup.rounds.max(1))?;
    std::thread::sleep(SETTLE);
    for _ in 0..setup.rounds.max(1) {
        let begin = Instant::now();
        let mut before = Vec::new();
        for (_, group) in &mut groups {
            for server in group {
                before.push(server.counts()?);
            }
        }
        std::thread::sleep(window.saturating_sub(begin.elapsed()));
        let mut before = before.into_iter();
        for (case, group) in &mut groups {
            let mut round = BTreeMap::new();
            for server in group {
                if let Some(before) = before.next() {
                    round.insert(server.side, server.counts()?.since(&before));
                }
            }
            case.rounds.push(round);
        }
    }
    Ok(groups.into_iter().map(|(case, _)| case).collect())
}

impl<'l> IdleServer<'l> {
    fn start(setup: &'l Setup, side: Side, queues: u32) -> Result<Self> {
        let bed = setup.testbed()?;
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
            used: Usage::read(&self.bed, &mut self.redis, self.peer.cpu_time()?)?,
        })
    }
}

/// What a server used up to a moment.
struct Counts {
    at: Instant,
    used: Usage,
}

impl Counts {
    fn since(&self, before: &Self) -> Metrics {
        let seconds = (self.at - before.at).as_secs_f64();
        let used = self.used.since(&before.used);
        let percent = |cpu: Duration| cpu.as_secs_f64() / seconds * 100.0;
        Metrics::from([
            ("commands", used.commands as f64 / seconds),
            ("cpu_percent", percent(used.worker_cpu)),
            ("redis_cpu_percent", percent(used.redis_cpu)),
        ])
    }
}
