//! The signals that `serve` reacts to, and the watchdog of its shutdown. asynq: `signals_unix.go`.
//!
//! One thread of the process listens to them, on a tokio runtime of its own. So a signal counts even if
//! handlers block all threads of the program's runtime, and the process ends even if that runtime cannot.

use std::future::Future;
use std::sync::{Arc, LazyLock, OnceLock, mpsc};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock;
use crate::error::{Error, ErrorKind, Result};

/// The exit code of a process that the watchdog ends.
const EXIT_OVERDUE: i32 = 70;
/// The same signal counts once within this time: a program that forwards signals may forward one that the whole process
/// group has received.
const REPEATED: Duration = Duration::from_millis(500);
/// How long the end of the program's runtime may wait for handlers.
const LAST_HANDLERS: Duration = Duration::from_secs(2);

static WATCH: LazyLock<Watch> = LazyLock::new(Watch::default);

/// The signals of one `serve`. While this value exists, SIGTERM and SIGINT shut its server down.
pub(crate) struct Signals(Arc<Served>);

struct Served {
    /// SIGTSTP was received.
    stop: CancellationToken,
    /// SIGTERM or SIGINT was received.
    shutdown: CancellationToken,
    /// How long the shutdown may take.
    limit: Duration,
    /// When the shutdown must be over, once it has begun.
    overdue_at: OnceLock<Instant>,
}

/// What the thread watches.
#[derive(Default)]
struct Watch {
    state: Mutex<WatchState>,
    /// There may be an earlier deadline.
    changed: Notify,
}

#[derive(Default)]
struct WatchState {
    has_thread: bool,
    served: Vec<Arc<Served>>,
    /// The last signal that has begun a shutdown, and when it came.
    begun: Option<(ReceivedSignal, Instant)>,
    /// The runs whose handlers hold up the end of a runtime, and until when they may.
    last_runs: Vec<(TaskTracker, Instant)>,
}

impl Signals {
    /// Starts to listen. A shutdown may take this long after its signal.
    pub(crate) fn listen(limit: Duration) -> Result<Self> {
        let served = Arc::new(Served {
            stop: CancellationToken::new(),
            shutdown: CancellationToken::new(),
            limit,
            overdue_at: OnceLock::new(),
        });
        let mut state = WATCH.state.lock();
        if !state.has_thread {
            start_thread()?;
            state.has_thread = true;
        }
        state.served.push(Arc::clone(&served));
        Ok(Self(served))
    }

    /// Waits for SIGTERM or SIGINT, also for one that came before this call.
    pub(crate) async fn shutdown(&self) {
        self.0.shutdown.cancelled().await;
    }

    /// What `start` returns, unless SIGTERM or SIGINT comes first: then its future is dropped.
    pub(crate) async fn started<T>(
        &self,
        start: impl Future<Output = Result<T>>,
    ) -> Result<Option<T>> {
        tokio::select! {
            biased;
            started = start => started.map(Some),
            () = self.shutdown() => Ok(None),
        }
    }

    /// Waits for SIGTERM or SIGINT; calls `stop` after a SIGTSTP.
    pub(crate) async fn wait(&self, stop: impl Fn()) {
        tokio::select! {
            () = self.shutdown() => return,
            () = self.0.stop.cancelled() => stop(),
        }
        self.shutdown().await;
    }

    /// The server has ended. If handlers of these runs block threads of this runtime, so that it cannot end
    /// either, the process is ended.
    pub(crate) fn server_has_ended(self, runs: TaskTracker) {
        if !runs.is_empty() {
            let at_end = AtRuntimeEnd(runs);
            tokio::spawn(async move { at_end.0.wait().await });
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let mut state = WATCH.state.lock();
        state.served.retain(|other| !Arc::ptr_eq(other, &self.0));
    }
}

/// In a tokio task that waits for runs. It is dropped when the last of them has ended, or when the runtime
/// drops its tasks because it ends.
struct AtRuntimeEnd(TaskTracker);

impl Drop for AtRuntimeEnd {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            let until = clock::monotonic() + LAST_HANDLERS;
            WATCH.state.lock().last_runs.push((self.0.clone(), until));
            WATCH.changed.notify_one();
        }
    }
}

impl Watch {
    async fn run(&self, mut listeners: Listeners) {
        loop {
            let deadline = self.state.lock().next_deadline();
            tokio::select! {
                signal = listeners.next() => self.received(signal),
                () = self.changed.notified() => {}
                () = clock::sleep_until(deadline) => self.check_deadlines(clock::monotonic()),
            }
        }
    }

    fn received(&self, signal: ReceivedSignal) {
        let now = clock::monotonic();
        let mut state = self.state.lock();
        if signal == ReceivedSignal::Suspend {
            state.served.iter().for_each(|served| served.stop.cancel());
            return;
        }
        if state.is_repeated(signal, now) {
            return;
        }
        let is_first = |served: &&Arc<Served>| !served.shutdown.is_cancelled();
        let first: Vec<_> = state.served.iter().filter(is_first).cloned().collect();
        if first.is_empty() {
            if state.served.is_empty() {
                tracing::warn!(
                    signal = signal.name(),
                    "no server is left, ending the process"
                );
            } else {
                tracing::error!(
                    signal = signal.name(),
                    "another signal during a shutdown, ending the process: running tasks will run again after their leases have expired"
                );
            }
            std::process::exit(signal.exit_code());
        }
        state.begun = Some((signal, now));
        drop(state);
        for served in first {
            served.overdue_at.get_or_init(|| now + served.limit);
            served.shutdown.cancel();
        }
    }

