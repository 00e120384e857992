//! The open connections of one client or server: some for commands, others for client tracking and for
//! cancellations.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use fred::clients::{Client as FredClient, SentinelClient, SubscriberClient};
use fred::error::{Error as FredError, ErrorKind as FredKind};
use fred::interfaces::{ClientLike, SentinelInterface};
use fred::types::config::{Config, SentinelConfig, ServerConfig};
use fred::types::{RespVersion, Value};
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::command::Command;
use super::failure::{is_unknown_hello, map_redis_error};
use super::keep_alive::KeepAlive;
use super::settings::Settings;
use super::version;
use super::{Connection, Target};
use crate::error::{Error, ErrorKind, Result};

/// How long [`Link::close`] waits, on each connection, for the commands in flight.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The open connections of one client or server. Clones share them.
///
/// When the last clone is dropped, the connections for commands are aborted, unless
/// [`close`](Self::close) has closed them. Those of [`dedicated`](Self::dedicated) and
/// [`subscriber`](Self::subscriber) are aborted when their [`Owned`] is dropped.
#[derive(Clone)]
pub(crate) struct Link {
    shared: Arc<LinkState>,
}

struct LinkState {
    commands: CommandClients,
    settings: Settings,
    /// The address of Redis, for messages.
    address: String,
    /// Every connection that this link opened and that may still be open.
    opened: Mutex<Vec<Weak<KeepAlive>>>,
}

/// The fred clients that carry the commands.
enum CommandClients {
    /// The caller's own fred client. It is never closed here.
    External(FredClient),
    /// fred clients that this link opened. `next` counts the uses of [`Link::client`], which returns the
    /// clients in rotation.
    Pool {
        clients: Vec<Owned<FredClient>>,
        next: AtomicUsize,
    },
}

/// A fred client with its own connection. Dropping it closes the connection, also for clones of the
/// fred client. It dereferences to the fred client.
pub(crate) struct Owned<C: ClientLike + 'static> {
    client: C,
    keep_alive: Arc<KeepAlive>,
    /// The tokio task that subscribes to the pub/sub channels again after a reconnection. Only a subscriber
    /// has this task.
    resubscribe: Option<JoinHandle<()>>,
}

impl Connection {
    /// Connects within the connect timeout, and checks that Redis is ready and new enough.
    ///
    /// Cancel-safe: if the future is dropped, no connection stays open.
    pub(crate) async fn open(&self) -> Result<Link> {
        self.validate()?;
        let settings = self.settings()?;
        let address = self.to_string();
        let within = settings.connect_timeout;
        let link = self.open_with(settings, address.clone());
        timeout(within, link)
            .await
            .unwrap_or_else(|_| Err(connect_timed_out(&address, within)))
    }

    async fn open_with(&self, settings: Settings, address: String) -> Result<Link> {
        let mut opened = Vec::new();
        let commands = match &self.target {
            Target::Existing(client) => CommandClients::External(client.clone()),
            _ => {
                let mut clients = Vec::with_capacity(self.pool_size);
                for _ in 0..self.pool_size {
                    let client = connect(settings.client(), &settings, &address).await?;
                    opened.push(Arc::downgrade(&client.keep_alive));
                    clients.push(client);
                }
                CommandClients::Pool {
                    clients,
                    next: AtomicUsize::new(0),
                }
            }
        };
        let link = Link {
            shared: Arc::new(LinkState {
                commands,
                settings,
                address,
                opened: Mutex::new(opened),
            }),
        };
        link.check().await?;
        Ok(link)
    }
}

impl Link {
    /// Sends one command and waits for its reply. With a pool, successive calls use its connections in
    /// rotation.
    ///
    /// Never send a command that blocks: all callers share the connections.
    ///
    /// If the future is dropped after its first poll, the command may still be sent.
    pub(crate) async fn send(&self, command: Command) -> Result<Value, FredError> {
        command.send_with(self.client()).await
    }

    /// Sends several commands at once. The results are in the order of the commands. All commands use the
    /// same connection, and Redis runs them in their order, without waiting for each other's replies. They
    /// are no transaction.
    ///
    /// On a cluster, only the commands for the same node have this order.
    pub(crate) async fn send_all(&self, commands: Vec<Command>) -> Vec<Result<Value, FredError>> {
        let client = self.client();
        // `join_all` polls its futures in their order.
        let sent = commands
            .into_iter()
            .map(|command| command.send_with(client));
        join_all(sent).await
    }

