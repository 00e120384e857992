//! A worker that empties queues, measured.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::lab::{Bed, Side};
use crate::peer::Peer;
use crate::record::Metrics;
use crate::redis::commands;
use crate::resp::Connection;

/// How often the counter is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(2);
/// The same where that takes many keys.
const SLOW_LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// When the clock starts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// When the servers say that they run.
    AtAnswer,
    /// When the first tasks are done.
    AtFirst,
}

/// What the workers do.
#[derive(Clone)]
pub(crate) struct Drain {
    /// How many processes.
    pub(crate) servers: usize,
    /// Their CONFIG.
    pub(crate) config: Value,
    /// Their handlers.
    pub(crate) handlers: Value,
    /// The queues whose counters are added up.
    pub(crate) queues: Vec<String>,
    /// The clock stops when so many runs are counted.
    pub(crate) until: u64,
    /// When the clock starts.
    pub(crate) begin: Begin,
}

impl Drain {
    /// One server on the queue `default` that does nothing with so many tasks.
    pub(crate) fn no_op(concurrency: usize, tasks: u64) -> Self {
        Self {
            servers: 1,
            config: json!({"concurrency": concurrency, "queues": {"default": 1}}),
            handlers: json!({"*": {"attempts": [[{"return": "ok"}]]}}),
            queues: vec!["default".to_owned()],
            until: tasks,
            begin: Begin::AtAnswer,
        }
    }

    /// Lets workers of one side do it; what is to be done must lie there.
    pub(crate) fn run(&self, bed: &Bed<'_>, side: Side) -> Result<Metrics> {
        let mut redis = bed.redis.connect()?;
        let mut peers = Vec::new();
        for _ in 0..self.servers {
            peers.push(Peer::start(bed, side)?);
        }
        self.serve(&mut peers)?;
        self.measure(bed, &mut redis, &peers)
    }

    /// Starts the servers, all at once.
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

    /// Measures servers that run, until what is to be done is done.
    pub(crate) fn measure(
        &self,
        bed: &Bed<'_>,
        redis: &mut Connection,
        peers: &[Peer],
    ) -> Result<Metrics> {
        let mut counter = Counter::new(&self.queues);
        let interval = if self.queues.len() > 10 {
            SLOW_LOOK_INTERVAL
        } else {
            LOOK_INTERVAL
        };
        if self.begin == Begin::AtFirst {
            counter.wait(redis, 1, interval)?;
        }
        let commands_before = commands(redis)?;
        let cpu_before = cpu_of(peers)?;
        let redis_cpu_before = bed.redis.cpu_time()?;
        let begin = Instant::now();
        let done_before = counter.read(redis)?;
        counter.looks = 0;
        let done = counter.wait(redis, self.until, interval)?;
        let seconds = begin.elapsed().as_secs_f64();
        let cpu = cpu_of(peers)?.saturating_sub(cpu_before);
        let redis_cpu = bed.redis.cpu_time()?.saturating_sub(redis_cpu_before);
        let executed = commands(redis)?.saturating_sub(commands_before + counter.looks + 1);
        let mut resident = 0;
        for peer in peers {
            resident += peer.resident_bytes()?;
        }
        let tasks = done.saturating_sub(done_before) as f64;
        Ok(Metrics::from([
            ("rate", tasks / seconds),
            ("seconds", seconds),
            ("tasks", tasks),
            ("worker_cpu_us", cpu.as_secs_f64() * 1e6 / tasks),
            ("redis_cpu_us", redis_cpu.as_secs_f64() * 1e6 / tasks),
            ("commands", executed as f64 / tasks),
            ("rss_mib", resident as f64 / f64::from(1 << 20)),
        ]))
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
    looks: u64,
}

impl Counter {
    fn new(queues: &[String]) -> Self {
        let keys = queues
            .iter()
            .map(|queue| format!("asynq:{{{queue}}}:processed"));
        Self {
            command: std::iter::once("MGET".to_owned()).chain(keys).collect(),
            looks: 0,
        }
    }

    fn read(&mut self, redis: &mut Connection) -> Result<u64> {
        self.looks += 1;
        let counts = redis.call(&self.command)?.list();
        Ok(counts
            .iter()
            .map(|count| u64::try_from(count.number()).unwrap_or(0))
            .sum())
    }

    /// Waits until it stands there. Returns where it stands.
    fn wait(&mut self, redis: &mut Connection, at_least: u64, interval: Duration) -> Result<u64> {
        let (mut last, mut changed_at) = (0, Instant::now());
        loop {
            let count = self.read(redis)?;
            if count >= at_least {
                return Ok(count);
            }
            if count != last {
                (last, changed_at) = (count, Instant::now());
            } else if changed_at.elapsed() > PATIENCE {
                bail!("{count} of {at_least} runs are counted, and no more come");
            }
            std::thread::sleep(interval);
        }
    }
}
