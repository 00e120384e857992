//! Measures workers that process all tasks of a queue.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::peer::Peer;
use crate::record::Metrics;
use crate::resp::Connection;
use crate::setup::{Side, Testbed};
use crate::usage::Usage;

/// The time between two reads of the counters.
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// The same for many queues, where a read takes longer.
const SLOW_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// The longest time without progress.
const STALL_TIME: Duration = Duration::from_secs(60);

/// When the clock starts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// When the peers answer that their servers run.
    Started,
    /// When the first tasks are done.
    FirstDone,
}

/// Workers, and when the measurement begins and ends.
#[derive(Clone)]
pub(crate) struct Drain {
    /// The number of processes.
    pub(crate) servers: usize,
    /// The member `config` of `serve`.
    pub(crate) config: Value,
    /// The member `handlers` of `serve`.
    pub(crate) handlers: Value,
    /// The queues whose counters are added.
    pub(crate) queues: Vec<String>,
    /// The clock stops when the counters reach this number of runs.
    pub(crate) until: u64,
    /// When the clock starts.
    pub(crate) begin: Begin,
}

impl Drain {
    /// One server on the queue `default` with handlers that do nothing, until so many runs are counted.
    pub(crate) fn no_op(concurrency: usize, tasks: u64) -> Self {
        Self {
            servers: 1,
            config: json!({"concurrency": concurrency, "queues": {"default": 1}}),
            handlers: json!({"*": {"attempts": [[{"return": "ok"}]]}}),
            queues: vec!["default".to_owned()],
            until: tasks,
            begin: Begin::Started,
        }
    }

    /// Starts fresh workers of one side and measures them. The queues must be filled before.
    pub(crate) fn run(&self, bed: &Testbed<'_>, side: Side) -> Result<Metrics> {
        let mut redis = bed.redis.connect()?;
        let mut peers = Vec::new();
        for _ in 0..self.servers {
            peers.push(Peer::start(bed, side)?);
        }
        self.serve(&mut peers)?;
        self.measure(bed, &mut redis, &peers)
    }

    /// Starts the servers, all at the same time.
    pub(crate) fn serve(&self, peers: &mut [Peer]) -> Result<()> {
        let request =
            json!({"name": "s", "config": self.config, "handlers": self.handlers, "events": false});
        let mut ids = Vec::new();
        for peer in &mut *peers {
            ids.push(peer.send("serve", request.clone())?);
        }
        for (peer, id) in peers.iter_mut().zip(ids) {
            peer.answer(id)?;
        }
        Ok(())
    }

    /// Measures running servers until `until` runs are counted.
    pub(crate) fn measure(
        &self,
        bed: &Testbed<'_>,
        redis: &mut Connection,
        peers: &[Peer],
    ) -> Result<Metrics> {
        let mut counter = Counter::new(&self.queues);
        let interval = if self.queues.len() > 10 {
            SLOW_POLL_INTERVAL
        } else {
            POLL_INTERVAL
        };
        if self.begin == Begin::FirstDone {
            counter.wait(redis, 1, interval)?;
        }
        let before = Usage::read(bed, redis, cpu_of(peers)?)?;
        let begin = Instant::now();
        let done_before = counter.read(redis)?;
        counter.reads = 0;
        let done = counter.wait(redis, self.until, interval)?;
        let seconds = begin.elapsed().as_secs_f64();
        let mut used = Usage::read(bed, redis, cpu_of(peers)?)?.since(&before);
        // without the reads of this program
        used.commands = used.commands.saturating_sub(counter.reads + 1);
        let mut resident = 0;
        for peer in peers {
            resident += peer.resident_bytes()?;
        }
        let tasks = done.saturating_sub(done_before) as f64;
        let mut metrics = used.metrics(tasks, seconds);
        metrics.insert("rss_mib", resident as f64 / f64::from(1 << 20));
        Ok(metrics)
    }
}

fn cpu_of(peers: &[Peer]) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for peer in peers {
        sum += peer.cpu_time()?;
    }
    Ok(sum)
}

/// The counters of finished runs.
struct Counter {
    command: Vec<String>,
    reads: u64,
}

impl Counter {
    fn new(queues: &[String]) -> Self {
        let keys = queues
            .iter()
            .map(|queue| format!("asynq:{{{queue}}}:processed"));
        Self {
            command: std::iter::once("MGET".to_owned()).chain(keys).collect(),
            reads: 0,
        }
    }

    fn read(&mut self, redis: &mut Connection) -> Result<u64> {
        self.reads += 1;
        let counts = redis.call(&self.command)?.list();
        Ok(counts
            .iter()
            .map(|count| u64::try_from(count.number()).unwrap_or(0))
            .sum())
    }

    /// Waits until the counters reach a number. Returns their sum, which may be greater.
    fn wait(&mut self, redis: &mut Connection, at_least: u64, interval: Duration) -> Result<u64> {
        let (mut last, mut changed_at) = (0, Instant::now());
        loop {
            let count = self.read(redis)?;
            if count >= at_least {
                return Ok(count);
            }
            if count != last {
                (last, changed_at) = (count, Instant::now());
            } else if changed_at.elapsed() > STALL_TIME {
                bail!("{count} of {at_least} runs are counted, and the counters no longer change");
            }
            std::thread::sleep(interval);
        }
    }
}
