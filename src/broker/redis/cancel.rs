//! Cancellations of runs, and how servers confirm them.

use super::Broker;
use super::script::{number, word};
use crate::broker::Str;
use crate::clock;
use crate::connection::Command;
use crate::error::{Error, ErrorKind, Result};
use crate::wire::keys;

/// How long a confirmation is kept (s).
const CONFIRMED_SECS: u64 = 60;

impl Broker {
    /// Asks all servers to end the runs of the task with this id. Returns whether somebody listens. `None`: on a cluster
    /// that is not known.
    ///
    /// # Errors
    /// Also if Redis is a replica: what it is told reaches only its own listeners.
    pub(crate) async fn publish_cancellation(&self, id: &str) -> Result<Option<bool>> {
        const WHAT: &str = "publish a cancellation";
        let publish = Command::without_key("PUBLISH", [word(keys::CANCEL_CHANNEL), id.into()]);
        let listeners: i64 = self.send(publish, WHAT).await?;
        if listeners > 0 {
            return Ok(Some(true));
        }
        // A node of a cluster counts only its own listeners.
        if self.hash_slots_differ() {
            return Ok(None);
        }
        if self.is_replica().await {
            let text = format!("{WHAT}: this Redis is a replica, and servers listen at its master");
            return Err(Error::new(ErrorKind::Unavailable, text));
        }
        Ok(Some(false))
    }

    /// Whether Redis says that it is a replica. A user that may not ask is not told.
    async fn is_replica(&self) -> bool {
        let info = Command::without_key("INFO", [word("replication")]);
        let info: Result<String> = self.send(info, "read the role of Redis").await;
        info.is_ok_and(|info| info.lines().any(|line| line == "role:slave"))
    }

    /// Confirms that the runs of the task with this id are being ended. Each confirmation has a text of its own.
    pub(crate) async fn confirm_cancellation(&self, id: &str, server: &str) -> Result<()> {
        let text = format!("{server}:{}", clock::unique_name());
        let args = [
            keys::canceled(id).into(),
            text.into(),
            word("EX"),
            number(CONFIRMED_SECS),
        ];
        let set = Command::on_key("SET", args);
        let _: String = self.send(set, "confirm a cancellation").await?;
        Ok(())
    }

    /// The latest confirmation of a server.
    pub(crate) async fn cancellation(&self, id: &str) -> Result<Option<Str>> {
        let get = Command::on_key("GET", [keys::canceled(id).into()]);
        self.send(get, "look for the confirmation of a cancellation")
            .await
    }
}
