//! Writes the list of the entries that this scheduler leads, which asynqmon shows. asynq: `runHeartbeater`.
//!
//! Owns `asynq:schedulers:{…}` and its member of `asynq:schedulers`.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::core::Core;
use super::info::EntryInfo;
use crate::background::{Backoff, Service, ToldFailures};
use crate::clock;
use crate::error::{Result, warn_if};
use crate::wire::{self, SchedulerEntry, Timestamp};

pub(super) struct Lister(pub(super) Arc<Core>);

impl Service for Lister {
    const NAME: &'static str = "lister";

    async fn run(self, stop: CancellationToken) {
        let core = &self.0;
        let work = async {
            let mut told = ToldFailures::default();
            let mut backoff = Backoff::new();
            let mut next: Instant = clock::monotonic() + core.heartbeat_interval;
            loop {
                tokio::select! {
                    () = sleep_until(next) => {}
                    () = core.list_changed.notified() => {}
                }
                let written = core.broker.while_refreshing_clock(core.write_list()).await;
                let pause = match written {
                    Ok(()) => {
                        told.succeeded(&());
                        backoff.reset();
                        core.heartbeat_interval
                    }
                    Err(error) => {
                        let is_news = told.failed((), &error);
                        warn_if!(is_news, scheduler_id = core.id, %error, "could not write the list of entries, trying again");
                        backoff.pause().min(core.heartbeat_interval)
                    }
                };
                next = clock::monotonic() + pause;
            }
        };
        stop.run_until_cancelled(work).await;
    }
}

impl Core {
    /// Writes the list as it is now.
    pub(super) async fn write_list(&self) -> Result<()> {
        let _turn = self.listing.lock().await;
        self.check_present()?;
        let led = self.entries.lock().led(self.now_ms());
        let entries = led.into_iter().map(|info| wire::encode(&listed(info)));
        let ttl = self.heartbeat_interval * 2;
        self.broker
            .write_scheduler(&self.keys, entries.collect(), ttl)
            .await
    }
}

fn listed(info: EntryInfo) -> SchedulerEntry {
    SchedulerEntry {
        id: info.id,
        spec: info.spec,
        task_type: info.task_type,
        task_payload: info.payload,
        enqueue_options: info.options,
        next_enqueue_time: Some(Timestamp::from_moment(info.next)),
        prev_enqueue_time: Some(Timestamp::from_moment(info.previous)),
    }
}
