//! The raw limit: the scripts of rasynq, called over one pipelined connection. There are no handlers, no
//! lease extensions and no error handling.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};

use crate::process::cpu_time;
use crate::record::Metrics;
use crate::resp::{Connection, Reply};
use crate::scripts::{DEQUEUE, DONE, load};
use crate::setup::Testbed;
use crate::usage::Usage;

/// How many bytes of messages a fetch brings at most: more than it finds.
const BUDGET: &str = "1048576";
/// The number of tasks that one call fetches.
const FETCH: &str = "64";
/// The number of fetches in flight. As many acknowledgements may be in flight.
const IN_FLIGHT: usize = 4;
const OWNER: &str = "raw:1";
const PREFIX: &str = "asynq:{default}:t:";

/// A call whose reply has not been read.
enum Sent {
    Fetch,
    Done(usize),
}

/// Fetches and acknowledges all pending tasks of the queue `default`.
pub(super) fn drain(bed: &Testbed<'_>, tasks: u64) -> Result<Metrics> {
    let mut redis = bed.redis.connect()?;
    let scripts = Scripts::load(&mut redis)?;
    let before = Usage::read(bed, &mut redis, cpu_time(std::process::id())?)?;
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
                let acknowledged = reply.number();
                ensure!(
                    usize::try_from(acknowledged) == Ok(n),
                    "{acknowledged} of {n} tasks were acknowledged"
                );
                done += n as u64;
            }
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    ensure!(done == tasks, "{done} of {tasks} tasks were fetched");
    let used = Usage::read(bed, &mut redis, cpu_time(std::process::id())?)?.since(&before);
    Ok(used.metrics(tasks as f64, seconds))
}

/// The SHA-1 of each script, and an argument of `done`.
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
            BUDGET,
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
            // any day: nothing reads this counter
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
