//! A blocking handler that occupies its thread until the test releases it.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use rasynq::{Task, TaskContext};

use super::DEADLINE;

/// The test's control over a blocking handler.
pub struct BlockingHandler {
    begun: Receiver<String>,
    release: Sender<()>,
}

impl BlockingHandler {
    /// The control, and the handler for `rasynq::blocking`.
    ///
    /// Each run waits until the test releases it. Cancellation and shutdown do not end the wait.
    pub fn new() -> (
        Self,
        impl Fn(TaskContext, Task) -> anyhow::Result<()> + Send + Sync + 'static,
    ) {
        let (begins, begun) = channel();
        let (release, released) = channel();
        let released = Mutex::new(released);
        let handler = move |cx: TaskContext, _: Task| {
            begins.send(cx.task_id().to_owned())?;
            released.lock().unwrap().recv()?;
            Ok(())
        };
        (Self { begun, release }, handler)
    }

    /// Waits for the next run to begin, and returns the id of its task.
    pub fn next_to_begin(&self) -> String {
        self.begun.recv_timeout(DEADLINE).unwrap()
    }

    /// Whether a run has begun that [`next_to_begin`](Self::next_to_begin) has not returned yet.
    pub fn another_has_begun(&self) -> bool {
        self.begun.try_recv().is_ok()
    }

    /// Lets one run return: a waiting run, or the next run that begins.
    pub fn release(&self) {
        self.release.send(()).unwrap();
    }
}
