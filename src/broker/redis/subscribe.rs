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
/// fred connects and subscribes again. On a cluster, the caller subscribes anew, on another node. The
/// subscription ends when it is dropped.
pub(crate) struct Subscription {
    /// Keeps the connection open.
    client: Owned<SubscriberClient>,
    /// The connection leads to one node of a cluster. Other nodes would do as well.
    is_cluster: bool,
    messages: Receiver<Message>,
    /// Whether the connection also listens on the channel of this owner.
    pub(crate) listens: bool,
}

impl Broker {
    /// Subscribes to cancellations. The connection also listens on the channel of this owner, if Redis allows it. On
    /// a cluster it does not: the channel would be known to one node only.
    pub(crate) async fn subscribe_cancellations(&self, owner: &str) -> Result<Subscription> {
        let client = self.link().subscriber().await?;
        let messages = client.message_rx();
        client
            .subscribe(keys::CANCEL_CHANNEL)
            .await
            .map_err(|error| map_redis_error(error, "subscribe to cancellations"))?;
        let listens = !self.is_cluster() && {
            let subscribed = client.subscribe(keys::alive_channel(owner)).await;
            if let Err(error) = &subscribed {
                tracing::debug!(%error, "cannot listen on the channel of this server");
            }
            subscribed.is_ok()
        };
        Ok(Subscription {
            client,
            is_cluster: self.link().is_cluster(),
            listens,
            messages,
        })
    }
}

impl Subscription {
    /// The next id to cancel. Cancel-safe.
    ///
    /// # Errors
    /// If the connection has ended; on a cluster, also if it is lost.
    pub(crate) async fn next(&mut self) -> Result<String> {
        loop {
            let message = tokio::select! {
                message = self.messages.recv() => message,
                () = self.client.lost(), if self.is_cluster => {
                    return Err(Error::new(
                        ErrorKind::Unavailable,
                        "the node of the subscription to cancellations does not answer",
                    ));
                }
            };
            match message {
                Ok(message) if message.channel != keys::CANCEL_CHANNEL => {}
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
