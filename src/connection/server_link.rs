//! The open connections to one Redis server, or of the caller's own fred client: some for commands, others
//! for client tracking and for cancellations.

use std::sync::{Arc, Weak};
use std::time::Duration;

use fred::clients::{Client as FredClient, SentinelClient, SubscriberClient};
use fred::error::{Error as FredError, ErrorKind as FredKind};
use fred::interfaces::{ClientLike, EventInterface, SentinelInterface};
use fred::types::Value;
use fred::types::config::{SentinelConfig, ServerConfig};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::command::Command;
use super::failure::{
    is_not_available, lacks_hello, map_connect_error, map_redis_error, wrong_server_answer,
};
use super::keep_alive::{KeepAlive, Owned};
use super::outage::Outages;
use super::pipe::{Pipe, Pipes};
use super::settings::Settings;
use super::version;
use crate::error::{Error, ErrorKind, Result};

/// How long [`ServerLink::close`] waits, on each connection, for the commands in flight.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The open connections to one Redis server.
///
/// When it is dropped, the connections for commands are aborted, unless
/// [`close`](Self::close) has closed them. Those of [`dedicated`](Self::dedicated) and
/// [`subscriber`](Self::subscriber) are aborted when their [`Owned`] is dropped.
pub(super) struct ServerLink {
    pipes: Pipes,
    outages: Arc<Outages>,
    settings: Settings,
    /// The runtime on which the connections were opened.
    runtime: Handle,
    /// Every connection that this link opened and that may still be open.
    opened: Mutex<Vec<Weak<KeepAlive>>>,
}

impl ServerLink {
    /// Connects, and checks that Redis is ready and new enough.
    ///
    /// Cancel-safe: if the future is dropped, no connection stays open.
    pub(super) async fn open(mut settings: Settings, address: String) -> Result<Self> {
        let outages = Outages::new(address, settings.gives_up.clone());
        let mut opened = Vec::new();
        let mut pool = Vec::new();
        while pool.len() < settings.pool_size {
            match connect(settings.pipe_client(), &settings, &outages).await {
                Ok(client) => {
                    opened.push(Arc::downgrade(client.keep_alive()));
                    pool.push(Pipe::owned(client, settings.command_timeout));
                }
                Err(error) if settings.has_resp3() && lacks_hello(&error) => {
                    settings = settings.with_resp2();
                }
                Err(error) => return Err(error),
            }
        }
        let link = Self::new(pool, outages, settings, opened);
        link.check().await?;
        Ok(link)
    }

    /// The same with the caller's own fred client, which is connected already.
    pub(super) async fn of_fred_client(
        client: FredClient,
        settings: Settings,
        address: String,
    ) -> Result<Self> {
        let outages = Outages::new(address, settings.gives_up.clone());
        let pipe = Pipe::external(client, outages.connection());
        let link = Self::new(vec![pipe], outages, settings, Vec::new());
        link.check().await?;
        Ok(link)
    }

    /// Connects in the background, again and again until it succeeds. Nothing is checked: see [`check`](Self::check).
    /// The connections have RESP3: a server without `HELLO` refuses them.
    pub(super) fn open_in_background(settings: Settings, address: String) -> Self {
        let outages = Outages::new(address, settings.gives_up.clone());
        let mut opened = Vec::new();
        let pool = (0..settings.pool_size).map(|_| {
            let client = settings.pipe_client();
            let keep_alive =
                KeepAlive::start_in_background(&client, &settings, outages.connection());
            let client = Owned::new(client, keep_alive);
            opened.push(Arc::downgrade(client.keep_alive()));
            Pipe::owned(client, settings.command_timeout)
        });
        let pool = pool.collect();
        Self::new(pool, outages, settings, opened)
    }

    fn new(
        pool: Vec<Pipe>,
        outages: Arc<Outages>,
        settings: Settings,
        opened: Vec<Weak<KeepAlive>>,
    ) -> Self {
        Self {
            pipes: Pipes::new(pool),
            outages,
            settings,
            runtime: Handle::current(),
            opened: Mutex::new(opened),
        }
    }

