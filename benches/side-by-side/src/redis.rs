//! A private Redis server for one scenario.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::process::cpu_time;
use crate::resp::Connection;

/// How long a server may take to start.
const START_TIME: Duration = Duration::from_secs(10);

/// A `redis-server` on a unix socket, ended when dropped.
pub(crate) struct Redis {
    child: Child,
    dir: TempDir,
}

impl Redis {
    /// Starts one with these settings besides ours.
    pub(crate) fn start(program: &Path, settings: &[&str]) -> Result<Self> {
        // not in TMPDIR, whose path may be too long for a socket
        let dir = tempfile::Builder::new()
            .prefix("rasynq-bench-")
            .tempdir_in("/tmp")?;
        let log = std::fs::File::create(dir.path().join("log"))?;
        let child = Command::new(program)
            .args(["--port", "0", "--save", "", "--daemonize", "no"])
            .arg("--unixsocket")
            .arg(dir.path().join("redis.sock"))
            .arg("--dir")
            .arg(dir.path())
            .args(settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut redis = Self { child, dir };
        let begin = Instant::now();
        while redis.connect().and_then(|mut c| c.call(&["PING"])).is_err() {
            if begin.elapsed() > START_TIME || redis.child.try_wait()?.is_some() {
                let log = std::fs::read_to_string(redis.dir.path().join("log"))?;
                bail!("{} does not start:\n{log}", program.display());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(redis)
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    /// The address in asynq's form.
    pub(crate) fn uri(&self) -> String {
        format!("redis-socket://{}", self.socket().display())
    }

    /// A directory for what belongs to this server.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A bare connection to it.
    pub(crate) fn connect(&self) -> Result<Connection> {
        Connection::open(&self.socket())
    }

    /// The CPU time that it has used.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        cpu_time(self.child.id())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // one that is gone needs no end
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many commands Redis has executed, those inside scripts too.
pub(crate) fn commands(connection: &mut Connection) -> Result<u64> {
    let info = connection.call(&["INFO", "commandstats"])?.text();
    Ok(count_calls(&info))
}

/// One number of `INFO`.
pub(crate) fn info_number(connection: &mut Connection, section: &str, field: &str) -> Result<f64> {
    let info = connection.call(&["INFO", section])?.text();
    let value = info
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let value = value.with_context(|| format!("INFO has no {field}"))?;
    Ok(value.trim().parse()?)
}

/// The calls of all commands but `INFO`, which only we send.
fn count_calls(info: &str) -> u64 {
    info.lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="))
        .filter(|(name, _)| *name != "info")
        .filter_map(|(_, rest)| rest.split(',').next()?.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_all_commands_are_counted_but_our_own() {
        let info = "# Commandstats\r\ncmdstat_get:calls=3,usec=1\r\n\
            cmdstat_info:calls=9,usec=1\r\ncmdstat_config|get:calls=4,usec=1\r\n";
        assert_eq!(count_calls(info), 7);
    }
}