    /// The fred client for the next command.
    fn client(&self) -> &FredClient {
        match &self.shared.commands {
            CommandClients::External(client) => client,
            CommandClients::Pool { clients, next } => {
                let index = match clients.len() {
                    1 => 0,
                    several => next.fetch_add(1, Ordering::Relaxed) % several,
                };
                &clients[index].client
            }
        }
    }

    /// Another link to the same Redis, with one connection for commands. It works on the runtime of the
    /// caller, which may differ from the runtime of this link.
    pub(crate) async fn separate(&self) -> Result<Self> {
        let LinkState {
            settings, address, ..
        } = &*self.shared;
        let client = connect(settings.client(), settings, address).await?;
        let opened = vec![Arc::downgrade(&client.keep_alive)];
        Ok(Self {
            shared: Arc::new(LinkState {
                commands: CommandClients::Pool {
                    clients: vec![client],
                    next: AtomicUsize::new(0),
                },
                settings: settings.clone(),
                address: address.clone(),
                opened: Mutex::new(opened),
            }),
        })
    }

    /// A separate connection with RESP3, for client tracking.
    ///
    /// A reconnection loses the state of the connection itself (`CLIENT TRACKING`). The caller must
    /// set it again: listen to fred's `reconnect_rx`.
    pub(crate) async fn dedicated(&self) -> Result<Owned<FredClient>> {
        self.open_client(self.shared.settings.client()).await
    }

    /// A separate connection for pub/sub, for cancellations. It subscribes again after each
    /// reconnection.
    pub(crate) async fn subscriber(&self) -> Result<Owned<SubscriberClient>> {
        let settings = &self.shared.settings;
        let client = SubscriberClient::new(
            settings.config.clone(),
            Some(settings.performance.clone()),
            Some(settings.connection.clone()),
            Some(settings.policy.clone()),
        );
        let mut subscriber = self.open_client(client).await?;
        subscriber.resubscribe = Some(subscriber.client.manage_subscriptions());
        Ok(subscriber)
    }

    async fn open_client<C: ClientLike + 'static>(&self, client: C) -> Result<Owned<C>> {
        let LinkState {
            settings, address, ..
        } = &*self.shared;
        let client = connect(client, settings, address).await?;
        let mut opened = lock(&self.shared.opened);
        opened.retain(|connection| connection.strong_count() > 0);
        opened.push(Arc::downgrade(&client.keep_alive));
        Ok(client)
    }

    /// Whether Redis is a cluster. Then all keys of a script must be in the same hash slot.
    pub(crate) fn is_cluster(&self) -> bool {
        self.shared.settings.config.server.is_clustered()
    }

    /// How long a command waits for its reply.
    pub(crate) fn command_timeout(&self) -> Duration {
        self.shared.settings.command_timeout
    }

    /// Closes every connection that this link opened, once the commands in flight on it are
    /// answered. Later commands fail. The caller's own fred client stays open.
    ///
    /// Idempotent. Takes at most 2 s, even if Redis does not answer. If the future is dropped,
    /// connections may stay open; a second call closes them.
    pub(crate) async fn close(&self) {
        let open: Vec<_> = lock(&self.shared.opened)
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        let closing = open
            .iter()
            .map(|connection| connection.close(CLOSE_TIMEOUT));
        join_all(closing).await;
    }

    /// The version of Redis. `None`: Redis does not state it.
    async fn version(&self) -> Result<Option<String>, FredError> {
        let info = Command::without_key("INFO", ["server".into()]);
        match self.send(info).await {
            Ok(info) => Ok(version::version_in_info(&info.convert::<String>()?)),
            // A user may lack permission for INFO; HELLO is permitted to everyone.
            Err(error) if error.details().starts_with("NOPERM") => {
                let reply = self.send(Command::without_key("HELLO", [])).await?;
                Ok(version::version_in_hello(&reply))
            }
            Err(error) => Err(error),
        }
    }

    /// Checks that Redis is new enough and ready.
    async fn check(&self) -> Result<()> {
        let address = self.shared.address.as_str();
        let found = self.version().await.map_err(|error| {
            let what = format!("cannot determine the version of Redis at {address}");
            map_redis_error(error, &what)
        })?;
        version::check(found.as_deref(), address)?;
        match self.send(Command::without_key("PING", [])).await {
            // A user without permission for PING may still use the queues.
            Err(error) if !error.details().starts_with("NOPERM") => {
                Err(map_redis_error(error, &format!("cannot use {address}")))
            }
            _ => Ok(()),
        }
    }
}

