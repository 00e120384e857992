//! The raw limit: our own scripts, driven by one bare pipelined connection that has no handlers,
//! no leases to keep and no errors to handle.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};

use crate::lab::Bed;
use crate::process::cpu_time;
use crate::record::Metrics;
use crate::redis::commands;
use crate::resp::{Connection, Reply};
use crate::scripts::{DEQUEUE, DONE, load};

/// How many tasks one call fetches.
const FETCH: &str = "64";
/// How many fetches are under way at once; as many acknowledgements may be.
const IN_FLIGHT: usize = 4;
const OWNER: &str = "raw:1";
const PREFIX: &str = "asynq:{default}:t:";

/// What the next reply answers.
enum Sent {
    Fetch,
    Done(usize),
}

/// Runs all pending tasks of the queue `default`.
pub(super) fn drain(bed: &Bed<'_>, tasks: u64) -> Result<Metrics> {
    let mut redis = bed.redis.connect()?;
    let scripts = Scripts::load(&mut redis)?;
    let commands_before = commands(&mut redis)?;
    let cpu_before = cpu_time(std::process::id())?;
    let redis_cpu_before = bed.redis.cpu_time()?;
    let begin = Instant::now();
    let mut sent = VecDeque::new();
    for _ in 0..IN_FLIGHT {
        scripts.fetch(&mut redis)?;
        sent.push_back(Sent::Fetch);
    }
    redis.flush()?;
    let mut done = 0;
    while let Some(next) = sent.pop_front() {
        if redis.would_wait() {
            redis.flush()?;
        }
        let reply = redis.read()?;
        if let Reply::Error(text) = &reply {
            anyhow::bail!("a script failed: {text}");
        }
        match next {
            Sent::Fetch => {
                let ids: Vec<String> = reply
                    .list()
                    .iter()
                    .skip(2)
                    .step_by(2)
                    .map(Reply::text)
                    .collect();
                if !ids.is_empty() {
                    scripts.done(&mut redis, &ids)?;
                    sent.push_back(Sent::Done(ids.len()));
                    scripts.fetch(&mut redis)?;
                    sent.push_back(Sent::Fetch);
                }
            }
            Sent::Done(n) => {
                let held = reply.number();
                ensure!(usize::try_from(held) == Ok(n), "{held} of {n} were held");
                done += n as u64;
            }
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    ensure!(done == tasks, "{done} of {tasks} tasks were there");
    let n = tasks as f64;
    let cpu = cpu_time(std::process::id())?.saturating_sub(cpu_before);
    let redis_cpu = bed.redis.cpu_time()?.saturating_sub(redis_cpu_before);
    let executed = commands(&mut redis)? - commands_before;
    Ok(Metrics::from([
        ("rate", n / seconds),
        ("seconds", seconds),
        ("tasks", n),
        ("worker_cpu_us", cpu.as_secs_f64() * 1e6 / n),
        ("redis_cpu_us", redis_cpu.as_secs_f64() * 1e6 / n),
        ("commands", executed as f64 / n),
    ]))
}

/// The loaded scripts, and what their calls share.
struct Scripts {
    dequeue: String,
    done: String,
    day_ends: String,
}

impl Scripts {
    fn load(redis: &mut Connection) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let days = Duration::from_secs(90 * 24 * 60 * 60);
        Ok(Self {
            dequeue: load(redis, DEQUEUE)?,
            done: load(redis, DONE)?,
            day_ends: (now + days).as_secs().to_string(),
        })
    }

    fn fetch(&self, redis: &mut Connection) -> Result<()> {
        redis.send(&[
            "EVALSHA",
            &self.dequeue,
            "4",
            "asynq:{default}:pending",
            "asynq:{default}:active",
            "asynq:{default}:lease",
            "asynq:{default}:paused",
            PREFIX,
            FETCH,
            "30",
            OWNER,
        ])
    }

    fn done(&self, redis: &mut Connection, ids: &[String]) -> Result<()> {
        let many = ids.len().to_string();
        let mut words = vec![
            "EVALSHA",
            &self.done,
            "4",
            "asynq:{default}:active",
            "asynq:{default}:lease",
            // any day will do: the counter is looked at by nobody
            "asynq:{default}:processed:2000-01-01",
            "asynq:{default}:processed",
            PREFIX,
            &self.day_ends,
            "-256",
            OWNER,
            &many,
        ];
        words.extend(ids.iter().map(String::as_str));
        redis.send(&words)
    }
}
