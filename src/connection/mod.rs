//! Where Redis is, how to reach it, and the open connections.
//!
//! A [`Connection`] is an address with settings; it opens nothing. Each client and each server opens a
//! [`Link`] from it: a pool of connections that carry all commands, and further connections for client
//! tracking, for cancellations and for leases.
//!
//! No other module creates fred clients. This module reads and writes no keys.

mod cluster;
mod command;
mod failure;
mod in_flight;
mod keep_alive;
mod link;
mod outage;
mod pipe;
mod server_link;
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

pub(crate) use command::{Command, Traffic};
pub(crate) use failure::{
    crosses_slots, has_wrong_type, is_redirection, is_wrong_type, map_error_reply, map_redis_error,
    map_wrong_type,
};
pub(crate) use keep_alive::Owned;
pub(crate) use link::Link;
#[cfg(feature = "tls")]
pub use tls::TlsOptions;

/// How long connecting may take in all, with name lookup, TLS and login: 5 s.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a command waits for its reply: 5 s.
pub const DEFAULT_COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// How many connections share the commands: 1.
pub const DEFAULT_POOL_SIZE: usize = 1;

/// The port of a Redis server in a URI without a port.
const DEFAULT_PORT: u16 = 6379;

/// The port of a sentinel in a URI without a port.
const DEFAULT_SENTINEL_PORT: u16 = 26379;

/// An address, not an open connection: where Redis is and how to reach it. The address is that of a
/// single Redis server, a unix socket, a master behind sentinels, a cluster, or a fred client of your
/// own.
///
/// Each [`Client`](crate::Client) and each [`Server`](crate::Server) that you create with it opens its
/// own connections. If a connection is lost, rasynq reconnects until it succeeds. fred never repeats a
/// command that may have reached Redis. The client or server repeats operations that are safe to
/// repeat, such as an enqueue.
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
    /// Reads a URI like asynq's `ParseRedisURI`, but the user name is used (asynq ignores it):
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
    /// For the Redis servers behind them, use [`username`](Self::username) and
    /// [`password`](Self::password). The database of a sentinel URI is that of the Redis servers. An
    /// unknown parameter is ignored, with a warning in the log.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a malformed URI. The error's text names
    /// the part that is wrong and never contains a password.
    pub fn from_uri(uri: &str) -> Result<Self> {
        uri::parse(uri)
    }

    /// A Redis server at a TCP address.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::to(Target::Tcp(Host::new(host, port)))
    }

    /// A Redis server at a unix socket.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::to(Target::Unix(path.into()))
    }

    /// The master that sentinels know as `master`. The first sentinel that answers is asked for the
    /// master's address, and asked again after each lost connection.
    pub fn sentinel<H: Into<String>>(
        master: impl Into<String>,
        sentinels: impl IntoIterator<Item = (H, u16)>,
    ) -> Self {
        Self::to(Target::Sentinel {
            master: master.into(),
            nodes: Host::list(sentinels),
        })
    }

    /// A cluster. These nodes are asked which masters there are and which hash slots they serve; the first answer
    /// counts. Each master has connections of its own, and commands wait only for the node that serves their
    /// queue: while it does not answer, they fail with [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable), and
    /// other queues do not notice.
    pub fn cluster<H: Into<String>>(nodes: impl IntoIterator<Item = (H, u16)>) -> Self {
        Self::to(Target::Cluster(Host::list(nodes)))
    }

    /// Your own fred client, already connected. It carries all commands, and rasynq never closes it.
    /// Client tracking, cancellations and leases need separate connections: rasynq opens them with the
    /// settings of your fred client, and closes them.
    ///
    /// If it is a client of a cluster, fred chooses the nodes: there, one dead node delays the commands of all
    /// queues, unlike with [`cluster`](Self::cluster).
    ///
    /// Your fred client must have `ConnectionConfig::max_command_attempts` = 1. With more attempts,
    /// fred sends a script again after a lost reply, and the script runs twice. Connecting with
    /// another value fails with [`ErrorKind::Invalid`](crate::ErrorKind::Invalid).
    ///
    /// These settings are recommended. If one of them is missing, a warning is logged:
    ///
    /// - A `ReconnectPolicy`. Without it, fred never reconnects and calls hang.
    /// - `PerformanceConfig::default_command_timeout` and
    ///   `ConnectionConfig::unresponsive.max_timeout`. Without them, calls hang when the Redis server
    ///   does not answer.
    /// - `ConnectionConfig::max_command_buffer_len` = 0, its default. With a limit, calls beyond it
    ///   may hang.
    ///
    /// Of the settings of this type, only [`connect_timeout`](Self::connect_timeout) and
    /// [`command_timeout`](Self::command_timeout) may be set. They apply to the separate connections.
    /// All others are refused.
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

    /// Uses TLS, for Redis servers and for sentinels. Default: no TLS, except for `rediss://` URIs.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, options: TlsOptions) -> Self {
        self.tls = Some(options);
        self
    }

    /// How long connecting may take in all, with name lookup, TLS and login. Several sentinels share this
    /// time; the nodes of a cluster are asked at once. At least 1 ms. Default: [`DEFAULT_CONNECT_TIMEOUT`], 5 s.
    ///
    /// asynq: `DialTimeout`.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a command waits for its reply, counted from when it is written. While the connection is
    /// lost, a command waits for a new one as long. If Redis leaves a command unanswered for so long, the
    /// connection is closed and opened again. At least 1 ms. Default: [`DEFAULT_COMMAND_TIMEOUT`], 5 s.
    ///
    /// A command may take longer while much is in flight: in addition, it has the time that a link of
    /// 128 KiB/s needs for all that is in flight on its connection, at most 8 s.
    ///
    /// asynq: `ReadTimeout`, `WriteTimeout`.
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }

    /// How many connections share the commands. At least 1, at most 10,000. Default: [`DEFAULT_POOL_SIZE`], 1.
    ///
    /// One connection carries the commands of many callers at once, and is rarely too slow. Commands with
    /// more than 128 KiB use a separate connection, which is opened when it is needed first.
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

/// The address, for messages. It contains no user and no password.
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
