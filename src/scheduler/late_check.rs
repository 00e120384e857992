//! Checks Redis once it is reached, if the scheduler has started without it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::core::Core;
use crate::background::Service;

/// How often the check is tried until Redis answers.
const INTERVAL: Duration = Duration::from_millis(250);

pub(super) struct LateCheck(pub(super) Arc<Core>);

impl Service for LateCheck {
    const NAME: &'static str = "late check";

    async fn run(self, stop: CancellationToken) {
        let core = &self.0;
        let check = async {
            loop {
                match core.broker.check_late().await {
                    Ok(()) => return,
                    Err(error) if error.is_transient() => sleep(INTERVAL).await,
                    Err(error) => {
                        tracing::error!(
                            scheduler_id = core.id,
                            %error,
                            "the Redis that the scheduler has reached does not suit it"
                        );
                        return;
                    }
                }
            }
        };
        stop.run_until_cancelled(check).await;
    }
}
