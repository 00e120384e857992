//! The subscription to cancellations.

use fred::clients::SubscriberClient;
use fred::interfaces::{EventInterface, PubsubInterface};
use fred::types::Message;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Broker;
use crate::connection::{Owned, map_redis_error};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::keys;

/// A subscription to the ids of tasks to cancel, on a connection of its own. If the connection is lost,
/// fred connects and subscribes again. The subscription ends when it is dropped.
pub(crate) struct Subscription {
    /// Keeps the connection open.
    _client: Owned<SubscriberClient>,
    messages: Receiver<Message>,
}

impl Broker {
    /// Subscribes to cancellations.
    pub(crate) async fn subscribe_cancellations(&self) -> Result<Subscription> {
        let client = self.link().subscriber().await?;
        let messages = client.message_rx();
        client
            .subscribe(keys::CANCEL_CHANNEL)
            .await
            .map_err(|error| map_redis_error(error, "subscribe to cancellations"))?;
        Ok(Subscription {
            _client: client,
            messages,
        })
    }
}

impl Subscription {
    /// The next id to cancel. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<String> {
        loop {
            match self.messages.recv().await {
                Ok(message) => match message.value.into_string() {
                    Some(id) => return Ok(id),
                    None => tracing::warn!("ignored a cancellation that is not text"),
                },
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(
                        missed,
                        "missed cancellations: they came faster than they were read"
                    );
                }
                Err(RecvError::Closed) => {
                    return Err(Error::new(
                        ErrorKind::Unavailable,
                        "the subscription to cancellations has ended",
                    ));
                }
            }
        }
    }
}
