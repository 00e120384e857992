//! The flags that say how to reach Redis. `settings.rs` joins them with the environment and the file.

use std::path::PathBuf;

use clap::Args;

use super::Switch;

/// Where Redis is. `None`: not given, so that the environment or the file decides.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConnectionArguments {
    /// A file with these settings. Default: $HOME/.asynq.yaml, if there is one.
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Redis: HOST:PORT, or a URI: redis://, rediss://, redis-socket://, redis-sentinel://. Default: $REDIS_URL, the
    /// file, 127.0.0.1:6379.
    #[arg(short, long, global = true, value_name = "URI")]
    pub(crate) uri: Option<String>,
    /// The number of the database. Default: 0.
    #[arg(short = 'n', long, global = true, value_name = "NUMBER")]
    pub(crate) db: Option<u8>,
    /// The password of Redis. Other users of this machine can see it; $REDIS_URL and the file hide it.
    #[arg(short, long, global = true)]
    pub(crate) password: Option<String>,
    /// The ACL user of Redis.
    #[arg(long, global = true, hide_short_help = true, value_name = "USER")]
    pub(crate) username: Option<String>,
    /// Redis is a cluster: --cluster_addrs are its nodes.
    #[arg(long, global = true, hide_short_help = true, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_name = "BOOL")]
    pub(crate) cluster: Option<Switch>,
    /// Nodes of the cluster, with commas between. Default: 127.0.0.1:7000 to :7005.
    #[arg(
        long = "cluster_addrs",
        alias = "cluster-addrs",
        global = true,
        hide_short_help = true,
        value_name = "HOST:PORT,..."
    )]
    pub(crate) cluster_addrs: Option<String>,
    /// Uses TLS.
    #[arg(long, global = true, hide_short_help = true, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_name = "BOOL")]
    pub(crate) tls: Option<Switch>,
    /// The name for which the certificate of Redis must be valid. Implies --tls.
    #[arg(
        long = "tls_server",
        alias = "tls-server",
        global = true,
        hide_short_help = true,
        value_name = "NAME"
    )]
    pub(crate) tls_server: Option<String>,
    /// The certificate authorities to trust, as PEM. Default: those of the system. Implies --tls.
    #[arg(
        long = "tls_ca",
        alias = "tls-ca",
        global = true,
        hide_short_help = true,
        value_name = "FILE"
    )]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The certificate to present to Redis, as PEM, together with --tls_key. Implies --tls.
    #[arg(
        long = "tls_cert",
        alias = "tls-cert",
        global = true,
        hide_short_help = true,
        value_name = "FILE"
    )]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of --tls_cert, as PEM.
    #[arg(
        long = "tls_key",
        alias = "tls-key",
        global = true,
        hide_short_help = true,
        value_name = "FILE"
    )]
    pub(crate) tls_key: Option<PathBuf>,
    /// Refused: certificates are always checked. Trust your own authority with --tls_ca.
    #[arg(long, global = true, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_name = "BOOL")]
    pub(crate) insecure: Option<Switch>,
}
