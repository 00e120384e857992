//! Reports to the user's callback whether Redis answers. asynq: `healthchecker`.

use std::time::Duration;

use tokio::time::timeout;

use crate::background::Periodic;
use crate::broker::Broker;
use crate::error::{Error, ErrorKind, Result};
use crate::guard::{Foreign, guarded};
use crate::server::config::HealthCheck;

pub(in crate::server) struct HealthChecker {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) interval: Duration,
    pub(in crate::server) callback: Foreign<HealthCheck>,
}

impl Periodic for HealthChecker {
    const NAME: &'static str = "health checker";
    type Done = ();

    async fn pass(&mut self) -> Result<()> {
        // A silent Redis is reported before the next check would be due.
        let patience = self.interval / 2;
        let silent = || {
            let text = format!("ping: Redis does not answer within {patience:?}");
            Err(Error::new(ErrorKind::Unavailable, text))
        };
        let answer = timeout(patience, self.broker.ping()).await;
        let answer = answer.unwrap_or_else(|_| silent());
        guarded("health check", (), || (self.callback)(answer));
        Ok(())
    }
}