    /// Sends one command and waits for its reply. With a pool, successive calls use its connections in
    /// rotation. A large command uses a separate connection.
    ///
    /// Never send a command that blocks: all callers share the connections.
    ///
    /// If the future is dropped after its first poll, the command may still be sent.
    pub(super) async fn send(&self, command: Command) -> Result<Value, FredError> {
        let pipes = &self.pipes;
        let pipe = match pipes.is_bulk(&command) {
            true => Box::pin(pipes.bulk(self.open_pipe())).await,
            false => pipes.next(),
        };
        pipe.send(command).await
    }

    /// Sends several commands at once. The results are in the order of the commands. All commands use the
    /// same connection, and Redis runs them in their order, without waiting for each other's replies. They
    /// are no transaction.
    ///
    /// On a cluster, only the commands for the same node have this order.
    pub(super) async fn send_all(&self, commands: Vec<Command>) -> Vec<Result<Value, FredError>> {
        let pipe = self.pipes.next();
        // `join_all` polls its futures in their order.
        join_all(commands.into_iter().map(|command| pipe.send(command))).await
    }

    /// Like [`send`](Self::send), but does not wait for a connection that has been lost for `patience`.
    pub(super) async fn send_within(
        &self,
        patience: Duration,
        command: Command,
    ) -> Result<Value, FredError> {
        let pipe = self.open_pipe_within(patience).await?;
        if !self.pipes.is_bulk(&command) {
            return pipe.send(command).await;
        }
        let bulk = Box::pin(self.pipes.bulk(self.open_pipe())).await;
        let limit = self.settings.connect_timeout;
        bulk.open_within(patience, limit).await?;
        bulk.send(command).await
    }

    /// Like [`send_all`](Self::send_all), but does not wait for a connection that has been lost for `patience`.
    pub(super) async fn send_all_within(
        &self,
        patience: Duration,
        commands: Vec<Command>,
    ) -> Vec<Result<Value, FredError>> {
        match self.open_pipe_within(patience).await {
            Ok(pipe) => join_all(commands.into_iter().map(|command| pipe.send(command))).await,
            Err(error) => commands.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    /// Waits for a lost connection for commands, until it has been lost for `patience`. Fails with the cause if
    /// it is still lost.
    pub(super) async fn open_within(&self, patience: Duration) -> Result<(), FredError> {
        self.open_pipe_within(patience).await.map(drop)
    }

    async fn open_pipe_within(&self, patience: Duration) -> Result<&Pipe, FredError> {
        let pipe = self.pipes.next();
        let limit = self.settings.connect_timeout;
        pipe.open_within(patience, limit).await?;
        Ok(pipe)
    }

    /// Whether a connection for commands is open, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        self.pipes.pool().iter().any(Pipe::is_open)
    }

    /// Fails with the cause if all connections for commands are certainly lost. Does not ask Redis.
    pub(super) fn check_open(&self) -> Result<(), FredError> {
        let mut checked = Ok(());
        for pipe in self.pipes.pool() {
            checked = pipe.check_open();
            if checked.is_ok() {
                break;
            }
        }
        checked
    }

    /// From now on, commands do not wait for a connection that is lost.
    pub(super) fn give_up(&self) {
        self.settings.gives_up.cancel();
    }

    /// An operation got this error. If it is the answer of a server that is not the one to write to, which a
    /// script has caught, the connections are opened anew.
    pub(super) fn note_answer(&self, error: &Error) {
        if let Some(answer) = wrong_server_answer(error) {
            let state = self.pipes.pool()[0].state();
            state.is_at_wrong_server(state.generation(), answer);
        }
    }

    /// Another connection for commands. `None`: it cannot be opened now.
    ///
    /// It is opened on the runtime of the link. The runtime of the caller may end earlier.
    async fn open_pipe(&self) -> Option<Pipe> {
        // While the connection for small commands is lost, another one cannot be opened either.
        if !self.is_open() {
            return None;
        }
        let (settings, outages) = (self.settings.clone(), Arc::clone(&self.outages));
        let connecting = self
            .runtime
            .spawn(async move { connect(settings.pipe_client(), &settings, &outages).await });
        // Only a runtime that nobody polls takes longer.
        let within = self.settings.connect_timeout.saturating_mul(2);
        match timeout(within, connecting).await.ok()?.ok()? {
            Ok(client) => {
                self.note_opened(&client);
                Some(Pipe::owned(client, self.settings.command_timeout))
            }
            Err(error) => {
                tracing::debug!(%error, "could not open the connection for large commands");
                None
            }
        }
    }

    /// Another link to the same server, with one connection for commands. It works on the runtime of the
    /// caller, which may differ from the runtime of this link.
    pub(super) async fn separate(&self) -> Result<Self> {
        let Self {
            settings, outages, ..
        } = self;
        let client = connect(settings.pipe_client(), settings, outages).await?;
        let opened = vec![Arc::downgrade(client.keep_alive())];
        let pipe = Pipe::owned(client, settings.command_timeout);
        let (outages, settings) = (Arc::clone(outages), settings.clone());
        Ok(Self::new(vec![pipe], outages, settings, opened))
    }

    /// A separate connection with RESP3, for client tracking.
    ///
    /// A reconnection loses the state of the connection itself (`CLIENT TRACKING`). The caller must
    /// set it again: listen to fred's `reconnect_rx`.
    ///
    /// # Errors
    /// [`ErrorKind::UnsupportedRedis`] if Redis has no RESP3.
    pub(super) async fn dedicated(&self) -> Result<Owned<FredClient>> {
        if !self.settings.has_resp3() {
            let address = self.outages.address();
            let text = format!("the Redis at {address} has no RESP3, which tracking needs");
            return Err(Error::new(ErrorKind::UnsupportedRedis, text));
        }
        self.open_client(self.settings.client()).await
    }

    /// A separate connection for pub/sub, for cancellations. It subscribes again after each
    /// reconnection.
    pub(super) async fn subscriber(&self) -> Result<Owned<SubscriberClient>> {
        let client = self.settings.subscriber();
        let mut subscriber = self.open_client(client).await?;
        subscriber.resubscribe(subscriber.manage_subscriptions());
        Ok(subscriber)
    }

    async fn open_client<C: ClientLike + EventInterface + 'static>(
        &self,
        client: C,
    ) -> Result<Owned<C>> {
        let client = connect(client, &self.settings, &self.outages).await?;
        self.note_opened(&client);
        Ok(client)
    }

