//! Where Redis is, how to reach it, and the open connections.
//!
//! A [`Connection`] is an address with settings; it opens nothing. Each client and each server opens
//! a [`Link`] from it: a pool of connections that carry all commands, and further connections for
//! blocking commands and subscriptions.
//!
//! No other module creates fred clients. This module owns no keys in Redis.

mod failure;
mod keep_alive;
mod link;
mod settings;
#[cfg(feature = "tls")]
mod tls;
mod uri;
mod version;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use fred::clients::Client as FredClient;

use crate::error::Result;

pub(crate) use failure::{crosses_slots, map_error_reply, map_redis_error};
pub(crate) use link::{Link, Owned};
#[cfg(feature = "tls")]
pub use tls::TlsOptions;

/// How long connecting may take in all, with name resolution, TLS and authentication: 5 s.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a command waits for its reply, with the time for a reconnection: 5 s.
pub const DEFAULT_COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// How many connections share the commands: 1.
pub const DEFAULT_POOL_SIZE: usize = 1;

/// The port of a Redis server in a URI without a port.
const DEFAULT_PORT: u16 = 6379;

/// The port of a sentinel in a URI without a port.
const DEFAULT_SENTINEL_PORT: u16 = 26379;

/// Where Redis is and how to reach it: a single server, a unix socket, a master behind sentinels,
/// a cluster, or a fred client of your own.
///
/// This is a description and opens nothing. Each client and each server that you give it to opens its
/// own connections. A lost connection reconnects by itself, for as long as it takes. It never repeats
/// a command that may have reached Redis. An operation that is safe to repeat, such as an enqueue, is
/// repeated by the client or server.
///
/// asynq: `RedisConnOpt` and its three kinds.
///
/// ```
/// use rasynq::Connection;
/// use std::time::Duration;
///
/// let same_as_go = Connection::from_uri("redis://localhost:6379/2")?;
/// let by_hand = Connection::tcp("localhost", 6379)
///     .database(2)
///     .command_timeout(Duration::from_secs(2));
/// assert_eq!(same_as_go.to_string(), by_hand.to_string());
/// # Ok::<(), rasynq::Error>(())
/// ```
#[derive(Clone)]
pub struct Connection {
    target: Target,
    username: Option<String>,
    password: Option<String>,
    database: u8,
    sentinel_username: Option<String>,
    sentinel_password: Option<String>,
    #[cfg(feature = "tls")]
    tls: Option<TlsOptions>,
    connect_timeout: Duration,
    command_timeout: Duration,
    pool_size: usize,
}

#[derive(Clone)]
enum Target {
    Tcp(Host),
    Unix(PathBuf),
    Sentinel { master: String, nodes: Vec<Host> },
    Cluster(Vec<Host>),
    Existing(FredClient),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Host {
    name: String,
    port: u16,
}

impl Connection {
    /// Reads a URI as asynq's `ParseRedisURI` does:
    ///
    /// ```text
    /// redis://[[user]:password@]host[:port][/database]
    /// rediss://[[user]:password@]host[:port][/database]                     feature `tls`
    /// redis-socket://[[user]:password@]/path/to/socket[?db=database]
    /// redis-sentinel://[[user]:password@]host[:port][,host[:port]…][/database]?master=name
    /// ```
    ///
    /// The default port is 6379, that of a sentinel 26379. Users, passwords and paths are
    /// percent-decoded. As in asynq, the user and password of a sentinel URI are for the sentinels.
    /// For the servers behind them, use [`username`](Self::username), [`password`](Self::password)
    /// and [`database`](Self::database).
    ///
    /// The user name is used. asynq ignores it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a malformed URI. The text names the part
    /// that is wrong and never contains a password.
    pub fn from_uri(uri: &str) -> Result<Self> {
        uri::parse(uri)
    }

    /// A server at a TCP address.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::to(Target::Tcp(Host::new(host, port)))
    }

