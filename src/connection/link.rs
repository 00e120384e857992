//! What is open: the connections that one client or server has to Redis.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use fred::clients::{Client as FredClient, SentinelClient, SubscriberClient};
use fred::interfaces::{ClientLike, SentinelInterface};
use fred::types::RespVersion;
use fred::types::config::{Config, SentinelConfig, ServerConfig};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::failure::{is_unknown_hello, map_redis_error};
use super::settings::Settings;
use super::version;
use super::watch::Watch;
use super::{Connection, Target};
use crate::error::{Error, ErrorKind, Result};

/// How long closing waits for what is under way on each connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The open connections of one client or server. Clones share them.
///
/// Dropping the last clone ends what [`close`](Self::close) has not, without waiting.
#[derive(Clone)]
pub(crate) struct Link {
    inner: Arc<Inner>,
}

struct Inner {
    commands: Commands,
    settings: Settings,
    place: String,
    /// Everything made here that may still be open.
    made: Mutex<Vec<Weak<Watch>>>,
}

/// What carries the commands.
enum Commands {
    /// The caller's, not to be closed.
    Theirs(FredClient),
    Ours {
        pool: Vec<Owned<FredClient>>,
        next: AtomicUsize,
    },
}

/// A client with a connection of its own, which ends when this is dropped.
///
/// Derefs to the client. Clones of the client stop working at that moment.
pub(crate) struct Owned<C: ClientLike + 'static> {
    client: C,
    watch: Arc<Watch>,
    /// What subscribes again after a reconnection, if anything does.
    companion: Option<JoinHandle<()>>,
}

impl Connection {
    /// Connects, within the connect timeout, and checks that Redis is there, ready and new enough.
    ///
    /// Cancel-safe: dropped, nothing stays open.
    pub(crate) async fn open(&self) -> Result<Link> {
        self.validate()?;
        let settings = self.settings()?;
        let place = self.to_string();
        let within = settings.connect_timeout;
        match timeout(within, self.open_at(settings, place.clone())).await {
            Ok(link) => link,
            Err(_) => Err(Error::new(
                ErrorKind::Unavailable,
                format!("cannot connect to {place}: Redis does not answer within {within:?}"),
            )),
        }
    }

    async fn open_at(&self, settings: Settings, place: String) -> Result<Link> {
        let mut made = Vec::new();
        let commands = match &self.target {
            Target::Existing(client) => Commands::Theirs(client.clone()),
            _ => {
                let mut pool = Vec::with_capacity(self.pool_size);
                for _ in 0..self.pool_size {
                    let client = connect(settings.client(), &settings, &place).await?;
                    made.push(Arc::downgrade(&client.watch));
                    pool.push(client);
                }
                Commands::Ours {
                    pool,
                    next: AtomicUsize::new(0),
                }
            }
        };
        let link = Link {
            inner: Arc::new(Inner {
                commands,
                settings,
                place,
                made: Mutex::new(made),
            }),
        };
        link.check().await?;
        Ok(link)
    }
}

impl Link {
    /// The client for commands. With a pool, each call gives the next one in turn.
    ///
    /// Never block its connection.
    pub(crate) fn commands(&self) -> &FredClient {
        match &self.inner.commands {
            Commands::Theirs(client) => client,
            Commands::Ours { pool, next } => {
                let turn = match pool.len() {
                    1 => 0,
                    several => next.fetch_add(1, Ordering::Relaxed) % several,
                };
                &pool[turn].client
            }
        }
    }

    /// A connection of one's own, RESP3, for commands that block and for client-side caching.
    ///
    /// fred gives the empty reply of a blocking list command as an error of its kind `Timeout`.
    /// Such a command must come back by itself in less than the
    /// [`command_timeout`](Self::command_timeout), or the connection counts as dead. What was
    /// asked of the connection itself (`CLIENT TRACKING`) has to be asked again after each
    /// reconnection: listen to fred's `reconnect_rx`.
    pub(crate) async fn dedicated(&self) -> Result<Owned<FredClient>> {
        self.make(self.inner.settings.client()).await
    }

    /// A connection for publish/subscribe that subscribes again by itself when it was lost.
    pub(crate) async fn subscriber(&self) -> Result<Owned<SubscriberClient>> {
        let settings = &self.inner.settings;
        let client = SubscriberClient::new(
            settings.config.clone(),
            Some(settings.performance.clone()),
            Some(settings.connection.clone()),
            Some(settings.policy.clone()),
        );
        let mut subscriber = self.make(client).await?;
        subscriber.companion = Some(subscriber.client.manage_subscriptions());
        Ok(subscriber)
    }

