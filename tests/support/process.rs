//! A `redis-server` process: start, signals, and a guaranteed end.

use std::ffi::OsString;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::wait::{DEADLINE, poll_until};

/// Names the `redis-server` binary that the tests are to use.
pub const SERVER_VARIABLE: &str = "RASYNQ_TEST_REDIS_SERVER";

/// The `redis-server` binary of this test run.
pub fn server_binary() -> PathBuf {
    std::env::var_os(SERVER_VARIABLE)
        .filter(|path| !path.is_empty())
        .unwrap_or_else(|| OsString::from("redis-server"))
        .into()
}

/// A port on the loopback interface that was free a moment ago. `port + 10000` was free, too: Redis
/// 6.2 uses it for its cluster bus.
pub fn free_port() -> u16 {
    for _ in 0..1000 {
        let Ok(listener) = TcpListener::bind(("127.0.0.1", 0)) else {
            continue;
        };
        let port = listener.local_addr().unwrap().port();
        let Some(bus) = port.checked_add(10_000) else {
            continue;
        };
        if TcpListener::bind(("127.0.0.1", bus)).is_ok() {
            return port;
        }
    }
    panic!("no free port on the loopback interface");
}

/// A process, running or not, with its log file.
pub struct Process {
    child: Option<Child>,
    log: PathBuf,
    ready: &'static str,
    /// By how many seconds the wall clock of the process is ahead.
    clock_shift: Option<i64>,
}

impl Process {
    /// A process that is not running yet. Its output goes to the file `log`; the process is ready once
    /// that file contains `ready`.
    pub fn new(log: PathBuf, ready: &'static str) -> Self {
        Self {
            child: None,
            log,
            ready,
            clock_shift: None,
        }
    }

    /// Moves the wall clock of the process by this many seconds, from its next start on.
    pub fn shift_clock(&mut self, secs: Option<i64>) {
        self.clock_shift = secs;
    }

    /// Sets the clock of the running process: by this many seconds against that of the machine. The process must
    /// have been started with a shift.
    pub fn set_clock(&mut self, secs: i64) {
        assert!(self.clock_shift.is_some(), "the clock cannot be set");
        self.clock_shift = Some(secs);
        self.clock_file(secs);
    }

    /// Writes the file with the shift, beside the log. The process must not find it empty.
    fn clock_file(&self, secs: i64) -> PathBuf {
        let file = self.log.with_file_name("clock_shift");
        let new = file.with_extension("new");
        std::fs::write(&new, secs.to_string()).unwrap();
        std::fs::rename(&new, &file).unwrap();
        file
    }

    /// Compiles the library that moves the clock, beside the log.
    fn clock_library(&self) -> PathBuf {
        let source = self.log.with_file_name("shifted_clock.c");
        std::fs::write(&source, include_str!("shifted_clock.c")).unwrap();
        let library = self.log.with_file_name("shifted_clock.so");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .status();
        assert!(
            compiled.is_ok_and(|status| status.success()),
            "cc {source:?}"
        );
        library
    }

    /// Starts `redis-server` with `args` and waits until it accepts connections, if `wait` is set.
    ///
    /// Returns the log as the error if the server exits.
    pub async fn start(&mut self, args: &[String], wait: bool) -> Result<(), String> {
        assert!(self.child.is_none(), "the server is running already");
        let binary = server_binary();
        let log = File::create(&self.log).unwrap();
        let mut command = Command::new(&binary);
        if let Some(secs) = self.clock_shift {
            command
                .env("LD_PRELOAD", self.clock_library())
                .env("CLOCK_SHIFT_FILE", self.clock_file(secs));
        }
        let child = command
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "cannot run {}: {error}; `dev/redis` installs a Redis server, or set \
                     {SERVER_VARIABLE} to the path of one",
                    binary.display()
                )
            });
        self.child = Some(child);
        if !wait {
            return Ok(());
        }
        poll_until("redis-server accepts connections", DEADLINE, || {
            let state = self.state();
            async move { state }
        })
        .await
    }

    fn state(&mut self) -> Option<Result<(), String>> {
        let log = self.log();
        if log.contains(self.ready) {
            return Some(Ok(()));
        }
        let ended = self.child.as_mut()?.try_wait().unwrap().is_some();
        if ended {
            self.child = None;
            return Some(Err(log));
        }
        None
    }

    /// What the process has printed since its last start.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The path of the log file.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Whether the process is running (or paused).
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Freezes the process with SIGSTOP, and waits until it is frozen.
    pub fn freeze(&self) {
        self.signal("STOP");
        let Some(child) = &self.child else { return };
        let stat = format!("/proc/{}/stat", child.id());
        let started = Instant::now();
        // The signal is asynchronous: without the wait the process could answer one more command.
        // Where there is no /proc, nothing is waited for.
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") T ")) {
            assert!(started.elapsed() < DEADLINE, "the process does not freeze");
            std::thread::yield_now();
        }
    }

    /// Sends a signal; `name` is without `SIG`.
    pub fn signal(&self, name: &str) {
        let Some(child) = &self.child else {
            panic!("the server is not running");
        };
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(child.id().to_string())
            .status()
            .unwrap();
        assert!(status.success(), "kill -{name} {}: {status}", child.id());
    }

    /// Sends SIGTERM and waits until the process has exited.
    pub async fn terminate(&mut self) {
        self.signal("TERM");
        let child = self.child.as_mut().unwrap();
        poll_until("redis-server exits", Duration::from_secs(10), || {
            let ended = child.try_wait().unwrap();
            async move { ended }
        })
        .await;
        self.child = None;
    }

    /// Ends the process with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // both calls fail only if the process has already exited
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
