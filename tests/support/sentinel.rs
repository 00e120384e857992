//! A private Redis Sentinel for one test.

use tempfile::TempDir;

use super::RedisServer;
use super::process::{Process, free_port};

/// Part of what a sentinel prints once it monitors its master.
const READY: &str = "+monitor master";

/// The name of the master in all sentinels of these tests.
pub const MASTER: &str = "mymaster";

/// A sentinel that monitors one server. Dropping the value ends the process.
pub struct RedisSentinel {
    process: Process,
    port: u16,
    _dir: TempDir,
}

impl RedisSentinel {
    /// Starts a sentinel that monitors `master`, a TCP server without a password, as [`MASTER`].
    pub async fn start(master: &RedisServer) -> Self {
        Self::start_with(master, &[]).await
    }

    /// Starts a sentinel that monitors `master`, with more lines in `sentinel.conf`.
    pub async fn start_with(master: &RedisServer, lines: &[&str]) -> Self {
        let mut log = String::new();
        for _ in 0..5 {
            let dir = tempfile::tempdir().unwrap();
            let port = free_port();
            let config = dir.path().join("sentinel.conf");
            let mut text = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {MASTER} 127.0.0.1 {} 1\n",
                dir.path().display(),
                master.port()
            );
            for line in lines {
                text += line;
                text.push('\n');
            }
            std::fs::write(&config, text).unwrap();
            let mut process = Process::new(dir.path().join("log"), READY);
            let args = [config.display().to_string(), "--sentinel".to_owned()];
            match process.start(&args, true).await {
                Ok(()) => {
                    return Self {
                        process,
                        port,
                        _dir: dir,
                    };
                }
                Err(error) => log = error,
            }
        }
        panic!("the sentinel does not start; its log:\n{log}");
    }

    /// The sentinel's port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address in asynq's URI form.
    pub fn uri(&self) -> String {
        self.uri_with("")
    }

    /// The address with this user information (`user:password@`, percent-encoded).
    pub fn uri_with(&self, userinfo: &str) -> String {
        format!(
            "redis-sentinel://{userinfo}127.0.0.1:{}?master={MASTER}",
            self.port
        )
    }

    /// Ends the sentinel with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}