    async fn make<C: ClientLike + 'static>(&self, client: C) -> Result<Owned<C>> {
        let Inner {
            settings, place, ..
        } = &*self.inner;
        let made = connect(client, settings, place).await?;
        let mut all = lock(&self.inner.made);
        all.retain(|watch| watch.strong_count() > 0);
        all.push(Arc::downgrade(&made.watch));
        Ok(made)
    }

    /// Whether Redis is a cluster, where one script's keys must share a slot.
    pub(crate) fn is_cluster(&self) -> bool {
        self.inner.settings.config.server.is_clustered()
    }

    /// How long a command waits for its reply.
    pub(crate) fn command_timeout(&self) -> Duration {
        self.inner.settings.command_timeout
    }

    /// Where Redis is, for messages.
    pub(crate) fn place(&self) -> &str {
        &self.inner.place
    }

    /// Closes every connection that was made here, after what is under way on them; the caller's
    /// own client stays open. Later commands fail.
    ///
    /// Idempotent. Takes no longer than 2 s, even when Redis is silent.
    pub(crate) async fn close(&self) {
        let made = std::mem::take(&mut *lock(&self.inner.made));
        let open = made.iter().filter_map(Weak::upgrade);
        let closing = open.map(|watch| async move { watch.close(CLOSE_TIMEOUT).await });
        futures_util::future::join_all(closing).await;
    }

    /// Whether Redis is new enough and serves.
    async fn check(&self) -> Result<()> {
        let (client, place) = (self.commands(), self.place());
        version::check(client, place).await?;
        match client.ping::<()>(None).await {
            Err(error) if !error.details().starts_with("NOPERM") => {
                Err(map_redis_error(error, &format!("cannot use {place}")))
            }
            _ => Ok(()),
        }
    }
}

/// Connects a client and watches over its connection from then on.
async fn connect<C: ClientLike + 'static>(
    client: C,
    settings: &Settings,
    place: &str,
) -> Result<Owned<C>> {
    match timeout(
        settings.connect_timeout,
        Watch::start(&client, settings, place),
    )
    .await
    {
        Ok(Ok(watch)) => Ok(Owned {
            client,
            watch: Arc::new(watch),
            companion: None,
        }),
        Ok(Err(error)) if is_unknown_hello(&error) => Err(settings.too_old(place).await),
        Ok(Err(error)) => {
            let error = settings.reason(error).await;
            Err(map_redis_error(
                error,
                &format!("cannot connect to {place}"),
            ))
        }
        Err(_) => Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "cannot connect to {place}: Redis does not answer within {:?}",
                settings.connect_timeout
            ),
        )),
    }
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

    /// The error about a Redis that has no `HELLO` yet, with its version if it tells it.
    async fn too_old(&self, place: &str) -> Error {
        let client = self.client_with(Config {
            username: self.login.0.clone(),
            password: self.login.1.clone(),
            version: RespVersion::RESP2,
            ..self.config.clone()
        });
        let mut found = None;
        if let Ok(watch) = Watch::start(&client, self, place).await {
            if let Ok(info) = client.info::<String>(None).await {
                found = version::in_info(&info);
            }
            watch.close(CLOSE_TIMEOUT).await;
        }
        version::too_old(found.as_deref().unwrap_or("5 or older"), place)
    }

    /// fred only says that no sentinel would do; this asks one after the other why.
    async fn reason(&self, error: fred::error::Error) -> fred::error::Error {
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
            let config = SentinelConfig {
                host: host.host.to_string(),
                port: host.port,
                username: username.clone(),
                password: password.clone(),
                #[cfg(feature = "tls")]
                tls: self.config.tls.clone(),
            };
            let client = SentinelClient::new(
                config,
                Some(self.performance.clone()),
                Some(self.connection.clone()),
                None,
            );
            let task = match client.init().await {
                Ok(task) => task,
                Err(error) => {
                    let details = format!("sentinel {host}: {}", error.details());
                    reason = fred::error::Error::new(error.kind().clone(), details);
                    continue;
                }
            };
            let master = client
                .get_master_addr_by_name::<fred::types::Value, _>(service_name.clone())
                .await;
            task.abort();
            if let Ok(master) = master
                && master.is_null()
            {
                let details = format!("sentinel {host} knows no master {service_name:?}");
                return fred::error::Error::new(fred::error::ErrorKind::Sentinel, details);
            }
        }
        reason
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
        if let Some(companion) = &self.companion {
            companion.abort();
        }
        self.watch.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
