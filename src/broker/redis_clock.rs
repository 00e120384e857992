//! Redis' time, known without asking for it. No I/O: the broker passes Redis' replies in.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::{self, BothClocks};

/// After this time Redis is asked again.
const REFRESH_MS: i64 = 30_000;
/// The pause before Redis is asked again if it did not reply.
const FAILED_PAUSE_MS: i64 = 1_000;
/// Redis is asked again at once if the wall clock has moved against the monotonic clock by more than this:
/// it was set, or the machine was suspended.
const JUMP_MS: u64 = 200;
/// Clocks that differ by less than this show nearly the same time.
const SAME_MS: u64 = 100;
/// By how much (ms) the clocks drift apart between two replies, at most. A known difference is not
/// replaced by a less exact one unless the two contradict each other.
const DRIFT_MS: u64 = 5;

/// Redis' clock. Every stored time, and every time that is compared with one, is by this clock: those of
/// the machines may differ. Clones share what is known.
///
/// It is this machine's monotonic clock plus a known difference. So it does not follow when somebody sets
/// the wall clock. Where Redis can compute a time itself, a script does.
#[derive(Clone, Debug)]
pub(crate) struct RedisClock(Arc<Known>);

#[derive(Debug)]
struct Known {
    /// By how much Redis' clock is ahead of the monotonic clock.
    ahead_ms: AtomicI64,
    /// By how much the wall clock was ahead of the monotonic clock at the last reply.
    wall_ahead_ms: AtomicI64,
    /// When Redis must be asked again, by the monotonic clock.
    refresh_at_ms: AtomicI64,
    /// By how much `ahead_ms` may be wrong.
    error_ms: Mutex<u64>,
    /// Redis' clock was set.
    was_set: Notify,
}

impl RedisClock {
    /// Until Redis has replied, its clock is taken for this machine's wall clock.
    pub(super) fn new(now: BothClocks) -> Self {
        Self(Arc::new(Known {
            ahead_ms: AtomicI64::new(wall_ahead(now)),
            wall_ahead_ms: AtomicI64::new(wall_ahead(now)),
            refresh_at_ms: AtomicI64::new(i64::MIN),
            error_ms: Mutex::new(u64::MAX),
            was_set: Notify::new(),
        }))
    }

    /// Redis' time. If this machine's wall clock shows nearly the same time, it is that of the wall clock, so
    /// that a program finds the times that it has read itself.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let wall = clock::now();
        let ahead_ms = self.ahead_of_wall_ms(clock::both_at(wall));
        if ahead_ms == 0 {
            return wall;
        }
        wall.checked_add_signed(TimeDelta::milliseconds(ahead_ms))
            .unwrap_or(wall)
    }

    /// Redis' time in milliseconds since the Unix epoch.
    pub(crate) fn now_unix_millis(&self) -> i64 {
        self.at(clock::both())
    }

    fn at(&self, now: BothClocks) -> i64 {
        now.monotonic_ms
            .saturating_add(self.0.ahead_ms.load(Ordering::Relaxed))
    }

    /// A time by Redis' clock as a time by this machine's wall clock.
    pub(crate) fn to_wall_clock(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let ahead_ms = self.ahead_of_wall_ms(clock::both());
        at.checked_sub_signed(TimeDelta::milliseconds(ahead_ms))
            .unwrap_or(at)
    }

    /// By how much Redis' clock is ahead of the wall clock; 0 if they show nearly the same time.
    fn ahead_of_wall_ms(&self, now: BothClocks) -> i64 {
        let ahead_ms = self.at(now).saturating_sub(now.wall_unix_ms);
        if ahead_ms.unsigned_abs() < SAME_MS {
            return 0;
        }
        ahead_ms
    }

    /// Whether the caller is to ask Redis for its time now. Of several callers, one gets true.
    pub(crate) fn must_ask(&self, now: BothClocks) -> bool {
        let known = &*self.0;
        let at = known.refresh_at_ms.load(Ordering::Relaxed);
        let wall_ahead_ms = known.wall_ahead_ms.load(Ordering::Relaxed);
        let jumped = wall_ahead(now).abs_diff(wall_ahead_ms) > JUMP_MS;
        if !jumped && now.monotonic_ms < at {
            return false;
        }
        // Until there is a reply, a jump counts once.
        known
            .wall_ahead_ms
            .store(wall_ahead(now), Ordering::Relaxed);
        let next = now.monotonic_ms + FAILED_PAUSE_MS;
        known
            .refresh_at_ms
            .compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Redis has replied with its time. `asked` is the time before the question was sent.
    pub(crate) fn learn(&self, asked: BothClocks, replied: BothClocks, redis_unix_ms: i64) {
        let round_trip_ms = replied.monotonic_ms.saturating_sub(asked.monotonic_ms);
        let ahead_ms = redis_unix_ms - (asked.monotonic_ms + round_trip_ms / 2);
        // Redis' time is cut to milliseconds.
        let error_ms = round_trip_ms.unsigned_abs() / 2 + 1;
        let mut known_error_ms = self.0.error_ms.lock();
        let known_ms = self.0.ahead_ms.load(Ordering::Relaxed);
        let may_be_wrong_by = known_error_ms.saturating_add(DRIFT_MS);
        let contradicts = ahead_ms.abs_diff(known_ms) > may_be_wrong_by.saturating_add(error_ms);
        if contradicts {
            self.0.was_set.notify_one();
        }
        if contradicts || error_ms <= may_be_wrong_by {
            *known_error_ms = error_ms;
            self.set(replied, ahead_ms);
        } else {
            *known_error_ms = may_be_wrong_by;
            self.set(replied, known_ms);
        }
    }

    /// Waits until a reply shows that Redis' clock was set. One caller at a time is told.
    pub(crate) async fn was_set(&self) {
        self.0.was_set.notified().await;
    }

    /// Redis refuses to tell its time: this machine's wall clock counts.
    pub(super) fn follow_wall_clock(&self, now: BothClocks) {
        *self.0.error_ms.lock() = u64::MAX;
        self.set(now, wall_ahead(now));
    }

    fn set(&self, now: BothClocks, ahead_ms: i64) {
        let known = &*self.0;
        known.ahead_ms.store(ahead_ms, Ordering::Relaxed);
        known
            .wall_ahead_ms
            .store(wall_ahead(now), Ordering::Relaxed);
        let at = now.monotonic_ms + REFRESH_MS;
        known.refresh_at_ms.store(at, Ordering::Relaxed);
    }
}

