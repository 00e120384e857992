//! The log of one test.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::fmt::MakeWriter;

use super::{DEADLINE, eventually};

/// Collects the log lines of the current thread.
///
/// A test on a current-thread runtime runs completely on this thread, apart from the heartbeats of servers. The
/// lines of a server's heartbeats are collected if the capture begins before the server starts. On a
/// multi-thread runtime some lines would be missing.
pub struct Log {
    lines: Lines,
    _guard: DefaultGuard,
}

/// A second subscriber, which no thread uses. While a program has only one, tracing asks that of the current thread
/// whether it wants a line, and remembers the answer for all threads: if the thread of another test writes the line first,
/// this test would never see it.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Lines::default().subscriber()));

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Collects lines until the value is dropped.
    pub fn capture() -> Self {
        LazyLock::force(&SECOND);
        let lines = Lines::default();
        let guard = tracing::subscriber::set_default(lines.subscriber());
        Self {
            lines,
            _guard: guard,
        }
    }

    /// The collected lines that contain all of these words.
    pub fn lines_with(&self, words: &[&str]) -> Vec<String> {
        let bytes = self.lines.0.lock().unwrap().clone();
        String::from_utf8_lossy(&bytes)
            .lines()
            .filter(|line| words.iter().all(|word| line.contains(word)))
            .map(str::to_owned)
            .collect()
    }

    /// Waits until a line contains all of these words.
    #[track_caller]
    pub fn line_with<'a>(&'a self, words: &'a [&'a str]) -> impl Future<Output = ()> + 'a {
        let what = format!("a line is logged with {words:?}");
        eventually(&what, DEADLINE, || async {
            !self.lines_with(words).is_empty()
        })
    }
}

impl Lines {
    fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        tracing_subscriber::fmt()
            .with_writer(self.clone())
            .with_env_filter("rasynq=debug")
            .with_ansi(false)
            .finish()
    }
}

/// Prints the log of a test that fails.
impl Drop for Log {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log:\n{}", self.lines_with(&[]).join("\n"));
        }
    }
}

impl<'w> MakeWriter<'w> for Lines {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
