//! Counts the polls of a handler's future, so that another thread can see a handler that blocks its thread.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

/// Odd while the handler is in a poll. Each poll has a number of its own. No clock is read: whoever sees the same
/// number twice knows the time between.
#[derive(Debug, Default)]
pub(super) struct Polls(AtomicU64);

impl Polls {
    /// A future that counts its polls here. Only one future may count at a time.
    pub(super) fn count<F: Future + Unpin>(&self, future: F) -> CountedPolls<'_, F> {
        CountedPolls {
            polls: self,
            future,
        }
    }

    /// The number of the poll that goes on now.
    pub(super) fn current(&self) -> Option<u64> {
        let count = self.0.load(Ordering::Relaxed);
        (count % 2 == 1).then_some(count)
    }

    fn step(&self) {
        // Not `fetch_add`: no other thread writes while this one polls.
        let count = self.0.load(Ordering::Relaxed);
        self.0.store(count + 1, Ordering::Relaxed);
    }
}

pub(super) struct CountedPolls<'p, F> {
    polls: &'p Polls,
    future: F,
}

impl<F: Future + Unpin> Future for CountedPolls<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.polls.step();
        // A panic of the handler does not leave its future, so the poll always ends.
        let polled = Pin::new(&mut self.future).poll(cx);
        self.polls.step();
        polled
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn each_poll_has_a_number_while_it_goes_on() {
        let polls = Polls::default();
        let handler = std::future::poll_fn(|_| match polls.current() {
            Some(1) => Poll::Pending,
            other => Poll::Ready(other),
        });
        let mut handler = polls.count(handler);
        assert_eq!(polls.current(), None);
        assert_eq!((&mut handler).now_or_never(), None);
        assert_eq!(polls.current(), None);
        assert_eq!((&mut handler).now_or_never(), Some(Some(3)));
        assert_eq!(polls.current(), None);
    }
}
