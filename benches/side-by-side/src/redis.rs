//! A private Redis server for one scenario.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::process::cpu_time;
use crate::resp::Connection;

/// The longest time to wait for a server to start.
const START_TIME: Duration = Duration::from_secs(10);

/// A `redis-server` on a unix socket. Dropping it kills the process.
pub(crate) struct Redis {
    child: Child,
    dir: TempDir,
}

impl Redis {
    /// Starts a server with these settings in addition to the usual ones.
    pub(crate) fn start(program: &Path, settings: &[&str]) -> Result<Self> {
        // not in TMPDIR: its path may be too long for a unix socket
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

    /// The path of its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    /// The address, as a URI of asynq.
    pub(crate) fn uri(&self) -> String {
        format!("redis-socket://{}", self.socket().display())
    }

    /// Lets the server run before all other processes, if this program may ask for it. Without that, a command
    /// seems long if it was interrupted for something else: a niceness of -20 leaves interruptions of 45 ms.
    pub(crate) fn prefer(&self) {
        let pid = self.child.id().to_string();
        let asked = Command::new("chrt")
            .args(["--all-tasks", "--fifo", "--pid", "10", &pid])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !asked.is_ok_and(|status| status.success()) {
            eprintln!("  Redis has no priority: the longest times include interruptions");
        }
    }

    /// The directory of this server.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Opens a connection.
    pub(crate) fn connect(&self) -> Result<Connection> {
        Connection::open(&self.socket())
    }

    /// The CPU time of the process so far.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        cpu_time(self.child.id())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // an error means that the process is gone
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number of commands that Redis has executed, including those inside scripts.
pub(crate) fn commands(connection: &mut Connection) -> Result<u64> {
    let info = connection.call(&["INFO", "commandstats"])?.text();
    Ok(count_calls(&info))
}

/// A numeric field of `INFO`.
pub(crate) fn info_number(connection: &mut Connection, section: &str, field: &str) -> Result<f64> {
    let info = connection.call(&["INFO", section])?.text();
    let value = info
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let value = value.with_context(|| format!("INFO has no {field}"))?;
    Ok(value.trim().parse()?)
}

/// The calls of all commands except `INFO`, which only this program sends.
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
    fn calls_of_all_commands_except_info_are_counted() {
        let info = "# Commandstats\r\ncmdstat_get:calls=3,usec=1\r\n\
            cmdstat_info:calls=9,usec=1\r\ncmdstat_config|get:calls=4,usec=1\r\n";
        assert_eq!(count_calls(info), 7);
    }
}
