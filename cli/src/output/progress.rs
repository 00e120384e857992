//! [`Progress`]: a bar on standard error while a verb works on many tasks, if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far a verb is.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar with a word for what is done. It shows nothing if standard error is no terminal.
    pub(crate) fn start(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template(
            "{prefix} {wide_bar} {human_pos}/{human_len} {msg} {per_sec}, {eta} left",
        ) {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// So many of so many are looked at, and so many are changed.
    pub(crate) fn show(&self, examined: u64, total: u64, changed: u64) {
        self.bar.set_length(total.max(examined));
        self.bar.set_position(examined);
        self.bar.set_message(format!("({changed} changed)"));
    }

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
