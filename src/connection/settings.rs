//! Checks a [`Connection`], and translates it into fred's settings.

use std::fmt::Write as _;
use std::time::Duration;

use fred::clients::{Client as FredClient, SubscriberClient};
use fred::interfaces::ClientLike;
use fred::types::RespVersion;
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, Server, ServerConfig, TcpConfig,
    UnresponsiveConfig,
};
use tokio_util::sync::CancellationToken;

use super::{Connection, DEFAULT_POOL_SIZE, Host, Target};
use crate::error::{Error, Result};

/// fred writes a command once. It must not repeat one: a script may have run although its reply was
/// lost.
const COMMAND_ATTEMPTS: u32 = 1;

/// How many notifications fred keeps that nobody has received yet. Many keys may change at once.
const MAX_NOTIFICATIONS: usize = 1_024;

/// The delay before the first attempt to reconnect. It doubles with each attempt.
const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(50);

/// The longest delay before an attempt to reconnect.
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(2);

/// A random time up to this is added to each of these delays, so that processes do not all reconnect at
/// the same moment.
const RECONNECT_JITTER: Duration = Duration::from_millis(50);

/// The largest pool that can be set: a Redis server accepts 10,000 clients by default.
const POOL_SIZE_MAX: usize = 10_000;

/// The shortest timeout that can be set.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);

/// fred's settings for the connections of one [`Connection`].
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) config: Config,
    pub(super) performance: PerformanceConfig,
    pub(super) connection: ConnectionConfig,
    pub(super) policy: ReconnectPolicy,
    /// User and password for RESP2. In `config` they are quoted for `HELLO`.
    login: (Option<String>, Option<String>),
    /// The name for which all certificates must be valid, if it is set.
    #[cfg(feature = "tls")]
    server_name: Option<String>,
    pub(super) connect_timeout: Duration,
    pub(super) command_timeout: Duration,
    /// How many connections to a server share the commands.
    pub(super) pool_size: usize,
    /// Fires when nobody is to wait for a lost connection any more. All connections that are opened with these
    /// settings share it, also those to nodes that become known later.
    pub(super) gives_up: CancellationToken,
}

impl Settings {
    /// A fred client with a connection of its own, for tracking.
    pub(super) fn client(&self) -> FredClient {
        let performance = PerformanceConfig {
            broadcast_channel_capacity: MAX_NOTIFICATIONS,
            ..self.performance.clone()
        };
        FredClient::new(
            self.config.clone(),
            Some(performance),
            Some(self.connection.clone()),
            Some(self.policy.clone()),
        )
    }

    pub(super) fn has_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.config.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// A fred client with a connection for pub/sub.
    pub(super) fn subscriber(&self) -> SubscriberClient {
        SubscriberClient::new(
            self.config.clone(),
            Some(self.performance.clone()),
            Some(self.connection.clone()),
            Some(self.policy.clone()),
        )
    }

    /// A fred client for a [`Pipe`](super::pipe::Pipe), which has timeouts of its own.
    pub(super) fn pipe_client(&self) -> FredClient {
        FredClient::new(
            self.config.clone(),
            None,
            Some(ConnectionConfig {
                unresponsive: UnresponsiveConfig::default(),
                ..self.connection.clone()
            }),
            Some(self.policy.clone()),
        )
    }

    /// The same settings for one node of the cluster. `certified_name` is the name for which its certificate must be
    /// valid, unless the TLS settings name another one.
    pub(super) fn of_node(&self, host: &Host, certified_name: &str) -> Self {
        #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "only for TLS"))]
        let mut server = Server::new(host.name.clone(), host.port);
        #[cfg(feature = "tls")]
        if self.config.tls.is_some() {
            let name = self.server_name.as_deref().unwrap_or(certified_name);
            server.tls_server_name = Some(name.into());
        }
        #[cfg(not(feature = "tls"))]
        let _ = certified_name;
        let step_timeout = self.connect_timeout / 2;
        Self {
            config: Config {
                server: ServerConfig::Centralized { server },
                ..self.config.clone()
            },
            connection: ConnectionConfig {
                connection_timeout: step_timeout,
                internal_command_timeout: step_timeout,
                ..self.connection.clone()
            },
            ..self.clone()
        }
    }

    /// Whether the connections use RESP3, which tracking needs.
    pub(super) fn has_resp3(&self) -> bool {
        self.config.version == RespVersion::RESP3
    }

    /// The same settings for a Redis without RESP3.
    pub(super) fn with_resp2(self) -> Self {
        let (username, password) = self.login.clone();
        Self {
            config: Config {
                username,
                password,
                version: RespVersion::RESP2,
                ..self.config
            },
            ..self
        }
    }
}

