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
