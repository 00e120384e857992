//! [`Progress`]: how far a verb is that works on many tasks; a bar on standard error, if that is a terminal.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rasynq::BulkProgress;

use crate::failure::{Failure, FailureKind};

/// How far a verb is. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    last: Arc<Mutex<BulkProgress>>,
}

impl Progress {
    /// A bar with a word for what is done. It shows nothing if standard error is no terminal.
    pub(crate) fn start(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template(
            "{prefix} {wide_bar} {human_pos}/{human_len} {msg} {eta} left",
        ) {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            bar,
            last: Arc::default(),
        }
    }

    pub(crate) fn show(&self, now: &BulkProgress) {
        let (matched, changed) = (now.matched, now.changed);
        self.show_with(now, format!("({matched} matched, {changed} changed)"));
    }

    /// How far an examination is.
    pub(crate) fn show_examined(&self, now: &BulkProgress) {
        self.show_with(now, format!("({} found)", now.matched));
    }

    fn show_with(&self, now: &BulkProgress, message: String) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = *now;
        self.bar.set_length(now.total.max(now.examined));
        self.bar.set_position(now.examined);
        self.bar.set_message(message);
    }

    /// Calls a function that prints, without the bar in its way.
    pub(crate) fn around<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// What was shown last.
    pub(crate) fn last(&self) -> BulkProgress {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the work, and takes the bar away. Ctrl-C ends the work; the failure then says `what_is_done`.
    pub(crate) async fn until_done<T>(
        &self,
        work: impl Future<Output = rasynq::Result<T>>,
        what_is_done: impl FnOnce(BulkProgress) -> String,
    ) -> Result<T, Failure> {
        let result = tokio::select! {
            result = work => result.map_err(Failure::from),
            _ = tokio::signal::ctrl_c() => {
                let text = format!("interrupted: {}", what_is_done(self.last()));
                Err(Failure::new(FailureKind::Interrupted, text))
            }
        };
        self.end();
        result
    }

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
