//! A private Redis server for one test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::RespVersion;
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, ServerConfig,
};
use tempfile::TempDir;

use super::Certificates;
use super::process::{Process, free_port, server_binary};

/// Part of what a server prints once it accepts connections: “Ready…” on a port, “ready…” on a socket.
const READY: &str = "eady to accept connections";

/// How many ports a start tries: another process may have taken a port in the meantime.
const START_ATTEMPTS: usize = 5;

/// A private `redis-server`. Dropping the value ends the process.
///
/// The server listens on a unix socket in its own temporary directory, or with
/// [`RedisServerBuilder::tcp`] on a free port of the loopback interface. Its data are kept by
/// [`stop`](Self::stop), [`kill`](Self::kill) and [`restart`](Self::restart).
pub struct RedisServer {
    process: Process,
    options: RedisServerBuilder,
    port: u16,
    dir: TempDir,
    certificates: Option<Arc<Certificates>>,
}

/// The settings of a [`RedisServer`].
#[derive(Clone, Default)]
pub struct RedisServerBuilder {
    tcp: bool,
    tls: bool,
    cluster: bool,
    password: Option<String>,
    users: Vec<(String, String)>,
    settings: Vec<(String, String)>,
    missing_commands: Vec<String>,
    clock_shift: Option<i64>,
}

impl RedisServerBuilder {
    /// Listens on a free TCP port instead of a unix socket.
    pub fn tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// Listens on a free TCP port with TLS only; see [`RedisServer::supports_tls`].
    pub fn tls(mut self) -> Self {
        self.tcp = true;
        self.tls = true;
        self
    }

    /// Runs in cluster mode as a single node; [`super::RedisCluster`] is a complete cluster.
    pub fn cluster(mut self) -> Self {
        self.tcp = true;
        self.cluster = true;
        self
    }

    /// Sets a password for the default user (`requirepass`).
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Adds an ACL user with all permissions.
    pub fn user(self, name: &str, password: &str) -> Self {
        self.user_with_rules(name, &format!("on >{password} ~* &* +@all"))
    }

    /// Adds an ACL user; `rules` has the syntax of `ACL SETUSER`.
    pub fn user_with_rules(mut self, name: &str, rules: &str) -> Self {
        self.users.push((name.to_owned(), rules.to_owned()));
        self
    }

    /// Adds one line of `redis.conf`.
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Moves the clock of the server by this many seconds. Only on Linux. [`RedisServer::set_clock`] can set it later.
    pub fn clock_shift(mut self, secs: i64) -> Self {
        self.clock_shift = Some(secs);
        self
    }

    /// Does not know this command.
    pub fn without_command(mut self, name: &str) -> Self {
        self.missing_commands.push(name.to_owned());
        self
    }

    /// Starts the server and waits until it accepts connections.
    pub async fn start(self) -> RedisServer {
        let dir = tempfile::Builder::new()
            .prefix("rasynq-redis-")
            .tempdir()
            .unwrap();
        let certificates = self
            .tls
            .then(|| Arc::new(Certificates::write_to(dir.path())));
        let mut server = RedisServer {
            process: Process::new(dir.path().join("log"), READY),
            options: self,
            port: 0,
            dir,
            certificates,
        };
        server.process.shift_clock(server.options.clock_shift);
        let mut log = String::new();
        for _ in 0..START_ATTEMPTS {
            server.port = free_port();
            match server.process.start(&server.args(&[]), true).await {
                Ok(()) => return server,
                Err(error) => log = error,
            }
        }
        panic!("redis-server does not start; its log:\n{log}");
    }
}

