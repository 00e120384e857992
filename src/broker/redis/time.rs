//! Redis' time.

use std::future::Future;
use std::pin::pin;

use futures_util::future::{Either, select};

use super::Broker;
use crate::clock;
use crate::connection::Command;
use crate::error::Result;

impl Broker {
    /// Asks Redis for its time, if it is time to do so: see
    /// [`RedisClock::must_ask`](crate::broker::RedisClock::must_ask). Otherwise it returns at once.
    /// Without a reply, what is known stays.
    pub(crate) async fn refresh_clock(&self) {
        let asked = clock::both();
        if !self.clock().must_ask(asked) {
            return;
        }
        match self.redis_time_unix_millis().await {
            Ok(redis_unix_ms) => self.clock().learn(asked, clock::both(), redis_unix_ms),
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "Redis did not tell its time, the known difference of the clocks stays");
            }
            Err(error) => {
                tracing::debug!(%error, "Redis refuses to tell its time, this machine's clock is used");
                self.clock().follow_wall_clock(clock::both());
            }
        }
    }

    /// Makes a call, and meanwhile asks Redis for its time, if it is time to do so. Both are sent together.
    /// The call does not wait for the time.
    pub(crate) async fn while_refreshing_clock<T>(&self, call: impl Future<Output = T>) -> T {
        match select(pin!(self.refresh_clock()), pin!(call)).await {
            Either::Left(((), call)) => call.await,
            Either::Right((reply, _)) => reply,
        }
    }

    async fn redis_time_unix_millis(&self) -> Result<i64> {
        let (secs, micros): (i64, i64) = self
            .send(Command::without_key("TIME", []), "ask for the time")
            .await?;
        Ok(secs * 1000 + micros / 1000)
    }
}