impl Connection {
    /// Refuses settings that cannot work. The error names the setting.
    pub(super) fn validate(&self) -> Result<()> {
        for (name, timeout) in [
            ("connect_timeout", self.connect_timeout),
            ("command_timeout", self.command_timeout),
        ] {
            if timeout < TIMEOUT_MIN {
                return Err(wrong(format!(
                    "{name} is {timeout:?}, but must be at least 1 ms"
                )));
            }
        }
        if self.pool_size == 0 {
            return Err(wrong("pool_size is 0, but must be at least 1"));
        }
        if self.pool_size > POOL_SIZE_MAX {
            let size = self.pool_size;
            return Err(wrong(format!(
                "pool_size is {size}, but must be at most {POOL_SIZE_MAX}"
            )));
        }
        self.validate_hosts()?;
        self.validate_target()?;
        let sentinel_login = self.sentinel_username.is_some() || self.sentinel_password.is_some();
        if sentinel_login && !matches!(self.target, Target::Sentinel { .. }) {
            return Err(wrong("a login for sentinels is set, but there are none"));
        }
        #[cfg(feature = "tls")]
        if self.tls.is_some() && matches!(self.target, Target::Unix(_)) {
            return Err(wrong("TLS is not possible on a unix socket"));
        }
        Ok(())
    }

    fn validate_hosts(&self) -> Result<()> {
        let hosts = match &self.target {
            Target::Tcp(host) => std::slice::from_ref(host),
            Target::Sentinel { nodes, .. } | Target::Cluster(nodes) => nodes,
            Target::Unix(_) | Target::Existing(_) => &[],
        };
        if hosts.iter().any(|host| host.name.trim().is_empty()) {
            return Err(wrong("the name of a host is empty"));
        }
        if hosts.iter().any(|host| host.port == 0) {
            return Err(wrong("a port is 0"));
        }
        Ok(())
    }

    fn validate_target(&self) -> Result<()> {
        match &self.target {
            Target::Tcp(_) => {}
            Target::Unix(path) => {
                if path.as_os_str().is_empty() {
                    return Err(wrong("the path of the unix socket is empty"));
                }
            }
            Target::Sentinel { master, nodes } => {
                if master.trim().is_empty() {
                    return Err(wrong("the name of the sentinels' master is empty"));
                }
                if nodes.is_empty() {
                    return Err(wrong("no sentinel is given"));
                }
            }
            Target::Cluster(nodes) => {
                if nodes.is_empty() {
                    return Err(wrong("no cluster node is given"));
                }
                if self.database != 0 {
                    return Err(wrong("a cluster has no database other than 0"));
                }
            }
            Target::Existing(client) => self.validate_existing(client)?,
        }
        Ok(())
    }

    fn validate_existing(&self, client: &FredClient) -> Result<()> {
        let overrides_fred_settings = self.username.is_some()
            || self.password.is_some()
            || self.database != 0
            || self.pool_size != DEFAULT_POOL_SIZE;
        #[cfg(feature = "tls")]
        let overrides_fred_settings = overrides_fred_settings || self.tls.is_some();
        if overrides_fred_settings {
            return Err(wrong(
                "login, database, TLS and pool size are those of the fred client: set them there",
            ));
        }
        let settings = client.connection_config();
        let attempts = settings.max_command_attempts;
        if attempts != COMMAND_ATTEMPTS {
            return Err(wrong(format!(
                "the fred client has max_command_attempts = {attempts}, but must have \
                 {COMMAND_ATTEMPTS}: otherwise a script whose reply is lost runs again"
            )));
        }
        let id = client.id();
        if !client.has_reconnect_policy() {
            tracing::warn!(
                client = id,
                "the fred client has no reconnect policy: calls hang once its connection is lost"
            );
        }
        if client.perf_config().default_command_timeout.is_zero()
            || settings.unresponsive.max_timeout.is_none()
        {
            tracing::warn!(
                client = id,
                "the fred client has no default_command_timeout or no unresponsive.max_timeout: \
                 calls hang when the server does not answer"
            );
        }
        if settings.max_command_buffer_len != 0 {
            tracing::warn!(
                client = id,
                "the fred client has a max_command_buffer_len: calls beyond it may hang"
            );
        }
        Ok(())
    }