impl RedisServer {
    /// Starts a server on a unix socket, without a password.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// The settings for another kind of server.
    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::default()
    }

    /// Whether the `redis-server` of this run was built with TLS.
    pub fn supports_tls() -> bool {
        Self::knows_config("tls-port", "0")
    }

    /// Whether the `redis-server` of this run accepts this line of `redis.conf`.
    pub fn knows_config(name: &str, value: &str) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let output = Command::new(server_binary())
            .args(["--port", "0", "--save", ""])
            .args([&format!("--{name}"), value])
            .arg("--dir")
            .arg(dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text += &String::from_utf8_lossy(&output.stderr);
        // The server exits at once: it has nothing to listen on, or does not know the option.
        text.contains("not listen anywhere")
    }

    fn args(&self, extra: &[(&str, &str)]) -> Vec<String> {
        let dir = self.dir.path().display().to_string();
        let mut settings: Vec<(String, String)> = Vec::new();
        let mut set = |name: &str, value: &str| settings.push((name.to_owned(), value.to_owned()));
        set("dir", &dir);
        set("daemonize", "no");
        set("save", "");
        // keep the data of a test across restarts and kills
        set("appendonly", "yes");
        set("appendfsync", "no");
        set("auto-aof-rewrite-percentage", "0");
        let port = self.port.to_string();
        if self.options.tcp {
            set("bind", "127.0.0.1");
        }
        match (&self.certificates, self.options.tcp) {
            (Some(certificates), _) => {
                set("port", "0");
                set("tls-port", &port);
                set(
                    "tls-cert-file",
                    &certificates.server_cert_path().display().to_string(),
                );
                set(
                    "tls-key-file",
                    &certificates.server_key_path().display().to_string(),
                );
                set(
                    "tls-ca-cert-file",
                    &certificates.ca_path().display().to_string(),
                );
                set("tls-auth-clients", "optional");
            }
            (None, true) => set("port", &port),
            (None, false) => {
                set("port", "0");
                set("unixsocket", &self.socket().display().to_string());
            }
        }
        if self.options.cluster {
            set("cluster-enabled", "yes");
            set("cluster-config-file", "nodes.conf");
            set("cluster-node-timeout", "2000");
        }
        if let Some(password) = &self.options.password {
            set("requirepass", password);
        }
        for (name, value) in &self.options.settings {
            set(name, value);
        }
        for (name, value) in extra {
            set(name, value);
        }
        let mut args: Vec<String> = settings
            .into_iter()
            .flat_map(|(name, value)| [format!("--{name}"), value])
            .collect();
        for command in &self.options.missing_commands {
            args.extend([
                "--rename-command".to_owned(),
                command.clone(),
                String::new(),
            ]);
        }
        for (name, rules) in &self.options.users {
            args.push("--user".to_owned());
            args.push(name.clone());
            args.extend(rules.split_whitespace().map(str::to_owned));
        }
        args
    }

    /// The address in asynq's URI form, with the password of the default user if there is one.
    pub fn uri(&self) -> String {
        match &self.options.password {
            Some(password) => self.uri_with(&format!(":{password}@")),
            None => self.uri_with(""),
        }
    }

    /// The address with this user information (`user:password@`, percent-encoded).
    pub fn uri_with(&self, userinfo: &str) -> String {
        if self.options.tls {
            format!("rediss://{userinfo}localhost:{}", self.port)
        } else if self.options.tcp {
            format!("redis://{userinfo}127.0.0.1:{}", self.port)
        } else {
            format!("redis-socket://{userinfo}{}", self.socket().display())
        }
    }

    /// The TCP port of a server with [`RedisServerBuilder::tcp`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path of the unix socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    /// The server's directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The certificates of a TLS server.
    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_deref().expect("a server with TLS")
    }

    /// What the server has printed since its last start.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Ends the server with SIGTERM; its data are kept.
    pub async fn stop(&mut self) {
        self.process.terminate().await;
    }

    /// Ends the server with SIGKILL, like a crash; its data are kept.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts the server again at the same address with its data, and waits until it accepts
    /// connections.
    pub async fn restart(&mut self) {
        self.restart_with(&[], true).await;
    }

    /// Starts the server again with more settings; waits until it accepts connections if `wait` is set.
    pub async fn restart_with(&mut self, settings: &[(&str, &str)], wait: bool) {
        if self.process.is_running() {
            self.stop().await;
        }
        let args = self.args(settings);
        if let Err(log) = self.process.start(&args, wait).await {
            panic!("redis-server does not start again; its log:\n{log}");
        }
    }

    /// Sets the clock of the running server: by this many seconds against that of the machine. The server must have
    /// been built with a [shift](RedisServerBuilder::clock_shift).
    pub fn set_clock(&mut self, secs: i64) {
        self.process.set_clock(secs);
    }

    /// Freezes the server: connections stay open, and commands get no reply.
    pub fn pause(&self) {
        self.process.freeze();
    }

    /// Resumes a frozen server.
    pub fn resume(&self) {
        self.process.signal("CONT");
    }

    /// A connected fred client for the test itself, logged in as the default user.
    ///
    /// The connection is closed when the runtime of the test ends.
    pub async fn client(&self) -> Client {
        self.client_for_database(0).await
    }

    /// [`client`](Self::client) for another database.
    pub async fn client_for_database(&self, database: u8) -> Client {
        let config = Config {
            server: if self.options.tcp {
                ServerConfig::new_centralized("127.0.0.1", self.port)
            } else {
                ServerConfig::new_unix_socket(self.socket())
            },
            password: self.options.password.clone(),
            database: Some(database),
            version: match self
                .options
                .missing_commands
                .iter()
                .any(|name| name == "HELLO")
            {
                true => RespVersion::RESP2,
                false => RespVersion::RESP3,
            },
            ..Config::default()
        };
        let client = self.fred_client(config);
        client.init().await.unwrap();
        client
    }

    fn fred_client(&self, config: Config) -> Client {
        let performance = PerformanceConfig {
            default_command_timeout: Duration::from_secs(30),
            ..PerformanceConfig::default()
        };
        let connection = ConnectionConfig {
            max_command_attempts: 1,
            ..ConnectionConfig::default()
        };
        let policy = ReconnectPolicy::new_constant(0, 20);
        Client::new(config, Some(performance), Some(connection), Some(policy))
    }
}
