//! Counts the ticks that were late or lost, so that the log has one line for many of them. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// Trouble that does not end is reported this often.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The ticks of all entries that were late or lost since the last report.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    counts: Counts,
    /// When it began, and what was counted when it was last looked at.
    begun: Option<(Instant, Counts)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) late: u64,
    pub(super) longest_ms: i64,
    pub(super) lost: u64,
}

impl Trouble {
    pub(super) fn late(&mut self, late_ms: i64) {
        self.counts.late += 1;
        self.counts.longest_ms = self.counts.longest_ms.max(late_ms);
    }

    pub(super) fn lost(&mut self, ticks: u64) {
        self.counts.lost += ticks;
    }

    /// What is to be reported: all that has happened, once nothing more has happened since the last look.
    pub(super) fn report(&mut self, now: Instant) -> Option<Counts> {
        if self.counts == Counts::default() {
            return None;
        }
        match self.begun {
            Some((begun, seen)) if seen == self.counts || now >= begun + LONGEST_WAIT => {
                self.begun = None;
                Some(std::mem::take(&mut self.counts))
            }
            begun => {
                self.begun = Some((begun.map_or(now, |(begun, _)| begun), self.counts));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn many_ticks_are_reported_at_once_when_no_more_come() {
        let mut trouble = Trouble::default();
        let start = clock::monotonic();
        let look = |trouble: &mut Trouble, secs| trouble.report(start + Duration::from_secs(secs));
        assert_eq!(look(&mut trouble, 0), None);
        for late_ms in [1_500, 3_000, 2_000] {
            trouble.late(late_ms);
        }
        trouble.lost(4);
        assert_eq!(look(&mut trouble, 1), None);
        trouble.late(1_001);
        assert_eq!(look(&mut trouble, 2), None);
        let counts = Counts {
            late: 4,
            longest_ms: 3_000,
            lost: 4,
        };
        assert_eq!(look(&mut trouble, 3), Some(counts));
        assert_eq!(look(&mut trouble, 4), None);
    }

    #[test]
    fn trouble_that_does_not_end_is_reported_each_minute() {
        let mut trouble = Trouble::default();
        let start = clock::monotonic();
        let reports = (0..200).filter(|secs| {
            trouble.late(5_000);
            trouble.report(start + Duration::from_secs(*secs)).is_some()
        });
        assert_eq!(reports.collect::<Vec<_>>(), [60, 121, 182]);
    }
}
