//! The signals that `serve` reacts to. asynq: `signals_unix.go`.

use crate::error::{Error, ErrorKind, Result};

/// Listeners for the signals of this process.
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    suspend: tokio::signal::unix::Signal,
}

fn failed(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Internal, "cannot listen for signals").with_source(error)
}

#[cfg(unix)]
impl Signals {
    /// Starts to listen. [`wait`](Self::wait) also receives the signals that came before it was called.
    pub(crate) fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        /// SIGTSTP has this number on Linux and 18 on the BSDs and macOS.
        const SIGTSTP: i32 = if cfg!(any(target_os = "linux", target_os = "android")) {
            20
        } else {
            18
        };
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            suspend: signal(SignalKind::from_raw(SIGTSTP)).map_err(failed)?,
        })
    }

    /// Waits for SIGTERM or SIGINT; calls `stop` for each SIGTSTP.
    pub(crate) async fn wait(mut self, stop: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.suspend.recv() => stop(),
            }
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    /// Starts to listen.
    pub(crate) fn listen() -> Result<Self> {
        Ok(Self {})
    }

    /// Waits for Ctrl-C.
    pub(crate) async fn wait(self, _stop: impl Fn()) {
        if let Err(error) = tokio::signal::ctrl_c().await.map_err(failed) {
            tracing::error!(%error, "cannot listen for Ctrl-C");
            std::future::pending::<()>().await;
        }
    }
}
