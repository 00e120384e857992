//! The largest argument that Redis takes. It refuses a larger one, and closes the connection.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::Broker;
use super::script::word;
use crate::connection::Command;

/// The setting of Redis.
const SETTING: &str = "proto-max-bulk-len";

impl Broker {
    /// Asks for the limit. If the user may not ask, or Redis does not tell, the default counts.
    pub(super) async fn ask_for_limit(&self) {
        let ask = Command::without_key("CONFIG", [word("GET"), word(SETTING)]);
        let settings = self.send::<HashMap<String, String>>(ask, "read a setting");
        let Ok(settings) = settings.await else { return };
        let limit = settings.get(SETTING).and_then(|bytes| bytes.parse().ok());
        if let Some(limit) = limit.filter(|limit| *limit > 0) {
            self.0.max_argument.store(limit, Ordering::Relaxed);
        }
    }

    /// How many bytes one argument may have.
    pub(crate) fn max_argument(&self) -> usize {
        self.0.max_argument.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Connection;
    use crate::test_support::{DEADLINE, RedisServer, eventually};

    #[tokio::test]
    async fn the_limit_of_a_redis_that_is_reached_late_is_asked_for_then() {
        let server = RedisServer::builder().config(SETTING, "2097152");
        let mut server = server.start().await;
        server.stop().await;
        let connection = Connection::from_uri(&server.uri()).expect("a URI");
        let (broker, error) = Broker::connect_or_later(&connection).await.expect("later");
        assert!(error.is_some());
        let error = broker.check_late().await.expect_err("away");
        assert!(error.is_transient(), "{error}");
        server.restart().await;
        eventually("it is checked", DEADLINE, || async {
            broker.check_late().await.is_ok()
        })
        .await;
        assert_eq!(broker.max_argument(), 2_097_152);
        broker.close().await;
    }
}