    fn check_deadlines(&self, now: Instant) {
        let mut state = self.state.lock();
        if state.overdue_at().any(|at| at <= now) {
            tracing::error!(
                "a shutdown takes too long, handlers may block all threads, ending the process: running tasks will run again after their leases have expired"
            );
            std::process::exit(EXIT_OVERDUE);
        }
        state.last_runs.retain(|(runs, _)| !runs.is_empty());
        if state.last_runs.iter().any(|(_, until)| *until <= now) {
            tracing::error!(
                "handlers block threads, so that the tokio runtime cannot end, ending the process: their tasks were requeued"
            );
            std::process::exit(EXIT_OVERDUE);
        }
    }
}

impl WatchState {
    /// Whether the signal is the one that has just begun the shutdown, once more.
    fn is_repeated(&self, signal: ReceivedSignal, now: Instant) -> bool {
        let begun = self.begun.is_some_and(|(begun_by, at)| {
            begun_by == signal && now.saturating_duration_since(at) < REPEATED
        });
        begun && !self.served.is_empty()
    }

    fn next_deadline(&self) -> Option<Instant> {
        let last_runs = self.last_runs.iter().map(|(_, until)| *until);
        self.overdue_at().chain(last_runs).min()
    }

    /// When the shutdowns that have begun must be over.
    fn overdue_at(&self) -> impl Iterator<Item = Instant> {
        let served = self.served.iter();
        served.filter_map(|served| served.overdue_at.get().copied())
    }
}

/// Starts the thread, and returns once it listens.
fn start_thread() -> Result<()> {
    let (started, has_started) = mpsc::channel();
    let thread = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let listening = runtime.and_then(|runtime| {
            let entered = runtime.enter();
            let listeners = Listeners::new()?;
            drop(entered);
            Ok((runtime, listeners))
        });
        match listening {
            Ok((runtime, listeners)) => {
                let _ = started.send(Ok(()));
                runtime.block_on(WATCH.run(listeners));
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        }
    };
    std::thread::Builder::new()
        .name("rasynq-signals".to_owned())
        .spawn(thread)
        .and_then(|_thread| has_started.recv().unwrap_or_else(|_| Err(ended_early())))
        .map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot listen for signals").with_source(error)
        })
}

fn ended_early() -> std::io::Error {
    std::io::Error::other("the thread has ended")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReceivedSignal {
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has it"))]
    Terminate,
    Interrupt,
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has it"))]
    Suspend,
}

impl ReceivedSignal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::Suspend => "SIGTSTP",
        }
    }

    /// The exit code by which shells show that a signal has ended a process.
    fn exit_code(self) -> i32 {
        128 + match self {
            Self::Terminate => 15,
            Self::Interrupt => 2,
            Self::Suspend => SIGTSTP,
        }
    }
}

/// SIGTSTP has this number on Linux and 18 on the BSDs and macOS.
const SIGTSTP: i32 = if cfg!(any(target_os = "linux", target_os = "android")) {
    20
} else {
    18
};

/// What is listened to.
struct Listeners {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    suspend: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Listeners {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            suspend: signal(SignalKind::from_raw(SIGTSTP))?,
        })
    }

    async fn next(&mut self) -> ReceivedSignal {
        tokio::select! {
            _ = self.terminate.recv() => ReceivedSignal::Terminate,
            _ = self.interrupt.recv() => ReceivedSignal::Interrupt,
            _ = self.suspend.recv() => ReceivedSignal::Suspend,
        }
    }
}

#[cfg(not(unix))]
impl Listeners {
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Only Ctrl-C.
    async fn next(&mut self) -> ReceivedSignal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        ReceivedSignal::Interrupt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_signal_within_half_a_second_is_one_signal_while_a_server_shuts_down() {
        let now = clock::monotonic();
        let served = Arc::new(Served {
            stop: CancellationToken::new(),
            shutdown: CancellationToken::new(),
            limit: Duration::from_secs(1),
            overdue_at: OnceLock::new(),
        });
        let mut state = WatchState {
            served: vec![served],
            begun: Some((ReceivedSignal::Terminate, now)),
            ..WatchState::default()
        };
        let later = |ms| now + Duration::from_millis(ms);
        assert!(state.is_repeated(ReceivedSignal::Terminate, later(1)));
        assert!(!state.is_repeated(ReceivedSignal::Interrupt, later(1)));
        assert!(!state.is_repeated(ReceivedSignal::Terminate, later(500)));
        state.served.clear();
        assert!(!state.is_repeated(ReceivedSignal::Terminate, later(1)));
    }
}
