//! Tells the user's callback whether Redis answers.

use super::config::HealthCheck;
use super::policy::guarded;
use super::service::Part;
use crate::broker::Broker;
use crate::error::Result;

/// asynq: `healthchecker`.
pub(super) struct HealthChecker {
    pub(super) broker: Broker,
    pub(super) callback: HealthCheck,
}

impl Part for HealthChecker {
    const NAME: &'static str = "health checker";

    async fn run_once(&mut self) -> Result<()> {
        let answer = self.broker.ping().await;
        guarded("health check", (), || (self.callback)(answer));
        Ok(())
    }
}