/// Connects a fred client and keeps it connected until the returned value is dropped.
async fn connect<C: ClientLike + 'static>(
    client: C,
    settings: &Settings,
    address: &str,
) -> Result<Owned<C>> {
    let within = settings.connect_timeout;
    match timeout(within, KeepAlive::start(&client, settings, address)).await {
        Ok(Ok(keep_alive)) => Ok(Owned {
            client,
            keep_alive: Arc::new(keep_alive),
            resubscribe: None,
        }),
        Ok(Err(error)) if is_unknown_hello(&error) => Err(settings.too_old(address).await),
        Ok(Err(error)) => {
            let error = settings.explain_sentinel_failure(error).await;
            let what = format!("cannot connect to {address}");
            Err(map_redis_error(error, &what))
        }
        Err(_) => Err(connect_timed_out(address, within)),
    }
}

fn connect_timed_out(address: &str, within: Duration) -> Error {
    let text = format!("cannot connect to {address}: Redis does not answer within {within:?}");
    Error::new(ErrorKind::Unavailable, text)
}

impl Settings {
    fn client(&self) -> FredClient {
        self.client_with(self.config.clone())
    }

    fn client_with(&self, config: Config) -> FredClient {
        FredClient::new(
            config,
            Some(self.performance.clone()),
            Some(self.connection.clone()),
            Some(self.policy.clone()),
        )
    }

    /// The error for a Redis without `HELLO`. Connects again with RESP2, to read the version.
    async fn too_old(&self, address: &str) -> Error {
        let client = self.client_with(Config {
            username: self.login.0.clone(),
            password: self.login.1.clone(),
            version: RespVersion::RESP2,
            ..self.config.clone()
        });
        let mut found = None;
        if let Ok(keep_alive) = KeepAlive::start(&client, self, address).await {
            if let Ok(info) = client.info::<String>(None).await {
                found = version::version_in_info(&info);
            }
            keep_alive.close(CLOSE_TIMEOUT).await;
        }
        version::too_old(found.as_deref().unwrap_or("5 or older"), address)
    }

    /// If a sentinel cannot be reached or does not know the master, returns an error that names this
    /// sentinel and the reason: fred's own error does not name them. Otherwise returns `error`.
    async fn explain_sentinel_failure(&self, error: FredError) -> FredError {
        let ServerConfig::Sentinel {
            hosts,
            service_name,
            username,
            password,
        } = &self.config.server
        else {
            return error;
        };
        let mut reason = error;
        for host in hosts {
            let sentinel = SentinelConfig {
                host: host.host.to_string(),
                port: host.port,
                username: username.clone(),
                password: password.clone(),
                #[cfg(feature = "tls")]
                tls: self.config.tls.clone(),
            };
            match self.knows_master(sentinel, service_name).await {
                Ok(true) => {}
                Ok(false) => {
                    let details = format!("sentinel {host} knows no master {service_name:?}");
                    return FredError::new(FredKind::Sentinel, details);
                }
                Err(error) => {
                    let details = format!("sentinel {host}: {}", error.details());
                    reason = FredError::new(error.kind().clone(), details);
                }
            }
        }
        reason
    }

    /// Whether a sentinel knows the master `name`. Fails if the sentinel cannot be reached. If it was
    /// reached but did not answer the question, returns `true`.
    async fn knows_master(&self, sentinel: SentinelConfig, name: &str) -> Result<bool, FredError> {
        let client = SentinelClient::new(
            sentinel,
            Some(self.performance.clone()),
            Some(self.connection.clone()),
            None,
        );
        let task = client.init().await?;
        let master = client
            .get_master_addr_by_name::<Value, _>(name.to_owned())
            .await;
        task.abort();
        Ok(!master.is_ok_and(|master| master.is_null()))
    }
}

impl<C: ClientLike + 'static> std::ops::Deref for Owned<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.client
    }
}

impl<C: ClientLike + 'static> Drop for Owned<C> {
    fn drop(&mut self) {
        if let Some(resubscribe) = &self.resubscribe {
            resubscribe.abort();
        }
        self.keep_alive.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
