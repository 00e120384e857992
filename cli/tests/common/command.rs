//! Runs the command as a process.

use std::io::Write;
use std::process::{Command as Process, Stdio};

use tempfile::TempDir;

use super::RedisServer;

/// The command with an empty home, for one Redis.
pub struct Command {
    pub home: TempDir,
    redis_url: Option<String>,
}

/// What a run printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    /// 128 and the number of the signal, if one ended it.
    pub code: i32,
}

impl Command {
    /// For this Redis, by `REDIS_URL`.
    pub fn on(redis: &RedisServer) -> Self {
        Self::with_url(Some(redis.uri()))
    }

    /// With this `REDIS_URL`, or without any.
    pub fn with_url(redis_url: Option<String>) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { home, redis_url }
    }

    pub fn binary() -> &'static str {
        env!("CARGO_BIN_EXE_rasynq")
    }

    /// The process, not yet started.
    pub fn process(&self, arguments: &[&str]) -> Process {
        let mut process = Process::new(Self::binary());
        process
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(url) = &self.redis_url {
            process.env("REDIS_URL", url);
        }
        process
    }

    /// Runs it to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        end(self.process(arguments), b"").await
    }

    /// Runs it with this on its standard input.
    pub async fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut process = self.process(arguments);
        process.stdin(Stdio::piped());
        end(process, input).await
    }

    /// Runs it to its end, which must be good, and gives what it printed on standard output.
    pub async fn output(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran.stdout
    }

    /// Its JSON.
    pub async fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let mut with_json = arguments.to_vec();
        with_json.push("--json");
        serde_json::from_str(&self.output(&with_json).await).unwrap()
    }
}

/// Runs the process without blocking the runtime, on which a server of the test may run.
pub async fn end(mut process: Process, input: &[u8]) -> Ran {
    let input = input.to_vec();
    let run = move || {
        let mut child = process.spawn().unwrap();
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(&input).unwrap();
        }
        child.wait_with_output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    Ran {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: code(output.status),
    }
}

#[cfg(unix)]
fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    let signal = || 128 + status.signal().unwrap_or_default();
    status.code().unwrap_or_else(signal)
}
