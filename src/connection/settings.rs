//! A [`Connection`] checked, and as fred's settings.

use std::fmt::Write as _;
use std::time::Duration;

use fred::clients::Client as FredClient;
use fred::interfaces::ClientLike;
use fred::types::RespVersion;
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, Server, ServerConfig, TcpConfig,
    UnresponsiveConfig,
};

use super::{Connection, DEFAULT_POOL_SIZE, Host, Target};
use crate::error::{Error, Result};

/// A command is written once: the reply to a script that ran may be what was lost.
const COMMAND_ATTEMPTS: u32 = 1;

/// The wait before the first attempt to connect again, doubled from one to the next.
const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(50);

/// The longest wait before an attempt to connect again.
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(2);

/// Up to so much is added to each of these waits, so that not all come back at once.
const RECONNECT_JITTER: Duration = Duration::from_millis(50);

/// Everything that fred is told of one connection.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) config: Config,
    pub(super) performance: PerformanceConfig,
    pub(super) connection: ConnectionConfig,
    pub(super) policy: ReconnectPolicy,
    /// User and password as they are; those of `config` are written for `HELLO`.
    pub(super) login: (Option<String>, Option<String>),
    pub(super) connect_timeout: Duration,
    pub(super) command_timeout: Duration,
}

impl Connection {
    /// Refuses what cannot work, by the name of the setting.
    pub(super) fn validate(&self) -> Result<()> {
        for (name, timeout) in [
            ("connect_timeout", self.connect_timeout),
            ("command_timeout", self.command_timeout),
        ] {
            if timeout < Duration::from_millis(1) {
                return Err(wrong(format!("{name} is {timeout:?}: at least 1 ms")));
            }
        }
        if self.pool_size == 0 {
            return Err(wrong("pool_size is 0: at least 1"));
        }
        let hosts = match &self.target {
            Target::Tcp(host) => std::slice::from_ref(host),
            Target::Sentinel { nodes, .. } | Target::Cluster(nodes) => nodes,
            Target::Unix(_) | Target::Existing(_) => &[],
        };
        if hosts.iter().any(|host| host.name.trim().is_empty()) {
            return Err(wrong("a host has no name"));
        }
        if hosts.iter().any(|host| host.port == 0) {
            return Err(wrong("a port is 0"));
        }
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
        let sentinel_login = self.sentinel_username.is_some() || self.sentinel_password.is_some();
        if sentinel_login && !matches!(self.target, Target::Sentinel { .. }) {
            return Err(wrong("a login for sentinels is set, but there are none"));
        }
        #[cfg(feature = "tls")]
        if self.tls.is_some() && matches!(self.target, Target::Unix(_)) {
            return Err(wrong("there is no TLS on a unix socket"));
        }
        Ok(())
    }

    fn validate_existing(&self, client: &FredClient) -> Result<()> {
        let of_the_client = self.username.is_some()
            || self.password.is_some()
            || self.database != 0
            || self.pool_size != DEFAULT_POOL_SIZE;
        #[cfg(feature = "tls")]
        let of_the_client = of_the_client || self.tls.is_some();
        if of_the_client {
            return Err(wrong(
                "login, database, TLS and pool size are those of the fred client: set them there",
            ));
        }
        let settings = client.connection_config();
        let attempts = settings.max_command_attempts;
        if attempts != COMMAND_ATTEMPTS {
            return Err(wrong(format!(
                "the fred client has max_command_attempts = {attempts}: with anything but \
                 {COMMAND_ATTEMPTS}, a script whose reply is lost is sent and run again"
            )));
        }
        let id = client.id();
        if !client.has_reconnect_policy() {
            tracing::warn!(
                client = id,
                "the fred client has no reconnect policy: once its connection is lost, its calls hang"
            );
        }
        if client.perf_config().default_command_timeout.is_zero()
            || settings.unresponsive.max_timeout.is_none()
        {
            tracing::warn!(
                client = id,
                "the fred client has no default_command_timeout or no unresponsive.max_timeout: \
                 a silent server holds its calls for ever"
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

    /// What to tell fred. Call [`validate`](Self::validate) first.
    pub(super) fn settings(&self) -> Result<Settings> {
        let (mut config, nodes) = match &self.target {
            Target::Existing(client) => {
                let config = client.client_config();
                let nodes = config.server.hosts().len();
                (config, nodes)
            }
            target => {
                let server = self.server_config(target)?;
                let nodes = server.hosts().len();
                let config = Config {
                    server,
                    username: self.username.clone(),
                    password: password_for(&self.username, &self.password),
                    version: RespVersion::RESP2,
                    database: (self.database != 0).then_some(self.database),
                    #[cfg(feature = "tls")]
                    tls: self.tls.as_ref().map(|tls| tls.for_fred()).transpose()?,
                    ..Config::default()
                };
                (config, nodes)
            }
        };
        let login = (config.username.clone(), config.password.clone());
        if config.version == RespVersion::RESP2 {
            config.username = config.username.as_deref().map(for_hello);
            config.password = config.password.as_deref().map(for_hello);
            config.version = RespVersion::RESP3;
        }
        config.fail_fast = true;
        // Several nodes are asked one after the other, within the same time in all; a step more
        // for the login, and for the server behind the sentinels. An attempt that fails must do
        // so before the time is over, or nobody learns why.
        let steps = nodes + if config.server.is_sentinel() { 2 } else { 1 };
        let per_step = self.connect_timeout / u32::try_from(steps).unwrap_or(u32::MAX);
        let performance = PerformanceConfig {
            default_command_timeout: self.command_timeout,
            ..PerformanceConfig::default()
        };
        let connection = ConnectionConfig {
            connection_timeout: per_step,
            internal_command_timeout: per_step,
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
        };
        let mut policy = ReconnectPolicy::new_exponential(
            0,
            millis(RECONNECT_DELAY_MIN),
            millis(RECONNECT_DELAY_MAX),
            2,
        );
        policy.set_jitter(millis(RECONNECT_JITTER));
        Ok(Settings {
            config,
            performance,
            connection,
            policy,
            login,
            connect_timeout: self.connect_timeout,
            command_timeout: self.command_timeout,
        })
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

/// A word of fred's `HELLO`, which goes out as a line of plain text: what would not be one word
/// there is put in quotes as Redis reads them. An unquoted line break would begin another command.
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
            // Writing to a string does not fail.
            let _ = write!(quoted, "\\x{byte:02x}");
        }
    }
    quoted.push('"');
    quoted
}

/// fred leaves the user out where there is no password; a user who needs none may give any, an
/// empty one too.
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
