//! `rasynq metrics`

use clap::Args;

/// `metrics`
#[derive(Debug, Args)]
pub(crate) struct MetricsArguments {
    /// Where to listen: an address or a name of this machine, and a port. `:9876` listens on all addresses.
    #[arg(long, default_value = "127.0.0.1:9876", value_name = "ADDRESS:PORT", value_parser = listen)]
    pub(crate) listen: String,
    /// Only these queues, with commas between. Default: all.
    #[arg(long, value_delimiter = ',', value_name = "QUEUE,...")]
    pub(crate) queues: Vec<String>,
    /// Leaves out the memory of the queues, which is the most expensive figure.
    #[arg(long)]
    pub(crate) no_memory: bool,
}

/// Where to listen. Whether the host is one of this machine shows when it listens there.
fn listen(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) => Ok(text.to_owned()),
        _ => Err("it is ADDRESS:PORT or :PORT, for example 127.0.0.1:9876".to_owned()),
    }
}