    /// A server at a unix socket.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::to(Target::Unix(path.into()))
    }

    /// The master that sentinels know as `master`. The first sentinel that answers is asked for its
    /// address, and again after each lost connection.
    pub fn sentinel<H: Into<String>>(
        master: impl Into<String>,
        sentinels: impl IntoIterator<Item = (H, u16)>,
    ) -> Self {
        Self::to(Target::Sentinel {
            master: master.into(),
            nodes: Host::list(sentinels),
        })
    }

    /// A cluster. The first of these nodes that answers is asked for the others.
    pub fn cluster<H: Into<String>>(nodes: impl IntoIterator<Item = (H, u16)>) -> Self {
        Self::to(Target::Cluster(Host::list(nodes)))
    }

    /// Your own fred client, already connected. It carries all commands, and this crate never closes
    /// it. Blocking commands and subscriptions need separate connections: this crate opens them with
    /// the settings of your client, and closes them.
    ///
    /// The settings of your client must be these:
    ///
    /// - `ConnectionConfig::max_command_attempts` is 1. With more, fred sends a script again after a
    ///   lost reply, and the script runs twice. A fred client with
    ///   another value is refused when you connect with it.
    /// - There is a `ReconnectPolicy`. Without one, fred never reconnects and calls hang.
    /// - `PerformanceConfig::default_command_timeout` and
    ///   `ConnectionConfig::unresponsive.max_timeout` are set. Otherwise calls hang when the server
    ///   does not answer.
    /// - `ConnectionConfig::max_command_buffer_len` is 0, its default.
    ///
    /// If one of the last three is not met, a warning is logged. Of the settings of this type, only
    /// [`connect_timeout`](Self::connect_timeout) and [`command_timeout`](Self::command_timeout) may
    /// be set, and they apply to the separate connections. All others are refused.
    pub fn from_fred(client: FredClient) -> Self {
        Self::to(Target::Existing(client))
    }

    fn to(target: Target) -> Self {
        Self {
            target,
            username: None,
            password: None,
            database: 0,
            sentinel_username: None,
            sentinel_password: None,
            #[cfg(feature = "tls")]
            tls: None,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            command_timeout: DEFAULT_COMMAND_TIMEOUT,
            pool_size: DEFAULT_POOL_SIZE,
        }
    }

    /// The ACL user to log in as. Default: the user `default`.
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// The password to log in with. Default: none.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The number of the database. Default: 0. A cluster has no other.
    pub fn database(mut self, database: u8) -> Self {
        self.database = database;
        self
    }

    /// The ACL user to log in to the sentinels as. Default: none.
    pub fn sentinel_username(mut self, username: impl Into<String>) -> Self {
        self.sentinel_username = Some(username.into());
        self
    }

    /// The password to log in to the sentinels with. Default: none.
    pub fn sentinel_password(mut self, password: impl Into<String>) -> Self {
        self.sentinel_password = Some(password.into());
        self
    }

    /// Uses TLS, for servers and for sentinels. Default: no TLS, except for `rediss://` URIs.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, options: TlsOptions) -> Self {
        self.tls = Some(options);
        self
    }

    /// How long connecting may take in all, with name resolution, TLS and authentication. Several
    /// sentinels or cluster nodes share this time. At least 1 ms. Default:
    /// [`DEFAULT_CONNECT_TIMEOUT`], 5 s.
    ///
    /// asynq: `DialTimeout`.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a command waits for its reply, with the time for a reconnection. A connection that
    /// leaves commands unanswered for so long is closed and opened again. At least 1 ms. Default:
    /// [`DEFAULT_COMMAND_TIMEOUT`], 5 s.
    ///
    /// asynq: `ReadTimeout`, `WriteTimeout`.
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }

    /// How many connections share the commands. At least 1. Default: [`DEFAULT_POOL_SIZE`], 1.
    ///
    /// One connection carries the commands of many callers at once and is rarely the limit. More
    /// connections help if single messages are so large that they delay each other.
    ///
    /// asynq: `PoolSize`, but there a connection carries one command at a time.
    pub fn pool_size(mut self, connections: usize) -> Self {
        self.pool_size = connections;
        self
    }
}

impl FromStr for Connection {
    type Err = crate::Error;

    /// The same as [`Connection::from_uri`].
    fn from_str(uri: &str) -> Result<Self> {
        Self::from_uri(uri)
    }
}

impl Host {
    fn new(name: impl Into<String>, port: u16) -> Self {
        let name = name.into();
        Self { name, port }
    }

    fn list<H: Into<String>>(hosts: impl IntoIterator<Item = (H, u16)>) -> Vec<Self> {
        hosts
            .into_iter()
            .map(|(name, port)| Self::new(name, port))
            .collect()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// The address, for messages. It has no user and no password.
impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(feature = "tls")]
        let secure = if self.tls.is_some() { "s" } else { "" };
        #[cfg(not(feature = "tls"))]
        let secure = "";
        let joined = |hosts: &[Host]| {
            let hosts: Vec<String> = hosts.iter().map(Host::to_string).collect();
            hosts.join(",")
        };
        match &self.target {
            Target::Tcp(host) => write!(f, "redis{secure}://{host}/{}", self.database),
            Target::Unix(path) => {
                let path = path.display();
                write!(f, "redis-socket://{path}?db={}", self.database)
            }
            Target::Sentinel { master, nodes } => {
                let (nodes, database) = (joined(nodes), self.database);
                write!(
                    f,
                    "redis{secure}-sentinel://{nodes}/{database}?master={master}"
                )
            }
            Target::Cluster(nodes) => write!(f, "redis{secure}-cluster://{}", joined(nodes)),
            Target::Existing(client) => write!(f, "fred client {client}"),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |secret: &Option<String>| secret.as_ref().map(|_| "…");
        f.debug_struct("Connection")
            .field("address", &format_args!("{self}"))
            .field("username", &self.username)
            .field("password", &hidden(&self.password))
            .field("sentinel_username", &self.sentinel_username)
            .field("sentinel_password", &hidden(&self.sentinel_password))
            .field("connect_timeout", &self.connect_timeout)
            .field("command_timeout", &self.command_timeout)
            .field("pool_size", &self.pool_size)
            .finish_non_exhaustive()
    }
}
