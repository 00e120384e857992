//! Registering queues in `asynq:queues` where that key may be on another node than the queue.
//!
//! The node of `asynq:queues` may be dead while the queue's is not. So a queue that is known to be registered is
//! registered again only now and then, beside an enqueue that does not wait for it. For a queue that is not
//! known, the first enqueue waits, but not for long.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use fred::types::{Key, Value};
use futures_util::future::{Either, select};
use tokio::time::timeout;

use super::Broker;
use super::script::{Script, word};
use crate::clock;
use crate::connection::{Command, Traffic};
use crate::error::Result;
use crate::wire::keys;

/// How long an enqueue waits for the registration of a queue that is not known.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
/// After this time a queue is registered again: somebody may have deleted `asynq:queues`.
pub(super) const AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Broker {
    /// Runs a script that stores tasks in a queue, and registers the queue. `build` makes its keys and arguments; it is
    /// told whether `asynq:queues` may be among the keys, so that the script registers the queue.
    pub(super) async fn call_storing(
        &self,
        script: &Script,
        queue: &str,
        traffic: Traffic,
        build: impl Fn(bool) -> (Vec<Key>, Vec<Value>),
    ) -> Result<Value> {
        loop {
            let hash_slots_differ = self.hash_slots_differ();
            let call = script.call_with(self, traffic, || build(!hash_slots_differ));
            let reply = match hash_slots_differ {
                true => Box::pin(self.registering(queue, call)).await,
                false => call.await,
            };
            match reply {
                // Redis has not run the script.
                Err(error) if !hash_slots_differ && self.note_crossslot(&error) => {}
                reply => return reply,
            }
        }
    }

    /// Makes a call that stores tasks in a queue, and registers the queue if it is time to do so. A queue that
    /// is not known is registered first, so that no task is stored in a queue that nobody can see.
    ///
    /// # Errors
    /// If Redis refuses to register the queue. If it does not answer, the call is made all the same.
    async fn registering<T>(
        &self,
        queue: &str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let now = clock::monotonic();
        let known = self.known_queues();
        match known.tried_at(queue) {
            Some(at) if now - at < AGAIN_AFTER => call.await,
            Some(_) => {
                // Other enqueues of the next second need not try.
                known.tried(queue, now);
                // If the call has its reply first, the registration is on its way.
                match select(pin!(self.register(queue)), pin!(call)).await {
                    Either::Right((stored, _)) => stored,
                    Either::Left((registered, call)) => {
                        if registered.is_err_and(|error| !error.is_transient()) {
                            // The next enqueue is told.
                            known.forget(queue);
                        }
                        call.await
                    }
                }
            }
            None => {
                match timeout(PATIENCE, self.register(queue)).await {
                    Ok(Err(error)) if !error.is_transient() => return Err(error),
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => tracing::debug!(
                        queue,
                        "could not register the queue, its tasks are stored all the same"
                    ),
                }
                known.tried(queue, now);
                call.await
            }
        }
    }

    async fn register(&self, queue: &str) -> Result<()> {
        let register = Command::on_key("SADD", [word(keys::QUEUES), queue.into()]);
        self.send(register, "enqueue: SADD asynq:queues").await
    }
}