    fn note_opened<C: ClientLike>(&self, client: &Owned<C>) {
        let mut opened = self.opened.lock();
        opened.retain(|connection| connection.strong_count() > 0);
        opened.push(Arc::downgrade(client.keep_alive()));
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Closes every connection that this link opened, once the commands in flight on it are
    /// answered. Later commands fail. The caller's own fred client stays open.
    ///
    /// Idempotent. Takes at most 2 s, even if Redis does not answer. If the future is dropped,
    /// connections may stay open; a second call closes them.
    pub(super) async fn close(&self) {
        let open: Vec<_> = self
            .opened
            .lock()
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
            // A user may lack permission for INFO, or the command is renamed. HELLO is permitted to everyone,
            // but may be renamed too.
            Err(error) if is_not_available(&error, "info") => {
                match self.send(Command::without_key("HELLO", [])).await {
                    Ok(reply) => Ok(version::version_in_hello(&reply)),
                    Err(error) if is_not_available(&error, "hello") => Ok(None),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Checks that Redis is new enough and ready.
    pub(super) async fn check(&self) -> Result<()> {
        let address = self.outages.address();
        let found = self.version().await.map_err(|error| {
            let what = format!("cannot determine the version of Redis at {address}");
            map_redis_error(error, &what)
        })?;
        version::check(found.as_deref(), self.settings.has_resp3(), address)?;
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
async fn connect<C: ClientLike + EventInterface + 'static>(
    client: C,
    settings: &Settings,
    outages: &Arc<Outages>,
) -> Result<Owned<C>> {
    let within = settings.connect_timeout;
    let address = outages.address();
    let connecting = KeepAlive::start(&client, settings, outages.connection());
    match timeout(within, connecting).await {
        Ok(Ok(keep_alive)) => Ok(Owned::new(client, keep_alive)),
        Ok(Err(error)) => {
            let error = settings.explain_sentinel_failure(error).await;
            let what = format!("cannot connect to {address}");
            Err(map_connect_error(error, &what, settings.has_tls()))
        }
        Err(_) => Err(connect_timed_out(address, within)),
    }
}

pub(super) fn connect_timed_out(address: &str, within: Duration) -> Error {
    let text = format!("cannot connect to {address}: Redis does not answer within {within:?}");
    Error::new(ErrorKind::Unavailable, text).caused_by_outage(true)
}

impl Settings {
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
