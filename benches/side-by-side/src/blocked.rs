//! Measures for how long Redis is blocked: by its longest command, and as a client sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::record::Metrics;
use crate::resp::{Connection, Reply};
use crate::setup::Testbed;

/// The time between two pings.
const PING_INTERVAL: Duration = Duration::from_micros(200);
/// Redis notes commands that take longer.
const NOTED_FROM_US: &str = "500";
/// The time in ms after which Redis refuses all other commands while a script runs, instead of letting
/// them wait. The default is 5 s.
const PATIENCE_MS: &str = "600000";
/// How many commands it notes.
const NOTED: &str = "1000000";

/// Watches a Redis server until `end`.
pub(crate) struct Watch {
    redis: Connection,
    is_over: Arc<AtomicBool>,
    pings: JoinHandle<Result<Duration>>,
}

impl Watch {
    /// Begins to watch.
    pub(crate) fn begin(bed: &Testbed<'_>) -> Result<Self> {
        let mut redis = bed.redis.connect()?;
        redis.call(&["CONFIG", "SET", "lua-time-limit", PATIENCE_MS])?;
        redis.call(&["CONFIG", "SET", "slowlog-log-slower-than", NOTED_FROM_US])?;
        redis.call(&["CONFIG", "SET", "slowlog-max-len", NOTED])?;
        // The first one may itself be noted.
        redis.call(&["SLOWLOG", "RESET"])?;
        redis.call(&["SLOWLOG", "RESET"])?;
        let is_over = Arc::new(AtomicBool::new(false));
        let pinger = bed.redis.connect()?;
        let until = Arc::clone(&is_over);
        let pings = std::thread::spawn(move || longest_ping(pinger, &until));
        Ok(Self {
            redis,
            is_over,
            pings,
        })
    }

    /// `longest_ms`: how long the longest command took. `ping_ms`: the longest time without an answer to
    /// a ping; this includes the time in which the machine ran something else.
    pub(crate) fn end(mut self) -> Result<Metrics> {
        let noted = self.redis.call(&["SLOWLOG", "GET", NOTED])?.list();
        self.is_over.store(true, Ordering::Relaxed);
        let ping = self
            .pings
            .join()
            .map_err(|_| anyhow!("the pings have ended with a panic"))??;
        let (longest_us, command) = longest_command(noted);
        eprintln!("  longest command: {command}");
        Ok(Metrics::from([
            ("longest_ms", longest_us as f64 / 1e3),
            ("ping_ms", ping.as_secs_f64() * 1e3),
        ]))
    }
}

/// The longest command of a reply of `SLOWLOG GET`: its time in µs, and its first words. Each entry
/// begins with id, time, µs, words.
fn longest_command(noted: Vec<Reply>) -> (i64, String) {
    let commands = noted.into_iter().filter_map(|entry| {
        let fields = entry.list();
        let words = fields.get(3)?.clone().list();
        let words: Vec<String> = words.iter().take(4).map(Reply::text).collect();
        Some((fields.get(2)?.number(), words.join(" ")))
    });
    commands.max_by_key(|(us, _)| *us).unwrap_or_default()
}

fn longest_ping(mut redis: Connection, is_over: &AtomicBool) -> Result<Duration> {
    let mut longest = Duration::ZERO;
    while !is_over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        redis.call(&["PING"])?;
        longest = longest.max(begin.elapsed());
        std::thread::sleep(PING_INTERVAL);
    }
    Ok(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_the_noted_commands_is_found() {
        let entry = |us, word: &str| {
            let words = Reply::Array(vec![Reply::Bulk(Some(word.into()))]);
            Reply::Array(vec![
                Reply::Integer(7),
                Reply::Integer(1_700_000_000),
                Reply::Integer(us),
                words,
            ])
        };
        let noted = vec![entry(3, "GET"), entry(90, "EVALSHA"), entry(12, "SET")];
        assert_eq!(longest_command(noted), (90, "EVALSHA".to_owned()));
        assert_eq!(longest_command(Vec::new()), (0, String::new()));
    }
}
