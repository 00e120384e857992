//! Sleeps until a tick is due, by Redis' clock, and has its task enqueued.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::core::Core;
use super::tick_run::TickRun;
use crate::background::Service;
use crate::clock;

/// The longest sleep: the clocks of Redis and of this machine drift apart.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

pub(super) struct Ticker(pub(super) Arc<Core>);

impl Service for Ticker {
    const NAME: &'static str = "ticker";

    async fn run(self, stop: CancellationToken) {
        // In a tokio task each, so that a hook that blocks its thread holds up no other tick.
        let mut runs = JoinSet::new();
        let work = async {
            // A tick that was given up at the stop is not taken again.
            while !stop.is_cancelled() {
                let now_ms = self.0.now_ms();
                let (due, wake_at_ms) = self.0.entries.lock().take_due(now_ms);
                for tick in due {
                    let core = Arc::clone(&self.0);
                    runs.spawn(TickRun::new(core, tick, stop.clone()).until_next_tick());
                }
                self.sleep(wake_at_ms, &mut runs).await;
            }
        };
        stop.run_until_cancelled(work).await;
        while let Some(ended) = runs.join_next().await {
            pass_panic_on(ended);
        }
    }
}

impl Ticker {
    async fn sleep(&self, wake_at_ms: Option<i64>, runs: &mut JoinSet<()>) {
        let sleep = wake_at_ms.map_or(LONGEST_SLEEP, |at| self.0.time_until(at));
        let wake = clock::monotonic() + sleep.min(LONGEST_SLEEP);
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(wake) => return,
                () = self.0.look_again.notified() => return,
                () = self.0.broker.clock().was_set() => return,
                Some(ended) = runs.join_next() => pass_panic_on(ended),
            }
        }
    }
}

/// A panic in a tick is a defect of rasynq: the hooks are guarded.
fn pass_panic_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}
