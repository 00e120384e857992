//! The job for one due group: it forms a set of the group's tasks, and has it aggregated.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::due::FormResult;
use super::job_slot::JobSlot;
use super::set_runner::SetRunner;
use crate::broker::{FormLimits, Formed, Str};
use crate::error::{Error, ErrorKind, Result};
use crate::guard::caught_future;
use crate::server::queues::ServedQueue;

/// What became of the forming of a set, with the index of the queue and the name of the group.
pub(super) type JobReport = (usize, Str, Result<FormResult>);

/// Forms a set of the tasks of one group, and has it aggregated.
pub(super) struct Job {
    pub(super) runner: Arc<SetRunner>,
    pub(super) queue: ServedQueue,
    pub(super) group: Str,
    pub(super) limits: FormLimits,
    pub(super) slot: JobSlot,
    pub(super) reports: mpsc::UnboundedSender<JobReport>,
    pub(super) stop: CancellationToken,
}

impl Job {
    /// Returns the index of the queue.
    pub(super) async fn run(self) -> usize {
        let (index, queue, group) = (self.queue.index, self.queue.clone(), self.group.clone());
        if let Err(panic) = caught_future(self.form_and_aggregate()).await {
            let (queue, error) = (queue.name(), panic.logged_text());
            tracing::error!(
                queue,
                group = &*group,
                error,
                "the aggregation of a group panicked, its tasks will be aggregated again"
            );
        }
        index
    }

    async fn form_and_aggregate(mut self) {
        let runner = Arc::clone(&self.runner);
        let set_id = runner.uuids.next();
        let (queue, limits) = (&self.queue.keys, self.limits);
        let form = runner.broker.form_set(queue, &self.group, &set_id, limits);
        // Whatever happens, the group must not stay in the state in which a set is being formed.
        let form = self.slot.lent_during(caught_future(form)).await;
        let formed = form.unwrap_or_else(|panic| {
            let text = format!("the aggregator panicked: {panic}");
            Err(Error::new(ErrorKind::Internal, text))
        });
        match formed {
            Ok(Formed::Set(set)) => {
                self.report(Ok(FormResult::Formed(set.size)));
                match self.stop.is_cancelled() {
                    true => runner.put_back(&set).await,
                    false => runner.run(set, &mut self.slot).await,
                }
            }
            Ok(Formed::NotDue { age, now_ms }) => {
                self.report(Ok(FormResult::NotDue(age, now_ms)));
            }
            Ok(Formed::Empty) => self.report(Ok(FormResult::Empty)),
            Err(error) => self.report(Err(error)),
        }
    }

    fn report(&self, formed: Result<FormResult>) {
        // After the stop nobody listens.
        let _ = self
            .reports
            .send((self.queue.index, self.group.clone(), formed));
    }
}
