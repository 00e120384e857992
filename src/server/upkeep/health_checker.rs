//! Reports to the user's callback whether Redis answers. asynq: `healthchecker`.

use crate::background::Periodic;
use crate::broker::Broker;
use crate::error::Result;
use crate::guard::{Foreign, guarded};
use crate::server::config::HealthCheck;

pub(in crate::server) struct HealthChecker {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) callback: Foreign<HealthCheck>,
}

impl Periodic for HealthChecker {
    const NAME: &'static str = "health checker";
    type Done = ();

    async fn pass(&mut self) -> Result<()> {
        let answer = self.broker.ping().await;
        guarded("health check", (), || (self.callback)(answer));
        Ok(())
    }
}
