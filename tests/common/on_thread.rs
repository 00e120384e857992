//! A blocking handler that holds its thread.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use rasynq::{Task, TaskContext};

use super::DEADLINE;

/// What the test sees of it.
pub struct OnThread {
    begun: Receiver<String>,
    release: Sender<()>,
}

impl OnThread {
    /// The handler's other end, and the handler, for `rasynq::blocking`: each run waits to be released,
    /// whatever becomes of it meanwhile.
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

    /// The id of the next run to begin.
    pub fn next(&self) -> String {
        self.begun.recv_timeout(DEADLINE).unwrap()
    }

    /// Whether another run has begun.
    pub fn has_begun_more(&self) -> bool {
        self.begun.try_recv().is_ok()
    }

    /// Lets one run return, now or later.
    pub fn release(&self) {
        self.release.send(()).unwrap();
    }
}