    /// Translates this connection into fred's settings. Call [`validate`](Self::validate) first.
    pub(super) fn settings(&self) -> Result<Settings> {
        let mut config = match &self.target {
            Target::Existing(client) => client.client_config(),
            target => Config {
                server: self.server_config(target)?,
                username: self.username.clone(),
                password: password_for(&self.username, &self.password),
                version: RespVersion::RESP2,
                database: (self.database != 0).then_some(self.database),
                #[cfg(feature = "tls")]
                tls: self.tls.as_ref().map(|tls| tls.for_fred()).transpose()?,
                ..Config::default()
            },
        };
        let login = (config.username.clone(), config.password.clone());
        // All connections that rasynq opens use RESP3, and fred then logs in with `HELLO`. A login for
        // RESP2 is plain text and must be quoted for it. If the caller's fred client uses RESP3, its
        // login stays.
        if config.version == RespVersion::RESP2 {
            config.username = config.username.as_deref().map(for_hello);
            config.password = config.password.as_deref().map(for_hello);
            config.version = RespVersion::RESP3;
        }
        config.fail_fast = true;
        let connection = self.connection_config(&config.server);
        let mut policy = ReconnectPolicy::new_exponential(
            0,
            millis(RECONNECT_DELAY_MIN),
            millis(RECONNECT_DELAY_MAX),
            2,
        );
        policy.set_jitter(millis(RECONNECT_JITTER));
        Ok(Settings {
            config,
            performance: PerformanceConfig {
                default_command_timeout: self.command_timeout,
                ..PerformanceConfig::default()
            },
            connection,
            policy,
            login,
            #[cfg(feature = "tls")]
            server_name: self
                .tls
                .as_ref()
                .and_then(|tls| tls.name())
                .map(str::to_owned),
            connect_timeout: self.connect_timeout,
            command_timeout: self.command_timeout,
            pool_size: self.pool_size,
            gives_up: CancellationToken::new(),
        })
    }

    fn connection_config(&self, server: &ServerConfig) -> ConnectionConfig {
        // Each of fred's timeouts is for one step. All steps together must fail within the connect
        // timeout. If the connect timeout ends first, the error does not name the cause. Steps: each
        // node (fred tries them one after the other), the login, and with sentinels the lookup of the
        // master.
        let steps = server.hosts().len() + if server.is_sentinel() { 2 } else { 1 };
        let step_timeout = self.connect_timeout / u32::try_from(steps).unwrap_or(u32::MAX);
        ConnectionConfig {
            connection_timeout: step_timeout,
            internal_command_timeout: step_timeout,
            max_command_attempts: COMMAND_ATTEMPTS,
            unresponsive: UnresponsiveConfig {
                max_timeout: Some(self.command_timeout),
                interval: (self.command_timeout / 4).max(Duration::from_millis(2)),
            },
            tcp: TcpConfig {
                nodelay: Some(true),
                ..TcpConfig::default()
            },
            ..ConnectionConfig::default()
        }
    }

    fn server_config(&self, target: &Target) -> Result<ServerConfig> {
        Ok(match target {
            Target::Tcp(host) => ServerConfig::Centralized {
                server: self.server(host),
            },
            Target::Unix(path) => ServerConfig::Unix { path: path.clone() },
            Target::Sentinel { master, nodes } => ServerConfig::Sentinel {
                hosts: nodes.iter().map(|host| self.server(host)).collect(),
                service_name: master.clone(),
                username: self.sentinel_username.clone(),
                password: password_for(&self.sentinel_username, &self.sentinel_password),
            },
            Target::Cluster(nodes) => {
                let mut server = ServerConfig::new_clustered(Vec::<(String, u16)>::new());
                if let ServerConfig::Clustered { hosts, .. } = &mut server {
                    hosts.extend(nodes.iter().map(|host| self.server(host)));
                }
                server
            }
            Target::Existing(client) => client.client_config().server,
        })
    }

    fn server(&self, host: &Host) -> Server {
        #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "only for TLS"))]
        let mut server = Server::new(host.name.clone(), host.port);
        #[cfg(feature = "tls")]
        if let Some(name) = self.tls.as_ref().and_then(|tls| tls.name()) {
            server.tls_server_name = Some(name.into());
        }
        server
    }
}

/// A user name or password as an argument of fred's `HELLO`.
///
/// fred writes `HELLO` as an inline command: a line of plain text. So an argument that is empty, or
/// has characters that are not plain, is put in quotes, with Redis' escapes. Without the escapes, a
/// line break would begin another command.
fn for_hello(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for byte in word.bytes() {
        if is_plain(byte) {
            quoted.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(quoted, "\\x{byte:02x}");
        }
    }
    quoted.push('"');
    quoted
}

/// The password for fred. Without a password, fred does not log in at all. So a user name without a
/// password gets an empty password: Redis accepts any password for a user that has `nopass`.
fn password_for(username: &Option<String>, password: &Option<String>) -> Option<String> {
    match (username, password) {
        (Some(_), None) => Some(String::new()),
        (_, password) => password.clone(),
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

fn wrong(what: impl std::fmt::Display) -> Error {
    Error::invalid(format!("connection to Redis: {what}"))
}
