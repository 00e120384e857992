//! Reads that fail, and the clock of Redis.

use std::time::Duration;

use super::Bench;
use crate::dash::model::Message;
use crate::dash::model::fixtures::{queue, read_at};

#[test]
fn a_lost_redis_is_told_with_the_age_of_what_is_shown() {
    let mut bench = Bench::with_queues(vec![queue("a")]);
    assert!(!bench.model.is_stale());
    bench.pass(Duration::from_secs(12));
    bench.send(Message::ReadFailed("no connection".to_owned()));
    assert!(bench.model.is_stale());
    assert_eq!(bench.model.read_age(), Some(Duration::from_secs(12)));
    assert_eq!(bench.model.row_count(), 1, "what was read last stays");
    bench.read_queues(vec![queue("a")]);
    assert!(!bench.model.is_stale());
    assert_eq!(bench.model.link.failure, None);
}

#[test]
fn times_go_on_by_the_clock_of_redis() {
    let mut bench = Bench::with_queues(vec![queue("a")]);
    bench.now.utc += Duration::from_secs(7_000_000);
    bench.pass(Duration::from_secs(5));
    let expected = read_at() + Duration::from_secs(5);
    assert_eq!(bench.model.redis_now(), expected);
}
