//! `rasynq stats`, `rasynq dash`, `rasynq metrics`, `rasynq watch`, `rasynq completions`, `rasynq man`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap_complete::Shell;

use super::go_duration;

const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// `stats`
#[derive(Debug, Args)]
pub(crate) struct StatsArguments {
    /// Estimates the memory of each queue too, which takes longer.
    #[arg(long)]
    pub(crate) memory: bool,
}

/// `dash`
#[derive(Debug, Args)]
pub(crate) struct DashArguments {
    /// How often the figures are read. At least 100ms.
    #[arg(long, default_value = "1s", value_name = "DURATION", value_parser = interval)]
    pub(crate) refresh: Duration,
}

/// `metrics`
#[derive(Debug, Args)]
pub(crate) struct MetricsArguments {
    /// Where to listen: an address or a name of this machine, and a port. `:9876` listens on all addresses.
    #[arg(long, default_value = "127.0.0.1:9876", value_name = "ADDRESS:PORT", value_parser = listen)]
    pub(crate) listen: String,
    /// Only these queues, with commas between. Default: all.
    #[arg(long, value_delimiter = ',', value_name = "QUEUE,…")]
    pub(crate) queues: Vec<String>,
    /// Leaves out the memory of the queues, which is the most expensive figure.
    #[arg(long)]
    pub(crate) no_memory: bool,
}

/// `watch`
#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    /// The queues. Default: all.
    #[arg(value_name = "QUEUE")]
    pub(crate) queues: Vec<String>,
    /// The time between two looks. At least 100ms.
    #[arg(short, long, default_value = "2s", value_name = "DURATION", value_parser = interval)]
    pub(crate) interval: Duration,
    /// How many looks. Default: without an end.
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
}

/// `completions`
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell.
    pub(crate) shell: Shell,
}

/// `man`
#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// The verb whose page is printed: task ls. Default: the page of rasynq.
    #[arg(value_name = "VERB")]
    pub(crate) verb: Vec<String>,
    /// Writes the pages of all verbs into this folder instead.
    #[arg(long, value_name = "FOLDER", conflicts_with = "verb")]
    pub(crate) out: Option<PathBuf>,
}

/// Where to listen. Whether the host is one of this machine shows when it listens there.
fn listen(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) => Ok(text.to_owned()),
        _ => Err("it is ADDRESS:PORT or :PORT, for example 127.0.0.1:9876".to_owned()),
    }
}

/// How often something is read.
fn interval(text: &str) -> Result<Duration, String> {
    match go_duration(text)? {
        short if short < LEAST_INTERVAL => Err(format!("must be at least {LEAST_INTERVAL:?}")),
        duration => Ok(duration),
    }
}
