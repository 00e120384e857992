//! Calls for many queues that wait for their turns, so that no queue makes another one wait for long.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long a call keeps its turn. If it takes longer, it goes on without one.
const LONGEST: Duration = Duration::from_secs(1);

/// A limit on calls that are in flight at once.
///
/// Turns are given in the order in which they are asked for. So if each queue makes one call after the other,
/// a queue with much to do and one with little have the same number of calls. A call without an answer keeps
/// its turn for 1 s at most.
pub(crate) struct Turns(Semaphore);

impl Turns {
    /// At most this many calls at once.
    pub(crate) const fn new(calls: usize) -> Self {
        Self(Semaphore::const_new(calls))
    }

    /// Waits for a turn, and makes the call.
    pub(crate) async fn take<F: Future>(&self, call: F) -> F::Output {
        let turn = self.0.acquire().await;
        let mut call = pin!(call);
        match timeout(LONGEST, &mut call).await {
            Ok(output) => output,
            Err(_) => {
                drop(turn);
                call.await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::Mutex;

    use futures_util::future::join;

    use super::*;

    #[tokio::test]
    async fn a_queue_with_much_to_do_takes_turns_with_the_others() {
        let (turns, made) = (Turns::new(1), Mutex::new(Vec::new()));
        let queue = async |name: char, calls: usize| {
            for _ in 0..calls {
                let call = async {
                    tokio::task::yield_now().await;
                    made.lock().expect("no panic").push(name);
                };
                turns.take(call).await;
            }
        };
        join(queue('a', 5), queue('b', 2)).await;
        let made: String = made.lock().expect("no panic").iter().collect();
        assert_eq!(made, "ababaaa");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_an_answer_keeps_its_turn_for_a_second() {
        let turns = Turns::new(1);
        let stuck = turns.take(pending::<()>());
        let next = turns.take(ready(7));
        tokio::select! {
            biased;
            () = stuck => unreachable!("it never ends"),
            seven = next => assert_eq!(seven, 7),
        }
    }
}