fn wall_ahead(now: BothClocks) -> i64 {
    now.wall_unix_ms - now.monotonic_ms
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    /// The clocks of a machine whose wall clock shows `wall` ms after some start, and which runs for
    /// `monotonic_ms`.
    fn at(monotonic_ms: i64, wall: i64) -> BothClocks {
        BothClocks {
            monotonic_ms,
            wall_unix_ms: 1_000_000_000 + wall,
        }
    }

    /// A clock that has learned at 0 that Redis is an hour ahead.
    fn an_hour_ahead() -> RedisClock {
        let clock = RedisClock::new(at(0, 0));
        clock.learn(at(0, 0), at(2, 2), 1_000_000_001 + HOUR_MS);
        clock
    }

    #[test]
    fn before_the_first_reply_it_is_the_wall_clock_and_afterwards_that_of_redis() {
        let clock = RedisClock::new(at(7, 0));
        assert_eq!(clock.at(at(8, 1)), 1_000_000_001);
        assert!(clock.must_ask(at(8, 1)));
        let clock = an_hour_ahead();
        assert_eq!(clock.at(at(100, 100)), 1_000_000_100 + HOUR_MS);
        assert!(!clock.must_ask(at(100, 100)));
    }

    #[test]
    fn it_does_not_follow_a_wall_clock_that_is_set_and_redis_is_asked_again() {
        let clock = an_hour_ahead();
        let set = at(1_000, 1_000 - HOUR_MS);
        assert_eq!(clock.at(set), 1_000_001_000 + HOUR_MS);
        assert!(clock.must_ask(set));
        assert!(!clock.must_ask(set), "one caller asks");
        assert!(clock.must_ask(at(2_000, 2_000 - HOUR_MS)), "no reply came");
    }

    #[test]
    fn redis_is_asked_again_every_half_minute_and_after_the_machine_was_suspended() {
        let clock = an_hour_ahead();
        assert!(!clock.must_ask(at(30_001, 30_001)));
        assert!(clock.must_ask(at(30_002, 30_002)));
        let clock = an_hour_ahead();
        assert!(clock.must_ask(at(3, 50_000)));
    }

    #[test]
    fn a_slow_reply_does_not_replace_what_a_fast_one_has_shown_unless_they_contradict() {
        let clock = an_hour_ahead();
        // Redis replied at the end of 100 ms, so the middle is wrong by 50 ms.
        clock.learn(at(1_000, 1_000), at(1_100, 1_100), 1_000_001_100 + HOUR_MS);
        assert_eq!(clock.at(at(1_100, 1_100)), 1_000_001_100 + HOUR_MS);
        // Redis' clock was set.
        clock.learn(at(2_000, 2_000), at(2_100, 2_100), 1_000_002_050);
        assert_eq!(clock.at(at(2_100, 2_100)), 1_000_002_100);
        assert!(clock.was_set().now_or_never().is_some());
        // A faster reply is more exact.
        clock.learn(at(3_000, 3_000), at(3_002, 3_002), 1_000_003_011);
        assert_eq!(clock.at(at(3_002, 3_002)), 1_000_003_012);
    }

    #[test]
    fn if_redis_refuses_to_tell_its_time_the_wall_clock_counts() {
        let clock = an_hour_ahead();
        clock.follow_wall_clock(at(500, 900));
        assert_eq!(clock.at(at(600, 1_000)), 1_000_001_000);
        clock.learn(at(600, 1_000), at(602, 1_002), 1_000_001_001 + HOUR_MS);
        assert_eq!(clock.at(at(602, 1_002)), 1_000_001_002 + HOUR_MS);
    }
}
