//! What a queue did lately: rates from the difference of two reads, and latencies, for the sparklines.

use std::collections::VecDeque;
use std::time::Duration;

use super::rows::QueueRow;

/// How many samples are kept. More do not fit on a screen.
const MAX_SAMPLES: usize = 240;

/// Reads that are nearer give no useful difference.
const SHORTEST: Duration = Duration::from_millis(200);

/// After a gap of this length the samples begin anew: a rate over the gap would look like one of this moment.
const LONGEST: Duration = Duration::from_secs(60);

/// What happened between two reads of a queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) processed_per_sec: f64,
    pub(crate) failed_per_sec: f64,
    pub(crate) latency_secs: f64,
}

/// A queue as it was read last, and its samples.
#[derive(Clone, Debug)]
pub(crate) struct LiveQueue {
    pub(crate) row: QueueRow,
    /// The read from which the next sample counts.
    base: QueueRow,
    samples: VecDeque<Sample>,
}

impl LiveQueue {
    pub(crate) fn new(row: QueueRow) -> Self {
        Self {
            base: row.clone(),
            row,
            samples: VecDeque::new(),
        }
    }

    /// Takes what a later read has found.
    pub(crate) fn update(&mut self, row: QueueRow) {
        let passed = (row.read_at - self.base.read_at).to_std();
        match passed {
            Ok(passed) if passed < SHORTEST => {}
            Ok(passed) if passed <= LONGEST => {
                let per_sec = |now: u64, before: u64| {
                    // Counters that were deleted begin at 0 again.
                    now.saturating_sub(before) as f64 / passed.as_secs_f64()
                };
                if self.samples.len() == MAX_SAMPLES {
                    self.samples.pop_front();
                }
                self.samples.push_back(Sample {
                    processed_per_sec: per_sec(row.processed_total, self.base.processed_total),
                    failed_per_sec: per_sec(row.failed_total, self.base.failed_total),
                    latency_secs: row.latency.as_secs_f64(),
                });
                self.base = row.clone();
            }
            _ => {
                self.samples.clear();
                self.base = row.clone();
            }
        }
        self.row = row;
    }

    /// The newest sample. `None` until the queue was read twice.
    pub(crate) fn latest(&self) -> Option<Sample> {
        self.samples.back().copied()
    }

    /// The samples, the oldest first.
    pub(crate) fn samples(&self) -> impl DoubleEndedIterator<Item = &Sample> {
        self.samples.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::queue;
    use super::*;

    fn read(millis: i64, processed: u64, failed: u64) -> QueueRow {
        let mut row = queue("default");
        row.read_at += chrono::TimeDelta::milliseconds(millis);
        row.processed_total = processed;
        row.failed_total = failed;
        row
    }

    #[test]
    fn rates_are_differences_by_the_time_between_two_reads() {
        let mut live = LiveQueue::new(read(0, 100, 10));
        assert_eq!(live.latest(), None);
        live.update(read(2_000, 150, 11));
        let sample = live.latest().unwrap();
        assert_eq!(
            (sample.processed_per_sec, sample.failed_per_sec),
            (25.0, 0.5)
        );
    }

    #[test]
    fn reads_too_near_count_with_the_next_one() {
        let mut live = LiveQueue::new(read(0, 100, 0));
        live.update(read(100, 110, 0));
        assert_eq!(live.latest(), None);
        live.update(read(1_000, 200, 0));
        assert_eq!(live.latest().unwrap().processed_per_sec, 100.0);
    }

    #[test]
    fn samples_begin_anew_after_a_gap() {
        let mut live = LiveQueue::new(read(0, 100, 0));
        live.update(read(1_000, 200, 0));
        live.update(read(70_000, 9_000, 0));
        assert_eq!(live.latest(), None);
        assert_eq!(live.row.processed_total, 9_000);
    }

    #[test]
    fn counters_that_were_deleted_do_not_give_negative_rates() {
        let mut live = LiveQueue::new(read(0, 100, 0));
        live.update(read(1_000, 5, 0));
        assert_eq!(live.latest().unwrap().processed_per_sec, 0.0);
    }
}
